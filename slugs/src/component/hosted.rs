//! Owns the list of the interfaces that a dyno has: those of WASI by name and version, and the functions of preview 1.
//! Must not know how they are linked; `runtime/dyno` links them.
//! Source: the WIT and witx packages of wasmtime-wasi and wasmtime-wasi-http 48.

use super::world::{WASIP1_MODULE, World};

/// WASI 0.2: interfaces by package. Later patch versions only add functions.
const WASI_02: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:http", &["types", "outgoing-handler"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        &[
            "network",
            "instance-network",
            "ip-name-lookup",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// WASI 0.3: interfaces by package.
const WASI_03: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "types",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["types", "monotonic-clock", "system-clock"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:http", &["types", "client"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    ("wasi:sockets", &["types", "ip-name-lookup"]),
];

/// Functions of WASI preview 1.
const PREVIEW1: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// A release line of WASI.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WasiLine {
    V02,
    V03,
}

/// Splits `wasi:cli/run@0.2.4` into package, interface and version.
fn split_name(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

/// The release line of a version: `0.2.x` or `0.3.x`, no pre-release.
fn release_line(version: &str) -> Option<WasiLine> {
    let (minor, patch) = version.strip_prefix("0.")?.split_once('.')?;
    let released =
        !patch.is_empty() && patch.len() <= 4 && patch.bytes().all(|byte| byte.is_ascii_digit());
    match (minor, released) {
        ("2", true) => Some(WasiLine::V02),
        ("3", true) => Some(WasiLine::V03),
        _ => None,
    }
}

/// The error text for components that use a pre-release of WASI.
pub(super) const CANDIDATE: &str = "it is from a pre-release of WASI, and a dyno has only the releases 0.2.x and 0.3.0: upgrade the tool or library that makes \
     the component, and build it again (spin-sdk 7 or newer, wasip3 0.10, wasi 0.14 or wstd 0.6)";

/// Whether a version is a candidate of a release: `0.3.0-rc-2026-01-06`, `0.2.0-rc-2023-12-05`.
fn is_candidate(version: &str) -> bool {
    let (release, rest) = version.split_once('-').unwrap_or((version, ""));
    !rest.is_empty() && release_line(release).is_some()
}

/// Whether an export is a pre-release of an interface that runs here in its released version.
pub(super) fn is_candidate_export(name: &str) -> bool {
    split_name(name).is_some_and(|(package, interface, version)| {
        let known = matches!(
            (package, interface),
            ("wasi:http", "handler" | "incoming-handler") | ("wasi:cli", "run")
        );
        known && is_candidate(version)
    })
}

/// Checks that a dyno has an interface that a component imports. The error says what a dyno has, and what to do.
pub(super) fn check_interface(name: &str) -> Result<(), String> {
    let Some((package, interface, version)) = split_name(name) else {
        return Err("a dyno has only the interfaces of WASI; build without this import".to_owned());
    };
    let known = |table: &[(&str, &[&str])]| table.iter().any(|(known, _)| *known == package);
    if !known(WASI_02) && !known(WASI_03) {
        return Err(format!(
            "a dyno has wasi:cli, clocks, filesystem, http, io, random and sockets; build without `{package}`, \
             or compose a component that provides it into this one"
        ));
    }
    let table = match release_line(version) {
        Some(WasiLine::V02) => WASI_02,
        Some(WasiLine::V03) => WASI_03,
        None if is_candidate(version) => return Err(CANDIDATE.to_owned()),
        None => {
            return Err(format!(
                "a dyno has the versions 0.2.x and 0.3.0 of `{package}`; build the component for one of them"
            ));
        }
    };
    let found = table.iter().find(|(known, _)| *known == package);
    let provided: &[&str] = found.map_or(&[], |(_, interfaces)| interfaces);
    if provided.contains(&interface) {
        return Ok(());
    }
    Err(format!(
        "of `{package}@{version}` a dyno has: {}; build without this import",
        join_names(provided)
    ))
}

fn join_names(names: &[&str]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

/// Checks that a dyno has a function that a core module imports (`module::name`).
pub(super) fn check_preview1(import: &str) -> Result<(), String> {
    match import.split_once("::") {
        Some((WASIP1_MODULE, name)) if PREVIEW1.contains(&name) => Ok(()),
        Some((WASIP1_MODULE, _)) => Err("WASI preview 1 has no such function".to_owned()),
        _ => Err(format!(
            "a core module can import only from `{WASIP1_MODULE}`; build it for wasip1, without threads and without JavaScript glue"
        )),
    }
}

/// The world of an export, if it is a known one.
pub(super) fn world_of_export(name: &str) -> Option<World> {
    let (package, interface, version) = split_name(name)?;
    match (package, interface, release_line(version)?) {
        ("wasi:http", "handler", WasiLine::V03) => Some(World::Handler03),
        ("wasi:http", "incoming-handler", WasiLine::V02) => Some(World::Handler02),
        ("wasi:cli", "run", WasiLine::V03) => Some(World::Run03),
        ("wasi:cli", "run", WasiLine::V02) => Some(World::Run02),
        _ => None,
    }
}
