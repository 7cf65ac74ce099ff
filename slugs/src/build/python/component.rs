//! Owns the making of the component of a Python app by componentize-py, and the check of the app's own files.
//! Must not know where packages come from, nor what failed imports mean.

use std::fs;
use std::path::{Path, PathBuf};

use super::context::PythonBuild;
use super::packages::InstalledPackages;
use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::sources::{SourceFile, digest_files, read_text_lossy};

/// A version of WASI that every engine of WASI 0.2 has, as in `shim/http.wit`. componentize-py replaces it by its own version.
const WASI: &str = "0.2.0";
/// The modules that the component holds besides the interpreter, by file name. componentize-py imports the first.
const SHIM: [(&str, &str); 17] = [
    ("dyno_app.py", include_str!("shim/dyno_app.py")),
    ("dyno_asgi.py", include_str!("shim/dyno_asgi.py")),
    ("dyno_client.py", include_str!("shim/dyno_client.py")),
    (
        "dyno_client_packages.py",
        include_str!("shim/dyno_client_packages.py"),
    ),
    ("dyno_command.py", include_str!("shim/dyno_command.py")),
    ("dyno_hash.py", include_str!("shim/dyno_hash.py")),
    ("dyno_library.py", include_str!("shim/dyno_library.py")),
    ("dyno_load.py", include_str!("shim/dyno_load.py")),
    ("dyno_loop.py", include_str!("shim/dyno_loop.py")),
    ("dyno_packages.py", include_str!("shim/dyno_packages.py")),
    ("dyno_prepare.py", include_str!("shim/dyno_prepare.py")),
    ("dyno_report.py", include_str!("shim/dyno_report.py")),
    ("dyno_runtime.py", include_str!("shim/dyno_runtime.py")),
    ("dyno_serve.py", include_str!("shim/dyno_serve.py")),
    ("dyno_streams.py", include_str!("shim/dyno_streams.py")),
    ("dyno_tls.py", include_str!("shim/dyno_tls.py")),
    ("dyno_wsgi.py", include_str!("shim/dyno_wsgi.py")),
];
/// The module `_dyno_hash`: a shared library in text form, and the file name by which componentize-py recognizes it.
const HASH: &str = include_str!("shim/dyno_hash.wat");
const HASH_FILE: &str = "_dyno_hash.cpython-314-wasm32-wasi.so";
const WIT: &str = include_str!("shim/app.wit");
const HTTP_WIT: &str = include_str!("shim/http.wit");

