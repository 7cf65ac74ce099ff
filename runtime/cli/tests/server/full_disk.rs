//! A full disk, and a read-only disk: apps run on, changes are refused with a clear message, nothing is damaged, and
//! changes work again as soon as there is room.
//!
//! The disk is a small file system in memory, in a mount namespace of its own. Most systems allow that without
//! privileges; elsewhere these tests print that, and end.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use testkit::http::json_text;
use testkit::{Server, ServerRig, SlugFile, guest_path, run_command};

use crate::constant_load::Load;

const APP: &str = "shop";
const DISK_BYTES: &str = "size=64m";

/// A mount namespace with a small file system. It ends when the value is dropped.
struct Disk {
    holder: Child,
    place: PathBuf,
}

impl Disk {
    /// Mounts the file system on `place`, visible only within the namespace.
    fn new(place: &Path) -> Option<Disk> {
        fs::create_dir_all(place).unwrap();
        let script = "mount -t tmpfs -o \"$1\" tmpfs \"$0\" && echo mounted && exec cat";
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", script]);
        unshare.arg(place).arg(DISK_BYTES);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = unshare.spawn().ok()?;
        let mut told = [0; 7];
        let mounted = holder.stdout.as_mut().unwrap().read_exact(&mut told);
        let place = place.to_owned();
        let disk = Disk { holder, place };
        if mounted.is_ok() {
            return Some(disk);
        }
        println!("not tested: this system lets nobody but root mount a file system");
        None
    }

    /// Wraps a command so that it runs within the namespace.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        let holder = self.holder.id().to_string();
        inside.args([
            "--target",
            &holder,
            "--user",
            "--mount",
            "--preserve-credentials",
        ]);
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

    fn mount(&self, words: &[&OsStr]) {
        let mut mount = Command::new("mount");
        run_command(&mut self.inside(mount.args(words))).success();
    }

    /// The path of the mounted folder for processes outside of the namespace.
    fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.place.strip_prefix("/").unwrap())
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills the file system to the last byte.
    fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for bytes in [1 << 20, 4096, 1] {
            let piece = vec![b'x'; bytes];
            let full = loop {
                if let Err(error) = filler.write(&piece) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull);
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Starts a server whose state is on the disk.
fn start<'a>(rig: &'a ServerRig, disk: &Disk) -> Server<'a> {
    rig.start_command(&mut disk.inside(&rig.serve_command(&rig.data_folder(), &[])))
}

/// Sets a config var to new values until the change is refused. Returns the last accepted value, if any.
///
/// The first changes may be accepted, because the ledger file may have unused space.
fn set_until_refused(server: &Server<'_>, status: u16) -> Option<String> {
    let mut taken = None;
    for number in 0..500 {
        let value = format!("{number}-{}", "x".repeat(20_000));
        let path = format!("/v1/apps/{APP}/config-vars");
        let reply = server.request("PATCH", &path, &json!({ "FILL": value }));
        if reply.status != 200 {
            assert_eq!(reply.status, status, "{}", reply.text());
            assert_eq!(json_text(&reply.json(), "id"), "storage_unavailable");
            return taken;
        }
        taken = Some(value);
    }
    panic!("a full disk takes everything");
}

/// Checks that the refusal names the full disk of the server as its reason.
fn assert_clear(error: &str) {
    let clear = ["disk", "storage", "write", "space"];
    assert!(clear.iter().any(|word| error.contains(word)), "{error}");
    assert!(error.lines().count() < 6, "{error}");
}

#[test]
fn a_full_disk_refuses_only_changes() {
    let rig = ServerRig::new();
    let Some(disk) = Disk::new(&rig.data_folder()) else {
        return;
    };
    let server = start(&rig, &disk);
    let slug = rig.build_slug("good", "one");
    server.create_app(APP, &slug);
    let version = server.set_config_vars(APP, &json!({ "GREETING": "hi" }));
    server.wait_until_serving(APP, &version);
    let load = Load::start(server.apps, APP);

    disk.fill();
    let next = guest_path("good3");
    let next = next.to_str().unwrap();
    assert_clear(server.run(&["deploy", next, "-a", APP]).failure());
    let taken = set_until_refused(&server, 503);
    assert_clear(server.run(&["config", "set", "A=b", "-a", APP]).failure());
    let formation = format!("/v1/apps/{APP}/formation");
    let updates = json!({ "updates": [{ "type": "web", "quantity": 2 }] });
    assert_eq!(server.request("PATCH", &formation, &updates).status, 503);
    let vars = format!("/v1/apps/{APP}/config-vars");
    assert_eq!(server.get_json(&vars)["FILL"].as_str(), taken.as_deref());
    assert_eq!(server.app_variable(APP, "GREETING"), "hi");
    assert_eq!(server.request_without_token("GET", "/healthz").status, 200);
    assert_eq!(load.bad(), [""; 0]);

    disk.free();
    is_well_again(&server, &load, next);
    let newest = server.app_variable(APP, "RELEASE_VERSION");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    server.kill();
    let server = start(&rig, &disk);
    server.wait_until_ready();
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), newest);
    assert_eq!(server.get_json(&vars)["FILL"].as_str(), taken.as_deref());
    assert!(server.stop().success());
}

