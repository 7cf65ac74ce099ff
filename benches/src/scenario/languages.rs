//! `languages`: apps in other languages on a dyno, each beside its native server: CPU of a request, the first request
//! after a boot, memory awake and asleep, growth, and what a changed line costs.
//!
//! Owns the order. Each app is measured to its end before the next one begins.

mod apps;
mod beside_native;
mod changes;
mod memory;
mod start;

use std::path::Path;

use anyhow::{Context, Result};

use crate::args::{BenchOptions, Scenario, repository};
use crate::machine::confine::CpuBudget;
use crate::peers::{INSTALL_FOLDER, NativeProgram, PeerInstaller};
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::SlugFile;
use crate::report::document::ScenarioOutcome;
use apps::LanguageApp;

/// The folder of toolchains, in that of the peers.
const TOOLCHAINS: &str = "toolchains";

/// An app that is measured.
struct MeasuredApp<'a> {
    app: &'a LanguageApp,
    /// Nothing if dyno is measured alone.
    native: Option<&'a NativeProgram>,
    slug: &'a SlugFile,
    options: &'a BenchOptions,
    product: &'a MeasuredBinary,
    budget: CpuBudget,
}

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let mut outcome = ScenarioOutcome::new(Scenario::Languages, how(options));
    let installed = repository().join(INSTALL_FOLDER);
    product.keep_toolchains(&installed.join(TOOLCHAINS))?;
    let installer = PeerInstaller::new(installed.clone(), !options.no_install);
    let sources = installed.join("apps");
    for app in apps::chosen(&options.apps)? {
        eprintln!("  {}", app.title);
        let folder = sources.join(app.name());
        apps::copy_changed(&repository().join(app.folder), &folder)?;
        let ready = app.native.map(|native| native.prepare(&folder, &installer));
        let done = match ready.transpose() {
            Ok(native) => measure_app((app, &folder), native, (options, product), &mut outcome)
                .inspect_err(|_| fail(&mut outcome, app)),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let reason = format!("{}: {error:#}", app.title);
            eprintln!("  left out: {reason}");
            outcome.skipped.push(reason);
        }
    }
    Ok(outcome)
}

fn measure_app(
    (app, folder): (&LanguageApp, &Path),
    native: Option<NativeProgram>,
    (options, product): (&BenchOptions, &MeasuredBinary),
    outcome: &mut ScenarioOutcome,
) -> Result<()> {
    let changed = changes::ChangedApp {
        app,
        folder,
        native: native.as_ref(),
        options,
        product,
    };
    let slug = changed.build()?;
    let built = MeasuredApp {
        app,
        native: native.as_ref().filter(|_| !options.no_peers),
        slug: &slug,
        options,
        product,
        budget: budget(options)?,
    };
    built.measure(outcome)?;
    changed.measure(outcome)
}

/// Adds a gate that does not hold: dyno could not be measured to the end. The other apps are worth their time.
fn fail(outcome: &mut ScenarioOutcome, app: &LanguageApp) {
    let subject = app.dyno_subject();
    outcome
        .add(&subject, "measured to the end", "", vec![0.0])
        .gate_at_least(1.0);
}

fn budget(options: &BenchOptions) -> Result<CpuBudget> {
    let threads = options.threads.first().copied();
    let threads = threads.context("no number of threads to measure with")?;
    Ok(CpuBudget {
        cores: threads,
        threads,
    })
}

impl MeasuredApp<'_> {
    fn measure(&self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let slug = self.slug.size() as f64 / crate::measure::MIB;
        // In this order: the report shows the first charts, and hides the others behind a click.
        let rows = self.measure_requests(outcome)?;
        self.measure_starts(outcome)?;
        self.measure_memory(outcome)?;
        self.add_comparisons(outcome, &rows);
        outcome.add(&self.app.dyno_subject(), "slug", "MiB", vec![slug]);
        Ok(())
    }
}

fn how(options: &BenchOptions) -> String {
    let (repeats, dynos) = (options.repeats, memory::DYNOS + 1);
    format!(
        "each app on one dyno and on its native server, from the same source; CPU: user + system of all processes, closed \
         loop over {} connections, {repeats} rounds of {} s, in turn; first request after boot: GET of a dyno that sleeps, \
         code not loaded, its native code in the cache; of Go's dynos, which never sleep: from web=0 to web=1; of a native server: from its start to its first answer; memory: PSS \
         of the process with {dynos} dynos that have answered less that with one, for each; of a native server, all of it; \
         at work: PSS after {} requests of one dyno less that after the first; growth: PSS after {} more less that, \
         {repeats} times in a row; asleep: PSS with {dynos} sleeping apps less that with one, for each; kept: PSS when all \
         sleep again less that when all slept before; changed line: dyno build of a folder built before, with another \
         comment in its source; served: from the change of a file to the changed answer, under dyno local --watch",
        beside_native::CONNECTIONS,
        options.language_turn_seconds(),
        memory::WARM_REQUESTS,
        memory::REQUESTS,
    )
}
