//! What a changed line costs: until the slug is built again, and until the change is served under `--watch`.
//!
//! Owns the app's folder while it is changed; afterwards its source is as before.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::apps::LanguageApp;
use super::beside_native::PROBE;
use crate::args::BenchOptions;
use crate::load::closed_loop;
use crate::peers::{NativeProgram, NativeServer};
use crate::product::binary::MeasuredBinary;
use crate::product::child_server::{ChildServer, ChildServerStart, LogTarget, free_port};
use crate::product::dyno_serve::SlugFile;
use crate::report::document::ScenarioOutcome;

/// The text in the source of every app of the benches that is changed: `/hello` answers with it.
pub(super) const MARK: &str = "Hello, world";
/// How long a change may take to be served.
const SERVED_MAX: Duration = Duration::from_secs(60);
/// Time between two looks at the answer, and before the first change, so that the folder is being watched.
const LOOK: Duration = Duration::from_millis(5);
const WATCHING: Duration = Duration::from_secs(1);
/// The longest allowed time until a changed line is served, in ms. Not for languages that are compiled to native code.
const SERVED_MILLIS_MAX: f64 = 2_000.0;

/// An app in a folder of its own.
pub(super) struct ChangedApp<'a> {
    pub(super) app: &'a LanguageApp,
    pub(super) folder: &'a Path,
    pub(super) native: Option<&'a NativeProgram>,
    pub(super) options: &'a BenchOptions,
    pub(super) product: &'a MeasuredBinary,
}

impl ChangedApp<'_> {
    pub(super) fn build(&self) -> Result<SlugFile> {
        SlugFile::build_by(self.command(), self.folder)
    }

    /// Adds the times of both.
    pub(super) fn measure(&self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let source = self.folder.join(self.app.source);
        let text = fs::read_to_string(&source)?;
        let built = self.measure_builds(outcome, &source, &text);
        let served = built.and_then(|()| match self.app.native {
            Some(native) => self.measure_served(outcome, &source, &text, native),
            None => Ok(()),
        });
        fs::write(&source, text)?;
        served
    }

    fn command(&self) -> Command {
        let command = self.product.command();
        match self.native {
            Some(native) => native.with_tools(command),
            None => command,
        }
    }

    fn measure_builds(
        &self,
        outcome: &mut ScenarioOutcome,
        source: &Path,
        text: &str,
    ) -> Result<()> {
        let comment = match source.extension().and_then(|ending| ending.to_str()) {
            Some("py" | "rb") => "#",
            _ => "//",
        };
        let mut millis = Vec::new();
        for round in 0..self.options.repeats {
            fs::write(source, format!("{text}{comment} {round}\n"))?;
            let began = Instant::now();
            self.build()?;
            millis.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let subject = self.app.dyno_subject();
        outcome.add(&subject, "changed line, to slug", "ms", millis);
        Ok(())
    }

    fn measure_served(
        &self,
        outcome: &mut ScenarioOutcome,
        source: &Path,
        text: &str,
        native: NativeServer,
    ) -> Result<()> {
        let server = self.watching()?;
        std::thread::sleep(WATCHING);
        let mut millis = Vec::new();
        for round in 0..self.options.repeats {
            let mark = format!("{MARK} {round}");
            let began = Instant::now();
            fs::write(source, text.replace(MARK, &mark))?;
            wait_for_answer(&server, &mark)?;
            millis.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let subject = self.app.dyno_subject();
        let served = outcome.add(&subject, "changed line, to served", "ms", millis);
        if native != NativeServer::Go {
            served.gate(SERVED_MILLIS_MAX);
        }
        Ok(())
    }

    fn watching(&self) -> Result<ChildServer> {
        let port = free_port()?;
        let mut command = self.command();
        command
            .arg("local")
            .arg(self.folder)
            .args(["web=1", "--watch", "-p", &port.to_string()]);
        let start = ChildServerStart {
            port,
            log: LogTarget::Drained,
            errors: &self.product.file("watch.errors"),
            probe: PROBE,
        };
        ChildServer::start(command, &start)
    }
}

fn wait_for_answer(server: &ChildServer, mark: &str) -> Result<()> {
    let deadline = Instant::now() + SERVED_MAX;
    loop {
        // The answers of the old release, until the new one serves.
        let answer = closed_loop::fetch(server.address, PROBE, "");
        if answer.is_ok_and(|page| page.body.starts_with(mark.as_bytes())) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the answer never begins with `{mark}`");
        }
        std::thread::sleep(LOOK);
    }
}
