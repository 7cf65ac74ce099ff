//! A release that is ready on this machine: its slug is unpacked, its components are compiled and linked.
//!
//! Owns what all dynos of a process type share. Must not know single dynos.

pub(crate) mod command;
pub(crate) mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use grid::desired::{Limits, ProcessKind, Release};
use grid::name::{AppName, DynoId, Endpoint, ProcessType, Version};
use parking_lot::Mutex;
use slugs::World;
use slugs::manifest::{ExpandError, expand};

use crate::code::compile::{CompileError, Compiler};
use crate::code::{CodeError, LoadedPrograms, ProgramCode};
use crate::engine::Engines;
use crate::guest::filesystem::folders::AppFolder;
use command::{OneOffCommand, PlatformVars};
use source::{FetchedSlug, SlugProgram};

/// The reason why a release cannot be run on this machine.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The slug is not on this machine and could not be fetched.
    #[error("the slug cannot be unpacked here: {0}")]
    Slug(String),
    /// The release has no such process type.
    #[error("{version} has no process type {process}; it has: {known}")]
    NoSuchProcess {
        /// The release.
        version: Version,
        /// The process type that was requested.
        process: ProcessType,
        /// The process types of the release.
        known: String,
    },
    /// The component handles requests, and does nothing by itself.
    #[error(
        "{what} answers HTTP requests and does nothing by itself; run a component that exports `wasi:cli/run`"
    )]
    NotAProgram {
        /// The process type, or the component's file.
        what: String,
    },
    /// The file to run is not in the slug, or is not a component.
    #[error("cannot run {}", path.display())]
    Component {
        /// The path in the slug.
        path: PathBuf,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder of the app's files could not be opened.
    #[error("cannot open the app's files in {}", path.display())]
    Files {
        /// The path of the folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A component could not be compiled.
    #[error("process type {process}")]
    Compile {
        /// The process type.
        process: ProcessType,
        /// The reason.
        #[source]
        source: CompileError,
    },
    /// A component imports something that is not offered, or does not export a handler.
    #[error("process type {process} does not fit this host")]
    Link {
        /// The process type.
        process: ProcessType,
        /// The missing import or export.
        #[source]
        source: wasmtime::Error,
    },
    /// The arguments use a variable that is not set.
    #[error("the arguments of process type {process}")]
    Args {
        /// The process type.
        process: ProcessType,
        /// The variable.
        #[source]
        source: ExpandError,
    },
}

/// A process type that is ready to start dynos.
pub(crate) struct PreparedProcess {
    pub(crate) code: Arc<ProgramCode>,
    pub(crate) kind: ProcessKind,
    program: SlugProgram,
    pub(crate) limits: Arc<Limits>,
    pub(crate) files: AppFolder,
    app: AppName,
    release: Arc<Release>,
    /// The config vars of a one-off, which override those of the release.
    over: BTreeMap<String, String>,
    platform_vars: PlatformVars,
    /// Created at the first boot, and dropped together with the code.
    start: Mutex<Option<Arc<SharedStart>>>,
}

/// The environment and arguments that all dynos of a release share.
struct SharedStart {
    env: Vec<(String, String)>,
    args: Vec<String>,
}

/// The environment and arguments of one dyno.
pub(crate) type ProgramStart = (Vec<(String, String)>, Vec<String>);

impl PreparedProcess {
    ///
    /// # Errors
    /// If the arguments use a variable that is not set.
    fn new(
        what: (AppName, Arc<Release>),
        (program, kind): (SlugProgram, ProcessKind),
        code: ProgramCode,
        (limits, files): (Arc<Limits>, AppFolder),
        (over, platform_vars): (BTreeMap<String, String>, PlatformVars),
    ) -> Result<PreparedProcess, ExpandError> {
        let ready = PreparedProcess {
            code: Arc::new(code),
            kind,
            program,
            limits,
            files,
            app: what.0,
            release: what.1,
            over,
            platform_vars,
            start: Mutex::default(),
        };
        ready.expand_start(None)?;
        Ok(ready)
    }

    fn expand_start(&self, port: Option<u16>) -> Result<Arc<SharedStart>, ExpandError> {
        let mut env = BTreeMap::clone(&self.release.config);
        env.extend(self.over.clone());
        if self.platform_vars == PlatformVars::Added {
            add_platform_vars(&mut env, &self.app, &self.release, port);
        }
        Ok(Arc::new(SharedStart {
            args: expand_arguments(&self.program, &env)?,
            env: env.into_iter().collect(),
        }))
    }

    /// The environment of one dyno, and its arguments with the program's name first. `port` is the `$PORT` of a
    /// server.
    pub(crate) fn start_for(
        &self,
        dyno: &DynoId,
        port: Option<u16>,
    ) -> Result<ProgramStart, ExpandError> {
        let start = match port {
            Some(_) => self.expand_start(port)?,
            None => self.shared_start()?,
        };
        let mut env = Vec::with_capacity(start.env.len() + 1);
        env.extend_from_slice(&start.env);
        if self.platform_vars == PlatformVars::Added {
            env.push(("DYNO".to_owned(), dyno.to_string()));
        }
        Ok((env, start.args.clone()))
    }

    fn shared_start(&self) -> Result<Arc<SharedStart>, ExpandError> {
        let mut held = self.start.lock();
        if let Some(start) = &*held {
            return Ok(Arc::clone(start));
        }
        let start = self.expand_start(None)?;
        *held = Some(Arc::clone(&start));
        Ok(start)
    }

    /// The endpoints that dynos may reach, beside public addresses.
    pub(crate) fn reachable_endpoints(&self) -> Arc<BTreeSet<Endpoint>> {
        Arc::clone(&self.release.reach)
    }

    /// Drops what only awake dynos need, unless a dyno is awake.
    pub(crate) fn release_if_idle(&self) {
        if self.code.release_if_unused() {
            let held = self.start.lock().take();
            drop(held);
        }
    }
}

/// All process types of a release.
pub(crate) type PreparedProcesses = BTreeMap<ProcessType, Arc<PreparedProcess>>;

/// The means to compile and load the programs of a slug.
#[derive(Clone, Copy)]
pub(crate) struct CodePreparer<'a> {
    pub(crate) engines: &'a Engines,
    pub(crate) compiler: &'a Compiler,
    pub(crate) loaded: &'a LoadedPrograms,
}

