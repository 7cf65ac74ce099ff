//! Owns the build of a C program: the `.c` files of a folder become one command, a core module of WASI preview 1.
//! Must not know slugs. Headers are found beside the sources and in `include`; an app that needs more uses `[build] command`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::detect::{MODULE, list_sources};
use crate::build::output::{BuilderOutput, BuiltFile, command_without_args};
use crate::build::python::toolchain::install_venv;
use crate::build::toolbox::build_folder::{self, BuildFolder};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::toolchain::Toolchain;
use crate::build::toolbox::tools::Tools;
use crate::build::toolbox::{run, sources};
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::BuilderRecord;

/// The process type of an app without a Procfile. A core module cannot listen, so it cannot be `web`.
const PROCESS: &str = "main";
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Compiled when the toolchain is installed: zig then builds the C library, which all later programs use.
const FIRST_PROGRAM: &str = "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n";
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
    pins: &[REQUIREMENTS, FIRST_PROGRAM],
};

/// Builds the program in a folder.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let toolchain = TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install(folder, tools, progress)
    })?;
    let outputs = BuildFolder::open_for_app(folder, tools, progress)?;
    let is_source = |name: &str| name.ends_with(".c") || name.ends_with(".h");
    let digest = sources::digest_files(&sources::list_files(folder, &is_source)?)?;
    let pins = toolchain.to_string_lossy();
    let inputs = [
        pins.as_bytes(),
        &FLAGS.concat().into_bytes(),
        digest.as_bytes(),
    ];
    let name = format!("module-{}.wasm", build_folder::content_key(&inputs));
    if !outputs.path_of(&name).is_file() {
        let files = list_sources(folder);
        progress(BuildProgress::Step(format!(
            "zig cc ({} files)",
            files.len()
        )));
        let work = outputs.make_work_folder()?;
        let module = work.path().join(MODULE);
        compile(&toolchain, folder, &files, &module, tools, progress)?;
        outputs.keep_as(&module, &name)?;
        outputs.prune_old("module-");
    }
    outputs.mark_used(&name);
    let builder = BuilderRecord {
        name: "c".to_owned(),
        tool: "zig cc 0.13.0".to_owned(),
    };
    let module = BuiltFile::new(MODULE, &outputs.path_of(&name))?;
    let mut output = BuilderOutput::from_components(builder, vec![module]);
    if procfile.is_none() {
        let process = PROCESS
            .parse()
            .expect("a process type that this program names");
        output.commands = Some([(process, command_without_args(MODULE))].into());
    }
    Ok(output)
}

fn compile(
    toolchain: &Path,
    folder: &Path,
    files: &[PathBuf],
    module: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let mut zig = Command::new(toolchain.join("venv/bin/python"));
    zig.args(["-m", "ziglang", "cc"])
        .args(FLAGS)
        .arg("-o")
        .arg(module)
        .args(files)
        .current_dir(folder)
        .env("ZIG_GLOBAL_CACHE_DIR", toolchain.join("cache"))
        .env("ZIG_LOCAL_CACHE_DIR", toolchain.join("cache"));
    run::run_streaming(zig, "zig cc", tools, &mut |_, line| {
        progress(BuildProgress::Line(line))
    })
}

fn install(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    install_venv(folder, REQUIREMENTS, tools, progress)?;
    let program = folder.join("first.c");
    std::fs::write(&program, FIRST_PROGRAM).map_err(build_folder::write_error(&program))?;
    let module = folder.join("first.wasm");
    compile(folder, folder, &[program], &module, tools, progress)
}
