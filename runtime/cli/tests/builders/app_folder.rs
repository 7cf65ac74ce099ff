//! The temporary folder of an app, and builds of it.
//!
//! Must not know any language.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use testkit::{DynoProcess, do_once, dyno_command, repository};

/// Time limit for the first compilation of a component, which may be an interpreter of 30 MB.
const COMPILATION: Duration = Duration::from_secs(300);
/// Port 9, "discard": no machine listens on it today.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// The folder of an app, which is removed with the value.
pub(crate) struct App(TempDir);

/// The stderr of a build, and its JSON if the build succeeded.
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

    /// Copies an example, without the output of builds.
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

    /// Runs `dyno build`, with further settings of the command.
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

    /// Runs a build, which must succeed. Returns its stderr, and the description of the slug.
    #[track_caller]
    pub(crate) fn build(&self) -> (String, serde_json::Value) {
        let Built { told, slug } = self.try_build(|_| {});
        let slug = slug.unwrap_or_else(|| panic!("{told}"));
        (told, slug)
    }

    /// Runs a build without package registries, which must succeed. Returns the same as `build`.
    #[track_caller]
    pub(crate) fn build_offline(&self) -> (String, serde_json::Value) {
        let Built { told, slug } = self.try_build(offline);
        let slug = slug.unwrap_or_else(|| panic!("{told}"));
        (told, slug)
    }

    /// Runs a build, which must fail, and returns its stderr.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        let Built { told, slug } = self.try_build(|_| {});
        assert!(slug.is_none(), "it was built: {told}");
        assert!(told.contains("error: "), "{told}");
        told
    }

    /// Builds the app, and has its component compiled, which all apps of a language share: only the first test compiles
    /// it. The app must come up.
    #[track_caller]
    pub(crate) fn build_and_compile(&self) {
        let (_, slug) = self.build();
        let Some(digest) = slug["processes"]["web"]["sha256"].as_str() else {
            return;
        };
        do_once(&format!("compiled-{digest}"), || {
            let local = DynoProcess::spawn_local(self.folder(), &[]);
            local.wait_for_port_within(COMPILATION);
            assert!(local.stop().success());
        });
    }

    /// Builds the app without a limit of time, since that may install a toolchain; then runs it by `dyno local`.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> DynoProcess {
        self.build_and_compile();
        DynoProcess::start_local(self.folder(), args)
    }
}

/// Points a command to unreachable registries of npm, PyPI, crates.io and RubyGems.
pub(crate) fn offline(command: &mut Command) {
    command
        .env("npm_config_registry", NOWHERE)
        .env("npm_config_fetch_retries", "0")
        .env("PIP_INDEX_URL", NOWHERE)
        .env("PIP_RETRIES", "0")
        .env("BUNDLE_MIRROR__ALL", NOWHERE)
        .env("CARGO_NET_OFFLINE", "true");
}

/// The steps that a build printed, one for each line.
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

/// Sends hundreds of requests whose bodies the app reads, ignores, or answers without a body. The host would restart an
/// instance that kept handles of finished requests.
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
