//! Compiles a component or core module to native code: once, in a limited child process, with a cache; loads the code
//! with mmap.
//!
//! Compiling untrusted code can take any amount of time and memory, so a child process with limits does it. Only this
//! process writes the cache, which is private to the user; a slug never contains native code. This is the only module
//! of the crate with `unsafe`, to load what the child compiled.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, Rlimit, setrlimit};
use sha2::{Digest, Sha256};
use wasmtime::Module;
use wasmtime::component::Component;

use crate::code::quirks::{self, InstanceLifetime};
use crate::engine::{self, Engines, Flavor};

/// The CPU time of one compilation, in seconds. The largest known app (Ruby, 31 MB) takes 24.
const COMPILE_CPU_SECONDS_MAX: u64 = 300;
/// The address space of the compile child, in bytes.
const COMPILE_MEMORY_BYTES_MAX: u64 = 6 * 1024 * 1024 * 1024;
/// The wall time of one compilation: the CPU limit, and a margin for a busy machine.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(600);
/// The size of the cache, in bytes: the code of a few hundred Rust apps, or of some dozen apps in JavaScript or
/// Python. Code that was unused for longest is removed first.
const CACHE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// An unfinished file that is older was left behind by a compilation that failed.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The prefix of the names of unfinished files.
const UNFINISHED: &str = ".compiling-";
/// The most bytes of the child's messages that an error contains.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// The reason why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A file could not be read or written, or the child not started.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file or program.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The compiler refused the component: it is invalid, or exceeds a limit of the engine.
    #[error("the component does not compile: {message}")]
    Refused {
        /// The compiler's message, at most 4 KiB.
        message: String,
    },
    /// The child reached its limit of CPU time or memory.
    #[error(
        "compiling took more than {COMPILE_CPU_SECONDS_MAX} s of CPU or 6 GiB of memory and was stopped"
    )]
    Exhausted,
    /// The compiled code could not be loaded, even after it was compiled again.
    #[error("compiled code cannot be loaded")]
    Load(#[source] wasmtime::Error),
}

/// Native code that can be instantiated.
pub enum NativeCode {
    /// The code of a component.
    Component(Component),
    /// The code of a core module.
    Module(Module),
}

/// The facts about a component that are known before its code is loaded.
pub struct CacheEntry {
    /// The lifetime of its instances.
    pub lifetime: InstanceLifetime,
    /// The file of its code in the cache. The file may not exist yet.
    pub cached: PathBuf,
}

/// Compiles components and caches the result in a folder.
#[derive(Debug, Clone)]
pub struct Compiler {
    cache: PathBuf,
    child: Vec<std::ffi::OsString>,
}

impl Compiler {
    /// Opens the cache in the folder `cache`, which is created if it is missing (mode 0700).
    ///
    /// `child` is a program with its first arguments. With the further arguments `FLAVOR INPUT OUTPUT`, the program
    /// must call [`child_main`].
    pub fn new(cache: &Path, child: Vec<std::ffi::OsString>) -> Result<Compiler, CompileError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(cache)
            .map_err(io_error("create the compile cache", cache))?;
        prune_cache(cache, CACHE_BYTES_MAX);
        Ok(Compiler {
            cache: cache.to_owned(),
            child,
        })
    }

    /// Reads the component in `file`, and finds the file of its code in the cache.
    pub async fn find_cached(
        &self,
        engines: &Engines,
        flavor: Flavor,
        file: &Path,
    ) -> Result<CacheEntry, CompileError> {
        let bytes = tokio::fs::read(file)
            .await
            .map_err(io_error("read", file))?;
        let name = cache_name(engines.get(flavor), flavor, &bytes);
        Ok(CacheEntry {
            cached: self.cache.join(name),
            lifetime: quirks::instance_lifetime(&bytes),
        })
    }

    /// Loads the native code of the component in `file` from `cached`, without reading the component. If `cached` is
    /// missing, the component is compiled first.
    pub async fn load_code(
        &self,
        engines: &Engines,
        flavor: Flavor,
        file: &Path,
        cached: &Path,
    ) -> Result<NativeCode, CompileError> {
        let engine = engines.get(flavor);
        if cached.exists() {
            match load_native(engine, flavor, cached) {
                Ok(native) => {
                    note_used(cached);
                    return Ok(native);
                }
                // Code of another version, or a damaged file: compiled again below.
                Err(_) => drop(std::fs::remove_file(cached)),
            }
        }
        self.compile_to_cache(flavor, file, cached).await?;
        load_native(engine, flavor, cached).map_err(CompileError::Load)
    }

    async fn compile_to_cache(
        &self,
        flavor: Flavor,
        file: &Path,
        cached: &Path,
    ) -> Result<(), CompileError> {
        let output = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.cache)
            .map_err(io_error("write into", &self.cache))?
            .into_temp_path();
        let (program, first) = self.child.split_first().expect("new() is given a program");
        let child = tokio::process::Command::new(program)
            .args(first)
            .arg(flavor.as_str())
            .arg(file)
            .arg(&output)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io_error("start", Path::new(program)))?;
        let done = match tokio::time::timeout(COMPILE_TIMEOUT, child.wait_with_output()).await {
            Ok(done) => done.map_err(io_error("wait for", Path::new(program)))?,
            Err(_) => return Err(CompileError::Exhausted),
        };
        match done.status.code() {
            Some(0) => output
                .persist(cached)
                .map_err(|e| io_error("write", cached)(e.error)),
            Some(1) => Err(CompileError::Refused {
                message: message_tail(&done.stderr),
            }),
            // The child was killed by its CPU limit, or aborted for lack of memory.
            _ => Err(CompileError::Exhausted),
        }
    }
}

