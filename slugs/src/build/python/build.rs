//! Owns the Python builder: a component that has the interpreter and the app's packages in it, imported already; the
//! app's own modules stay files, which a dyno imports when it first answers. Must not know slugs.
//!
//! So a changed line of the app costs no compilation: the component depends on the packages, and on which modules of
//! theirs the app imports. A snapshot holds random seeds, so two machines make two files of one meaning; on one machine
//! it is made once, for all apps that ask for the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::entry::Entry;
use super::facts::SourceFacts;
use super::imports::{ImportPlace, Wanted};
use super::requirements::Requested;
use super::{entry, failures, imports, packages, processes, versions};
use crate::build::toolbox::build_folder::{self, Place};
use crate::build::toolbox::run::{self, From};
use crate::build::toolbox::sources;
use crate::build::toolbox::toolchain::Toolchain;
use crate::build::{BuildError, BuiltComponent, Made, Progress, Tools};
use crate::manifest::{Builder, Procfile, Warning};
use crate::path::SlugPath;

/// A version that any engine of WASI 0.2 has; componentize-py moves it up to its own.
const WASI: &str = "0.2.0";
pub(super) const COMPONENT: &str = ".dyno/python.wasm";
/// Where the component looks for what to import.
const ENTRY: &str = ".dyno/entry.json";
/// componentize-py's name of the first folder of its path, and so the packages' place in a dyno: code remembers where
/// it was loaded from.
pub(super) const PACKAGES: &str = "0";
pub(super) const GET_PYTHON: &str =
    "get Python 3.10 or newer, with `venv` and `pip` (on Debian: python3 python3-venv)";

/// What the component is made of beside the interpreter, by file name. componentize-py imports the first.
const SHIM: [(&str, &str); 11] = [
    ("dyno_app.py", include_str!("shim/dyno_app.py")),
    ("dyno_command.py", include_str!("shim/dyno_command.py")),
    ("dyno_hash.py", include_str!("shim/dyno_hash.py")),
    ("dyno_library.py", include_str!("shim/dyno_library.py")),
    ("dyno_load.py", include_str!("shim/dyno_load.py")),
    ("dyno_prepare.py", include_str!("shim/dyno_prepare.py")),
    ("dyno_report.py", include_str!("shim/dyno_report.py")),
    ("dyno_runtime.py", include_str!("shim/dyno_runtime.py")),
    ("dyno_serve.py", include_str!("shim/dyno_serve.py")),
    ("dyno_tls.py", include_str!("shim/dyno_tls.py")),
    ("dyno_wsgi.py", include_str!("shim/dyno_wsgi.py")),
];
/// The module `_dyno_hash`, a shared library in text form, and its file name as componentize-py knows such libraries.
const HASH: &str = include_str!("shim/dyno_hash.wat");
const HASH_FILE: &str = "_dyno_hash.cpython-314-wasm32-wasi.so";
const WIT: &str = include_str!("shim/app.wit");
const HTTP_WIT: &str = include_str!("../wit/http.wit");
const REQUIREMENTS: &str = include_str!("host/requirements.txt");

const TOOLCHAIN: Toolchain = Toolchain {
    name: "python",
    title: "the Python toolchain (componentize-py 0.25.1)",
    pins: &[REQUIREMENTS],
};

/// Builds the app in a folder with Python files.
pub(crate) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let project = PythonProject::read(folder, procfile, tools, progress)?;
    let toolchain = TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install(folder, tools, progress)
    })?;
    let builder = Work {
        folder,
        own: &Place::of_app(folder, tools, progress)?,
        place: &Place::shared("python", tools, progress)?,
        toolchain: &toolchain,
        tools,
    };
    let packages = packages::ensure(&builder, &project.requested, progress)?;
    project.entry.check_foreign(|module| packages.has(module))?;
    let mut scripts = packages.scripts()?;
    scripts.extend(project.requested.scripts.clone());
    let mut commands = processes::others(procfile, &scripts, &project.facts)?;
    if project.serves {
        commands.extend(crate::build::web(COMPONENT));
    }
    let (component, failures) = builder.component(&packages, &project, progress)?;
    let facts = (&project.facts, &packages);
    let mut warnings = project.warnings(folder)?;
    warnings.extend(failures::judge(
        &failures,
        &project.imports,
        facts,
        &project.requested.file,
    )?);
    let entry = builder.own.save("entry.json", project.entry.to_json())?;
    let mut files = packages.files()?;
    files.push(file(ENTRY, &entry)?);
    Ok(Made {
        builder: Builder {
            name: "python".to_owned(),
            tool: "componentize-py 0.25.1 (CPython 3.14)".to_owned(),
        },
        components: vec![file(COMPONENT, &component)?],
        files,
        commands: Some(commands),
        command_words: processes::command_words(&scripts),
        warnings,
    })
}

