//! `dyno local`: an app behind the router on this machine. The node is the same as a server's.

mod app;
mod run;
mod source;
mod watch;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use grid::name::AppName;
use node::{LocalSettings, NodeConfig, NodeEvent, NodeObserver, ObserverError, RunningNode};
use slugs::store::Store;

use crate::args::{LocalArgs, LocalCommand};
use crate::compile_child;
use crate::dirs::{self, RunFolder};
use crate::signals::StopSignals;
use crate::terminal::{self, TerminalLog};
use app::LocalApp;
use source::{BuiltSlug, LocalSource, LocalTarget};

/// Work that blocks a thread at the end, such as removing a dyno's files, may take this long.
const LAST_GRACE: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &LocalArgs) -> Result<()> {
    if let Some(LocalCommand::Run(args)) = &args.command {
        return run::run(args);
    }
    let target = LocalTarget::parse(&args.what, args)?;
    let runtime = node::new_runtime().context("the runtime does not start")?;
    let ended = runtime.block_on(serve(args, &target));
    runtime.shutdown_timeout(LAST_GRACE);
    let Some((done, node)) = ended? else {
        return Ok(());
    };
    node.finish();
    done
}

/// Builds the app, and serves it until a signal comes. Returns nothing if a signal comes during the build.
async fn serve(
    args: &LocalArgs,
    target: &LocalTarget,
) -> Result<Option<(Result<()>, RunningNode)>> {
    let mut signals = StopSignals::new()?;
    let cache = dirs::cache()?;
    let folder = RunFolder::create(&cache)?;
    let slugs = Arc::new(Store::open(&folder.path().join("slugs"))?);
    let source = LocalSource::new(target, Arc::clone(&slugs), folder.path());
    let Some(built) = signals.unless_stopped(source.build()).await else {
        return Ok(None);
    };
    let built = built?;
    let config = LocalSettings {
        app: built.name.clone(),
        listen: (Ipv4Addr::LOCALHOST, args.port).into(),
        egress_allow: args.egress_allow.clone(),
        slugs,
        run_folder: folder.path().to_owned(),
        compiled_folder: cache.join("compiled"),
        log: Box::new(TerminalLog::stdout()),
    };
    let mut node = start(config.build(), args.port).await?;
    let url = format!("http://localhost:{}/", node.app_address().port());
    let app = LocalApp::new(&node, built.name.clone(), target.formation.clone());
    let done = tokio::select! {
        done = live(&app, &source, built, args, &url) => done,
        () = signals.wait() => Ok(()),
    };
    // A second Ctrl-C ends the node at once; the next run removes the folder.
    tokio::select! {
        () = node.drain() => {}
        () = signals.wait() => {}
    }
    Ok(Some((done, node)))
}

async fn start(config: NodeConfig, port: u16) -> Result<RunningNode> {
    let spawned = RunningNode::spawn(config, compile_child::command()?, Arc::new(NoOperator));
    match spawned.await {
        Ok(node) => Ok(node),
        Err(node::SpawnError::Listen { source, .. }) => Err(source).with_context(|| {
            format!("cannot listen on port {port}: choose another one with -p, or -p 0 for any")
        }),
        Err(error) => Err(error.into()),
    }
}

/// A node of one app has no events that its developer should know of.
struct NoOperator;

impl NodeObserver for NoOperator {
    fn on_event(&self, _event: NodeEvent) {}

    fn show_first_token(
        &self,
        _secret: &str,
        _api: std::net::SocketAddr,
    ) -> Result<(), ObserverError> {
        Ok(())
    }
}

/// Deploys, says where the app is, and deploys again whenever the source changed.
async fn live(
    app: &LocalApp<'_>,
    source: &LocalSource<'_>,
    built: BuiltSlug,
    args: &LocalArgs,
    url: &str,
) -> Result<()> {
    let name = built.name.clone();
    match app.deploy(built).await {
        Ok(()) => ready(&name, app.has_web().then_some(url)),
        Err(error) if args.watch => terminal::print_error(&error),
        Err(error) => return Err(error),
    }
    if !args.watch {
        return std::future::pending().await;
    }
    let Some(folder) = source.folder() else {
        bail!("--watch needs a folder: a slug or a component does not change");
    };
    let mut changes = watch::FolderChanges::of(folder)?;
    terminal::print_note("Watching", &folder.display().to_string());
    loop {
        changes.next().await?;
        let again = async { app.deploy(source.build().await?).await };
        match again.await {
            Ok(()) => ready(&name, app.has_web().then_some(url)),
            Err(error) => {
                terminal::print_error(&error);
                terminal::print_note(
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
    let _ = terminal::print(&format!("{name} is up: {at}"));
}

/// The absolute form of a path that exists.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("cannot find {}", path.display()))
}