/// The main function of the compile child: sets its own limits, compiles `input` and writes `output`.
///
/// Returns the exit code: 0, or 1 with the reason on stderr.
pub fn child_main(flavor: &str, input: &Path, output: &Path) -> i32 {
    match run_child(flavor, input, output) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("{e:#}");
            1
        }
    }
}

fn run_child(flavor: &str, input: &Path, output: &Path) -> wasmtime::Result<()> {
    let limit = |resource, max| {
        let limit = Rlimit {
            current: Some(max),
            maximum: Some(max),
        };
        setrlimit(resource, limit)
    };
    limit(Resource::Cpu, COMPILE_CPU_SECONDS_MAX)?;
    limit(Resource::As, COMPILE_MEMORY_BYTES_MAX)?;
    limit(Resource::Core, 0)?;
    let flavor = Flavor::from_name(flavor)
        .ok_or_else(|| wasmtime::format_err!("no engine is named {flavor:?}"))?;
    let bytes = std::fs::read(input)?;
    let engine = engine::new_compile_engine(flavor)?;
    let native = match flavor {
        Flavor::P1 => engine.precompile_module(&bytes)?,
        Flavor::P2 | Flavor::P3 => engine.precompile_component(&bytes)?,
    };
    let mut file = std::fs::File::create(output)?;
    std::io::Write::write_all(&mut file, &native)?;
    file.sync_all()?;
    Ok(())
}

fn load_native(
    engine: &wasmtime::Engine,
    flavor: Flavor,
    file: &Path,
) -> wasmtime::Result<NativeCode> {
    #[allow(
        unsafe_code,
        reason = "the file was written by our own compile child into a folder that only this user \
                  can write; its name holds the digest of the component and of the engine"
    )]
    unsafe {
        Ok(match flavor {
            Flavor::P1 => NativeCode::Module(Module::deserialize_file(engine, file)?),
            Flavor::P2 | Flavor::P3 => {
                NativeCode::Component(Component::deserialize_file(engine, file)?)
            }
        })
    }
}

/// The name of the cached file for a component and an engine.
fn cache_name(engine: &wasmtime::Engine, flavor: Flavor, component: &[u8]) -> String {
    let mut environment = std::hash::DefaultHasher::new();
    engine
        .precompile_compatibility_hash()
        .hash(&mut environment);
    let digest: String = Sha256::digest(component)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "{digest}-{}-{:016x}.cwasm",
        flavor.as_str(),
        environment.finish()
    )
}

/// Notes that cached code was used. Only pruning reads this, so a failure does no harm.
fn note_used(cached: &Path) {
    if let Ok(file) = std::fs::File::open(cached) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Removes files that were left unfinished, then code that was unused for longest, until the rest fits. Code that a
/// process runs stays mapped in that process.
fn prune_cache(cache: &Path, bytes_max: u64) {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        if unfinished && used.elapsed().is_ok_and(|age| age > UNFINISHED_AGE_MAX) {
            let _ = std::fs::remove_file(entry.path());
        } else if !unfinished {
            files.push((used, meta.len(), entry.path()));
        }
    }
    files.sort();
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if total <= bytes_max {
            break;
        }
        let _ = std::fs::remove_file(path);
        total -= bytes;
    }
}

fn message_tail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(&stderr[..stderr.len().min(MESSAGE_BYTES_MAX)]);
    text.trim().to_owned()
}

fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> CompileError + use<> {
    let path = path.to_owned();
    move |source| CompileError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_code_is_removed_first() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        for (name, used) in [("old", 1_000), ("older", 500), ("new", 2_000)] {
            let path = cache.path().join(name);
            std::fs::write(&path, [0; 100]).expect("writable");
            let file = std::fs::File::open(&path).expect("readable");
            file.set_modified(at(used)).expect("ours");
        }
        let left = cache.path().join(".compiling-x");
        std::fs::write(&left, "half").expect("writable");
        std::fs::File::open(&left)
            .expect("readable")
            .set_modified(at(1))
            .expect("ours");
        prune_cache(cache.path(), 200);
        let mut names: Vec<String> = std::fs::read_dir(cache.path())
            .expect("readable")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        assert_eq!(names, ["new", "old"]);
    }
}
