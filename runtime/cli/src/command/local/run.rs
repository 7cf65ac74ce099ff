//! `dyno local run`: a program that runs once on this machine, without server, router or reconciler.
//!
//! Its input, output and exit code are this command's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dyno::{Command, Folder, Node, OneOff, Output, PlatformVars, SlugSource, Stdio, Unpacked};
use grid::desired::Release;
use grid::name::{AppName, DynoId, DynoKey, ProcessType, Run, SlugId, Version};
use grid::protocol::Exit;
use slugs::store::Store;
use tokio::signal::unix::{SignalKind, signal};

use super::source::{Ready, Source, Target, dotenv};
use super::{absolute, egress};
use crate::args::LocalRun;
use crate::command::run::{ABORTED, INTERRUPTED, TERMINATED, environment};
use crate::dirs::{self, RunFolder};
use crate::platform::lone_node;
use crate::stop;
use crate::term::{self, Code};

/// What still blocks a thread at the end: a read of the terminal, above all, which nobody can end.
const LAST_GRACE: Duration = Duration::from_millis(50);
/// What parts a folder of this machine from the program's name for it.
const PARTED: &str = "::";

pub(super) fn run(args: &LocalRun) -> Result<()> {
    let folders = args.dir.iter().map(|dir| folder(dir));
    let folders: Vec<Folder> = folders.collect::<Result<_>>()?;
    let runtime = stop::runtime()?;
    let exit = runtime.block_on(ended(args, folders));
    runtime.shutdown_timeout(LAST_GRACE);
    match exit? {
        Ended::Exit(Exit::Code(0)) => Ok(()),
        Ended::Exit(Exit::Code(code)) | Ended::Signal(code) => Err(Code(code).into()),
        Ended::Exit(Exit::Failed(reason)) => {
            term::error(&anyhow::anyhow!("{}: {reason}", args.command[0]));
            Err(Code(ABORTED).into())
        }
    }
}

enum Ended {
    Exit(Exit),
    Signal(u8),
}

/// `HOST::GUEST`, or a folder by the same name for both; the program is told the name exactly as it is written.
fn folder(text: &str) -> Result<Folder> {
    let (host, guest) = text.split_once(PARTED).unwrap_or((text, text));
    let host = absolute(Path::new(host))?;
    if !host.is_dir() {
        bail!("--dir {text}: {} is no folder", host.display());
    }
    let guest = guest.to_owned();
    Ok(Folder { host, guest })
}

async fn ended(args: &LocalRun, folders: Vec<Folder>) -> Result<Ended> {
    let on = |kind| signal(kind).context("signals cannot be handled");
    let (mut interrupt, mut terminate) =
        (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    tokio::select! {
        exit = exit(args, folders) => exit.map(Ended::Exit),
        _ = interrupt.recv() => Ok(Ended::Signal(INTERRUPTED)),
        _ = terminate.recv() => Ok(Ended::Signal(TERMINATED)),
    }
}

/// What is to run, and where it comes from.
struct Program {
    app: AppName,
    release: Release,
    command: Command,
    platform_vars: PlatformVars,
    slugs: SlugSource,
}

async fn exit(args: &LocalRun, folders: Vec<Folder>) -> Result<Exit> {
    let cache = dirs::cache()?;
    let own = RunFolder::create(&cache)?;
    let env = environment(&args.env)?.into_iter();
    let env = env.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
    let program = match Path::new(&args.command[0]) {
        file if file.is_file() => of_file(args, file, own.path())?,
        _ => of_app(args, own.path()).await?,
    };
    let node = lone_node(
        &cache.join("compiled"),
        &own.path().join("dynos"),
        program.slugs,
        egress(&args.egress_allow),
        // What the platform says about it, such as an address that it may not connect to.
        Arc::new(|line| term::aside(&line.text)),
    )?;
    let one_off = OneOff {
        key: DynoKey {
            app: program.app.clone(),
            dyno: DynoId {
                process: ProcessType::run(),
                index: 1,
            },
            run: Run(1),
        },
        app: program.app,
        release: Arc::new(program.release),
        command: program.command,
        env: env.collect(),
        platform_vars: program.platform_vars,
        stdio: stdio(),
        folders,
    };
    Ok(run_on(&node, one_off).await)
}

async fn run_on(node: &Node, one_off: OneOff) -> Exit {
    crate::once::run(node, one_off, || {}).await
}

fn stdio() -> Stdio {
    Stdio {
        stdin: Some(Box::new(tokio::io::stdin())),
        stdout: Output::Pipe(Box::new(tokio::io::stdout())),
        stderr: Output::Pipe(Box::new(tokio::io::stderr())),
    }
}

/// A file as it is, in an app's folder of its own.
fn of_file(args: &LocalRun, file: &Path, own: &Path) -> Result<Program> {
    let file = absolute(file)?;
    let name = PathBuf::from(file.file_name().context("a file has a name")?);
    let folder = own.join("app");
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let copy = folder.join(&name);
    // A link where that can be, since it may be large.
    let linked =
        std::fs::hard_link(&file, &copy).or_else(|_| std::fs::copy(&file, &copy).map(drop));
    linked.with_context(|| format!("cannot read {}", file.display()))?;
    let unpacked = Unpacked {
        folder,
        programs: BTreeMap::new(),
        links: Arc::default(),
    };
    let config = dotenv(args.env_file.as_deref(), Some(Path::new(".")))?;
    let command = Command::Component {
        path: name,
        args: args.command[1..].to_vec(),
    };
    Ok(Program {
        app: "app".parse().context("a name")?,
        release: release(SlugId::new([0; 32]), config, BTreeMap::new()),
        command,
        // As any other tool runs a file: with the variables that are given, and no others.
        platform_vars: PlatformVars::LeftOut,
        slugs: Arc::new(move |_| Ok(unpacked.clone())),
    })
}

/// A process type, or a component, of the app in this folder, which is built.
async fn of_app(args: &LocalRun, own: &Path) -> Result<Program> {
    let slugs = Arc::new(Store::open(&own.join("slugs"))?);
    let target = Target::in_folder(Path::new("."), args.env_file.clone())?;
    let source = Source::new(&target, Arc::clone(&slugs), own);
    let built = source.build().await.with_context(|| {
        let word = &args.command[0];
        format!("{word:?} is no file, and the app in this folder, which may have a process type of that name, cannot be built")
    })?;
    let command = command_of(&built, &args.command[0], args.command[1..].to_vec())?;
    Ok(Program {
        app: built.name,
        release: release(built.id, built.config, built.manifest.specs()),
        command,
        platform_vars: PlatformVars::Added,
        slugs: dyno::from_store(slugs),
    })
}

/// What the first word of a command stands for: a process type, a command word of the language, or a component.
fn command_of(built: &Ready, word: &str, args: Vec<String>) -> Result<Command> {
    let manifest = &built.manifest;
    let process = word.parse::<ProcessType>().ok();
    if let Some(process) = process.filter(|name| manifest.processes.contains_key(name)) {
        return Ok(Command::Type { process, args });
    }
    if let Some(program) = manifest.commands.get(word) {
        return Ok(Command::Component {
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
    Ok(Command::Component {
        path: PathBuf::from(path),
        args,
    })
}

fn release(
    slug: SlugId,
    config: BTreeMap<String, String>,
    processes: BTreeMap<ProcessType, grid::desired::ProcessSpec>,
) -> Release {
    Release {
        version: Version::FIRST,
        slug,
        description: String::new(),
        config: Arc::new(config),
        processes,
        created_ms: 0,
        created_by: String::new(),
        reach: Arc::default(),
    }
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
