//! The requests to servers and the expected answers, byte for byte: one request for each kind of work.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::args::Scenario;
use crate::load::closed_loop::{self, LoadTarget};
use crate::peers::KindOfWork;
use crate::product::child_server::ChildServer;
use crate::work::work;

/// Bytes of the body of `echo`.
const ECHO_BYTES: usize = 1024;
/// The computing time of a `cpu` request, on this machine and in native code.
const CPU_TIME: Duration = Duration::from_micros(500);
/// Rounds of one try of the calibration: some milliseconds.
const CALIBRATION_ROUNDS: u32 = 2_000_000;
/// Tries, of which the fastest was disturbed least.
const CALIBRATION_TRIES: u32 = 10;
/// The long wait of `mixed`.
const LONG_MILLIS: u32 = 1_000;
/// One request of so many waits for long.
const LONG_EVERY: u64 = 100;

/// A request with its answer.
#[derive(Debug, Clone)]
pub(crate) struct BenchRequest {
    pub(crate) work: KindOfWork,
    /// In words.
    pub(crate) what: String,
    request: Vec<u8>,
    answer: ExpectedAnswer,
}

#[derive(Debug, Clone)]
enum ExpectedAnswer {
    /// One of the [`GuestPages`].
    Hello,
    Body,
    Bytes(Vec<u8>),
}

/// The pages of the bench guest, which all servers have.
#[derive(Debug, Default)]
pub(crate) struct GuestPages {
    pub(crate) hello: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The requests of a scenario: mostly the first of these, and one of the others after each so many requests.
#[derive(Debug)]
pub(crate) struct RequestMix {
    pub(crate) asked: Vec<BenchRequest>,
    pub(crate) every: u64,
}

impl RequestMix {
    /// Of a scenario that asks servers. `cpu` is calibrated here, which takes a moment.
    pub(crate) fn of(which: Scenario) -> RequestMix {
        let only = |asked| RequestMix {
            asked: vec![asked],
            every: u64::MAX,
        };
        match which {
            Scenario::Body => only(get_request(KindOfWork::Body, "/body", ExpectedAnswer::Body)),
            Scenario::Echo => only(echo_request()),
            Scenario::Cpu => only(cpu_request(calibrate_rounds())),
            Scenario::Mixed => RequestMix {
                asked: vec![
                    get_request(KindOfWork::Hello, "/", ExpectedAnswer::Hello),
                    sleep_request(),
                ],
                every: LONG_EVERY,
            },
            _ => only(get_request(KindOfWork::Hello, "/", ExpectedAnswer::Hello)),
        }
    }

    /// In words.
    pub(crate) fn what(&self) -> String {
        match &self.asked[..] {
            [usual, rare, ..] => {
                let every = self.every;
                format!("{}, and 1 of {every} times {}", usual.what, rare.what)
            }
            all => all.iter().map(|asked| &*asked.what).collect(),
        }
    }

    /// Sends every request once, compares the answer with the expected one, and makes targets of the requests.
    pub(crate) fn targets(
        &self,
        server: &ChildServer,
        pages: &GuestPages,
    ) -> Result<Vec<LoadTarget>> {
        let targets = self.asked.iter().map(|asked| asked.target(server, pages));
        targets.collect()
    }
}

impl BenchRequest {
    fn target(&self, server: &ChildServer, pages: &GuestPages) -> Result<LoadTarget> {
        let page = closed_loop::ask(server.address, &self.request, "")?;
        let what = &self.what;
        let status = page.status;
        ensure!(status == 200, "{what} is answered with status {status}");
        let awaited = match &self.answer {
            ExpectedAnswer::Hello => &pages.hello,
            ExpectedAnswer::Body => &pages.body,
            ExpectedAnswer::Bytes(bytes) => bytes,
        };
        let same = page.body == *awaited;
        ensure!(same, "{what} is not answered as it should be");
        let bytes = page.body.len();
        Ok(LoadTarget {
            address: server.address,
            request: self.request.clone(),
            status,
            body_bytes: bytes..=bytes,
        })
    }
}

fn get_request(work: KindOfWork, path: &str, answer: ExpectedAnswer) -> BenchRequest {
    BenchRequest {
        work,
        what: format!("GET {path}"),
        request: closed_loop::get(path),
        answer,
    }
}

fn echo_request() -> BenchRequest {
    let body: Vec<u8> = (b'a'..=b'z').cycle().take(ECHO_BYTES).collect();
    BenchRequest {
        work: KindOfWork::Echo,
        what: format!("POST /echo of {ECHO_BYTES} bytes, which come back"),
        request: closed_loop::post("/echo", "text/plain", &body),
        answer: ExpectedAnswer::Bytes(body),
    }
}

fn cpu_request(rounds: u32) -> BenchRequest {
    let answer = ExpectedAnswer::Bytes(work(rounds).to_string().into());
    let asked = get_request(KindOfWork::Cpu, &format!("/cpu?rounds={rounds}"), answer);
    let micros = CPU_TIME.as_micros();
    BenchRequest {
        what: format!("{} ({micros} µs of native code)", asked.what),
        ..asked
    }
}

fn sleep_request() -> BenchRequest {
    let answer = ExpectedAnswer::Bytes(b"slept\n".to_vec());
    let asked = get_request(
        KindOfWork::Sleep,
        &format!("/sleep?ms={LONG_MILLIS}"),
        answer,
    );
    BenchRequest {
        what: format!("{}, which waits that long", asked.what),
        ..asked
    }
}

/// The number of rounds that native code computes in [`CPU_TIME`], rounded to two digits.
fn calibrate_rounds() -> u32 {
    let once = |_| {
        let began = Instant::now();
        std::hint::black_box(work(std::hint::black_box(CALIBRATION_ROUNDS)));
        began.elapsed()
    };
    let fastest = (0..CALIBRATION_TRIES).map(once).min().unwrap_or(CPU_TIME);
    let rounds = f64::from(CALIBRATION_ROUNDS) * CPU_TIME.as_secs_f64() / fastest.as_secs_f64();
    let digits = 10_f64.powf((rounds.log10() - 1.0).floor());
    ((rounds / digits).round() * digits) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_equals_that_of_the_other_servers() {
        assert_eq!(work(10), 2_653_896_249);
        assert_eq!(work(300_000), 2_461_877_915);
    }

    #[test]
    fn a_request_mix_describes_its_requests() {
        let mixed = RequestMix::of(Scenario::Mixed);
        assert_eq!((mixed.asked.len(), mixed.every), (2, 100));
        assert!(mixed.what().contains("1 of 100 times GET /sleep?ms=1000"));
        assert_eq!(RequestMix::of(Scenario::Hello).what(), "GET /");
        assert!(RequestMix::of(Scenario::Cpu).what().contains("500 µs"));
    }
}
