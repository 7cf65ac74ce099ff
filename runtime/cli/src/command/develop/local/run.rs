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
use super::source::{BuiltSlug, LocalSource, LocalTarget, dotenv};
use crate::args::{LocalRunArgs, parse_env_flags};
use crate::compile_child;
use crate::dirs::{self, RunFolder};
use crate::exit_code::{ABORTED, INTERRUPTED, TERMINATED};
use crate::terminal::{self, ProgramExit};

/// Work that blocks a thread at the end may take this long. A read of the terminal never ends by itself.
const LAST_GRACE: Duration = Duration::from_millis(50);
/// Stands between a folder of this machine and the program's name for it.
const FOLDER_SEPARATOR: &str = "::";

pub(super) fn run(args: &LocalRunArgs) -> Result<()> {
    let folders = args.dir.iter().map(|dir| folder(dir));
    let folders: Vec<MountedFolder> = folders.collect::<Result<_>>()?;
    let runtime = node::new_runtime().context("the runtime does not start")?;
    let exit = runtime.block_on(ended(args, folders));
    runtime.shutdown_timeout(LAST_GRACE);
    match exit? {
        LocalRunEnd::Exit(ProcessExit::Code(0)) => Ok(()),
        LocalRunEnd::Exit(ProcessExit::Code(code)) | LocalRunEnd::Signal(code) => {
            Err(ProgramExit(code).into())
        }
        LocalRunEnd::Exit(ProcessExit::Failed(reason)) => {
            terminal::print_error(&anyhow::anyhow!("{}: {reason}", args.command[0]));
            Err(ProgramExit(ABORTED).into())
        }
    }
}

enum LocalRunEnd {
    Exit(ProcessExit),
    Signal(u8),
}

/// Parses `HOST::GUEST`, or a folder with the same name for both. The program gets the name exactly as it is written.
fn folder(text: &str) -> Result<MountedFolder> {
    let (host, guest) = text.split_once(FOLDER_SEPARATOR).unwrap_or((text, text));
    let host = absolute(Path::new(host))?;
    if !host.is_dir() {
        bail!("--dir {text}: {} is not a folder", host.display());
    }
    let guest = guest.to_owned();
    Ok(MountedFolder { host, guest })
}

async fn ended(args: &LocalRunArgs, folders: Vec<MountedFolder>) -> Result<LocalRunEnd> {
    let on = |kind| signal(kind).context("signals cannot be handled");
    let (mut interrupt, mut terminate) =
        (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    tokio::select! {
        exit = exit(args, folders) => exit.map(LocalRunEnd::Exit),
        _ = interrupt.recv() => Ok(LocalRunEnd::Signal(INTERRUPTED)),
        _ = terminate.recv() => Ok(LocalRunEnd::Signal(TERMINATED)),
    }
}

async fn exit(args: &LocalRunArgs, folders: Vec<MountedFolder>) -> Result<ProcessExit> {
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
        on_platform_line: Arc::new(terminal::print_lines),
        run_folder: own.path().to_owned(),
        compiled_folder: cache.join("compiled"),
        compile_command: compile_child::command()?,
    };
    Ok(node::run_program(program).await?)
}

/// Builds the app in this folder, for one of its process types, commands or components. Returns the config vars too.
async fn build_app(
    args: &LocalRunArgs,
    own: &Path,
) -> Result<(ProgramFiles, BTreeMap<String, String>)> {
    let store = Arc::new(Store::open(&own.join("slugs"))?);
    let target = LocalTarget::in_folder(Path::new("."), args.env_file.clone())?;
    let source = LocalSource::new(&target, Arc::clone(&store), own);
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

/// Resolves the first word of a command: a process type, a command word of the language, or a component.
fn command_of(built: &BuiltSlug, word: &str, args: Vec<String>) -> Result<OneOffCommand> {
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
        let known = match manifest.runnable_words().as_slice() {
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
    fn a_folder_keeps_its_path_or_gets_another_in_the_guest() {
        let of = |text: &str| folder(text).map(|folder| folder.guest);
        assert_eq!(of("/tmp::/data").expect("there"), "/data");
        assert_eq!(of("/tmp::data").expect("there"), "data");
        assert_eq!(of("/tmp::/").expect("there"), "/");
        assert_eq!(of(".").expect("there"), ".");
        assert_eq!(of("/tmp").expect("there"), "/tmp");
        assert!(of("/no/such/folder").is_err());
    }
}
