//! What a server is asked, and what it has to answer, byte for byte: a request for each kind of work.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::args::Scenario;
use crate::load::closed_loop::{self, Target};
use crate::peers::Work;
use crate::product::child_server::Server;
use crate::work::work;

/// Bytes of the body of `echo`.
const ECHO_BYTES: usize = 1024;
/// What a request of `cpu` computes for, on this machine and natively.
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
pub(crate) struct Asked {
    pub(crate) work: Work,
    /// In words.
    pub(crate) what: String,
    request: Vec<u8>,
    answer: Answer,
}

#[derive(Debug, Clone)]
enum Answer {
    /// One of the [`Pages`].
    Hello,
    Body,
    Bytes(Vec<u8>),
}

/// The pages of the bench guest, which all servers have.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) hello: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// What a scenario asks: the first of these, and of so many requests one of the others.
#[derive(Debug)]
pub(crate) struct Mix {
    pub(crate) asked: Vec<Asked>,
    pub(crate) every: u64,
}

impl Mix {
    /// Of a scenario that asks servers. `cpu` is calibrated here, which takes a moment.
    pub(crate) fn of(which: Scenario) -> Mix {
        let only = |asked| Mix {
            asked: vec![asked],
            every: u64::MAX,
        };
        match which {
            Scenario::Body => only(get(Work::Body, "/body", Answer::Body)),
            Scenario::Echo => only(echo()),
            Scenario::Cpu => only(cpu(calibrated())),
            Scenario::Mixed => Mix {
                asked: vec![get(Work::Hello, "/", Answer::Hello), sleep()],
                every: LONG_EVERY,
            },
            _ => only(get(Work::Hello, "/", Answer::Hello)),
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

    /// Asks everything once, holds it against what has to come, and makes targets of it.
    pub(crate) fn targets(&self, server: &Server, pages: &Pages) -> Result<Vec<Target>> {
        let targets = self.asked.iter().map(|asked| asked.target(server, pages));
        targets.collect()
    }
}

impl Asked {
    fn target(&self, server: &Server, pages: &Pages) -> Result<Target> {
        let page = closed_loop::ask(server.address, &self.request, "")?;
        let what = &self.what;
        let status = page.status;
        ensure!(status == 200, "{what} is answered with status {status}");
        let awaited = match &self.answer {
            Answer::Hello => &pages.hello,
            Answer::Body => &pages.body,
            Answer::Bytes(bytes) => bytes,
        };
        let same = page.body == *awaited;
        ensure!(same, "{what} is not answered as it should be");
        let bytes = page.body.len();
        Ok(Target {
            address: server.address,
            request: self.request.clone(),
            status,
            body_bytes: bytes..=bytes,
        })
    }
}

fn get(work: Work, path: &str, answer: Answer) -> Asked {
    Asked {
        work,
        what: format!("GET {path}"),
        request: closed_loop::get(path),
        answer,
    }
}

fn echo() -> Asked {
    let body: Vec<u8> = (b'a'..=b'z').cycle().take(ECHO_BYTES).collect();
    Asked {
        work: Work::Echo,
        what: format!("POST /echo of {ECHO_BYTES} bytes, which come back"),
        request: closed_loop::post("/echo", &body),
        answer: Answer::Bytes(body),
    }
}

fn cpu(rounds: u32) -> Asked {
    let answer = Answer::Bytes(work(rounds).to_string().into());
    let asked = get(Work::Cpu, &format!("/cpu?rounds={rounds}"), answer);
    let micros = CPU_TIME.as_micros();
    Asked {
        what: format!("{} ({micros} µs of native code)", asked.what),
        ..asked
    }
}

fn sleep() -> Asked {
    let answer = Answer::Bytes(b"slept\n".to_vec());
    let asked = get(Work::Sleep, &format!("/sleep?ms={LONG_MILLIS}"), answer);
    Asked {
        what: format!("{}, which waits that long", asked.what),
        ..asked
    }
}

/// Rounds that take native code [`CPU_TIME`], to two digits.
fn calibrated() -> u32 {
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
    fn the_work_is_that_of_all_servers() {
        assert_eq!(work(10), 2_653_896_249);
        assert_eq!(work(300_000), 2_461_877_915);
    }

    #[test]
    fn a_mix_says_what_it_asks() {
        let mixed = Mix::of(Scenario::Mixed);
        assert_eq!((mixed.asked.len(), mixed.every), (2, 100));
        assert!(mixed.what().contains("1 of 100 times GET /sleep?ms=1000"));
        assert_eq!(Mix::of(Scenario::Hello).what(), "GET /");
        assert!(Mix::of(Scenario::Cpu).what().contains("500 µs"));
    }
}
