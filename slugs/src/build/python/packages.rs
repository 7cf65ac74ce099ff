//! Owns an app's Python packages: their installation by pip, and which of their files a dyno can use. Must not know the
//! component.
//!
//! Packages are chosen for the component's Python, not for this machine's. Of a wheel with native code only the Python files
//! are kept: many packages have Python code for the case that the native code is missing. Where one has not, its import fails
//! while building.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::context::PythonBuild;
use super::layout::PACKAGES;
use super::processes::Scripts;
use super::requirements::line::package_name;
use super::requirements::{RequestedPackages, split_constraints};
use crate::build::output::BuiltFile;
use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::sources::{SourceFile, list_files, read_text_lossy};

const REQUIREMENTS: &str = "requirements.txt";
const CONSTRAINTS: &str = "constraints.txt";
const PIP: &str = include_str!("host/pip_for_target.py");
/// pip's options that choose wheels for the component's Python. The platform only has to be the same everywhere, so that
/// every machine gets the same files: native code is left out.
const TARGET_OPTIONS: [&str; 18] = [
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
/// How often pip repeats a failed download: enough for a short failure, and quickly over without a network.
const RETRIES: &str = "2";
/// Most packages that are built from sources because they have no wheel. pip names them one at a time.
const FROM_SOURCE_MAX: usize = 8;
/// The list of native files that were left out, beside the packages.
const NATIVE_LIST: &str = ".native.txt";

/// The packages of an app, installed.
pub(super) struct InstalledPackages {
    /// The folder that holds them.
    pub(super) folder: PathBuf,
    /// A digest over all that decides which packages are installed.
    pub(super) key: String,
    /// `NAME<TAB>FILE` of native code that was left out.
    pub(super) native: String,
}

impl InstalledPackages {
    /// Whether a module's top name is installed.
    pub(super) fn has(&self, module: &str) -> bool {
        let top = module.split('.').next().unwrap_or_default();
        self.folder.join(top).is_dir() || self.folder.join(format!("{top}.py")).is_file()
    }

    /// The file of a top-level module that is native code, and so was left out.
    pub(super) fn native_module(&self, module: &str) -> Option<String> {
        let top = module.split('.').next().unwrap_or_default();
        let mut lines = self.native.lines().filter_map(|line| line.split_once('\t'));
        let file = lines.find(|(name, _)| *name == top)?.1;
        Some(file.to_owned())
    }

    /// The programs of the packages, each with its `module:function`.
    pub(super) fn scripts(&self) -> Result<Scripts, BuilderError> {
        let mut scripts = Scripts::new();
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if name.to_string_lossy().ends_with(".dist-info") {
                let text = read_text_lossy(&entry.path().join("entry_points.txt"))?;
                scripts.extend(parse_console_scripts(&text.unwrap_or_default()));
            }
        }
        Ok(scripts)
    }

    /// The files of the packages, by their names in the slug.
    pub(super) fn files(&self) -> Result<Vec<BuiltFile>, BuilderError> {
        let found = list_files(&self.folder, &|name| name != NATIVE_LIST)?;
        found
            .into_iter()
            .map(|SourceFile { name, path }| BuiltFile::new(&format!("{PACKAGES}/{name}"), &path))
            .collect()
    }
}