/// A source folder as it is understood, before anything is installed.
struct PythonProject {
    facts: SourceFacts,
    requested: Requested,
    /// What answers requests, if anything `serves`.
    entry: Entry,
    serves: bool,
    /// What its files import of others.
    imports: BTreeMap<Wanted, ImportPlace>,
    /// Files that its processes load, by name and place.
    loaded: Vec<sources::Source>,
}

impl PythonProject {
    fn read(
        folder: &Path,
        procfile: Option<&Procfile>,
        tools: &Tools,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BuildError> {
        let is_read =
            |name: &str| name.ends_with(".py") || name.ends_with(".ini") || name == "setup.cfg";
        let files = sources::files(folder, &is_read)?;
        let mut facts = SourceFacts::read(folder, &files, tools, progress)?;
        let requested = Requested::read(folder, &facts.setup)?;
        for root in &requested.roots {
            facts.add_root(root, false);
        }
        let found = entry::find(folder, &mut facts, procfile)?;
        let serves = found.is_some();
        let mut entry = found.unwrap_or_default();
        entry.path = facts.roots.clone();
        let starts = [entry.starts.clone(), processes::starts(procfile, &facts)].concat();
        let reached = imports::reached(&facts, &starts);
        let loaded = files
            .iter()
            .filter(|(name, _)| reached.contains_key(name.as_str()));
        Ok(Self {
            loaded: loaded.cloned().collect(),
            imports: imports::of(&facts, &starts),
            facts,
            requested,
            entry,
            serves,
        })
    }

    /// Whether this machine's Python has nothing against the files that are loaded. It may be older than the component's.
    fn is_parsed(&self) -> bool {
        let mut loaded = self.loaded.iter();
        loaded.all(|(name, _)| {
            let file = self.facts.file(name);
            file.is_some_and(|file| file.error.is_none())
        })
    }

    fn warnings(&self, folder: &Path) -> Result<Vec<Warning>, BuildError> {
        let mut warnings = self.requested.warnings.clone();
        warnings.extend(versions::warnings(folder)?);
        Ok(warnings)
    }
}

pub(super) fn file(name: &str, place: &Path) -> Result<BuiltComponent, BuildError> {
    let path = SlugPath::new(name).map_err(|source| BuildError::Name {
        name: name.to_owned(),
        source,
    })?;
    Ok(BuiltComponent {
        path,
        file: place.to_owned(),
    })
}

/// One build.
pub(super) struct Work<'a> {
    folder: &'a Path,
    /// The app's own.
    own: &'a Place,
    /// Packages and components, for all apps that ask for the same.
    pub(super) place: &'a Place,
    toolchain: &'a Path,
    pub(super) tools: &'a Tools,
}

