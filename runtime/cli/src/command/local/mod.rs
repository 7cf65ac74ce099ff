//! `dyno local`: the app behind the router on this machine, by the same loop as a server's.

mod app;
mod run;
mod source;
mod watch;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use control::ledger::MemoryLedger;
use dyno::{EgressOpening, EgressPolicy};
use grid::name::AppName;
use grid::plan::Policy;
use router::{Hosts, TrustedProxies};
use slugs::store::Store;
use tokio::net::TcpListener;

use crate::args::{Local, LocalCommand};
use crate::dirs::{self, RunFolder};
use crate::logs::{self, Logs};
use crate::platform::{Config, Platform};
use crate::stop::{self, Stop};
use crate::term;
use app::App;
use source::{Source, Target};

/// What running requests have to finish when the runner is stopped: Ctrl-C ends within a second.
const STOP_GRACE: Duration = Duration::from_millis(300);
/// What dynos have to end after that.
const DRAIN_GRACE: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Local) -> Result<()> {
    if let Some(LocalCommand::Run(args)) = &args.command {
        return run::run(args);
    }
    let target = Target::parse(&args.what, args)?;
    let runtime = stop::runtime()?;
    let (logs, printer) =
        logs::start(logs::To::Terminal).context("the log thread does not start")?;
    let done = runtime.block_on(serve(args, &target, logs));
    // What still blocks a thread, such as removing a dyno's files, gets a moment.
    runtime.shutdown_timeout(DRAIN_GRACE);
    printer.finish();
    done
}

async fn serve(args: &Local, target: &Target, logs: Logs) -> Result<()> {
    let mut stop = Stop::new()?;
    let cache = dirs::cache()?;
    let folder = RunFolder::create(&cache)?;
    let slugs = Arc::new(Store::open(&folder.path().join("slugs"))?);
    let source = Source::new(target, Arc::clone(&slugs), folder.path());
    let Some(built) = stop.or(source.build()).await else {
        return Ok(());
    };
    let built = built?;
    let listener = listen(args.port)?;
    let config = Config {
        ledger: Arc::new(MemoryLedger::new()),
        policy: Policy::default(),
        slugs,
        compiled: &cache.join("compiled"),
        work: &folder.path().join("dynos"),
        spill: folder.path(),
        egress: egress(&args.egress_allow),
        hosts: Hosts::AllTo(built.name.clone()),
        trusted: TrustedProxies::default(),
        usage: None,
    };
    let name = built.name.clone();
    let platform = Platform::start(config, &logs).await?;
    platform.expect(&name, Vec::new());
    let server = platform
        .router
        .listen(listener)
        .context("the port cannot be used")?;
    let url = format!("http://localhost:{}/", server.address().port());
    let app = App::new(&platform, name.clone(), target.formation.clone());
    let done = tokio::select! {
        done = live(&app, &source, built, args, &url) => done,
        () = stop.asked() => Ok(()),
    };
    // A second Ctrl-C ends it at once; the folder is removed by the next run.
    let ending = async {
        server.close(STOP_GRACE).await;
        platform.stop(DRAIN_GRACE).await;
    };
    tokio::select! {
        () = ending => {}
        () = stop.asked() => {}
    }
    done
}

/// The developer is the operator of this machine: loopback is open.
fn egress(further: &[EgressOpening]) -> EgressPolicy {
    const LOOPBACK: [(IpAddr, u8); 2] = [
        (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    ];
    let loopback = LOOPBACK.map(|(address, bits)| EgressOpening::network(address, bits));
    EgressPolicy {
        allowed: loopback
            .into_iter()
            .chain(further.iter().copied())
            .collect(),
        command: "dyno local",
        ..EgressPolicy::default()
    }
}

/// Deploys, says where the app is, and deploys again whenever the source changed.
async fn live(
    app: &App<'_>,
    source: &Source<'_>,
    built: source::Ready,
    args: &Local,
    url: &str,
) -> Result<()> {
    let name = built.name.clone();
    match app.deploy(built).await {
        Ok(()) => ready(&name, app.has_web().then_some(url)),
        Err(error) if args.watch => term::error(&error),
        Err(error) => return Err(error),
    }
    if !args.watch {
        return std::future::pending().await;
    }
    let Some(folder) = source.folder() else {
        bail!("--watch needs a folder: a slug or a component does not change");
    };
    let mut changes = watch::Changes::of(folder)?;
    term::note("Watching", &folder.display().to_string());
    loop {
        changes.next().await?;
        let again = async { app.deploy(source.build().await?).await };
        match again.await {
            Ok(()) => ready(&name, app.has_web().then_some(url)),
            Err(error) => {
                term::error(&error);
                term::note(
                    "Serving",
                    "what was there before; waiting for the next change",
                );
            }
        }
    }
}

fn ready(name: &AppName, url: Option<&str>) {
    let at = url.unwrap_or("it has no web process");
    // Nobody to read it is no reason to stop the app.
    let _ = term::print(&format!("{name} is up: {at}"));
}

fn listen(port: u16) -> Result<TcpListener> {
    let listener = router::bind((Ipv4Addr::LOCALHOST, port).into());
    listener.with_context(|| {
        format!("cannot listen on port {port}: choose another one with -p, or -p 0 for any")
    })
}

/// The absolute form of a path that exists.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("cannot find {}", path.display()))
}