/// Returns the packages that the app asks for, installed unless they are there.
pub(super) fn ensure_packages(
    build: &PythonBuild<'_>,
    requested: &RequestedPackages,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<InstalledPackages, BuilderError> {
    let options = TARGET_OPTIONS.concat();
    let text = requested.text();
    let key = build_folder::content_key(&[text.as_bytes(), options.as_bytes(), PIP.as_bytes()]);
    let name = format!("packages-{key}");
    let outputs = build.shared_outputs;
    let folder = outputs.path_of(&name);
    if !folder.is_dir() {
        let work = outputs.make_work_folder()?;
        let into = work.path().join("packages");
        fs::create_dir(&into).map_err(build_folder::write_error(&into))?;
        if !requested.is_empty() {
            progress(BuildProgress::Step(format!(
                "pip install ({})",
                requested.file
            )));
            install_packages(build, requested, work.path(), &into, progress)?;
        }
        let native = remove_unusable(&into).map_err(build_folder::write_error(&into))?;
        let list = into.join(NATIVE_LIST);
        fs::write(&list, native).map_err(build_folder::write_error(&list))?;
        outputs.keep_as(&into, &name)?;
        outputs.prune_old("packages-");
    }
    outputs.mark_used(&name);
    let native = read_text_lossy(&folder.join(NATIVE_LIST))?.unwrap_or_default();
    Ok(InstalledPackages {
        folder,
        key,
        native,
    })
}

fn install_packages(
    build: &PythonBuild<'_>,
    requested: &RequestedPackages,
    temporary: &Path,
    into: &Path,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let save = |name: &str, lines: &[&str]| {
        let list = temporary.join(name);
        fs::write(&list, lines.join("\n")).map_err(build_folder::write_error(&list))?;
        Ok::<_, BuilderError>(list)
    };
    let (requirements, mut constraints) = split_constraints(&requested.lines);
    constraints.extend(requested.constraints.iter().map(String::as_str));
    let lists = [
        save(REQUIREMENTS, &requirements)?,
        save(CONSTRAINTS, &constraints)?,
    ];
    let mut from_source: Vec<String> = Vec::new();
    loop {
        let mut lines = Vec::new();
        let pip = pip_install(build, &lists, into, &from_source);
        let outcome = run::run_streaming(pip, "pip install", build.tools, &mut |_, line| {
            lines.push(line);
        });
        let Err(BuilderError::Failed { .. }) = outcome else {
            return outcome;
        };
        let missing = missing_wheel(&lines).map(package_name);
        match missing
            .filter(|name| from_source.len() < FROM_SOURCE_MAX && !from_source.contains(name))
        {
            Some(name) => {
                progress(BuildProgress::Step(format!(
                    "pip install ({name}, from its sources)"
                )));
                from_source.push(name);
            }
            None => {
                let why = explain_failure(&lines, &requested.file, from_source.last());
                lines
                    .into_iter()
                    .for_each(|line| progress(BuildProgress::Line(line)));
                return Err(BuilderError::Refused(why));
            }
        }
    }
}

/// The command of pip with two lists, of requirements and of constraints. Packages in `from_source` are built here.
fn pip_install(
    build: &PythonBuild<'_>,
    [requirements, constraints]: &[PathBuf; 2],
    into: &Path,
    from_source: &[String],
) -> Command {
    let mut pip = build.python_command();
    pip.args(["-c", PIP, "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-compile"])
        .args(["--retries", RETRIES])
        .args(TARGET_OPTIONS)
        .arg("--target")
        .arg(into)
        .arg("-r")
        .arg(requirements)
        .arg("-c")
        .arg(constraints)
        // Warnings about scripts do not matter here.
        .env("PIP_NO_WARN_SCRIPT_LOCATION", "1");
    if !from_source.is_empty() {
        pip.arg("--no-binary").arg(from_source.join(","));
    }
    pip
}

/// The requirement that pip found no wheel for.
fn missing_wheel(lines: &[String]) -> Option<&str> {
    const NONE: &str = "No matching distribution found for ";
    let mut lines = lines.iter();
    let found = lines.find_map(|line| line.split_once(NONE))?.1;
    Some(found.trim())
}

/// Explains pip's messages, with the remedy.
fn explain_failure(lines: &[String], file: &str, from_source: Option<&String>) -> String {
    let no_network = ["Retrying (", "NewConnectionError", "connection broken"];
    if lines
        .iter()
        .any(|line| no_network.iter().any(|sign| line.contains(sign)))
    {
        return format!(
            "the packages of {file} could not be downloaded: connect to the network, or correct pip's settings. \
             As long as {file} does not change, later builds work without a network"
        );
    }
    match (missing_wheel(lines), from_source) {
        (Some(package), _) => format!(
            "pip finds neither a wheel nor sources of {package} for Python 3.14: check the name and the version in \
             {file}. A package that does not support this Python yet cannot be used"
        ),
        (None, Some(package)) => format!(
            "there is no wheel of {package}, which {file} asks for, and pip could not build it from its sources; its \
             messages above say why. A package of native code cannot be used: use another package"
        ),
        (None, None) => {
            format!("pip could not install what {file} asks for; its messages above say why")
        }
    }
}

/// Parses the programs in a package's `entry_points.txt`.
fn parse_console_scripts(text: &str) -> impl Iterator<Item = (String, String)> {
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

/// Removes the files that a dyno cannot use, and lists the native code among them.
fn remove_unusable(folder: &Path) -> std::io::Result<String> {
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
