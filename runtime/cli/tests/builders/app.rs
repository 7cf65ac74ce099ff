//! An app's folder of a test, and builds of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use testkit::{DynoProcess, dyno_command, repository};

/// A port that nobody listens on: 9, "discard", which no machine of today serves.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// A folder that is removed with the value.
pub(crate) struct App(TempDir);

/// What a build wrote on stderr, and its JSON if it went well.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) told: String,
    pub(crate) slug: Option<serde_json::Value>,
}

impl App {
    pub(crate) fn new(files: &[(&str, &str)]) -> App {
        let app = App(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for (name, text) in files {
            app.write(name, text);
        }
        app
    }

    /// A copy of an example, without what a build has left in it.
    pub(crate) fn example(name: &str) -> App {
        let app = App::new(&[]);
        copy(&repository().join("examples").join(name), app.folder());
        app
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// `dyno build`, with further settings of its environment.
    pub(crate) fn try_build(&self, set: impl FnOnce(&mut Command)) -> Built {
        let slug = self.0.path().join("app.slug");
        let mut command = dyno_command();
        command.arg("build").arg(self.folder()).arg("-o").arg(slug);
        set(command.arg("--json"));
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), !out.is_empty(), "{told}\n{out}");
        Built {
            told,
            slug: serde_json::from_str(&out).ok(),
        }
    }

    /// A build that goes well: what it told, and the slug's description.
    #[track_caller]
    pub(crate) fn build(&self) -> (String, serde_json::Value) {
        let Built { told, slug } = self.try_build(|_| {});
        let slug = slug.unwrap_or_else(|| panic!("{told}"));
        (told, slug)
    }

    /// The same, with every package registry out of reach.
    #[track_caller]
    pub(crate) fn build_offline(&self) -> (String, serde_json::Value) {
        let Built { told, slug } = self.try_build(offline);
        let slug = slug.unwrap_or_else(|| panic!("{told}"));
        (told, slug)
    }

    /// What is said of an app that cannot be built.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        let Built { told, slug } = self.try_build(|_| {});
        assert!(slug.is_none(), "it was built: {told}");
        assert!(told.contains("error: "), "{told}");
        told
    }

    /// Builds it first: that may install a toolchain, which no test waits for otherwise.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> DynoProcess {
        self.build();
        DynoProcess::start_local(self.folder(), args)
    }
}

/// Registries of npm, PyPI and crates.io are asked nowhere.
pub(crate) fn offline(command: &mut Command) {
    command
        .env("npm_config_registry", NOWHERE)
        .env("npm_config_fetch_retries", "0")
        .env("PIP_INDEX_URL", NOWHERE)
        .env("PIP_RETRIES", "0")
        .env("CARGO_NET_OFFLINE", "true");
}

/// What a build said that it does, one step a line.
pub(crate) fn steps(told: &str) -> Vec<&str> {
    let lines = told.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix("Building "))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["target", "node_modules", "__pycache__"]
            .iter()
            .any(|made| name == *made)
        {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(name)),
            false => drop(fs::copy(entry.path(), to.join(name)).unwrap()),
        }
    }
}

/// Has the app read bodies, leave them unread, and answer without any, hundreds of times. An app that kept what the
/// host gave it for a request would be started afresh.
#[track_caller]
pub(crate) fn keeps_nothing(local: &DynoProcess, reads: &str, ignores: &str) {
    for request in 0..400 {
        let body = format!("request {request}");
        let reply = local.request(
            "POST",
            reads,
            &["Content-Type: text/plain"],
            body.as_bytes(),
        );
        assert_eq!(reply.text(), body, "{reply:?}");
        for method in ["POST", "GET"] {
            let reply = local.request(method, ignores, &[], b"");
            assert!(reply.complete && reply.status < 300, "{reply:?}");
        }
    }
    let told = local.lines();
    let odd = |line: &&String| line.contains("Started afresh") || line.contains("Crashed");
    assert_eq!(told.iter().find(odd), None);
}
