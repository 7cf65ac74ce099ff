//! Requests of a steady number a second, good ones and bad ones, whatever becomes of those before (an open loop).
//!
//! Owns the threads that ask. A good request's time runs from the moment at which it was due: one that waits because
//! others are held up counts as late. Knows neither apps nor servers.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::load::client::{BenchClient, request};
use crate::load::misuse::{self, Misbehaviour};

/// Threads that ask well: more than are held up at a time.
const GOOD_THREADS: usize = 16;
/// Threads that ask badly: a request that times out holds its thread for a second.
const BAD_THREADS: usize = 24;
/// Requests that wait for a thread. When there is no room the generator is behind, and the run is worth nothing.
const WAITING_MAX: usize = 1_000;
/// Failures that are told in full.
const TOLD_MAX: usize = 5;

/// A load of requests at a fixed pace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacedLoad {
    /// Requests a second, good and bad ones together.
    pub(crate) per_second: u32,
    /// Each `bad_every`-th request is a bad one; 0: no request is.
    pub(crate) bad_every: u64,
}

/// The results of the load.
#[derive(Debug, Default)]
pub(crate) struct PacedTally {
    /// Milliseconds of each good request that was answered.
    pub(crate) millis: Vec<f64>,
    /// Good requests that were not answered with 200, and the answers to the first of them.
    pub(crate) failed: u64,
    pub(crate) told: Vec<String>,
    /// Bad requests, and those of them that did not get what they should.
    pub(crate) bad: u64,
    pub(crate) bad_wrong: u64,
}

impl PacedTally {
    fn add(&mut self, other: PacedTally) {
        self.millis.extend(other.millis);
        self.failed += other.failed;
        self.told.extend(other.told);
        self.told.truncate(TOLD_MAX);
        self.bad += other.bad;
        self.bad_wrong += other.bad_wrong;
    }
}

/// A request that is due.
#[derive(Debug, Clone, Copy)]
struct DueRequest {
    /// How many bad ones came before it.
    turn: usize,
    due: Instant,
}

/// Threads that take jobs from one line.
struct ClientPool {
    jobs: SyncSender<DueRequest>,
    threads: Vec<JoinHandle<PacedTally>>,
}

impl ClientPool {
    fn start(
        threads: usize,
        make: impl Fn() -> Box<dyn FnMut(DueRequest, &mut PacedTally) + Send>,
    ) -> ClientPool {
        let (jobs, line) = sync_channel(WAITING_MAX);
        let line = Arc::new(Mutex::new(line));
        let thread = || {
            let (line, mut ask) = (Arc::clone(&line), make());
            std::thread::spawn(move || {
                let mut tally = PacedTally::default();
                while let Some(job) = receive_job(&line) {
                    ask(job, &mut tally);
                }
                tally
            })
        };
        ClientPool {
            threads: (0..threads).map(|_| thread()).collect(),
            jobs,
        }
    }

    fn give(&self, job: DueRequest) -> Result<()> {
        let given = self.jobs.try_send(job);
        given
            .ok()
            .context("the load generator is behind: this machine is too busy")
    }

    /// Waits until all is asked.
    fn finish(self, tally: &mut PacedTally) -> Result<()> {
        drop(self.jobs);
        for thread in self.threads {
            let own = thread.join();
            ensure!(own.is_ok(), "a client broke off");
            tally.add(own.unwrap_or_default());
        }
        Ok(())
    }
}

fn receive_job(line: &Mutex<Receiver<DueRequest>>) -> Option<DueRequest> {
    let line = line.lock().unwrap_or_else(PoisonError::into_inner);
    line.recv().ok()
}

/// Sends requests to an app at this pace, for this time.
pub(crate) fn run(
    address: SocketAddr,
    host: &str,
    pace: PacedLoad,
    time: Duration,
) -> Result<PacedTally> {
    let page = request("GET", host, "/", &[], b"");
    let good = ClientPool::start(GOOD_THREADS, || {
        let (page, mut client) = (page.clone(), BenchClient::new(address));
        Box::new(move |job, tally| ask_well(&mut client, &page, job, tally))
    });
    let bad = ClientPool::start(BAD_THREADS, || {
        let host = host.to_owned();
        Box::new(move |job, tally| ask_badly(address, &host, job, tally))
    });
    let (began, between) = (Instant::now(), Duration::from_secs(1) / pace.per_second);
    let total = time.as_secs() * u64::from(pace.per_second);
    let mut bad_ones = 0;
    for number in 0..total {
        let due = began + between * u32::try_from(number).context("a run is that long")?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let is_bad = pace.bad_every > 0 && number % pace.bad_every == pace.bad_every - 1;
        if is_bad {
            bad.give(DueRequest {
                turn: bad_ones,
                due,
            })?;
            bad_ones += 1;
        } else {
            good.give(DueRequest { turn: 0, due })?;
        }
    }
    let mut tally = PacedTally::default();
    good.finish(&mut tally)?;
    bad.finish(&mut tally)?;
    Ok(tally)
}

fn ask_well(client: &mut BenchClient, page: &[u8], job: DueRequest, tally: &mut PacedTally) {
    let failure = match client.ask(page) {
        Ok(answer) if answer.status == 200 => {
            tally.millis.push(job.due.elapsed().as_secs_f64() * 1_000.0);
            return;
        }
        Ok(answer) => format!(
            "{} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body).trim()
        ),
        Err(error) => format!("{error:#}"),
    };
    tally.failed += 1;
    if tally.told.len() < TOLD_MAX {
        tally.told.push(failure);
    }
}

/// One after the other: a trap, a timeout, a client that leaves.
fn ask_badly(address: SocketAddr, host: &str, job: DueRequest, tally: &mut PacedTally) {
    const HABITS: [Misbehaviour; 4] = [
        Misbehaviour::Traps,
        Misbehaviour::TooSlow,
        Misbehaviour::HangsUp,
        Misbehaviour::StopsHalfway,
    ];
    let (habit, step) = (HABITS[job.turn % HABITS.len()], job.turn / HABITS.len());
    let fine = misuse::ask(address, host, habit, step);
    tally.bad += 1;
    tally.bad_wrong += u64::from(!fine.unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Size of each answer, larger than what a client reads before it aborts.
    const ANSWER_BYTES: usize = 4_096;

    /// Answers `GET /` with 200, and everything else with 503.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client");
                std::thread::spawn(move || {
                    let mut buffer = [0; 4_096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let is_page = buffer[..length].starts_with(b"GET / ");
                        let status = if is_page { "200 OK" } else { "503 No" };
                        let body = "x".repeat(ANSWER_BYTES);
                        let answer = format!(
                            "HTTP/1.1 {status}\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n{body}"
                        );
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[test]
    fn one_request_in_ten_is_aborted_and_the_others_are_counted() {
        let pace = PacedLoad {
            per_second: 100,
            bad_every: 10,
        };
        let tally = run(server(), "a.localhost", pace, Duration::from_secs(1));
        let tally = tally.expect("a run");
        assert_eq!(
            (tally.millis.len(), tally.failed),
            (90, 0),
            "{:?}",
            tally.told
        );
        assert_eq!(tally.bad, 10);
        let pace = PacedLoad {
            per_second: 50,
            bad_every: 0,
        };
        // Port 1 (tcpmux) is reserved: the system assigns it to no other test.
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let tally = run(nobody, "a.localhost", pace, Duration::from_secs(1)).expect("a run");
        assert_eq!((tally.millis.len(), tally.failed, tally.bad), (0, 50, 0));
        assert_eq!(tally.told.len(), TOLD_MAX);
    }
}
