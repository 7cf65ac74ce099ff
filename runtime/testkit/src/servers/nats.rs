//! NATS with JetStream: one server, or three that form a cluster.
//!
//! Owns the servers' configuration and processes, which are killed with the value, or with the thread that started them if
//! the thread dies first. Must not know streams.
//!
//! `./test` installs the programs, in two versions.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::PASSWORD;
use super::daemon::{LOOK, PATIENCE};
use super::nats_monitor;

/// The user with an account that has JetStream.
pub const NATS_USER: &str = "dyno";
/// The user of the system account.
pub const NATS_SYSTEM_USER: &str = "system";
/// The name of that account.
const ACCOUNT: &str = "DYNO";
/// The number of servers of a cluster.
const CLUSTER_SIZE: usize = 3;
/// Attempts to start on free ports: another program may take a port before the server does.
const TRIES: usize = 5;
/// The time for one attempt.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// A version of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatsVersion {
    /// The oldest that is supported.
    Oldest,
    /// The newest that the tests know.
    Newest,
}

impl NatsVersion {
    fn program(self) -> PathBuf {
        let variable = match self {
            NatsVersion::Oldest => "DYNO_TEST_NATS_OLDEST",
            NatsVersion::Newest => "DYNO_TEST_NATS",
        };
        let program = std::env::var_os(variable);
        let program = program.unwrap_or_else(|| panic!("{variable} is not set: run ./test"));
        PathBuf::from(program)
    }
}

/// One server, or one member of a cluster.
#[derive(Debug)]
pub struct NatsServer {
    name: String,
    program: PathBuf,
    folder: TempDir,
    ports: NatsPorts,
    process: Option<Child>,
}

#[derive(Clone, Copy, Debug)]
struct NatsPorts {
    client: u16,
    monitor: u16,
    route: u16,
}

impl NatsPorts {
    /// Ports that are free now, all different.
    fn find(count: usize) -> Vec<NatsPorts> {
        let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let listeners: Vec<TcpListener> = (0..count * 3).map(|_| listen()).collect();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let ports: Vec<u16> = listeners.iter().map(port).collect();
        let sets = ports.chunks(3).map(|set| NatsPorts {
            client: set[0],
            monitor: set[1],
            route: set[2],
        });
        sets.collect()
    }
}

impl NatsServer {
    /// Starts a new, empty server.
    pub fn start(version: NatsVersion) -> NatsServer {
        NatsServer::start_with(version, "")
    }

    /// Starts a new, empty server with further lines of configuration.
    pub fn start_with(version: NatsVersion, more: &str) -> NatsServer {
        let jetstream = "jetstream { store_dir: \"store\", sync_interval: always }";
        NatsServer::start_configured(version, &format!("{jetstream}\n{more}"))
    }

    /// Starts a new server without JetStream.
    pub fn start_without_jetstream(version: NatsVersion) -> NatsServer {
        NatsServer::start_configured(version, "")
    }

    /// Starts a new, empty server that syncs its files every two minutes, as all do by default.
    pub fn start_unsynced(version: NatsVersion) -> NatsServer {
        NatsServer::start_configured(version, "jetstream { store_dir: \"store\" }")
    }

    fn start_configured(version: NatsVersion, more: &str) -> NatsServer {
        for _ in 0..TRIES {
            let ports = NatsPorts::find(1)[0];
            let accounts = accounts(more.contains("jetstream"));
            let lines = format!("{accounts}\n{more}");
            let mut server = NatsServer::new("n0", version, ports, &lines);
            server.spawn();
            if server.is_ready_within(READY_PATIENCE) {
                return server;
            }
        }
        panic!("nats-server does not start");
    }

