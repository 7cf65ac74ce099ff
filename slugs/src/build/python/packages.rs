//! Owns an app's Python packages: what is asked for, pip, and what of it a dyno can use. Must not know the component.
//!
//! Packages are those for the component's Python, not this machine's. A wheel with native code is taken for its Python
//! files: many packages have them in place of each other, and where one has not, its import fails while building.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::super::{BuildError, BuiltComponent, Progress, place, run, sources};
use super::{PACKAGES, Work, file};

const REQUIREMENTS: &str = "requirements.txt";
const PYPROJECT: &str = "pyproject.toml";
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
/// Files of requirements that name each other, at most.
const FILES_MAX: usize = 32;
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
    /// Whether a line of imports makes a component another one: whole modules of Python's own library are in each.
    pub(super) fn decides(&self, line: &str) -> bool {
        let (module, name) = line
            .trim_end()
            .split_once('\t')
            .unwrap_or((line.trim_end(), ""));
        let is_own = || {
            let file = format!("{module}.py");
            self.folder.join(module).is_dir() || self.folder.join(file).is_file()
        };
        module.contains('.') || !name.is_empty() || is_own()
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
    progress: &mut dyn FnMut(Progress),
) -> Result<Packages, BuildError> {
    let asked = Asked::read(work.folder)?;
    let fitting = FITTING.concat();
    let key = place::key(&[asked.text.as_bytes(), fitting.as_bytes()]);
    let name = format!("packages-{key}");
    let folder = work.place.at(&name);
    if !folder.is_dir() {
        let new = work.place.work()?;
        let into = new.path().join("packages");
        fs::create_dir(&into).map_err(place::cannot_write(&into))?;
        if !asked.is_empty() {
            progress(Progress::Step(format!(
                "pip install ({})",
                asked.file.display()
            )));
            install(work, &asked, new.path(), &into, progress)?;
        }
        let native = leave_out(&into).map_err(place::cannot_write(&into))?;
        let list = into.join(NATIVE);
        fs::write(&list, native).map_err(place::cannot_write(&list))?;
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

/// What the app asks for.
struct Asked {
    /// The file that says so.
    file: PathBuf,
    /// The text of it, and of those that it names.
    text: String,
    /// Lines for pip, where the file is none of its own.
    lines: Option<String>,
}

impl Asked {
    fn read(folder: &Path) -> Result<Self, BuildError> {
        let file = PathBuf::from(REQUIREMENTS);
        if folder.join(&file).is_file() {
            let text = with_named(folder, &file)?;
            return Ok(Self {
                file,
                text,
                lines: None,
            });
        }
        let text = sources::text(&folder.join(PYPROJECT))?.unwrap_or_default();
        let lines = dependencies(&text)?.join("\n");
        Ok(Self {
            file: PathBuf::from(PYPROJECT),
            text: lines.clone(),
            lines: Some(lines),
        })
    }

    fn is_empty(&self) -> bool {
        let asks = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
        !self.text.lines().any(asks)
    }
}

/// A file of requirements with those that `-r` and `-c` name in it, each once.
fn with_named(folder: &Path, first: &Path) -> Result<String, BuildError> {
    let mut all = String::new();
    let mut files = vec![first.to_owned()];
    let mut read = 0;
    while let Some(file) = files.get(read).cloned() {
        read += 1;
        let text = sources::text(&folder.join(&file))?.unwrap_or_default();
        for line in text.lines() {
            let named = ["-r", "-c", "--requirement", "--constraint"]
                .iter()
                .find_map(|flag| line.trim().strip_prefix(flag));
            if let Some(named) = named {
                let named = named.trim_start_matches(['=', ' ']).trim();
                let path = file.parent().unwrap_or(Path::new("")).join(named);
                if !files.contains(&path) && files.len() < FILES_MAX {
                    files.push(path);
                }
            }
        }
        all.push_str(&text);
        all.push('\n');
    }
    Ok(all)
}

#[derive(Deserialize, Default)]
struct Pyproject {
    project: Option<Project>,
    tool: Option<toml::Table>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    dependencies: Vec<String>,
}

/// `[project] dependencies` of a `pyproject.toml`.
fn dependencies(text: &str) -> Result<Vec<String>, BuildError> {
    let parsed: Pyproject = toml::from_str(text)
        .map_err(|error| BuildError::Refused(format!("{PYPROJECT} cannot be read: {error}")))?;
    let poetry = parsed.tool.and_then(|tool| {
        let table = tool.get("poetry")?.as_table()?.clone();
        table.contains_key("dependencies").then_some(())
    });
    match (parsed.project, poetry) {
        (Some(project), None) => Ok(project.dependencies),
        (Some(project), Some(())) if !project.dependencies.is_empty() => Ok(project.dependencies),
        (_, Some(())) => Err(BuildError::Refused(format!(
            "{PYPROJECT} lists its packages for Poetry: write them to a {REQUIREMENTS} (`poetry export -o {REQUIREMENTS}`), \
             or list them as `dependencies` under [project]"
        ))),
        (None, None) => Ok(Vec::new()),
    }
}

fn install(
    work: &Work<'_>,
    asked: &Asked,
    temporary: &Path,
    into: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let mut list = asked.file.clone();
    if let Some(lines) = &asked.lines {
        list = temporary.join(REQUIREMENTS);
        fs::write(&list, lines).map_err(place::cannot_write(&list))?;
    }
    let mut pip: Command = work.python();
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-compile"])
        .args(["--retries", RETRIES])
        .args(FITTING)
        .arg("--target")
        .arg(into)
        .arg("-r")
        .arg(&list)
        // What is said of scripts and of this machine's packages does not matter here.
        .env("PIP_NO_WARN_SCRIPT_LOCATION", "1");
    let mut lines = Vec::new();
    let outcome = run::stream(pip, "pip install", work.tools, &mut |_, line| {
        progress(Progress::Line(line.clone()));
        lines.push(line);
    });
    match outcome {
        Err(BuildError::Failed { .. }) => Err(BuildError::Refused(why(&lines, &asked.file))),
        other => other,
    }
}

/// What pip's messages mean.
fn why(lines: &[String], file: &Path) -> String {
    let file = file.display();
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
    const NONE: &str = "No matching distribution found for ";
    match lines
        .iter()
        .find_map(|line| line.split_once(NONE).map(|(_, package)| package))
    {
        Some(package) => format!(
            "pip finds no wheel of {package} for Python 3.14: correct the name or the version in {file}, if it is wrong; a \
             package that is published as source only, or not yet for this Python, cannot be used"
        ),
        None => format!("pip could not install what {file} asks for; its messages above say why"),
    }
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
mod tests {
    use super::*;

    #[test]
    fn pyproject_lists_packages_in_one_place() {
        let listed = dependencies("[project]\nname = 'x'\ndependencies = ['flask>=3', 'markdown']");
        assert_eq!(listed.expect("sound"), ["flask>=3", "markdown"]);
        assert!(
            dependencies("[tool.black]\nline-length = 1")
                .expect("sound")
                .is_empty()
        );
        let poetry = dependencies("[tool.poetry.dependencies]\nflask = '3'").expect_err("Poetry's");
        assert!(poetry.to_string().contains("poetry export"), "{poetry}");
    }

    #[test]
    fn what_pip_says_is_put_in_words() {
        let lines = |text: &str| vec![text.to_owned()];
        let file = Path::new(REQUIREMENTS);
        let none = why(
            &lines("ERROR: No matching distribution found for flsk==1"),
            file,
        );
        assert!(
            none.contains("flsk==1") && none.contains("requirements.txt"),
            "{none}"
        );
        let offline = why(&lines("WARNING: Retrying (Retry(total=1…"), file);
        assert!(offline.contains("connect to the network"), "{offline}");
    }
}
