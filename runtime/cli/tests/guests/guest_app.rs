//! A running app with one guest and its limits; checks of its log and of its resource usage.
//!
//! Must not know any particular guest.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::{DynoProcess, HttpReply, guest_path, repository, wait_until};

/// Memory that the host may need for a guest beyond the limit of the guest.
pub(crate) const OVERHEAD_KIB: u64 = 64 * 1024;
/// The default limit of the linear memory of a dyno.
pub(crate) const MEMORY_KIB: u64 = 128 * 1024;
/// The time between two requests to the neighbour of a busy dyno.
const LOOK: Duration = Duration::from_millis(10);

/// A running `dyno local`, with the folder of its app.
pub(crate) struct Stage {
    // Dropped first, since the process uses the folder.
    local: DynoProcess,
    folder: TempDir,
}

impl Deref for Stage {
    type Target = DynoProcess;

    fn deref(&self) -> &DynoProcess {
        &self.local
    }
}

/// Starts an app of a guest, with the default limits.
pub(crate) fn start(name: &str, args: &[&str]) -> Stage {
    limited(name, "", args)
}

/// Starts an app of a guest, with the given lines of `[limits]`.
pub(crate) fn limited(name: &str, limits: &str, args: &[&str]) -> Stage {
    let folder = folder(&guest_path(name), limits);
    let local = DynoProcess::start_local(folder.path(), args);
    Stage { local, folder }
}

/// Makes the folder of an app: the built component, and its limits.
pub(crate) fn folder(component: &Path, limits: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::copy(component, folder.path().join("app.wasm")).unwrap();
    put("Procfile", "web: app.wasm\n");
    put(
        "dyno.toml",
        &format!("name = \"demo\"\n[limits]\n{limits}\n"),
    );
    put("victim.txt", "as it was\n");
    folder
}

/// Makes the folder of an app of a guest written as WAT.
pub(crate) fn wat(name: &str, limits: &str) -> TempDir {
    let text = repository().join(format!("runtime/dyno/tests/guests/wat/{name}.wat"));
    let bytes = wat::parse_file(text).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    folder(file.path(), limits)
}

impl Stage {
    pub(crate) fn of(local: DynoProcess, folder: TempDir) -> Stage {
        Stage { local, folder }
    }

    /// The folder of the app.
    pub(crate) fn app(&self) -> &Path {
        self.folder.path()
    }

    /// Requests `/ok`, and returns the number of this call in its instance.
    #[track_caller]
    pub(crate) fn ok(&self) -> u64 {
        let reply = self.get("/ok");
        assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
        let number = reply.text().trim().strip_prefix("ok ").unwrap().parse();
        number.unwrap()
    }

    /// Checks that a dyno which has served no request serves the next one.
    #[track_caller]
    pub(crate) fn is_replaced(&self) {
        assert_eq!(self.ok(), 1, "the dyno is not a new one");
    }

    /// Requests `path`, which must give the error page of this code, and a router line with the code. Returns the line.
    #[track_caller]
    pub(crate) fn refuses(&self, path: &str, code: &str, status: u16) -> String {
        let mark = self.line_count();
        let reply = self.get(path);
        assert_eq!((reply.status, reply.complete), (status, true), "{reply:?}");
        assert!(reply.text().contains(code), "{}", reply.text());
        assert!(!reply.text().contains("hunter2"), "{}", reply.text());
        let line = self.wait_for_router_line_after(mark, path);
        assert!(line.contains(&format!(" code={code} ")), "{line}");
        assert!(line.contains(&format!(" status={status} ")), "{line}");
        line
    }

    /// Requests `path`, whose response must begin and break off, with H18 in the log.
    #[track_caller]
    pub(crate) fn breaks_off(&self, path: &str) -> HttpReply {
        let mark = self.line_count();
        let reply = self.get(path);
        assert_eq!((reply.status, reply.complete), (200, false), "{reply:?}");
        let line = self.wait_for_router_line_after(mark, path);
        assert!(line.contains(" code=H18 "), "{line}");
        reply
    }

    /// Waits, behind `mark`, for a crash of the first dyno for this reason, and for its next start.
    #[track_caller]
    pub(crate) fn crashes(&self, mark: usize, reason: &str) {
        self.wait_for_line_after(mark, &format!("a crash: {reason}"), |line| {
            line.contains("dyno[web.1]: Crashed: ") && line.contains(reason)
        });
        self.moves(mark, "crashed to starting");
        self.moves(mark, "starting to up");
    }

    /// Waits, behind `mark`, until the first dyno is replaced because its client went away, which must not count as a
    /// crash.
    #[track_caller]
    pub(crate) fn discards(&self, mark: usize) {
        self.wait_for_line_after(mark, "a replacement", |line| {
            line.contains("dyno[web.1]: Replacing: ") && line.contains("client went away")
        });
        self.moves(mark, "up to down");
        self.moves(mark, "down to starting");
        let lines = self.lines().split_off(mark);
        let crash = lines
            .iter()
            .find(|line| line.to_lowercase().contains("crash"));
        assert_eq!(crash, None);
    }