    /// Writes the configuration of a server, and does not start it.
    fn new(name: &str, version: NatsVersion, ports: NatsPorts, lines: &str) -> NatsServer {
        let prefix = "dyno-test-nats-";
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        let NatsPorts {
            client, monitor, ..
        } = ports;
        let own = format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{monitor}\"\n"
        );
        fs::write(folder.path().join("nats.conf"), own + lines).unwrap();
        NatsServer {
            name: name.to_owned(),
            program: version.program(),
            folder,
            ports,
            process: None,
        }
    }

    /// Starts the process, which ends with this thread at the latest.
    fn spawn(&mut self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        let folder = self.folder.path();
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(folder.join("log"));
        let log = log.unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program);
        let child = command
            .args(["-c", "nats.conf"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.process = Some(child);
    }

    /// Whether the server, and JetStream if it has that, becomes ready rather than ending.
    fn is_ready_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let Some(process) = &mut self.process else {
                return false;
            };
            if process.try_wait().unwrap().is_some() {
                self.process = None;
                return false;
            }
            if nats_monitor::is_healthy(self.ports.monitor) {
                return true;
            }
            thread::sleep(LOOK);
        }
        false
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops the server with SIGSTOP: its connections stay, and nothing answers on them.
    pub fn pause(&self) {
        self.send_signal("STOP");
    }

    /// Lets the server go on after [`NatsServer::pause`].
    pub fn resume(&self) {
        self.send_signal("CONT");
    }

    fn send_signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Starts the server again, with its ports and its data, and waits until it is ready. The server ends with the thread
    /// that calls this.
    pub fn restart(&mut self) {
        self.spawn();
        assert!(self.is_ready_within(PATIENCE), "{}", self.log());
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.ports.client
    }

    /// `nats://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    /// The folder with the data of JetStream. To be copied or replaced only while the server does not run.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The number of clients that are connected.
    pub fn connection_count(&self) -> u64 {
        nats_monitor::connection_count(self.ports.monitor).unwrap()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three servers that form a cluster.
#[derive(Debug)]
pub struct NatsCluster {
    /// The members, in order of their names.
    pub members: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts a new, empty cluster, and waits until it has elected its leader.
    pub fn start(version: NatsVersion) -> NatsCluster {
        for _ in 0..TRIES {
            let mut cluster = NatsCluster::new(version);
            for member in &mut cluster.members {
                member.spawn();
            }
            let mut members = cluster.members.iter_mut();
            if members.all(|member| member.is_ready_within(READY_PATIENCE)) {
                return cluster;
            }
        }
        panic!("nats-server does not form a cluster");
    }

    fn new(version: NatsVersion) -> NatsCluster {
        let ports = NatsPorts::find(CLUSTER_SIZE);
        let routes: Vec<String> = ports
            .iter()
            .map(|ports| format!("\"nats://127.0.0.1:{}\"", ports.route))
            .collect();
        let routes = routes.join(", ");
        let member = |(number, ports): (usize, NatsPorts)| {
            let route = ports.route;
            let lines = format!(
                "{}\njetstream {{ store_dir: \"store\", sync_interval: always }}\n\
                 cluster {{ name: dyno-test, listen: \"127.0.0.1:{route}\", routes: [{routes}] }}\n",
                accounts(true)
            );
            NatsServer::new(&format!("n{number}"), version, ports, &lines)
        };
        let members = ports.into_iter().enumerate().map(member).collect();
        NatsCluster { members }
    }

    /// The URLs of all members.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(NatsServer::url).collect()
    }

    /// The index of the member that leads a stream, as that member itself sees it; `None` while there is no leader.
    pub fn find_leader(&self, stream: &str) -> Option<usize> {
        let running = self.members.iter().enumerate();
        let mut running = running.filter(|(_, member)| member.is_running());
        let leads = |member: &NatsServer| {
            let leader = nats_monitor::leader_of(member.ports.monitor, ACCOUNT, stream);
            leader.as_deref() == Some(&*member.name)
        };
        running
            .find(|(_, member)| leads(member))
            .map(|(index, _)| index)
    }

    /// Waits for a stream to have a leader; returns the index of that member.
    pub fn wait_for_leader(&self, stream: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(index) = self.find_leader(stream) {
                return index;
            }
            assert!(Instant::now() < deadline, "no server leads {stream}");
            thread::sleep(LOOK);
        }
    }
}

/// The accounts of a server, each with one user.
fn accounts(jetstream: bool) -> String {
    let jetstream = if jetstream {
        "jetstream: enabled, "
    } else {
        ""
    };
    format!(
        "accounts {{\n  {ACCOUNT} {{ {jetstream}users: [{{ user: {NATS_USER}, password: \"{PASSWORD}\" }}] }}\n  \
         SYS {{ users: [{{ user: {NATS_SYSTEM_USER}, password: \"{PASSWORD}\" }}] }}\n}}\nsystem_account: SYS\n"
    )
}
