//! `dyno serve`: a server in this process, until it is told to stop.
//!
//! Must not know what a server is made of: `node` does.

mod listen_advice;
mod operator;
mod passed_sockets;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use node::{DataFolderError, NodeConfig, RunningNode, ServerSettings, ServiceManager, SpawnError};

use crate::args::ServeArgs;
use crate::compile_child;
use crate::dirs;
use crate::signals::StopSignals;
use crate::terminal;
use operator::OperatorTerminal;
use passed_sockets::PassedSockets;

/// The variable with the socket on which systemd receives the state of its services.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// Work that blocks a thread at the end, such as removing a dyno's files, may take this long.
const LAST_GRACE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &ServeArgs) -> Result<()> {
    // Before there is another thread.
    let passed = PassedSockets::take()?;
    let mut config = settings(args)?.build()?;
    passed.hand_to(&mut config);
    let runtime = node::new_runtime().context("the runtime does not start")?;
    let ended = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LAST_GRACE);
    let (done, node) = ended?;
    node.finish();
    done
}

/// The flags, over the settings file, with the environment's services over both.
fn settings(args: &ServeArgs) -> Result<ServerSettings> {
    let file = match &args.config {
        Some(path) => {
            let wrong = || format!("cannot use the settings in {}", path.display());
            let settings = ServerSettings::read_file(path).with_context(wrong)?;
            if settings.services.exposes_logins(path) {
                let path = path.display();
                terminal::print_warning(&format!(
                    "others on this machine may read {path}, which holds logins: chmod 600 {path}"
                ));
            }
            settings
        }
        None => ServerSettings::default(),
    };
    let mut settings = args.settings().or(file);
    let variable = |name: &str| std::env::var_os(name);
    settings.services = settings.services.with_environment(variable)?;
    if settings.data_folder.is_none() {
        settings.data_folder = Some(dirs::data()?);
    }
    Ok(settings)
}

/// Serves until a signal comes or the server fails, and drains it. An error of the start comes by itself; a later one
/// comes with the node.
async fn serve(config: NodeConfig) -> Result<(Result<()>, RunningNode)> {
    let mut signals = StopSignals::new()?;
    let manager = ServiceManager::new(std::env::var_os(NOTIFY_SOCKET));
    let operator = Arc::new(OperatorTerminal::new(&config));
    let observer = Arc::clone(&operator);
    let node = RunningNode::spawn(config, compile_child::command()?, observer).await;
    let mut node = node.map_err(explain_spawn_error)?;
    operator.finish_start(node.api_address());
    manager.notify_ready();
    let done = tokio::select! {
        () = signals.wait() => Ok(()),
        failure = node.wait_for_failure() => Err(failure.into()),
    };
    manager.notify_stopping();
    terminal::print_note(
        "Stopping",
        "running requests have their time to finish; again to end at once",
    );
    tokio::select! {
        () = node.drain() => {}
        () = signals.wait() => {}
    }
    Ok((done, node))
}

/// Adds which flag helps.
fn explain_spawn_error(error: SpawnError) -> anyhow::Error {
    match error {
        SpawnError::Listen {
            purpose,
            address,
            source,
        } => {
            let flag = listen_advice::flag(purpose);
            let advice = listen_advice::advice(&source, address, flag);
            anyhow::Error::new(source).context(advice)
        }
        SpawnError::DataFolder(DataFolderError::InUse(root)) => anyhow::anyhow!(
            "another server uses {}: stop it first, or name another folder with --data",
            root.display()
        ),
        SpawnError::LogFolder(cause) => anyhow::Error::new(cause)
            .context("the apps' logs cannot be kept: name another folder with --log-dir"),
        error => error.into(),
    }
}
