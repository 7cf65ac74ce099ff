//! The open-loop generator: requests are sent at their planned times, no matter how many are under way.
//!
//! Owns one thread, its sockets, and the choice of a host if a policy makes it: the generator then acts as the router
//! before apps of one dyno each. All fleets get the same requests at the same moments, so that a disturbance of the
//! machine affects all fleets alike.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;

use crate::load::workload::WorkloadRequest;
use crate::load::{client, http1_response};
use crate::machine::descriptors::DescriptorLimit;

/// Connections from one address of this machine. The product accepts 2,000 connections from one client, and all of
/// 127.0.0.0/8 belongs to this machine, so further connections come from further addresses, as from further clients.
const PER_ADDRESS_MAX: usize = 1_900;
/// Addresses used. Not more: the product's limit for all connections is 10,000.
const ADDRESSES: usize = 5;
/// The time after which an idle connection is closed: a little shorter than in the product (75 s), so that the product
/// never closes one first.
const KEPT_MAX: Duration = Duration::from_secs(60);
/// Connections that are made before the first request, one after the other: a server whose listening socket has a short
/// queue drops connections that arrive at once, and their clients only try again after a second.
const WARM: usize = 1_000;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest wait for the last answers after the last request was sent: longer than the longest queue of a dyno.
const DRAIN_MAX: Duration = Duration::from_secs(660);

/// How a host is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoutingPolicy {
    /// There is one host, with enough dynos: the product's own routing.
    Own,
    /// A random host.
    Random,
    /// One host after the other.
    RoundRobin,
    /// Of two random hosts, the host with fewer requests under way.
    TwoChoices,
}

/// Hosts among which requests are divided.
#[derive(Debug, Clone)]
pub(crate) struct RequestedFleet {
    pub(crate) policy: RoutingPolicy,
    pub(crate) hosts: Vec<String>,
}

/// The result of a request. Times are since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FinishedRequest {
    /// The index of the job.
    pub(crate) job: usize,
    /// The index of the host that served it, in the fleet.
    pub(crate) host: usize,
    /// The time at which it was sent.
    pub(crate) sent: Duration,
    /// The time at which its answer was complete.
    pub(crate) answered: Duration,
    pub(crate) status: u16,
}

