//! `dyno serve`: router, API and dynos of one server, until it is told to stop.
//!
//! Owns the order in which things start and end. Must not know routes of the API, nor decide anything.

pub(crate) mod data;
mod first;
pub(crate) mod local;
mod notify;
mod numbers;
mod prune;
mod services;
mod settings;
mod sockets;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use api::Parts;
use control::addons::AddonsHandle;
use control::ledger::{Ledger, LedgerCause, SqliteLedger};
use control::logs::LogFiles;
use control::usage::{self, UsageRecorder};
use dyno::EgressPolicy;
use grid::name::{AppName, ProcessType};
use router::Hosts;
use slugs::store::Store;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::args::Serve;
use crate::logs::{self, Logs};
use crate::platform::{Config, Platform};
use crate::stop::{self, Stop};
use crate::term;
use data::Data;
use settings::Settings;
use sockets::Passed;

/// What still blocks a thread at the end, such as removing a dyno's files, gets so long.
const LAST_GRACE: Duration = Duration::from_secs(2);
/// Apps that served when the server was stopped have so long to come up before it calls itself ready
/// without them.
const READY_MAX: Duration = Duration::from_secs(75);

pub(crate) fn run(args: &Serve) -> Result<()> {
    // Before there is another thread.
    let passed = Passed::take()?;
    let settings = Settings::of(args)?;
    let data = Data::open(&settings.data)?;
    let runtime = stop::runtime()?;
    let lines = kept_logs(&settings, &data)?;
    let (logs, printer) =
        logs::start(logs::To::Server(lines.clone())).context("the log thread does not start")?;
    let done = runtime.block_on(serve(&settings, &data, &logs, lines, passed));
    drop(logs);
    runtime.shutdown_timeout(LAST_GRACE);
    printer.finish();
    done
}

/// The apps' logs, with what was kept of them.
fn kept_logs(settings: &Settings, data: &Data) -> Result<control::logs::AppLogs> {
    let folder = settings.log_dir.clone().unwrap_or_else(|| data.logs());
    match LogFiles::open(&folder) {
        Ok(files) => Ok(control::logs::AppLogs::kept_in(files)),
        // Apps are served all the same.
        Err(error) if error.is_full() => {
            let error = anyhow::Error::new(error);
            term::warning(&format!("log lines do not survive a restart: {error:#}"));
            Ok(control::logs::AppLogs::new())
        }
        Err(error) => {
            let error = anyhow::Error::new(error);
            Err(error.context("the apps' logs cannot be kept: name another folder with --log-dir"))
        }
    }
}

/// What lasts longer than one run.
struct Kept {
    ledger: Arc<dyn Ledger>,
    usage: UsageRecorder,
    slugs: Arc<Store>,
}

impl Kept {
    fn open(data: &Data) -> Result<Kept> {
        let ledger =
            SqliteLedger::open(&data.ledger(), &data.key()).context("cannot open the ledger")?;
        let usage = usage::SqliteUsageStore::open(&data.usage())
            .context("cannot open the usage records")?;
        let usage = UsageRecorder::open(Arc::new(usage), SystemTime::now())
            .context("cannot read the usage records")?;
        Ok(Kept {
            ledger: Arc::new(ledger),
            usage,
            slugs: Arc::new(Store::open(&data.slugs())?),
        })
    }
}

async fn serve(
    settings: &Settings,
    data: &Data,
    logs: &Logs,
    lines: control::logs::AppLogs,
    passed: Passed,
) -> Result<()> {
    let mut stop = Stop::new()?;
    let mut running = Running::start(settings, data, logs, lines, passed).await?;
    notify::ready();
    let done = tokio::select! {
        () = stop.asked() => Ok(()),
        error = running.platform.ended() => Err(error),
    };
    notify::stopping();
    term::note(
        "Stopping",
        "running requests have their time to finish; again to end at once",
    );
    tokio::select! {
        () = running.end(settings.grace) => {}
        () = stop.asked() => {}
    }
    done
}

/// A server that serves.
struct Running {
    platform: Platform,
    apps: router::Server,
    ready: watch::Sender<bool>,
    /// Ends `api` and `usage`.
    end: watch::Sender<bool>,
    api: JoinHandle<std::io::Result<()>>,
    usage: JoinHandle<()>,
    tasks: JoinSet<()>,
}