/// Returns the component, and the list of the imports that failed in it. The component is made only if there is none for
/// these packages and `imported` names. The app's `loaded` files are checked in any case: by this machine's Python, which
/// is quick (its result comes with the files), and if that finds an error, by the component's own Python.
pub(super) fn ensure_component(
    build: &PythonBuild<'_>,
    packages: &InstalledPackages,
    (loaded, parses_here): (&[SourceFile], bool),
    imported: &str,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(PathBuf, String), BuilderError> {
    let pins = build.toolchain.to_string_lossy();
    let shim = SHIM.map(|(_, text)| text).concat();
    let inputs = [
        pins.as_ref(),
        &shim,
        HASH,
        WIT,
        HTTP_WIT,
        &packages.key,
        imported,
    ];
    let key = build_folder::content_key(&inputs.map(str::as_bytes));
    let name = format!("component-{key}.wasm");
    let failures = format!("failures-{key}.txt");
    let checked = format!("checked-{key}-{}", digest_files(loaded)?);
    let outputs = build.shared_outputs;
    let is_there = outputs.path_of(&name).is_file() && outputs.path_of(&failures).is_file();
    if is_there && (parses_here || build.app_outputs.path_of(&checked).is_file()) {
        outputs.mark_used(&name);
        outputs.mark_used(&failures);
    } else {
        progress(BuildProgress::Step(
            "making the component: the interpreter imports the packages".to_owned(),
        ));
        let work = outputs.make_work_folder()?;
        let component = make_component(build, work.path(), packages, loaded, imported, progress)?;
        outputs.keep_as(&component, &name)?;
        outputs.keep_as(&work.path().join("build/failures.txt"), &failures)?;
        outputs.prune_old("component-");
        outputs.prune_old("failures-");
    }
    build.app_outputs.save_file(&checked, "")?;
    build.app_outputs.prune_old("checked-");
    let failures = read_text_lossy(&outputs.path_of(&failures))?.unwrap_or_default();
    Ok((outputs.path_of(&name), failures))
}

/// Runs componentize-py. Its path has two folders: that of the packages, and one in `work`, which exists only while the
/// component is made.
fn make_component(
    build: &PythonBuild<'_>,
    work: &Path,
    packages: &InstalledPackages,
    loaded: &[SourceFile],
    imported: &str,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<PathBuf, BuilderError> {
    let staging = work.join("build");
    stage_files(&staging, packages, loaded, imported)
        .and_then(|()| stage_time_zones(build.toolchain, &staging.join("zoneinfo")))
        .map_err(build_folder::write_error(&staging))?;
    let wit = work.join("app.wit");
    let text = [&WIT.replace("VERSION", WASI), HTTP_WIT].concat();
    fs::write(&wit, text).map_err(build_folder::write_error(&wit))?;
    // Without a virtual environment, componentize-py would add the packages of this machine's Python to its path.
    let no_packages = work.join("none/lib/python3/site-packages");
    fs::create_dir_all(&no_packages).map_err(build_folder::write_error(&no_packages))?;
    let component = work.join("app.wasm");
    let mut python = build.python_command();
    python
        .env("VIRTUAL_ENV", work.join("none"))
        .args(["-c", "import componentize_py; componentize_py.script()"])
        .args(["-q", "-d"])
        .arg(&wit)
        .args(["-w", "app", "componentize", "-p"])
        .arg(&packages.folder)
        .arg("-p")
        .arg(&staging)
        .args(["dyno_app", "-o"])
        .arg(&component);
    let mut lines = Vec::new();
    let outcome = run::run_streaming(python, "componentize-py", build.tools, &mut |_, line| {
        lines.push(line);
    });
    // The shim writes this file if the app's own files have errors.
    if let Some(problems) = read_text_lossy(&staging.join("problems.txt"))? {
        return Err(BuilderError::Refused(problems));
    }
    if outcome.is_err() {
        let shown = lines
            .into_iter()
            .take_while(|line| !line.starts_with("Stack backtrace"));
        shown.for_each(|line| progress(BuildProgress::Line(line)));
    }
    outcome.map(|()| component)
}

/// Writes the files that the shim reads while the component is made.
fn stage_files(
    staging: &Path,
    packages: &InstalledPackages,
    loaded: &[SourceFile],
    imported: &str,
) -> std::io::Result<()> {
    fs::create_dir_all(staging.join("sources"))?;
    for (name, text) in SHIM {
        fs::write(staging.join(name), text)?;
    }
    let hash = wat::parse_str(HASH).map_err(std::io::Error::other)?;
    fs::write(staging.join(HASH_FILE), hash)?;
    fs::write(staging.join("wanted.txt"), imported)?;
    fs::write(staging.join("native.txt"), &packages.native)?;
    let mut names = String::new();
    for SourceFile { name, path } in loaded {
        let copy = staging.join("sources").join(name);
        fs::create_dir_all(copy.parent().unwrap_or(staging))?;
        fs::copy(path, copy)?;
        names.push_str(name);
        names.push('\n');
    }
    fs::write(staging.join("sources.txt"), names)
}

/// Copies the time zones of the toolchain's package `tzdata`.
fn stage_time_zones(toolchain: &Path, into: &Path) -> std::io::Result<()> {
    for version in fs::read_dir(toolchain.join("venv/lib"))? {
        let zones = version?.path().join("site-packages/tzdata/zoneinfo");
        if zones.is_dir() {
            copy_folder(&zones, into)?;
        }
    }
    Ok(())
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