/// Compiles and links every process type of the release.
pub(crate) async fn prepare_release(
    preparer: CodePreparer<'_>,
    app: &AppName,
    release: &Arc<Release>,
    unpacked: &FetchedSlug,
) -> Result<PreparedProcesses, PrepareError> {
    let files = open_app_folder(unpacked)?;
    let mut processes = PreparedProcesses::new();
    for (process, program) in &unpacked.programs {
        let Some(spec) = release.processes.get(process) else {
            continue;
        };
        let code = preparer.prepare_code(process, program, unpacked).await?;
        let ready = PreparedProcess::new(
            (app.clone(), Arc::clone(release)),
            (program.clone(), spec.kind),
            code,
            (Arc::clone(&spec.limits), files.clone()),
            (BTreeMap::new(), PlatformVars::Added),
        );
        let ready = ready.map_err(|source| args_error(process, source))?;
        if spec.kind != ProcessKind::Handler {
            // The process may never be started: a release process, a console.
            ready.release_if_idle();
        }
        processes.insert(process.clone(), Arc::new(ready));
    }
    Ok(processes)
}

/// Compiles and links a program that runs once.
pub(crate) async fn prepare_one_off(
    preparer: CodePreparer<'_>,
    (app, release): (&AppName, &Arc<Release>),
    unpacked: &FetchedSlug,
    (dyno, command): (&DynoId, OneOffCommand),
    over: (BTreeMap<String, String>, PlatformVars),
) -> Result<PreparedProcess, PrepareError> {
    let files = open_app_folder(unpacked)?;
    let (process, program) = find_program(release, unpacked, command)?;
    let name = process.unwrap_or_else(|| dyno.process.clone());
    // A component named by its path has the limits of a process type that runs it.
    let mut same = unpacked.programs.iter();
    let same = same.find(|(_, other)| other.component == program.component);
    let limited = release
        .processes
        .get(&name)
        .or_else(|| release.processes.get(same?.0));
    let limits = limited.map_or_else(Arc::default, |spec| Arc::clone(&spec.limits));
    let code = preparer.prepare_code(&name, &program, unpacked).await?;
    let ready = PreparedProcess::new(
        (app.clone(), Arc::clone(release)),
        (program, ProcessKind::Process),
        code,
        (limits, files),
        over,
    );
    ready.map_err(|source| args_error(&name, source))
}

