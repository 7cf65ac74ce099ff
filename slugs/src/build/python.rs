//! Owns the Python builder: a component that has the interpreter and the app's packages in it, imported already; the
//! app's own modules stay files, which a dyno imports when it first answers. Must not know slugs.
//!
//! So a changed line of the app costs no compilation: the component depends on the packages, and on which modules of
//! theirs the app imports. A snapshot holds random seeds, so two machines make two files of one meaning; on one machine
//! it is made once, for all apps that ask for the same.

mod entry;
mod imports;
mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::place::{self, Place};
use super::run::{self, From};
use super::toolchain::Toolchain;
use super::{BuildError, BuiltComponent, Made, Progress, Tools, sources};
use crate::manifest::{Builder, Procfile};
use crate::path::SlugPath;

/// A version that any engine of WASI 0.2 has; componentize-py moves it up to its own.
const WASI: &str = "0.2.0";
const COMPONENT: &str = ".dyno/python.wasm";
/// Where the component looks for what to import.
const ENTRY: &str = ".dyno/entry.txt";
/// componentize-py's name of the first folder of its path, and so the packages' place in a dyno: code remembers where
/// it was loaded from.
const PACKAGES: &str = "0";
const GET_PYTHON: &str =
    "get Python 3.10 or newer, with `venv` and `pip` (on Debian: python3 python3-venv)";

const SHIM: &str = include_str!("python/dyno_app.py");
const WIT: &str = include_str!("python/app.wit");
const HTTP_WIT: &str = include_str!("wit/http.wit");
const REQUIREMENTS: &str = include_str!("python/requirements.txt");

const TOOLCHAIN: Toolchain = Toolchain {
    name: "python",
    title: "the Python toolchain (componentize-py 0.25.1)",
    pins: &[REQUIREMENTS],
};

/// Builds the app in a folder with a `requirements.txt` or a `pyproject.toml`.
pub(super) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let entry = entry::find(folder, procfile)?;
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
    let packages = packages::ensure(&builder, progress)?;
    let component = builder.component(&packages, progress)?;
    let entry = builder.own.save("entry.txt", &entry)?;
    let mut files = packages.files()?;
    files.push(file(ENTRY, &entry)?);
    Ok(Made {
        command_words: Default::default(),
        builder: Builder {
            name: "python".to_owned(),
            tool: "componentize-py 0.25.1 (CPython 3.14)".to_owned(),
        },
        components: vec![file(COMPONENT, &component)?],
        files,
        commands: Some(super::web(COMPONENT)),
        warnings: Vec::new(),
    })
}

fn file(name: &str, place: &Path) -> Result<BuiltComponent, BuildError> {
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
struct Work<'a> {
    folder: &'a Path,
    /// The app's own.
    own: &'a Place,
    /// Packages and components, for all apps that ask for the same.
    place: &'a Place,
    toolchain: &'a Path,
    tools: &'a Tools,
}

impl Work<'_> {
    /// Python of the toolchain, run in the app's folder.
    fn python(&self) -> Command {
        let mut python = Command::new(self.toolchain.join("venv/bin/python"));
        python
            .current_dir(self.folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        python
    }

    /// The component, made if there is none of these packages and imports. The app's own files are looked through in
    /// any case: by this machine's Python, which is quick, and if that finds an error, by the component's own.
    fn component(
        &self,
        packages: &packages::Packages,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, BuildError> {
        let own = sources::files(self.folder, &|name| name.ends_with(".py"))?;
        let all = imports::of(self.folder, &own)?;
        let wanted: String = all
            .split_inclusive('\n')
            .filter(|line| packages.decides(line))
            .collect();
        let pins = self.toolchain.to_string_lossy();
        let inputs = [pins.as_ref(), SHIM, WIT, HTTP_WIT, &packages.key, &wanted];
        let key = place::key(&inputs.map(str::as_bytes));
        let name = format!("component-{key}.wasm");
        let checked = format!("checked-{key}-{}", sources::digest(&own)?);
        let is_there = self.place.at(&name).is_file();
        if is_there && (self.own.at(&checked).is_file() || self.compiles(&own)?) {
            self.place.touch(&name);
        } else {
            progress(Progress::Step(
                "making the component: the interpreter imports the packages".to_owned(),
            ));
            let work = self.place.work()?;
            let made = self.make(work.path(), packages, &own, &wanted, progress)?;
            self.place.keep(&made, &name)?;
            self.place.prune("component-");
        }
        self.own.save(&checked, "")?;
        self.own.prune("checked-");
        Ok(self.place.at(&name))
    }

    /// Whether this machine's Python has nothing against the files. It may be older than the component's.
    fn compiles(&self, own: &[sources::Source]) -> Result<bool, BuildError> {
        const COMPILE: &str = "import sys\n\
             for path in sys.stdin.read().split(chr(0))[:-1]:\n \
             compile(open(path, 'rb').read(), path, 'exec', dont_inherit=True)";
        let list: String = own.iter().map(|(name, _)| format!("{name}\0")).collect();
        let list = self.own.save("sources.txt", &list)?;
        let list = fs::File::open(&list).map_err(place::cannot_write(&list))?;
        let mut python = self.python();
        python.args(["-c", COMPILE]);
        match run::stream_with(python, list.into(), "python", self.tools, &mut |_, _| {}) {
            Ok(()) => Ok(true),
            Err(BuildError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
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
        stage(&build, packages, own, wanted).map_err(place::cannot_write(&build))?;
        let wit = work.join("app.wit");
        let text = [WIT, HTTP_WIT].concat().replace("VERSION", WASI);
        fs::write(&wit, text).map_err(place::cannot_write(&wit))?;
        // Else the packages of this machine's Python would be on its path.
        let no_packages = work.join("none/lib/python3/site-packages");
        fs::create_dir_all(&no_packages).map_err(place::cannot_write(&no_packages))?;
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
}

/// What the shim finds beside itself.
fn stage(
    build: &Path,
    packages: &packages::Packages,
    own: &[sources::Source],
    wanted: &str,
) -> std::io::Result<()> {
    fs::create_dir_all(build.join("sources"))?;
    fs::write(build.join("dyno_app.py"), SHIM)?;
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
pub(super) fn venv(
    folder: &Path,
    requirements: &str,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    check_python(tools, progress)?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).map_err(place::cannot_write(&list))?;
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
