//! The open-loop generator: requests come when they come, however many are under way.
//!
//! Owns one thread, its sockets, and the choice of a host where a policy is to make it: then it plays
//! the router before apps of one dyno each. Several fleets get the same requests at the same moments,
//! so that what disturbs one disturbs all.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;

use crate::room::Room;
use crate::trace::Job;
use crate::{client, wire};

/// Connections from one address of this machine. The product takes 2,000 from one client, and all of
/// 127.0.0.0/8 are this machine's, so that further ones come as from further clients.
const PER_ADDRESS_MAX: usize = 1_900;
/// Addresses used: with more connections the product's own limit of 10,000 is near.
const ADDRESSES_MAX: usize = 5;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long the last answers may take after the last request has left: longer than the longest line
/// of a dyno.
const DRAIN_MAX: Duration = Duration::from_secs(660);

/// How a host is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// There is one, which has dynos enough: the product's own routing.
    Own,
    /// Any, by chance.
    Random,
    /// One after the other.
    RoundRobin,
    /// That one of two chosen by chance which has fewer requests under way.
    TwoChoices,
}

/// Hosts among which requests are divided.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    pub(crate) policy: Policy,
    pub(crate) hosts: Vec<String>,
}

/// What came of a request. Times are since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Which of the jobs it was.
    pub(crate) job: usize,
    /// Which of the fleet's hosts had it.
    pub(crate) host: usize,
    /// When it left.
    pub(crate) sent: Duration,
    /// When the answer was there.
    pub(crate) answered: Duration,
    pub(crate) status: u16,
}