impl Work<'_> {
    /// Python of the toolchain, run in the app's folder.
    pub(super) fn python(&self) -> Command {
        let mut python = Command::new(self.toolchain.join("venv/bin/python"));
        python
            .current_dir(self.folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        python
    }

    /// The component, made if there is none of these packages and imports, and the imports that failed in it. The
    /// app's own files are looked through in any case: by this machine's Python, which is quick, and if that finds an
    /// error, by the component's own.
    fn component(
        &self,
        packages: &packages::Packages,
        project: &PythonProject,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(PathBuf, String), BuildError> {
        let own = &project.loaded;
        let wanted = project.imports.keys();
        let wanted = wanted.filter(|(module, _)| packages.has(module));
        let wanted: String = wanted
            .map(|(module, name)| format!("{module}\t{name}\n"))
            .collect();
        let pins = self.toolchain.to_string_lossy();
        let shim = SHIM.map(|(_, text)| text).concat();
        let inputs = [
            pins.as_ref(),
            &shim,
            HASH,
            WIT,
            HTTP_WIT,
            &packages.key,
            &wanted,
        ];
        let key = build_folder::key(&inputs.map(str::as_bytes));
        let name = format!("component-{key}.wasm");
        let failed = format!("failures-{key}.txt");
        let checked = format!("checked-{key}-{}", sources::digest(own)?);
        let is_there = self.place.at(&name).is_file() && self.place.at(&failed).is_file();
        if is_there && (project.is_parsed() || self.own.at(&checked).is_file()) {
            self.place.touch(&name);
            self.place.touch(&failed);
        } else {
            progress(Progress::Step(
                "making the component: the interpreter imports the packages".to_owned(),
            ));
            let work = self.place.work()?;
            let made = self.make(work.path(), packages, own, &wanted, progress)?;
            self.place.keep(&made, &name)?;
            self.place
                .keep(&work.path().join("build/failures.txt"), &failed)?;
            self.place.prune("component-");
            self.place.prune("failures-");
        }
        self.own.save(&checked, "")?;
        self.own.prune("checked-");
        let failures = sources::text(&self.place.at(&failed))?.unwrap_or_default();
        Ok((self.place.at(&name), failures))
    }

    /// Runs componentize-py. `work` becomes the second folder of its path, which is there while building only.
    fn make(
        &self,
        work: &Path,
        packages: &packages::Packages,
        own: &[sources::Source],
        wanted: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, BuildError> {
        let build = work.join("build");
        let staged = stage(&build, packages, own, wanted)
            .and_then(|()| self.stage_time_zones(&build.join("zoneinfo")));
        staged.map_err(build_folder::cannot_write(&build))?;
        let wit = work.join("app.wit");
        let text = [WIT, HTTP_WIT].concat().replace("VERSION", WASI);
        fs::write(&wit, text).map_err(build_folder::cannot_write(&wit))?;
        // Else the packages of this machine's Python would be on its path.
        let no_packages = work.join("none/lib/python3/site-packages");
        fs::create_dir_all(&no_packages).map_err(build_folder::cannot_write(&no_packages))?;
        let out = work.join("app.wasm");
        let mut python = self.python();
        python
            .env("VIRTUAL_ENV", work.join("none"))
            .args(["-c", "import componentize_py; componentize_py.script()"])
            .args(["-q", "-d"])
            .arg(&wit)
            .args(["-w", "app", "componentize", "-p"])
            .arg(&packages.folder)
            .arg("-p")
            .arg(&build)
            .args(["dyno_app", "-o"])
            .arg(&out);
        let mut lines = Vec::new();
        let outcome = run::stream(python, "componentize-py", self.tools, &mut |_, line| {
            lines.push(line);
        });
        if let Some(problems) = sources::text(&build.join("problems.txt"))? {
            return Err(BuildError::Refused(problems));
        }
        if outcome.is_err() {
            let told = lines
                .into_iter()
                .take_while(|line| !line.starts_with("Stack backtrace"));
            told.for_each(|line| progress(Progress::Line(line)));
        }
        outcome.map(|()| out)
    }

    /// Copies the time zones of the toolchain's package `tzdata`.
    fn stage_time_zones(&self, into: &Path) -> std::io::Result<()> {
        for version in fs::read_dir(self.toolchain.join("venv/lib"))? {
            let zones = version?.path().join("site-packages/tzdata/zoneinfo");
            if zones.is_dir() {
                copy_folder(&zones, into)?;
            }
        }
        Ok(())
    }
}

fn copy_folder(from: &Path, into: &Path) -> std::io::Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = into.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

/// What the shim finds beside itself.
fn stage(
    build: &Path,
    packages: &packages::Packages,
    own: &[sources::Source],
    wanted: &str,
) -> std::io::Result<()> {
    fs::create_dir_all(build.join("sources"))?;
    for (name, text) in SHIM {
        fs::write(build.join(name), text)?;
    }
    let hash = wat::parse_str(HASH).map_err(std::io::Error::other)?;
    fs::write(build.join(HASH_FILE), hash)?;
    fs::write(build.join("wanted.txt"), wanted)?;
    fs::write(build.join("native.txt"), &packages.native)?;
    let mut names = String::new();
    for (name, path) in own {
        let copy = build.join("sources").join(name);
        fs::create_dir_all(copy.parent().unwrap_or(build))?;
        fs::copy(path, copy)?;
        names.push_str(name);
        names.push('\n');
    }
    fs::write(build.join("sources.txt"), names)
}

/// Fills the toolchain's folder: a virtual environment with componentize-py.
fn install(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    venv(folder, REQUIREMENTS, tools, progress)
}

/// Makes `venv` in a folder and installs pinned packages into it.
pub(crate) fn venv(
    folder: &Path,
    requirements: &str,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    check_python(tools, progress)?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).map_err(build_folder::cannot_write(&list))?;
    let mut say = |_, line| progress(Progress::Line(line));
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "venv"]).current_dir(folder);
    run::stream(make, "python3 -m venv", tools, &mut say)?;
    let mut pip = Command::new(folder.join("venv/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--only-binary", ":all:"])
        .args(["-r", "requirements.txt"])
        .current_dir(folder);
    run::stream(pip, "pip install", tools, &mut say)
}

fn check_python(tools: &Tools, progress: &mut dyn FnMut(Progress)) -> Result<(), BuildError> {
    let missing = BuildError::NoTool {
        tool: "python3",
        remedy: GET_PYTHON,
    };
    let mut python = Command::new("python3");
    python.args([
        "-c",
        "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))",
    ]);
    match run::stream(python, "python3", tools, &mut |from, line| {
        if from == From::Stderr {
            progress(Progress::Line(line));
        }
    }) {
        Err(BuildError::Failed { .. }) => Err(missing),
        Err(error) if run::is_absent(&error) => Err(missing),
        other => other,
    }
}