impl Running {
    async fn start(
        settings: &Settings,
        data: &Data,
        logs: &Logs,
        lines: control::logs::AppLogs,
        mut passed: Passed,
    ) -> Result<Running> {
        // Before anything is written: a port that is taken is no reason to start half.
        let apps = passed.http(settings.listen)?;
        let api = passed.api(settings.api)?;
        let kept = Kept::open(data)?;
        let ports = [apps.local_addr()?.port(), api.local_addr()?.port()];
        let platform = platform(settings, data, &kept, logs, ports).await?;
        // Of apps that were destroyed just before the server was killed.
        let known = platform.control.view();
        lines.retain_files(|app| known.desired.apps.contains_key(app));
        let (ready, is_ready) = watch::channel(false);
        let (end, ends) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let served = expect_known(&platform);
        tasks.spawn(platform.all_published(served, READY_MAX, ready.clone()));
        let apps = platform.router.listen(apps);
        let apps = apps.context("the port cannot be used")?;
        first::say(settings, apps.address(), api.local_addr()?);
        first::admin(&platform.control, api.local_addr()?).await?;
        local::start(data.root(), &platform.control, &mut tasks);
        let (addons, keeper) =
            AddonsHandle::new(platform.control.clone(), settings.servers.clone());
        tasks.spawn(keeper.run(|trouble| term::warning(&trouble)));
        let parts = Parts {
            control: platform.control.clone(),
            slugs: Arc::clone(&kept.slugs),
            addons,
            logs: lines,
            usage: kept.usage.clone(),
            settings: api_settings(settings, apps.address().port())?,
            ready: is_ready,
            metrics: numbers(&platform),
        };
        let api_ends = ended(ends.clone());
        let state = api::State::new(parts);
        let api = tokio::spawn(async move { api::serve(api, state, api_ends).await });
        let usage = tokio::spawn(kept.usage.run(ended(ends), |error| {
            let error = anyhow::Error::new(error);
            term::warning(&format!("dyno time is not written down: {error:#}"));
        }));
        tasks.spawn(prune::prune(kept.slugs, platform.control.clone()));
        tasks.spawn(tell_trouble(platform.control.trouble()));
        Ok(Running {
            platform,
            apps,
            ready,
            end,
            api,
            usage,
            tasks,
        })
    }

    /// Lets requests finish for `grace`, and ends everything.
    async fn end(mut self, grace: Duration) {
        // Before it says that it is not ready, or they would say that it is.
        self.tasks.shutdown().await;
        self.ready.send_replace(false);
        self.apps.close(grace).await;
        self.platform.stop(grace).await;
        let _ = self.end.send(true);
        let _ = tokio::join!(self.api, self.usage);
    }
}

async fn platform(
    settings: &Settings,
    data: &Data,
    kept: &Kept,
    logs: &Logs,
    ports: [u16; 2],
) -> Result<Platform> {
    let config = Config {
        ledger: Arc::clone(&kept.ledger),
        policy: settings.policy,
        slugs: Arc::clone(&kept.slugs),
        compiled: &data.compiled(),
        work: &data.dynos(),
        spill: data.nameless(),
        egress: EgressPolicy {
            allowed: settings.egress_allow.as_slice().into(),
            listening: ports.into(),
            ..EgressPolicy::default()
        },
        hosts: Hosts::Named,
        trusted: settings.trust_proxy.clone(),
        usage: Some(kept.usage.clone()),
    };
    Platform::start(config, logs).await
}

fn api_settings(settings: &Settings, public_port: u16) -> Result<api::Settings> {
    Ok(api::Settings {
        domain: settings.domain.parse().context("the domain")?,
        public_https: false,
        public_port,
        prices: settings.prices,
        api_hosts: settings.api_hosts.clone(),
    })
}

fn numbers(platform: &Platform) -> api::MoreMetrics {
    let router = platform.router.clone();
    Arc::new(move |out| numbers::write(&router, out))
}

async fn ended(mut end: watch::Receiver<bool>) {
    // The sender is gone only when all is over.
    let _ = end.wait_for(|end| *end).await;
}

/// Says when the ledger cannot be written, and when it can be again.
async fn tell_trouble(mut trouble: watch::Receiver<Option<LedgerCause>>) {
    let mut was = false;
    while trouble.changed().await.is_ok() {
        let now = trouble.borrow_and_update().clone();
        match &now {
            Some(cause) if !was => term::warning(&format!(
                "changes cannot be written down: {cause}. Is the disk full? Apps run on"
            )),
            None if was => term::note("Again", "changes are written down"),
            _ => {}
        }
        was = now.is_some();
    }
}

/// Has requests wait for the apps that served before; returns these apps.
fn expect_known(platform: &Platform) -> Vec<AppName> {
    let view = platform.control.view();
    let apps = view.desired.apps.values();
    let serving =
        apps.filter(|app| app.serving.is_some() && app.requested_count(&ProcessType::web()) > 0);
    serving
        .map(|app| {
            platform.expect(&app.name, app.hostnames.iter().cloned().collect());
            app.name.clone()
        })
        .collect()
}
