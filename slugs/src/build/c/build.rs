//! Owns the C builder: a folder of `.c` files becomes one command, a core module of WASI preview 1.
//! Must not know slugs. Headers are found beside the sources and in `include`; what needs more has a build command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::toolbox::build_folder::{self, Place};
use crate::build::toolbox::run;
use crate::build::toolbox::sources;
use crate::build::toolbox::toolchain::Toolchain;
use crate::build::{BuildError, BuiltComponent, Made, Progress, Tools, python};
use crate::manifest::{Builder, Procfile};
use crate::path::SlugPath;

/// The program, as a slug and a Procfile name it.
pub(crate) const MODULE: &str = "main.wasm";
/// The process type without a Procfile: `web` must listen, which a module of this kind cannot.
const PROCESS: &str = "main";
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Compiled when the toolchain is installed, so that the C library is there for all programs.
const FIRST: &str = "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n";
const FLAGS: [&str; 7] = [
    "-target",
    "wasm32-wasi",
    "-O2",
    "-Wall",
    "-I.",
    "-Iinclude",
    "-s",
];

const TOOLCHAIN: Toolchain = Toolchain {
    name: "c",
    title: "the C toolchain (zig cc 0.13.0)",
    pins: &[REQUIREMENTS, FIRST],
};

/// The files to compile: all of `src`, or those at the top where there are none.
pub(crate) fn sources_of(folder: &Path) -> Vec<PathBuf> {
    let of = |place: &str| {
        let entries = std::fs::read_dir(folder.join(place));
        let paths = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "c");
        let mut found: Vec<PathBuf> = paths
            .filter(is_source)
            .filter_map(|path| Some(Path::new(place).join(path.file_name()?)))
            .collect();
        found.sort();
        found
    };
    let found = of("src");
    if found.is_empty() { of("") } else { found }
}

/// Builds the program in a folder.
pub(crate) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let toolchain = TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install(folder, tools, progress)
    })?;
    let place = Place::of_app(folder, tools, progress)?;
    let own = sources::files(folder, &|name| name.ends_with(".c") || name.ends_with(".h"))?;
    let digest = sources::digest(&own)?;
    let pins = toolchain.to_string_lossy();
    let flags = FLAGS.concat();
    let name = format!(
        "module-{}.wasm",
        build_folder::key(&[pins.as_bytes(), flags.as_bytes(), digest.as_bytes()])
    );
    if !place.at(&name).is_file() {
        let files = sources_of(folder);
        progress(Progress::Step(format!("zig cc ({} files)", files.len())));
        let work = place.work()?;
        let made = work.path().join(MODULE);
        compile(&toolchain, folder, &files, &made, tools, progress)?;
        place.keep(&made, &name)?;
        place.prune("module-");
    }
    place.touch(&name);
    let module = BuiltComponent {
        path: SlugPath::new(MODULE).expect("a path that this program names"),
        file: place.at(&name),
    };
    let process = PROCESS
        .parse()
        .expect("a process type that this program names");
    let commands = procfile
        .is_none()
        .then(|| [(process, crate::build::command(MODULE))].into());
    Ok(Made {
        builder: Builder {
            name: "c".to_owned(),
            tool: "zig cc 0.13.0".to_owned(),
        },
        components: vec![module],
        files: Vec::new(),
        commands,
        command_words: Default::default(),
        warnings: Vec::new(),
    })
}

fn compile(
    toolchain: &Path,
    folder: &Path,
    files: &[PathBuf],
    made: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let mut zig = Command::new(toolchain.join("venv/bin/python"));
    zig.args(["-m", "ziglang", "cc"])
        .args(FLAGS)
        .arg("-o")
        .args(std::iter::once(made.as_os_str()).chain(files.iter().map(|file| file.as_os_str())))
        .current_dir(folder)
        .env("ZIG_GLOBAL_CACHE_DIR", toolchain.join("cache"))
        .env("ZIG_LOCAL_CACHE_DIR", toolchain.join("cache"));
    run::stream(zig, "zig cc", tools, &mut |_, line| {
        progress(Progress::Line(line))
    })
}

fn install(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    python::venv(folder, REQUIREMENTS, tools, progress)?;
    let first = folder.join("first.c");
    std::fs::write(&first, FIRST).map_err(build_folder::cannot_write(&first))?;
    let made = folder.join("first.wasm");
    compile(folder, folder, &[first], &made, tools, progress)
}
