//! Two networks for one test: the internet, in which the test runs, and the network of the server, connected by one
//! cable.
//!
//! The networks are Linux namespaces, which most systems allow without privileges; on other systems these tests print a
//! note and end.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use testkit::PATIENCE;

use crate::internet_servers::Far;
use crate::name_server::Dns;

/// Environment variable that is set when the test runs within the namespace.
const INSIDE: &str = "DYNO_TEST_INSIDE";

/// The internet's end of the cable, where the name server listens.
pub(crate) const NAMES: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 1);
/// The server's end: its own public address.
pub(crate) const OWN: &str = "93.184.215.2";
/// The server's public IPv6 address.
pub(crate) const OWN_V6: &str = "2a05:d018::2";

/// Public addresses of the internet.
pub(crate) const PUBLIC: &str = "11.22.33.44";
pub(crate) const PUBLIC_2: &str = "11.22.33.45";
pub(crate) const PUBLIC_V6: &str = "2a00:1:2:3::4";

/// Addresses that are not public; internet servers answer there nevertheless.
pub(crate) const CLOSED: [&str; 14] = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "192.88.99.1",
    "240.0.0.1",
    "fd00::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "64:ff9b::a00:1",
    "2001:0:1::1",
];

/// Both networks, and the servers of the internet.
pub(crate) struct World {
    holder: Child,
    pub(crate) dns: Dns,
    pub(crate) far: Far,
    folder: TempDir,
}

impl World {
    /// Runs the test with this name again in a child process within the internet's namespace. Returns the world in the
    /// child, and `None` in the parent after the child has passed.
    pub(crate) fn enter(test: &str) -> Option<World> {
        if std::env::var_os(INSIDE).is_some() {
            return Some(World::make());
        }
        let namespaces = ["--map-root-user", "--net", "--mount"];
        let probe = Command::new("unshare")
            .args(namespaces)
            .arg("true")
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            println!("not tested: this system lets nobody but root make a network");
            return None;
        }
        let mut again = Command::new("unshare");
        again.args(namespaces).arg(std::env::current_exe().unwrap());
        again
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, "1");
        let output = again.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}{err}");
        assert!(out.contains("1 passed"), "no test is called {test}: {out}");
        None
    }

    fn make() -> World {
        let holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let id = holder.id().to_string();
        wait_for_namespace(&id);
        ip("link set lo up");
        ip(&format!(
            "link add cable type veth peer name cable netns {id}"
        ));
        ip(&format!("address add {NAMES}/24 dev cable"));
        ip("address add 2a05:d018::1/64 dev cable nodad");
        ip("link set cable up");
        for address in [PUBLIC, PUBLIC_2, PUBLIC_V6].iter().chain(&CLOSED) {
            let bits = if address.contains(':') { 128 } else { 32 };
            ip(&format!("address add {address}/{bits} dev lo"));
        }
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| name_service(folder.path(), name, text);
        put(
            "resolv.conf",
            &format!("nameserver {NAMES}\noptions timeout:1\n"),
        );
        put("nsswitch.conf", "hosts: files dns\n");
        put("hosts", "127.0.0.1 localhost\n::1 localhost\n");
        let world = World {
            holder,
            dns: Dns::start(IpAddr::V4(NAMES)),
            far: Far::start(),
            folder,
        };
        world.server_ip("link set lo up");
        world.server_ip(&format!("address add {OWN}/24 dev cable"));
        world.server_ip(&format!("address add {OWN_V6}/64 dev cable nodad"));
        world.server_ip("link set cable up");
        world.server_ip(&format!("route add default via {NAMES}"));
        world.server_ip("-6 route add default via 2a05:d018::1");
        world
    }

    /// A place for files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Wraps `command` so that it runs in the server's network.
    pub(crate) fn at_server(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/proc/{}/ns/net", self.holder.id()));
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.stdin(Stdio::null());
        inside
    }

    /// Runs `ip` with these arguments in the server's network.
    pub(crate) fn server_ip(&self, words: &str) {
        let mut command = Command::new("ip");
        command.args(words.split(' '));
        succeeds(&mut self.at_server(&command));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Waits until a new process has entered its own network namespace.
fn wait_for_namespace(id: &str) {
    let of = |id: &str| fs::read_link(format!("/proc/{id}/ns/net")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while of(id) == of("self") {
        assert!(Instant::now() < deadline, "there is no other network");
        std::thread::yield_now();
    }
}

/// Replaces a file in `/etc` for processes in this namespace.
fn name_service(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    let mut written = fs::File::create(&file).unwrap();
    written.write_all(text.as_bytes()).unwrap();
    let mut mount = Command::new("mount");
    mount
        .arg("--bind")
        .arg(file)
        .arg(Path::new("/etc").join(name));
    succeeds(&mut mount);
}

fn ip(words: &str) {
    succeeds(Command::new("ip").args(words.split(' ')));
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}
