//! A name server that gives the answers of a test, one after the other.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// Types of records (RFC 1035, RFC 3596).
const A: u16 = 1;
const AAAA: u16 = 28;
/// Length of the header of a DNS message, in bytes.
const HEADER: usize = 12;

/// The answers for a name, in order, each a list of addresses. The last answer is repeated.
type Zone = HashMap<String, Vec<Vec<IpAddr>>>;

#[derive(Default)]
struct State {
    zone: Zone,
    asked: HashMap<(String, u16), usize>,
    silent: bool,
}

/// The name server, for as long as the test runs.
pub(crate) struct Dns(Arc<Mutex<State>>);

impl Dns {
    pub(crate) fn start(address: IpAddr) -> Dns {
        let socket = UdpSocket::bind((address, 53)).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let answering = Arc::clone(&state);
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = answer(&mut answering.lock().unwrap(), &question[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Dns(state)
    }

    /// Sets the answers for a name, in order; each is a list of addresses.
    pub(crate) fn say(&self, name: &str, answers: &[&str]) {
        let parse = |list: &&str| list.split(' ').map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        let mut state = self.0.lock().unwrap();
        state.zone.insert(name.to_owned(), answers);
        state.asked.retain(|(asked, _), _| asked != name);
    }

    /// The number of queries for the IPv4 addresses of a name, since its answers were last set.
    pub(crate) fn asked(&self, name: &str) -> usize {
        let state = self.0.lock().unwrap();
        state.asked.get(&(name.to_owned(), A)).copied().unwrap_or(0)
    }

    /// Stops answering.
    pub(crate) fn fall_silent(&self) {
        self.0.lock().unwrap().silent = true;
    }
}

/// Encodes the answer to an encoded question.
fn answer(state: &mut State, question: &[u8]) -> Option<Vec<u8>> {
    let (name, end) = name(question)?;
    let kind = u16::from_be_bytes([*question.get(end)?, *question.get(end + 1)?]);
    let count = state.asked.entry((name.clone(), kind)).or_default();
    *count += 1;
    if state.silent {
        return None;
    }
    let answers = state.zone.get(&name);
    let now = answers.and_then(|all| all.get(*count - 1).or(all.last()));
    let fits = |ip: &&IpAddr| kind == if ip.is_ipv4() { A } else { AAAA };
    let records: Vec<&IpAddr> = now.into_iter().flatten().filter(fits).collect();
    // Recursion available; NXDOMAIN for unknown names.
    let flags = [0x81, if answers.is_some() { 0x80 } else { 0x83 }];
    let mut out = question[..2].to_vec();
    out.extend(flags);
    out.extend([0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    out.extend(&question[HEADER..end + 4]);
    for ip in records {
        // A pointer to the name of the question; type; class IN; time to live 0.
        out.extend([0xc0, 0x0c]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        match ip {
            IpAddr::V4(ip) => out.extend([0, 4].iter().chain(&ip.octets())),
            IpAddr::V6(ip) => out.extend([0, 16].iter().chain(&ip.octets())),
        }
    }
    Some(out)
}

/// The name of the first question in lower case, and the offset of its end.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let mut at = HEADER;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}
