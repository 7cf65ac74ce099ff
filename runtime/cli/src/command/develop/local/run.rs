//! `dyno local run`: a program that runs once on this machine, without server, router or reconciler.
//!
//! Its input, output and exit code are this command's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use grid::name::ProcessType;
use grid::protocol::ProcessExit;
use node::{MountedFolder, OneOffCommand, ProgramConfig, ProgramFiles, ProgramPipes};
use slugs::store::Store;
use tokio::signal::unix::{SignalKind, signal};

use super::absolute;
use super::source::{Ready, Source, Target, dotenv};
use crate::args::{LocalRun, parse_env_flags};
use crate::compile_child;
use crate::dirs::{self, RunFolder};
use crate::exit_code::{ABORTED, INTERRUPTED, TERMINATED};
use crate::terminal::{self, Code};

/// What still blocks a thread at the end: a read of the terminal, above all, which nobody can end.
const LAST_GRACE: Duration = Duration::from_millis(50);
/// What parts a folder of this machine from the program's name for it.
const PARTED: &str = "::";

pub(super) fn run(args: &LocalRun) -> Result<()> {
    let folders = args.dir.iter().map(|dir| folder(dir));
    let folders: Vec<MountedFolder> = folders.collect::<Result<_>>()?;
    let runtime = node::new_runtime().context("the runtime does not start")?;
    let exit = runtime.block_on(ended(args, folders));
    runtime.shutdown_timeout(LAST_GRACE);
    match exit? {
        Ended::Exit(ProcessExit::Code(0)) => Ok(()),
        Ended::Exit(ProcessExit::Code(code)) | Ended::Signal(code) => Err(Code(code).into()),
        Ended::Exit(ProcessExit::Failed(reason)) => {
            terminal::error(&anyhow::anyhow!("{}: {reason}", args.command[0]));
            Err(Code(ABORTED).into())
        }
    }
}

enum Ended {
    Exit(ProcessExit),
    Signal(u8),
}

/// `HOST::GUEST`, or a folder by the same name for both; the program is told the name exactly as it is written.
fn folder(text: &str) -> Result<MountedFolder> {
    let (host, guest) = text.split_once(PARTED).unwrap_or((text, text));
    let host = absolute(Path::new(host))?;
    if !host.is_dir() {
        bail!("--dir {text}: {} is no folder", host.display());
    }
    let guest = guest.to_owned();
    Ok(MountedFolder { host, guest })
}

async fn ended(args: &LocalRun, folders: Vec<MountedFolder>) -> Result<Ended> {
    let on = |kind| signal(kind).context("signals cannot be handled");
    let (mut interrupt, mut terminate) =
        (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    tokio::select! {
        exit = exit(args, folders) => exit.map(Ended::Exit),
        _ = interrupt.recv() => Ok(Ended::Signal(INTERRUPTED)),
        _ = terminate.recv() => Ok(Ended::Signal(TERMINATED)),
    }
}

async fn exit(args: &LocalRun, folders: Vec<MountedFolder>) -> Result<ProcessExit> {
    let cache = dirs::cache()?;
    let own = RunFolder::create(&cache)?;
    let env = parse_env_flags(&args.env)?;
    let (files, config) = match Path::new(&args.command[0]) {
        file if file.is_file() => {
            let config = dotenv(args.env_file.as_deref(), Some(Path::new(".")))?;
            (ProgramFiles::File(absolute(file)?), config)
        }
        _ => build_app(args, own.path()).await?,
    };
    let program = ProgramConfig {
        files,
        args: args.command[1..].to_vec(),
        config,
        env,
        egress_allow: args.egress_allow.clone(),
        folders,
        pipes: ProgramPipes {
            stdin: Box::new(tokio::io::stdin()),
            stdout: Box::new(tokio::io::stdout()),
            stderr: Box::new(tokio::io::stderr()),
        },
        on_platform_line: Arc::new(|line| terminal::aside(line)),
        run_folder: own.path().to_owned(),
        compiled_folder: cache.join("compiled"),
        compile_command: compile_child::command()?,
    };
    Ok(node::run_program(program).await?)
}

/// Builds the app in this folder, for one of its process types, commands or components. Returns the config vars too.
async fn build_app(
    args: &LocalRun,
    own: &Path,
) -> Result<(ProgramFiles, BTreeMap<String, String>)> {
    let store = Arc::new(Store::open(&own.join("slugs"))?);
    let target = Target::in_folder(Path::new("."), args.env_file.clone())?;
    let source = Source::new(&target, Arc::clone(&store), own);
    let built = source.build().await.with_context(|| {
        let word = &args.command[0];
        format!("{word:?} is no file, and the app in this folder, which may have a process type of that name, cannot be built")
    })?;
    let command = command_of(&built, &args.command[0], args.command[1..].to_vec())?;
    let files = ProgramFiles::Slug {
        app: built.name,
        store,
        id: built.id,
        processes: built.manifest.specs(),
        command,
    };
    Ok((files, built.config))
}

/// What the first word of a command stands for: a process type, a command word of the language, or a component.
fn command_of(built: &Ready, word: &str, args: Vec<String>) -> Result<OneOffCommand> {
    let manifest = &built.manifest;
    let process = word.parse::<ProcessType>().ok();
    if let Some(process) = process.filter(|name| manifest.processes.contains_key(name)) {
        return Ok(OneOffCommand::Type { process, args });
    }
    if let Some(program) = manifest.commands.get(word) {
        return Ok(OneOffCommand::Component {
            path: PathBuf::from(program.component.as_str()),
            args: program.args.iter().cloned().chain(args).collect(),
        });
    }
    let path = word.trim_start_matches("./");
    if !manifest.files.keys().any(|file| file.as_str() == path) {
        let known = match manifest.runnable().as_slice() {
            [] => "has nothing that runs by itself".to_owned(),
            words => format!("can run {}", words.join(", ")),
        };
        bail!(
            "{word:?} is no file, and no process type, command or component of {}, which {known}",
            built.name
        );
    }
    Ok(OneOffCommand::Component {
        path: PathBuf::from(path),
        args,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_its_own_name_or_another() {
        let of = |text: &str| folder(text).map(|folder| folder.guest);
        assert_eq!(of("/tmp::/data").expect("there"), "/data");
        assert_eq!(of("/tmp::data").expect("there"), "data");
        assert_eq!(of("/tmp::/").expect("there"), "/");
        assert_eq!(of(".").expect("there"), ".");
        assert_eq!(of("/tmp").expect("there"), "/tmp");
        assert!(of("/no/such/folder").is_err());
    }
}