/// The program of a command, and the process type whose limits apply.
fn find_program(
    release: &Release,
    unpacked: &FetchedSlug,
    command: OneOffCommand,
) -> Result<(Option<ProcessType>, SlugProgram), PrepareError> {
    match command {
        OneOffCommand::Type { process, args } => {
            let Some(program) = unpacked.programs.get(&process) else {
                let known: Vec<String> =
                    unpacked.programs.keys().map(ToString::to_string).collect();
                return Err(PrepareError::NoSuchProcess {
                    version: release.version,
                    process,
                    known: known.join(", "),
                });
            };
            if program.world.is_handler() {
                let what = format!("process type {process}");
                return Err(PrepareError::NotAProgram { what });
            }
            let mut program = program.clone();
            program
                .args
                .extend(args.iter().map(|arg| escape_argument(arg)));
            Ok((Some(process), program))
        }
        OneOffCommand::Component { path, args } => {
            let world = find_world(unpacked, &path)?;
            let args = args.iter().map(|arg| escape_argument(arg)).collect();
            let program = SlugProgram {
                component: path,
                args,
                world,
            };
            Ok((None, program))
        }
    }
}

/// The world in which the component at `path` in the slug runs.
fn find_world(unpacked: &FetchedSlug, path: &Path) -> Result<World, PrepareError> {
    let failed = |source| PrepareError::Component {
        path: path.to_owned(),
        source,
    };
    let inside = |part| matches!(part, std::path::Component::Normal(_));
    if !path.components().all(inside) {
        let why = "a path within the app's files is needed, without `..` and not absolute";
        return Err(failed(why.into()));
    }
    let bytes = std::fs::read(unpacked.folder.join(path)).map_err(|e| failed(e.into()))?;
    let component = slugs::component::inspect(&bytes).map_err(|e| failed(e.into()))?;
    let world = component.worlds().find(|world| !world.is_handler());
    world.ok_or_else(|| PrepareError::NotAProgram {
        what: path.display().to_string(),
    })
}

/// Escapes an argument as in the manifest, so that `expand` returns it unchanged.
fn escape_argument(arg: &str) -> String {
    arg.replace('$', "$$")
}

fn open_app_folder(unpacked: &FetchedSlug) -> Result<AppFolder, PrepareError> {
    AppFolder::open(&unpacked.folder, Arc::clone(&unpacked.links)).map_err(|source| {
        PrepareError::Files {
            path: unpacked.folder.clone(),
            source,
        }
    })
}

fn args_error(process: &ProcessType, source: ExpandError) -> PrepareError {
    let process = process.clone();
    PrepareError::Args { process, source }
}

impl CodePreparer<'_> {
    async fn prepare_code(
        self,
        process: &ProcessType,
        program: &SlugProgram,
        unpacked: &FetchedSlug,
    ) -> Result<ProgramCode, PrepareError> {
        let file = unpacked.folder.join(&program.component);
        let CodePreparer {
            engines,
            compiler,
            loaded,
        } = self;
        let code = ProgramCode::prepare(engines, compiler, loaded, (program.world, file));
        let process = || process.clone();
        code.await.map_err(|error| match error {
            CodeError::Compile(source) => PrepareError::Compile {
                process: process(),
                source,
            },
            CodeError::Link(source) => PrepareError::Link {
                process: process(),
                source,
            },
        })
    }
}

/// The program's name, followed by its arguments.
fn expand_arguments(
    program: &SlugProgram,
    env: &BTreeMap<String, String>,
) -> Result<Vec<String>, ExpandError> {
    let mut known = env.clone();
    // Only a server has a port, but a Procfile written for servers may use `$PORT` in any process type.
    known
        .entry("PORT".to_owned())
        .or_insert_with(|| "0".to_owned());
    let mut args = vec![program.component.display().to_string()];
    args.extend(expand(&program.args, &known)?);
    Ok(args)
}

/// Adds the variables of the platform, which override the app's.
fn add_platform_vars(
    env: &mut BTreeMap<String, String>,
    app: &AppName,
    release: &Release,
    port: Option<u16>,
) {
    let mut set = |name: &str, value: String| drop(env.insert(name.to_owned(), value));
    set("HOME", "/".to_owned());
    set("TMPDIR", "/tmp".to_owned());
    set("APP_NAME", app.to_string());
    set("RELEASE_VERSION", release.version.to_string());
    set("SLUG_ID", release.slug.to_string());
    if let Some(port) = port {
        set("PORT", port.to_string());
    }
    env.remove("DYNO");
}
