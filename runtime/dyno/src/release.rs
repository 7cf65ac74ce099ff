//! A release made ready on this machine: its slug unpacked, its components compiled and linked.
//!
//! Owns what all dynos of a process type share. Must not know of single dynos.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use grid::desired::{Kind, Limits, Release};
use grid::name::{AppName, DynoId, Endpoint, ProcessType};
use slugs::manifest::{ExpandError, expand};

use crate::code::{Code, CodeError, Loaded};
use crate::compile::{CompileError, Compiler};
use crate::engine::{Engines, Flavor};
use crate::guest::files::AppFiles;

/// One process type as its slug describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The component's file, within the unpacked slug.
    pub component: PathBuf,
    /// Arguments after the program's name, as the manifest stores them: `$NAME` stands in them.
    pub args: Vec<String>,
    /// The engine that its world needs.
    pub flavor: Flavor,
}

/// Why a release cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The folder of the app's files.
    #[error("cannot open the app's files in {}", path.display())]
    Files {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A component could not be compiled.
    #[error("process type {process}")]
    Compile {
        /// Which process type.
        process: ProcessType,
        /// Why not.
        #[source]
        source: CompileError,
    },
    /// A component wants something that is not offered, or does not export a handler.
    #[error("process type {process} does not fit this host")]
    Link {
        /// Which process type.
        process: ProcessType,
        /// What is missing.
        #[source]
        source: wasmtime::Error,
    },
    /// The arguments use a variable that is not set.
    #[error("the arguments of process type {process}")]
    Args {
        /// Which process type.
        process: ProcessType,
        /// Which variable.
        #[source]
        source: ExpandError,
    },
}

/// A process type, ready to start dynos of.
pub(crate) struct Ready {
    pub(crate) code: Code,
    pub(crate) args: Vec<String>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) files: AppFiles,
    app: AppName,
    release: Arc<Release>,
    /// Made by the first boot, and given back with the code.
    env: Mutex<Option<Arc<Environment>>>,
}

/// Names and values, the same for all dynos of a release.
type Environment = [(String, String)];

impl Ready {
    /// The environment of one dyno.
    pub(crate) fn env(&self, dyno: &DynoId) -> Vec<(String, String)> {
        let mut held = self.env.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = held.get_or_insert_with(|| {
            let all = environment(&self.app, &self.release);
            all.into_iter().collect()
        });
        let shared = Arc::clone(shared);
        drop(held);
        let mut env = Vec::with_capacity(shared.len() + 1);
        env.extend_from_slice(&shared);
        env.push(("DYNO".to_owned(), dyno.to_string()));
        env
    }

    /// What its dynos may reach beside public addresses.
    pub(crate) fn reach(&self) -> Arc<BTreeSet<Endpoint>> {
        Arc::clone(&self.release.reach)
    }

    /// Gives back what only dynos that are awake need, unless one is.
    pub(crate) fn rest(&self) {
        if self.code.rest() {
            let held = self
                .env
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            drop(held);
        }
    }
}

/// All process types of a release.
pub(crate) type Processes = BTreeMap<ProcessType, Arc<Ready>>;

/// Compiles and links every handler of the release. `folder` holds the unpacked slug, `programs`
/// what its manifest says.
pub(crate) async fn prepare(
    engines: &Engines,
    (compiler, loaded): (&Compiler, &Loaded),
    app: &AppName,
    release: &Arc<Release>,
    folder: &Path,
    programs: &BTreeMap<ProcessType, Program>,
) -> Result<Processes, PrepareError> {
    let files = AppFiles::open(folder).map_err(|source| PrepareError::Files {
        path: folder.to_owned(),
        source,
    })?;
    let env = environment(app, release);
    let mut processes = Processes::new();
    for (process, program) in programs {
        let Some(spec) = release.processes.get(process) else {
            continue;
        };
        if spec.kind != Kind::Handler {
            continue;
        }
        let file = folder.join(&program.component);
        let code = Code::prepare(engines, compiler, loaded, (program.flavor, file));
        let code = code.await.map_err(|error| not_ready(process, error))?;
        let ready = Ready {
            code,
            args: arguments(program, &env).map_err(|source| PrepareError::Args {
                process: process.clone(),
                source,
            })?,
            limits: Arc::clone(&spec.limits),
            files: files.clone(),
            app: app.clone(),
            release: Arc::clone(release),
            env: Mutex::default(),
        };
        processes.insert(process.clone(), Arc::new(ready));
    }
    Ok(processes)
}

fn not_ready(process: &ProcessType, error: CodeError) -> PrepareError {
    let process = process.clone();
    match error {
        CodeError::Compile(source) => PrepareError::Compile { process, source },
        CodeError::Link(source) => PrepareError::Link { process, source },
    }
}

/// The program's name and its arguments.
fn arguments(
    program: &Program,
    env: &BTreeMap<String, String>,
) -> Result<Vec<String>, ExpandError> {
    let mut known = env.clone();
    // A handler has no port; a Procfile written for servers may name it all the same.
    known
        .entry("PORT".to_owned())
        .or_insert_with(|| "0".to_owned());
    let mut args = vec![program.component.display().to_string()];
    args.extend(expand(&program.args, &known)?);
    Ok(args)
}

/// The config vars and what the platform adds; the platform's names win.
fn environment(app: &AppName, release: &Release) -> BTreeMap<String, String> {
    let mut env = BTreeMap::clone(&release.config);
    let mut set = |name: &str, value: String| drop(env.insert(name.to_owned(), value));
    set("HOME", "/".to_owned());
    set("TMPDIR", "/tmp".to_owned());
    set("APP_NAME", app.to_string());
    set("RELEASE_VERSION", release.version.to_string());
    set("SLUG_ID", release.slug.to_string());
    env.remove("DYNO");
    env
}
