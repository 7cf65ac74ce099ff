//! Owns an app's Python packages: what is asked for, pip, and what of it a dyno can use. Must not know the component.
//!
//! Packages are those for the component's Python, not this machine's. A wheel with native code is taken for its Python
//! files: many packages have them in place of each other, and where one has not, its import fails while building.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::{PACKAGES, Work, file};
use super::processes::Scripts;
use super::requirements::{REQUIREMENTS, Requested, name_of, parted};
use crate::build::toolbox::{build_folder, run, sources};
use crate::build::{BuildError, BuiltComponent, Progress};

const CONSTRAINTS: &str = "constraints.txt";
const PIP: &str = include_str!("host/pip_for_target.py");
/// The component's Python, and wheels that fit it. The platform does not matter, as its code is left out; being always
/// the same, it gives the same files on every machine.
const FITTING: [&str; 18] = [
    "--python-version",
    "3.14",
    "--implementation",
    "cp",
    "--abi",
    "cp314",
    "--abi",
    "abi3",
    "--abi",
    "none",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_17_x86_64",
    "--platform",
    "manylinux2014_x86_64",
    "--only-binary",
    ":all:",
];
/// How often pip asks again for what it did not get: enough for a hiccup, and soon over without a network.
const RETRIES: &str = "2";
/// Packages without wheels that are built from their sources, at most: pip names them one by one.
const FROM_SOURCE_MAX: usize = 8;
/// The list of native files, beside the packages.
const NATIVE: &str = ".native.txt";

/// Installed packages.
pub(super) struct Packages {
    /// Where they are.
    pub(super) folder: PathBuf,
    /// What decides which they are.
    pub(super) key: String,
    /// `NAME<TAB>FILE` of native code that was left out.
    pub(super) native: String,
}

impl Packages {
    /// Whether a module's top name is installed.
    pub(super) fn has(&self, module: &str) -> bool {
        let top = module.split('.').next().unwrap_or_default();
        self.folder.join(top).is_dir() || self.folder.join(format!("{top}.py")).is_file()
    }

    /// The file of a module at the top that was native code, and so is not there.
    pub(super) fn native_module(&self, module: &str) -> Option<String> {
        let top = module.split('.').next().unwrap_or_default();
        let mut lines = self.native.lines().filter_map(|line| line.split_once('\t'));
        let file = lines.find(|(name, _)| *name == top)?.1;
        Some(file.to_owned())
    }

    /// Programs of the packages, with `module:function` of each.
    pub(super) fn scripts(&self) -> Result<Scripts, BuildError> {
        let mut scripts = Scripts::new();
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if name.to_string_lossy().ends_with(".dist-info") {
                let text = sources::text(&entry.path().join("entry_points.txt"))?;
                scripts.extend(console_scripts(&text.unwrap_or_default()));
            }
        }
        Ok(scripts)
    }

    /// Their files, by their names in the slug.
    pub(super) fn files(&self) -> Result<Vec<BuiltComponent>, BuildError> {
        let found = sources::files(&self.folder, &|name| name != NATIVE)?;
        let found = found.into_iter();
        found
            .map(|(name, path)| file(&format!("{PACKAGES}/{name}"), &path))
            .collect()
    }
}

/// The packages that the app asks for, installed unless they are there.
pub(super) fn ensure(
    work: &Work<'_>,
    requested: &Requested,
    progress: &mut dyn FnMut(Progress),
) -> Result<Packages, BuildError> {
    let fitting = FITTING.concat();
    let text = requested.text();
    let key = build_folder::key(&[text.as_bytes(), fitting.as_bytes(), PIP.as_bytes()]);
    let name = format!("packages-{key}");
    let folder = work.place.at(&name);
    if !folder.is_dir() {
        let new = work.place.work()?;
        let into = new.path().join("packages");
        fs::create_dir(&into).map_err(build_folder::cannot_write(&into))?;
        if !requested.is_empty() {
            progress(Progress::Step(format!("pip install ({})", requested.file)));
            install(work, requested, new.path(), &into, progress)?;
        }
        let native = leave_out(&into).map_err(build_folder::cannot_write(&into))?;
        let list = into.join(NATIVE);
        fs::write(&list, native).map_err(build_folder::cannot_write(&list))?;
        work.place.keep(&into, &name)?;
        work.place.prune("packages-");
    }
    work.place.touch(&name);
    let native = sources::text(&folder.join(NATIVE))?.unwrap_or_default();
    Ok(Packages {
        folder,
        key,
        native,
    })
}

