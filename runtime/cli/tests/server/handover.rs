//! An upgrade without a refused connection: a parent process keeps the listening sockets, and passes them to one server
//! after the other, as systemd does with `dyno.socket` (`sd_listen_fds(3)`, `sd_notify(3)`).

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use testkit::{PATIENCE, Server, ServerRig, http, run_command, wait_until};

/// Shell script that does what systemd does before the program starts: passes sockets 3 and 4, and sets `LISTEN_PID`.
const PASS_ON: &str = "exec 3<&0 4>&1 0</dev/null 1>&2; LISTEN_PID=$$ exec \"$@\"";
/// Number of clients that send requests without a pause.
const CLIENTS: usize = 4;
/// Number of servers after the first.
const UPGRADES: usize = 3;

/// The parent process, which keeps the sockets open between servers.
struct Parent<'a> {
    rig: &'a ServerRig,
    http: TcpListener,
    api: TcpListener,
    manager: UnixDatagram,
    notify: PathBuf,
}

/// A server with sockets passed by the parent.
struct ServerProcess {
    child: Child,
    said: PathBuf,
}

impl<'a> Parent<'a> {
    fn new(rig: &'a ServerRig) -> Parent<'a> {
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let notify = rig.path("notify");
        let manager = UnixDatagram::bind(&notify).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        Parent {
            rig,
            http: listener(),
            api: listener(),
            manager,
            notify,
        }
    }

    /// Starts a server, and waits for its ready notification.
    fn start(&self, number: usize) -> ServerProcess {
        let serve = self.rig.serve_command(&self.rig.data_folder(), &[]);
        let said = self.rig.path(&format!("said-{number}"));
        let socket = |listener: &TcpListener| {
            let copy = OwnedFd::from(listener.try_clone().unwrap());
            Stdio::from(copy)
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", PASS_ON, "sh"])
            .arg(serve.get_program())
            .args(serve.get_args());
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", "http:api")
            .env("NOTIFY_SOCKET", &self.notify)
            .stdin(socket(&self.http))
            .stdout(socket(&self.api))
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let server = ServerProcess { child, said };
        assert!(self.told().contains("READY=1"));
        server
    }

    /// Receives the next notification to the service manager.
    fn told(&self) -> String {
        let mut buffer = [0; 256];
        let read = self.manager.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    }

    fn stop(&self, server: &mut ServerProcess) {
        let id = server.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(sent.unwrap().success());
        assert!(self.told().contains("STOPPING=1"));
        assert!(server.child.wait().unwrap().success(), "{}", server.said());
    }

    fn ports(&self) -> (u16, u16) {
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        (port(&self.http), port(&self.api))
    }
}

impl ServerProcess {
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Reached only if the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests to a port until stopped, each on a new connection. Returns all errors.
fn ask_on(
    port: u16,
    host: &str,
    path: &str,
    done: &AtomicBool,
    answered: &AtomicU64,
) -> Vec<String> {
    let headers = [format!("Host: {host}"), "Connection: close".to_owned()];
    let request = http::encode_request("GET", path, &headers, b"");
    let mut wrong = Vec::new();
    while !done.load(Ordering::Relaxed) {
        match http::send_request(port, &request) {
            Ok(reply) if reply.status == 200 => drop(answered.fetch_add(1, Ordering::Relaxed)),
            Ok(reply) => wrong.push(format!("{host}: {} {}", reply.status, reply.text())),
            Err(error) => wrong.push(format!("{host}: {error}")),
        }
    }
    wrong
}

#[test]
fn no_connection_is_refused_or_unanswered_during_restarts() {
    let rig = ServerRig::new();
    fs::create_dir_all(rig.data_folder()).unwrap();
    let parent = Parent::new(&rig);
    let (http_port, api_port) = parent.ports();
    let mut server = parent.start(0);
    let said = server.said();
    assert!(
        said.contains(&format!("API http://127.0.0.1:{api_port}")),
        "{said}"
    );
    let app = rig.write_app(&testkit::guest_path("good"), "one");
    let deploy = ["deploy", app.to_str().unwrap(), "-a", "shop"];
    run_command(rig.home().dyno_command().args(deploy)).success();

    let done = AtomicBool::new(false);
    let answered: [AtomicU64; 2] = Default::default();
    let wrong = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (done, answered) = (&done, &answered[number % 2]);
                let (port, host, path) = match number % 2 {
                    0 => (http_port, "shop.localhost", "/"),
                    _ => (api_port, "localhost", "/healthz"),
                };
                scope.spawn(move || ask_on(port, host, path, done, answered))
            })
            .collect();
        let more = |what: &str| {
            for count in &answered {
                let before = count.load(Ordering::Relaxed);
                wait_until(what, || count.load(Ordering::Relaxed) > before + 20);
            }
        };
        for number in 1..=UPGRADES {
            more("both are answered");
            parent.stop(&mut server);
            server = parent.start(number);
        }
        more("both are answered by the last one");
        done.store(true, Ordering::Relaxed);
        let ends = clients.into_iter().map(|client| client.join().unwrap());
        ends.flatten().collect::<Vec<_>>()
    });
    assert_eq!(wrong, [""; 0]);
    parent.stop(&mut server);
    rig.home().assert_no_process();
}

#[test]
fn passed_sockets_for_another_process_are_ignored() {
    let rig = ServerRig::new();
    let mut command = rig.serve_command(&rig.data_folder(), &[]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "2");
    let server: Server<'_> = rig.start_command(&mut command);
    assert_eq!(server.request_without_token("GET", "/healthz").status, 200);
    assert!(server.stop().success());
}
