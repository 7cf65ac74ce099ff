//! What these tests share: a running app with limits of its own, what it costs the machine, and the usual claims.
//!
//! Knows nothing of any one guest.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::{DynoProcess, HttpReply, PATIENCE, guest_path, repository};

/// What the host may need for a guest beside its cap.
pub(crate) const OVERHEAD_KIB: u64 = 64 * 1024;
/// Linear memory of a dyno unless the app says otherwise.
pub(crate) const MEMORY_KIB: u64 = 128 * 1024;
/// Between two looks at something that is to change.
const LOOK: Duration = Duration::from_millis(10);

/// A running `dyno local`.
pub(crate) struct Stage {
    // Dropped first: it uses the folder.
    local: DynoProcess,
    folder: TempDir,
}

impl Deref for Stage {
    type Target = DynoProcess;

    fn deref(&self) -> &DynoProcess {
        &self.local
    }
}

/// The guest by its name, with the platform's limits.
pub(crate) fn start(name: &str, args: &[&str]) -> Stage {
    limited(name, "", args)
}

/// The guest by its name, with lines of `[limits]`.
pub(crate) fn limited(name: &str, limits: &str, args: &[&str]) -> Stage {
    let folder = folder(&guest_path(name), limits);
    let local = DynoProcess::start_local(folder.path(), args);
    Stage { local, folder }
}

/// A folder that is an app: the component, ready-made, and its limits.
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

/// A component written as text, in a folder of its own.
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

    /// The app's folder.
    pub(crate) fn app(&self) -> &Path {
        self.folder.path()
    }

    /// `/ok`: the number of this call in the instance that answers.
    #[track_caller]
    pub(crate) fn ok(&self) -> u64 {
        let reply = self.get("/ok");
        assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
        let number = reply.text().trim().strip_prefix("ok ").unwrap().parse();
        number.unwrap()
    }

    /// The next request is served by a dyno that has served none.
    #[track_caller]
    pub(crate) fn is_replaced(&self) {
        assert_eq!(self.ok(), 1, "the dyno is not a new one");
    }

    /// Asks for `path`: a page of this code and nothing else, and the same in the log, whose line this returns.
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

    /// Asks for `path`: a response that begins and is broken off, and H18 in the log.
    #[track_caller]
    pub(crate) fn breaks_off(&self, path: &str) -> HttpReply {
        let mark = self.line_count();
        let reply = self.get(path);
        assert_eq!((reply.status, reply.complete), (200, false), "{reply:?}");
        let line = self.wait_for_router_line_after(mark, path);
        assert!(line.contains(" code=H18 "), "{line}");
        reply
    }

    /// A line after `mark` about a crash of the first dyno, for this reason, and its next start.
    #[track_caller]
    pub(crate) fn crashes(&self, mark: usize, reason: &str) {
        self.wait_for_line_after(mark, &format!("a crash: {reason}"), |line| {
            line.contains("dyno[web.1]: Crashed: ") && line.contains(reason)
        });
        self.moves(mark, "crashed to starting");
        self.moves(mark, "starting to up");
    }

    /// The first dyno was thrown away after `mark` for no fault of its own: that is no crash.
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

    /// Asks for `path`, and until that is answered asks the other of two dynos again and again: it answers each time,
    /// and lives on. Returns the answer, and how many the other one gave.
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

    /// The same without a look at the log.
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

    /// Waits for both of two dynos to have started, and returns a mark behind that.
    pub(crate) fn both_are_up(&self) -> usize {
        for dyno in ["web.1", "web.2"] {
            let up = format!("dyno[{dyno}]: State changed from starting to up");
            self.wait_for_line("both dynos", |line| line.ends_with(&up));
        }
        self.line_count()
    }

    /// Sends a request for `path` and reads its answer until `bytes` are there; the connection stays open.
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

    /// A field of the process's status, in KiB.
    pub(crate) fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let digits = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        digits.parse().unwrap()
    }

    /// The process has never held more than `base` (its memory before), `cap` and what the host may need.
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

    /// Waits for the process to have no more than `base` descriptors.
    #[track_caller]
    pub(crate) fn descriptors_return_to(&self, base: usize) {
        eventually("descriptors are closed", || self.descriptors() <= base);
    }

    /// The folder of this run: slugs, and what dynos write.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let links = fs::read_dir(format!("/proc/{}/fd", self.process_id())).unwrap();
        let mut files = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        let lock = files.find(|file| file.ends_with("lock")).unwrap();
        lock.parent().unwrap().to_owned()
    }

    /// Ctrl-C, a clean end, and nothing left behind.
    #[track_caller]
    pub(crate) fn ends(self) {
        let folder = self.run_folder();
        assert!(self.local.stop().success());
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}

/// Waits for something to become true.
#[track_caller]
pub(crate) fn eventually(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "it never happens that {what}");
        thread::sleep(LOOK);
    }
}

/// The value of `NAME=VALUE` in a guest's answer.
pub(crate) fn value(reply: &HttpReply, name: &str) -> String {
    let text = reply.text();
    let mut words = text.split([' ', '\n']);
    let key = format!("{name}=");
    let found = words.find_map(|word| word.strip_prefix(&key));
    found
        .unwrap_or_else(|| panic!("no {name} in {reply:?}"))
        .to_owned()
}

/// The same, as a number.
pub(crate) fn number(reply: &HttpReply, name: &str) -> u64 {
    value(reply, name).parse().unwrap()
}
