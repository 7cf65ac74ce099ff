//! A program that runs once on this machine, without router, reconciler or API: `dyno local run`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dyno::compile::Compiler;
use dyno::engine::InstanceAllocation;
use dyno::{
    EgressOpening, EgressPolicy, FetchedSlug, Fleet, FleetConfig, MountedFolder, OneOffCommand,
    OneOffGuest, PlatformVars, ProgramOutput, ProgramStdio, SlugSource,
};
use grid::desired::{ProcessSpec, Release};
use grid::name::{AppName, DynoId, DynoKey, ProcessType, Run, SlugId, Version};
use grid::protocol::ProcessExit;
use slugs::store::Store;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::open_loopback;
use crate::core::{run_to_exit, start_engines};
use crate::error::SpawnError;

/// The app of a file that belongs to no app.
const FILE_APP_NAME: &str = "app";

/// A program, and its input.
pub struct ProgramConfig {
    /// The source of the program's files.
    pub files: ProgramFiles,
    /// Arguments of a file; for a slug, they are part of its command.
    pub args: Vec<String>,
    /// The release's config vars.
    pub config: BTreeMap<String, String>,
    /// Variables over the config vars.
    pub env: BTreeMap<String, String>,
    /// Destinations that the program may connect to, besides public addresses and loopback.
    pub egress_allow: Vec<EgressOpening>,
    /// Folders of this machine that it may read and write.
    pub folders: Vec<MountedFolder>,
    /// The program's standard streams.
    pub pipes: ProgramPipes,
    /// Takes the platform's lines about the program, such as a connection that was refused.
    pub on_platform_line: Arc<dyn Fn(&str) + Send + Sync>,
    /// A folder of this run alone.
    pub run_folder: PathBuf,
    /// Compiled code, kept between runs.
    pub compiled_folder: PathBuf,
    /// As for [`RunningNode::spawn`](crate::RunningNode::spawn).
    pub compile_command: Vec<OsString>,
}

/// The source of a program's files.
pub enum ProgramFiles {
    /// A component or core module that belongs to no app. It gets only the given variables, and none of the platform's.
    File(PathBuf),
    /// A slug in a store.
    Slug {
        /// The app.
        app: AppName,
        /// The store.
        store: Arc<Store>,
        /// The slug's id.
        id: SlugId,
        /// The slug's process types.
        processes: BTreeMap<ProcessType, ProcessSpec>,
        /// The command of the slug that is run.
        command: OneOffCommand,
    },
}

/// The standard streams of a program.
pub struct ProgramPipes {
    /// The source of the program's input.
    pub stdin: Box<dyn AsyncRead + Send + Unpin>,
    /// The receiver of the program's output.
    pub stdout: Box<dyn AsyncWrite + Send + Unpin>,
    /// The receiver of the program's error output.
    pub stderr: Box<dyn AsyncWrite + Send + Unpin>,
}

/// Runs a program to its end.
///
/// # Errors
/// A folder or a file cannot be used. A program that does not start ends with [`ProcessExit::Failed`].
pub async fn run_program(config: ProgramConfig) -> Result<ProcessExit, SpawnError> {
    let prepared = prepare_files(config.files, config.args, &config.run_folder)?;
    let folder = config.run_folder.join("dynos");
    let log = config.on_platform_line;
    let fleet = Fleet::new(FleetConfig {
        id: "local".parse().expect("a valid name"),
        // No room is set aside for further programs.
        engines: start_engines(InstanceAllocation::OnDemand)?,
        compiler: Compiler::new(&config.compiled_folder, config.compile_command)?,
        slugs: prepared.slugs,
        work: folder.clone(),
        egress: EgressPolicy {
            allowed: open_loopback(&config.egress_allow).into(),
            command: "dyno local",
            ..EgressPolicy::default()
        },
        logs: Arc::new(move |line| log(&line.text)),
        // Reports are for a reconciler.
        reports: Arc::new(drop),
    });
    let fleet = fleet.map_err(|source| SpawnError::DynoFolder { folder, source })?;
    let release = release(prepared.slug, config.config, prepared.processes);
    let one_off = OneOffGuest {
        key: DynoKey {
            app: prepared.app.clone(),
            dyno: DynoId {
                process: ProcessType::run(),
                index: 1,
            },
            run: Run(1),
        },
        app: prepared.app,
        release: Arc::new(release),
        command: prepared.command,
        env: config.env,
        platform_vars: prepared.platform_vars,
        stdio: ProgramStdio {
            stdin: Some(config.pipes.stdin),
            stdout: ProgramOutput::Pipe(config.pipes.stdout),
            stderr: ProgramOutput::Pipe(config.pipes.stderr),
        },
        folders: config.folders,
    };
    Ok(run_to_exit(&fleet, one_off, || {}).await)
}

/// A program's files, ready for a dyno.
struct PreparedProgram {
    app: AppName,
    slug: SlugId,
    processes: BTreeMap<ProcessType, ProcessSpec>,
    command: OneOffCommand,
    platform_vars: PlatformVars,
    slugs: SlugSource,
}

fn prepare_files(
    files: ProgramFiles,
    args: Vec<String>,
    run_folder: &Path,
) -> Result<PreparedProgram, SpawnError> {
    match files {
        ProgramFiles::File(file) => prepare_file(&file, args, run_folder),
        ProgramFiles::Slug {
            app,
            store,
            id,
            processes,
            command,
        } => Ok(PreparedProgram {
            app,
            slug: id,
            processes,
            command,
            platform_vars: PlatformVars::Added,
            slugs: dyno::from_store(store),
        }),
    }
}

/// Puts a file into a folder of its own, as an app's only file.
fn prepare_file(
    file: &Path,
    args: Vec<String>,
    run_folder: &Path,
) -> Result<PreparedProgram, SpawnError> {
    let failed = |source| SpawnError::ProgramFile {
        path: file.to_owned(),
        source,
    };
    let folder = run_folder.join("app");
    let name = PathBuf::from(file.file_name().unwrap_or_default());
    let copy = folder.join(&name);
    std::fs::create_dir(&folder).map_err(failed)?;
    // A link where the file system allows one: the file may be large.
    std::fs::hard_link(file, &copy)
        .or_else(|_| std::fs::copy(file, &copy).map(drop))
        .map_err(failed)?;
    let unpacked = FetchedSlug {
        folder,
        programs: BTreeMap::new(),
        links: Arc::default(),
    };
    Ok(PreparedProgram {
        app: FILE_APP_NAME.parse().expect("a valid name"),
        slug: SlugId::new([0; 32]),
        processes: BTreeMap::new(),
        command: OneOffCommand::Component { path: name, args },
        // Other tools run a file with the given variables alone, so this does too.
        platform_vars: PlatformVars::LeftOut,
        slugs: Arc::new(move |_| Ok(unpacked.clone())),
    })
}

fn release(
    slug: SlugId,
    config: BTreeMap<String, String>,
    processes: BTreeMap<ProcessType, ProcessSpec>,
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