fn install(
    work: &Work<'_>,
    requested: &Requested,
    temporary: &Path,
    into: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let save = |name: &str, lines: &[&str]| {
        let list = temporary.join(name);
        fs::write(&list, lines.join("\n")).map_err(build_folder::cannot_write(&list))?;
        Ok::<_, BuildError>(list)
    };
    let (lines, mut constraints) = parted(&requested.lines);
    constraints.extend(requested.constraints.iter().map(String::as_str));
    let lists = [
        save(REQUIREMENTS, &lines)?,
        save(CONSTRAINTS, &constraints)?,
    ];
    let mut from_source: Vec<String> = Vec::new();
    loop {
        let mut said = Vec::new();
        let pip = pip_install(work, &lists, into, &from_source);
        let outcome = run::stream(pip, "pip install", work.tools, &mut |_, line| {
            said.push(line);
        });
        let Err(BuildError::Failed { .. }) = outcome else {
            return outcome;
        };
        let missing = missing_wheel(&said).map(name_of);
        match missing
            .filter(|name| from_source.len() < FROM_SOURCE_MAX && !from_source.contains(name))
        {
            Some(name) => {
                progress(Progress::Step(format!(
                    "pip install ({name}, from its sources)"
                )));
                from_source.push(name);
            }
            None => {
                let why = explain_failure(&said, &requested.file, from_source.last());
                said.into_iter()
                    .for_each(|line| progress(Progress::Line(line)));
                return Err(BuildError::Refused(why));
            }
        }
    }
}

/// pip with two lists, of requirements and of constraints. Packages in `from_source` are built on this machine.
fn pip_install(
    work: &Work<'_>,
    [requirements, constraints]: &[PathBuf; 2],
    into: &Path,
    from_source: &[String],
) -> Command {
    let mut pip = work.python();
    pip.args(["-c", PIP, "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-compile"])
        .args(["--retries", RETRIES])
        .args(FITTING)
        .arg("--target")
        .arg(into)
        .arg("-r")
        .arg(requirements)
        .arg("-c")
        .arg(constraints)
        // What is said of scripts and of this machine's packages does not matter here.
        .env("PIP_NO_WARN_SCRIPT_LOCATION", "1");
    if !from_source.is_empty() {
        pip.arg("--no-binary").arg(from_source.join(","));
    }
    pip
}

/// The requirement that pip finds no wheel for.
fn missing_wheel(said: &[String]) -> Option<&str> {
    const NONE: &str = "No matching distribution found for ";
    let mut lines = said.iter();
    let found = lines.find_map(|line| line.split_once(NONE))?.1;
    Some(found.trim())
}

/// What pip's messages mean.
fn explain_failure(lines: &[String], file: &str, from_source: Option<&String>) -> String {
    let no_network = ["Retrying (", "NewConnectionError", "connection broken"];
    if lines
        .iter()
        .any(|line| no_network.iter().any(|sign| line.contains(sign)))
    {
        return format!(
            "the packages of {file} could not be fetched: connect to the network, or correct pip's settings. They are \
             needed once; builds work without a network while {file} stays as it is"
        );
    }
    match (missing_wheel(lines), from_source) {
        (Some(package), _) => format!(
            "pip finds no wheel of {package} for Python 3.14, nor sources: correct the name or the version in {file}, if it \
             is wrong; a package that is not yet for this Python cannot be used"
        ),
        (None, Some(package)) => format!(
            "there is no wheel of {package}, which {file} asks for, and pip could not build it from its sources; its messages \
             above say why. A package of native code cannot be used: choose another in its place"
        ),
        (None, None) => {
            format!("pip could not install what {file} asks for; its messages above say why")
        }
    }
}

/// The programs in a package's `entry_points.txt`.
fn console_scripts(text: &str) -> impl Iterator<Item = (String, String)> {
    let lines = text.lines().map(str::trim);
    let lines = lines
        .skip_while(|line| *line != "[console_scripts]")
        .skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| {
        let (name, place) = line.split_once('=')?;
        // `module:function [extra]`
        let place = place.trim().split(' ').next()?;
        Some((name.trim().to_owned(), place.to_owned()))
    })
}

/// Removes what a dyno cannot use, and lists the native code among it.
fn leave_out(folder: &Path) -> std::io::Result<String> {
    let mut native = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let scripts = folder.join("bin");
    if scripts.is_dir() {
        fs::remove_dir_all(scripts)?;
    }
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                match &*name == "__pycache__" || name.ends_with(".libs") {
                    true => fs::remove_dir_all(&path)?,
                    false => folders.push(path),
                }
            } else if name.ends_with(".so") || name.contains(".so.") {
                let inner = path.strip_prefix(folder).unwrap_or(&path);
                let inner = inner.to_string_lossy();
                let top = inner.split(['/', '.']).next().unwrap_or_default();
                native.push(format!("{top}\t{inner}\n"));
                fs::remove_file(&path)?;
            }
        }
    }
    native.sort();
    Ok(native.concat())
}

#[cfg(test)]
mod tests;
