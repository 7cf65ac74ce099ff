//! `benches`: drives the built `dyno` binary over HTTP, as users run it, and peers beside it.
//!
//! Owns the process: arguments in, report out, and the one place where an error is printed. Knows
//! no crate of the workspace: only the binary, its command line, its log and its sockets.
//!
//! The README says how to run it and how to read what it prints.

mod args;
mod load;
mod machine;
mod measure;
mod peers;
mod product;
mod report;
mod scenario;
mod work;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use args::{BenchArgs, BenchOptions, HiddenCommand};
use machine::{confine, description};
use product::binary::MeasuredBinary;
use report::comparison::{self, EarlierReport};
use report::document::BenchReport;
use report::{html, table};

/// Exit code of a run that broke off, or whose gates did not hold when that was asked for.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let args = BenchArgs::parse();
    let done = match args.hidden {
        Some(HiddenCommand::PeerHyper(peer)) => peers::serve_hyper(&peer).map(|()| true),
        Some(HiddenCommand::Confined(confined)) => {
            confine::become_confined(&confined).map(|()| true)
        }
        None => run_scenarios(&args.options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Runs the scenarios. Returns false if gates are enforced and one of them did not hold.
fn run_scenarios(options: &BenchOptions) -> Result<bool> {
    // Before all that takes long.
    let earlier = options
        .against
        .as_deref()
        .map(EarlierReport::read)
        .transpose()?;
    for file in options.json.iter().chain(&options.html) {
        check_writable(file)?;
    }
    let product = MeasuredBinary::prepare(options.dyno.as_deref(), &options.app)?;
    if !options.any_build {
        product.require_dist_build()?;
    }
    let mut report = BenchReport::begin(description::describe(), product.version()?);
    println!("{}", table::machine(&report));
    for which in options.chosen() {
        eprintln!("{which}: …");
        let outcome = scenario::run(which, options, &product)
            .with_context(|| format!("the scenario {which} broke off"))?;
        println!("{}", table::outcome(&outcome));
        report.outcomes.push(outcome);
        // After each: what was measured is kept if a later scenario breaks off.
        write_reports(&report, options, earlier.as_ref())?;
    }
    println!("{}", table::gates(&report));
    if let Some(earlier) = &earlier {
        let comparison = comparison::compare(earlier, &report);
        println!("{}", table::comparison(&comparison));
    }
    Ok(!options.gate || report.gates_held())
}

/// Checks that a file can be written, without changing its content.
fn check_writable(file: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.create(true).append(true).open(file);
    opened
        .map(drop)
        .with_context(|| format!("cannot write {}", file.display()))
}

fn write_reports(
    report: &BenchReport,
    options: &BenchOptions,
    earlier: Option<&EarlierReport>,
) -> Result<()> {
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    if let Some(file) = &options.html {
        let comparison = earlier.map(|earlier| comparison::compare(earlier, report));
        let page = html::page(report, comparison.as_ref());
        std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