    #[track_caller]
    fn moves(&self, mark: usize, edge: &str) {
        let state = format!("dyno[web.1]: State changed from {edge}");
        self.wait_for_line_after(mark, &state, |line| line.ends_with(&state));
    }

    /// Requests `path`, and meanwhile sends requests to the other of two dynos, which must serve all of them and keep
    /// running. Returns the response for `path`, and the number of the other responses.
    #[track_caller]
    pub(crate) fn beside(&self, path: &str) -> (HttpReply, u64) {
        let mark = self.both_are_up();
        let (reply, answers) = self.while_asked(path);
        let line = self.wait_for_router_line_after(mark, path);
        let other = if line.contains(" dyno=web.1 ") { 2 } else { 1 };
        let moved = format!("dyno[web.{other}]: ");
        let lines = self.lines().split_off(mark);
        let hurt = lines.iter().find(|line| line.contains(&moved));
        assert_eq!(hurt, None, "the neighbour was moved");
        (reply, answers)
    }

    /// Requests `path`, and meanwhile `/ok` repeatedly. Returns the response, and the number of the other responses.
    pub(crate) fn while_asked(&self, path: &str) -> (HttpReply, u64) {
        thread::scope(|scope| {
            let busy = scope.spawn(|| self.get(path));
            let mut answers = 0;
            while !busy.is_finished() {
                self.ok();
                answers += 1;
                thread::sleep(LOOK);
            }
            (busy.join().unwrap(), answers)
        })
    }

    /// Waits until both of two dynos are up, and returns a mark after these log lines.
    pub(crate) fn both_are_up(&self) -> usize {
        for dyno in ["web.1", "web.2"] {
            let up = format!("dyno[{dyno}]: State changed from starting to up");
            self.wait_for_line("both dynos", |line| line.ends_with(&up));
            // A dyno that an earlier request ended is starting again.
            let change = format!("dyno[{dyno}]: State changed from ");
            let is_last = |lines: &[String]| {
                let last = lines.iter().rfind(|line| line.contains(&change));
                last.is_some_and(|line| line.ends_with(&up))
            };
            let deadline = Instant::now() + Duration::from_secs(60);
            while !is_last(&self.lines()) {
                assert!(Instant::now() < deadline, "{dyno} does not come up");
                thread::sleep(Duration::from_millis(10));
            }
        }
        self.line_count()
    }

    /// Requests `path` and reads the first `bytes` of the response; the connection stays open.
    pub(crate) fn begin(&self, path: &str, bytes: usize) -> (TcpStream, Vec<u8>) {
        let mut stream = self.connect();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: demo.localhost\r\n\r\n"
        )
        .unwrap();
        let mut got = vec![0; bytes];
        stream.read_exact(&mut got).unwrap();
        (stream, got)
    }

    /// A field of `/proc/PID/status`, in KiB.
    pub(crate) fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let digits = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        digits.parse().unwrap()
    }

    /// Checks that the memory of the process never exceeded `base` (its memory before), `cap` and [`OVERHEAD_KIB`].
    #[track_caller]
    pub(crate) fn held(&self, base: u64, cap: u64) {
        let peak = self.kib("VmHWM");
        assert!(
            peak <= base + cap + OVERHEAD_KIB,
            "{base} KiB became {peak}"
        );
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process_id()))
            .unwrap()
            .count()
    }

    /// Waits until the process has at most `base` descriptors.
    #[track_caller]
    pub(crate) fn descriptors_return_to(&self, base: usize) {
        wait_until("descriptors are closed", || self.descriptors() <= base);
    }

    /// The folder of this run, with the slug and the files that dynos write.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let links = fs::read_dir(format!("/proc/{}/fd", self.process_id())).unwrap();
        let mut files = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        let lock = files.find(|file| file.ends_with("lock")).unwrap();
        lock.parent().unwrap().to_owned()
    }

    /// Sends SIGINT: the process must end with success, and remove the folder of its run.
    #[track_caller]
    pub(crate) fn ends(self) {
        let folder = self.run_folder();
        assert!(self.local.stop().success());
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}

/// The value of `NAME=VALUE` in the response of a guest.
pub(crate) fn value(reply: &HttpReply, name: &str) -> String {
    let text = reply.text();
    let mut words = text.split([' ', '\n']);
    let key = format!("{name}=");
    let found = words.find_map(|word| word.strip_prefix(&key));
    found
        .unwrap_or_else(|| panic!("no {name} in {reply:?}"))
        .to_owned()
}

/// The number of `NAME=NUMBER` in the response of a guest.
pub(crate) fn number(reply: &HttpReply, name: &str) -> u64 {
    value(reply, name).parse().unwrap()
}