/// Sends `jobs` to each of `fleets` at `address`. The results are in the order of the fleets, and for each fleet in the
/// order of the answers.
pub(crate) fn run(
    address: SocketAddr,
    fleets: &[RequestedFleet],
    jobs: &[WorkloadRequest],
    seed: u64,
) -> Result<Vec<Vec<FinishedRequest>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("the load generator does not start")?;
    let _room = DescriptorLimit::make();
    let local = LocalSet::new();
    let pool = Rc::new(OpenLoopPool::new(address));
    runtime.block_on(pool.warm())?;
    let began = Instant::now();
    let lanes: Vec<Rc<FleetLane>> = fleets
        .iter()
        .map(|fleet| Rc::new(FleetLane::new(fleet.clone(), seed, began, Rc::clone(&pool))))
        .collect();
    runtime.block_on(local.run_until(async {
        for (job, wanted) in jobs.iter().enumerate() {
            let at = tokio::time::Instant::from_std(began + wanted.at);
            tokio::time::sleep_until(at).await;
            for lane in &lanes {
                lane.under_way.set(lane.under_way.get() + 1);
                tokio::task::spawn_local(Rc::clone(lane).request(job, wanted.service));
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
struct FleetLane {
    fleet: RequestedFleet,
    random: RefCell<Rng>,
    next: Cell<usize>,
    /// Requests under way at each host.
    outstanding: RefCell<Vec<u32>>,
    under_way: Cell<usize>,
    done: RefCell<Vec<FinishedRequest>>,
    began: Instant,
    pool: Rc<OpenLoopPool>,
}

impl FleetLane {
    fn new(fleet: RequestedFleet, seed: u64, began: Instant, pool: Rc<OpenLoopPool>) -> FleetLane {
        FleetLane {
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
            RoutingPolicy::Own => 0,
            RoutingPolicy::Random => random.usize(..hosts),
            RoutingPolicy::RoundRobin => self.next.replace(self.next.get() + 1) % hosts,
            RoutingPolicy::TwoChoices => {
                let first = random.usize(..hosts);
                // A host other than the first.
                let second = (first + random.usize(1..hosts.max(2))) % hosts;
                let outstanding = self.outstanding.borrow();
                match outstanding[second] < outstanding[first] {
                    true => second,
                    false => first,
                }
            }
        }
    }

    async fn request(self: Rc<FleetLane>, job: usize, service: Duration) {
        let host = self.choose();
        let path = format!("/sleep?ms={}", service.as_secs_f64() * 1e3);
        let id = format!("X-Request-Id: {job}");
        let request = client::request("GET", &self.fleet.hosts[host], &path, &[&id], b"");
        self.outstanding.borrow_mut()[host] += 1;
        let sent = self.began.elapsed();
        let status = self.pool.exchange(&request).await;
        let answered = self.began.elapsed();
        self.outstanding.borrow_mut()[host] -= 1;
        self.under_way.set(self.under_way.get() - 1);
        match status {
            Ok(status) => self.done.borrow_mut().push(FinishedRequest {
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

/// Connections that are kept for a while. The connection that was used last is used next.
struct OpenLoopPool {
    address: SocketAddr,
    free: RefCell<Vec<ParkedConnection>>,
    /// The number of connections from each of the addresses.
    open: RefCell<[usize; ADDRESSES]>,
    failure: Cell<Option<anyhow::Error>>,
}

struct ParkedConnection {
    connection: OpenLoopConnection,
    since: Instant,
}

struct OpenLoopConnection {
    stream: TcpStream,
    /// The index of the connection's own address.
    from: usize,
}

impl OpenLoopPool {
    fn new(address: SocketAddr) -> OpenLoopPool {
        OpenLoopPool {
            address,
            free: RefCell::default(),
            open: RefCell::default(),
            failure: Cell::default(),
        }
    }

    fn failed(&self, error: anyhow::Error) {
        let first = self.failure.take();
        self.failure.set(Some(first.unwrap_or(error)));
    }

    /// Makes some connections beforehand, so that the first requests need not wait for theirs.
    async fn warm(&self) -> Result<()> {
        let mut made = Vec::new();
        for _ in 0..WARM {
            made.push(self.connect().await?);
        }
        made.into_iter()
            .for_each(|connection| self.keep(connection));
        Ok(())
    }

    async fn exchange(&self, request: &[u8]) -> Result<u16> {
        let mut connection = match self.kept() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let stream = &mut connection.stream;
        stream.write_all(request).await?;
        let mut buffer = Vec::with_capacity(512);
        loop {
            let length = stream.read_buf(&mut buffer).await?;
            ensure!(length > 0, "the connection was closed in mid-response");
            if let Some(response) = http1_response::response(&buffer)? {
                match response.close {
                    true => self.closed(&connection),
                    false => self.keep(connection),
                }
                return Ok(response.status);
            }
            ensure!(buffer.len() < ANSWER_BYTES_MAX, "the response does not end");
        }
    }

    fn kept(&self) -> Option<OpenLoopConnection> {
        let mut free = self.free.borrow_mut();
        let kept = free.pop()?;
        if kept.since.elapsed() < KEPT_MAX {
            return Some(kept.connection);
        }
        // All other connections have been idle even longer.
        self.closed(&kept.connection);
        for older in free.drain(..) {
            self.closed(&older.connection);
        }
        None
    }

    fn keep(&self, connection: OpenLoopConnection) {
        let since = Instant::now();
        self.free
            .borrow_mut()
            .push(ParkedConnection { connection, since });
    }

    fn closed(&self, connection: &OpenLoopConnection) {
        self.open.borrow_mut()[connection.from] -= 1;
    }

    async fn connect(&self) -> Result<OpenLoopConnection> {
        let from = self.address_with_room()?;
        let socket = TcpSocket::new_v4()?;
        let address = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(from)?);
        socket.bind((address, 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(OpenLoopConnection { stream, from })
    }

    fn address_with_room(&self) -> Result<usize> {
        let mut open = self.open.borrow_mut();
        let from = open.iter().position(|count| *count < PER_ADDRESS_MAX);
        let from = from.with_context(|| {
            let most = ADDRESSES * PER_ADDRESS_MAX;
            format!("more than {most} requests are under way")
        })?;
        open[from] += 1;
        Ok(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(policy: RoutingPolicy, hosts: usize) -> FleetLane {
        let fleet = RequestedFleet {
            policy,
            hosts: (0..hosts).map(|n| n.to_string()).collect(),
        };
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        FleetLane::new(fleet, 1, Instant::now(), Rc::new(OpenLoopPool::new(nobody)))
    }

    #[test]
    fn routing_policies_choose_as_named() {
        assert_eq!(lane(RoutingPolicy::Own, 1).choose(), 0);
        let robin = lane(RoutingPolicy::RoundRobin, 3);
        assert_eq!([0; 4].map(|_| robin.choose()), [0, 1, 2, 0]);
        let random = lane(RoutingPolicy::Random, 3);
        let mut seen = [0; 3];
        (0..300).for_each(|_| seen[random.choose()] += 1);
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }

    #[test]
    fn two_choices_avoid_the_busier_host() {
        let busy = lane(RoutingPolicy::TwoChoices, 2);
        busy.outstanding.replace(vec![5, 4]);
        assert!((0..100).all(|_| busy.choose() == 1));
        let one = lane(RoutingPolicy::TwoChoices, 1);
        assert_eq!(one.choose(), 0);
    }
}