/// Gives `jobs` to every one of `fleets` at `address`. What is returned has the order of the fleets, and in each
/// of the answers.
pub(crate) fn run(
    address: SocketAddr,
    fleets: &[Fleet],
    jobs: &[Job],
    seed: u64,
) -> Result<Vec<Vec<Done>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("the load generator does not start")?;
    let _room = Room::make();
    let local = LocalSet::new();
    let pool = Rc::new(Pool::new(address));
    let began = Instant::now();
    let lanes: Vec<Rc<Lane>> = fleets
        .iter()
        .map(|fleet| Rc::new(Lane::new(fleet.clone(), seed, began, Rc::clone(&pool))))
        .collect();
    runtime.block_on(local.run_until(async {
        for (job, wanted) in jobs.iter().enumerate() {
            let at = tokio::time::Instant::from_std(began + wanted.at);
            tokio::time::sleep_until(at).await;
            for lane in &lanes {
                let lane = Rc::clone(lane);
                tokio::task::spawn_local(lane.request(job, wanted.service));
            }
        }
        let deadline = Instant::now() + DRAIN_MAX;
        while lanes.iter().any(|lane| lane.under_way.get() > 0) {
            ensure!(
                Instant::now() < deadline,
                "the last requests are not answered"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }))?;
    if let Some(error) = pool.failure.take() {
        return Err(error.context("a request failed"));
    }
    Ok(lanes.iter().map(|lane| lane.done.take()).collect())
}

/// A fleet and its requests.
struct Lane {
    fleet: Fleet,
    random: RefCell<Rng>,
    next: Cell<usize>,
    /// Requests under way of each host.
    outstanding: RefCell<Vec<u32>>,
    under_way: Cell<usize>,
    done: RefCell<Vec<Done>>,
    began: Instant,
    pool: Rc<Pool>,
}

impl Lane {
    fn new(fleet: Fleet, seed: u64, began: Instant, pool: Rc<Pool>) -> Lane {
        Lane {
            random: RefCell::new(Rng::with_seed(seed)),
            next: Cell::new(0),
            outstanding: RefCell::new(vec![0; fleet.hosts.len()]),
            under_way: Cell::new(0),
            done: RefCell::default(),
            fleet,
            began,
            pool,
        }
    }

    fn choose(&self) -> usize {
        let hosts = self.fleet.hosts.len();
        let mut random = self.random.borrow_mut();
        match self.fleet.policy {
            Policy::Own => 0,
            Policy::Random => random.usize(..hosts),
            Policy::RoundRobin => self.next.replace(self.next.get() + 1) % hosts,
            Policy::TwoChoices => {
                let first = random.usize(..hosts);
                // Another one than the first.
                let second = (first + random.usize(1..hosts.max(2))) % hosts;
                let outstanding = self.outstanding.borrow();
                match outstanding[second] < outstanding[first] {
                    true => second,
                    false => first,
                }
            }
        }
    }

    async fn request(self: Rc<Lane>, job: usize, service: Duration) {
        let host = self.choose();
        let path = format!("/sleep?ms={}", service.as_secs_f64() * 1e3);
        let id = format!("X-Request-Id: {job}");
        let request = client::request("GET", &self.fleet.hosts[host], &path, &[&id], b"");
        self.outstanding.borrow_mut()[host] += 1;
        self.under_way.set(self.under_way.get() + 1);
        let sent = self.began.elapsed();
        let status = self.pool.exchange(&request).await;
        let answered = self.began.elapsed();
        self.outstanding.borrow_mut()[host] -= 1;
        self.under_way.set(self.under_way.get() - 1);
        match status {
            Ok(status) => self.done.borrow_mut().push(Done {
                job,
                host,
                sent,
                answered,
                status,
            }),
            Err(error) => self.pool.failed(error),
        }
    }
}

/// Connections, which are kept. The one that was used last is used next.
struct Pool {
    address: SocketAddr,
    free: RefCell<Vec<TcpStream>>,
    made: Cell<usize>,
    failure: Cell<Option<anyhow::Error>>,
}

impl Pool {
    fn new(address: SocketAddr) -> Pool {
        Pool {
            address,
            free: RefCell::default(),
            made: Cell::new(0),
            failure: Cell::default(),
        }
    }

    fn failed(&self, error: anyhow::Error) {
        let first = self.failure.take();
        self.failure.set(Some(first.unwrap_or(error)));
    }

    async fn exchange(&self, request: &[u8]) -> Result<u16> {
        let kept = self.free.borrow_mut().pop();
        let mut stream = match kept {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        stream.write_all(request).await?;
        let mut buffer = Vec::with_capacity(512);
        loop {
            let length = stream.read_buf(&mut buffer).await?;
            ensure!(length > 0, "the connection was closed in mid-response");
            if let Some(response) = wire::response(&buffer)? {
                match response.close {
                    true => self.made.set(self.made.get() - 1),
                    false => self.free.borrow_mut().push(stream),
                }
                return Ok(response.status);
            }
            ensure!(buffer.len() < ANSWER_BYTES_MAX, "the response does not end");
        }
    }

    async fn connect(&self) -> Result<TcpStream> {
        let number = self.made.replace(self.made.get() + 1);
        let address = number / PER_ADDRESS_MAX;
        if address >= ADDRESSES_MAX {
            bail!("more than {number} requests are under way");
        }
        let socket = TcpSocket::new_v4()?;
        let from = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(address)?);
        socket.bind((from, 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(policy: Policy, hosts: usize) -> Lane {
        let fleet = Fleet {
            policy,
            hosts: (0..hosts).map(|n| n.to_string()).collect(),
        };
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Lane::new(fleet, 1, Instant::now(), Rc::new(Pool::new(nobody)))
    }

    #[test]
    fn policies_choose_as_they_are_called() {
        assert_eq!(lane(Policy::Own, 1).choose(), 0);
        let robin = lane(Policy::RoundRobin, 3);
        assert_eq!([0; 4].map(|_| robin.choose()), [0, 1, 2, 0]);
        let random = lane(Policy::Random, 3);
        let mut seen = [0; 3];
        (0..300).for_each(|_| seen[random.choose()] += 1);
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }

    #[test]
    fn two_choices_shun_the_busy_one() {
        let busy = lane(Policy::TwoChoices, 2);
        busy.outstanding.replace(vec![5, 4]);
        assert!((0..100).all(|_| busy.choose() == 1));
        let one = lane(Policy::TwoChoices, 1);
        assert_eq!(one.choose(), 0);
    }
}