/// Checks that the same server accepts all changes again.
fn is_well_again(server: &Server<'_>, load: &Load, next: &str) {
    server.run(&["config", "set", "A=b", "-a", APP]).success();
    assert_eq!(server.app_variable(APP, "A"), "b");
    server.run(&["deploy", next, "-a", APP]).success();
    server.run(&["ps", "scale", "web=2", "-a", APP]).success();
    server.wait_for_dynos(APP, 2);
    server.run(&["rollback", "-a", APP]).success();
    assert_eq!(load.bad(), [""; 0]);
}

#[test]
fn a_server_started_on_a_full_disk_serves_its_apps() {
    let rig = ServerRig::new();
    let Some(disk) = Disk::new(&rig.data_folder()) else {
        return;
    };
    let server = start(&rig, &disk);
    server.create_app(APP, &rig.build_slug("good", "one"));
    disk.fill();
    server.kill();
    let server = start(&rig, &disk);
    server.wait_until_ready();
    assert_eq!(server.app_page(APP, "/"), "hello\n");
    set_until_refused(&server, 503);
    disk.free();
    server.run(&["config", "set", "A=b", "-a", APP]).success();
    assert_eq!(server.app_variable(APP, "A"), "b");
    assert!(server.stop().success());
}

/// Remounts the folder read-only for files opened from now on, as the kernel does after disk errors.
#[test]
fn a_read_only_disk_refuses_only_changes() {
    let rig = ServerRig::new();
    let Some(disk) = Disk::new(&rig.data_folder()) else {
        return;
    };
    let server = start(&rig, &disk);
    let slugs: [SlugFile; 2] = [rig.build_slug("good", "one"), rig.build_slug("good", "two")];
    server.create_app(APP, &slugs[0]);
    let load = Load::start(server.apps, APP);
    let place = disk.place.as_os_str();
    disk.mount(&["--bind".as_ref(), place, place]);
    disk.mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), place]);

    let next = guest_path("good3");
    let next = next.to_str().unwrap();
    assert_clear(server.run(&["deploy", next, "-a", APP]).failure());
    let refused = server.upload_slug(&slugs[1]).unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(json_text(&refused.json(), "id"), "storage_unavailable");
    // Files that are already open may still be written. A change is made or refused, never half made.
    let set = server.run(&["config", "set", "A=b", "-a", APP]);
    let made = server.app_request(APP, "/env/A").status == 200;
    assert_eq!(set.code == Some(0), made, "{set:?}");
    assert_eq!(load.bad(), [""; 0]);

    disk.mount(&["-o".as_ref(), "remount,bind,rw".as_ref(), place]);
    is_well_again(&server, &load, next);
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(server.stop().success());
}

/// The guest must not crash, because that would end an app that writes at every request.
#[test]
fn a_guest_on_a_read_only_disk_gets_errors_and_keeps_running() {
    let rig = ServerRig::new();
    let Some(disk) = Disk::new(&rig.data_folder()) else {
        return;
    };
    let server = start(&rig, &disk);
    server.create_app(APP, &rig.build_slug("good", "one"));
    let place = disk.place.as_os_str();
    disk.mount(&["--bind".as_ref(), place, place]);
    disk.mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), place]);
    for _ in 0..3 {
        // The guest answers 403 if it cannot write.
        let reply = server.app_request(APP, "/files/write?path=/tmp/x&bytes=10");
        assert_eq!(reply.status, 403, "{}", reply.text());
    }
    disk.mount(&["-o".as_ref(), "remount,bind,rw".as_ref(), place]);
    server.app_page(APP, "/files/write?path=/tmp/x&bytes=10");
    assert!(!server.read_log(APP).contains("Crashed"));
    assert!(server.stop().success());
}
