//! The code of a process type: in memory while one of its dynos is awake, and loaded again when one wakes.
//!
//! A component's code takes some hundred KiB beside what is mapped from the cache: as much as several awake dynos,
//! and too much for a sleeping app. Must not know dynos.

pub(crate) mod boot_hook;
pub mod compile;
mod linkers;
pub(crate) mod quirks;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use slugs::World;
use wasmtime::InstancePre;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p3::bindings::CommandPre as CommandPre3;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::code::boot_hook::BootHook;
use crate::code::compile::{CompileError, Compiler, NativeCode};
use crate::code::quirks::InstanceLifetime;
use crate::engine::{Engines, Flavor};
use crate::guest::Guest;
use crate::guest::http::handling::HandlerPre;
use linkers::Linkers;

/// A linked component or module, ready to be instantiated.
pub(crate) enum LinkedProgram {
    /// A handler of WASI 0.2.
    P2(HandlerPre<Guest>, Option<BootHook>),
    /// A handler of WASI 0.3.
    P3(ServicePre<Guest>, Option<BootHook>),
    /// A command of preview 1.
    Run1(InstancePre<Guest>),
    /// A command of WASI 0.2.
    Run2(CommandPre<Guest>),
    /// A command of WASI 0.3.
    Run3(CommandPre3<Guest>),
}

impl LinkedProgram {
    /// The number of memories of one instance, at least one. Components of several modules may have several.
    fn count_memories(&self) -> u32 {
        let component = match self {
            LinkedProgram::P2(pre, _) => pre.instance_pre().component(),
            LinkedProgram::P3(pre, _) => pre.instance_pre().component(),
            LinkedProgram::Run2(pre) => pre.instance_pre().component(),
            LinkedProgram::Run3(pre) => pre.instance_pre().component(),
            LinkedProgram::Run1(_) => return 1,
        };
        let needs = component.resources_required();
        needs.map_or(1, |needs| needs.num_memories.max(1))
    }
}

/// The reason why there is no code to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    /// The component could not be compiled, or its code not loaded.
    #[error("its code cannot be loaded")]
    Compile(#[source] CompileError),
    /// The component imports something that is not offered, or does not export what its world says.
    #[error("it does not fit this host")]
    Link(#[source] wasmtime::Error),
}

/// Programs whose code is in memory, by file in the cache and by world. Releases of one slug, and apps with the same
/// slug, share the code.
#[derive(Clone, Default)]
pub(crate) struct LoadedPrograms(Arc<LoadedState>);

#[derive(Default)]
struct LoadedState {
    programs: Mutex<HashMap<(World, PathBuf), Weak<LinkedProgram>>>,
    linkers: Linkers,
}

impl LoadedPrograms {
    fn get_shared(&self, world: World, compiled: &Path) -> Option<Arc<LinkedProgram>> {
        let programs = self.0.programs.lock();
        programs.get(&(world, compiled.to_owned()))?.upgrade()
    }

    /// Shares `pre` with others. If another task was faster, returns that task's program instead.
    fn share(&self, world: World, compiled: &Path, pre: LinkedProgram) -> Arc<LinkedProgram> {
        let mut all = self.0.programs.lock();
        let key = (world, compiled.to_owned());
        if let Some(known) = all.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, known| known.strong_count() > 0);
        let pre = Arc::new(pre);
        all.insert(key, Arc::downgrade(&pre));
        pre
    }
}

/// The code of one process type.
pub(crate) struct ProgramCode {
    compiler: Compiler,
    loaded: LoadedPrograms,
    world: World,
    /// The component's file in the unpacked slug.
    file: PathBuf,
    /// The file of its native code in the cache.
    compiled: PathBuf,
    held: Mutex<HeldCode>,
    /// The lifetime of its instances.
    pub(crate) lifetime: InstanceLifetime,
    /// The number of memories of one instance.
    memories: u32,
}

/// The code that a process type holds, and who uses it.
#[derive(Default)]
struct HeldCode {
    pre: Option<Arc<LinkedProgram>>,
    /// The number of instances that run the code.
    instances: usize,
}

/// The right of one instance to run the code. Keeps the code in memory.
pub(crate) struct CodeLease {
    code: Arc<ProgramCode>,
    pre: Arc<LinkedProgram>,
}

impl CodeLease {
    /// Takes a lease of `code`, which is loaded now if it is not in memory.
    pub(crate) async fn take(
        code: Arc<ProgramCode>,
        engines: &Engines,
    ) -> Result<CodeLease, CodeError> {
        let pre = code.program(engines).await?;
        let mut held = code.held.lock();
        held.instances += 1;
        held.pre.get_or_insert_with(|| Arc::clone(&pre));
        drop(held);
        Ok(CodeLease { code, pre })
    }

    pub(crate) fn program(&self) -> &LinkedProgram {
        &self.pre
    }
}

impl Drop for CodeLease {
    fn drop(&mut self) {
        self.code.held.lock().instances -= 1;
    }
}

impl ProgramCode {
    /// Compiles and links the component in `file`.
    pub(crate) async fn prepare(
        engines: &Engines,
        compiler: &Compiler,
        loaded: &LoadedPrograms,
        (world, file): (World, PathBuf),
    ) -> Result<ProgramCode, CodeError> {
        let found = compiler
            .find_cached(engines, Flavor::of(world), &file)
            .await;
        let found = found.map_err(CodeError::Compile)?;
        let mut code = ProgramCode {
            compiler: compiler.clone(),
            loaded: loaded.clone(),
            world,
            file,
            compiled: found.cached,
            held: Mutex::default(),
            lifetime: found.lifetime,
            memories: 1,
        };
        let pre = code.program(engines).await?;
        code.memories = pre.count_memories();
        code.held.lock().pre = Some(pre);
        Ok(code)
    }

    /// The engine that the code runs on.
    pub(crate) fn flavor(&self) -> Flavor {
        Flavor::of(self.world)
    }

    /// The number of memories of one instance, at least one.
    pub(crate) fn memories(&self) -> u32 {
        self.memories
    }

    async fn program(&self, engines: &Engines) -> Result<Arc<LinkedProgram>, CodeError> {
        if let Some(pre) = &self.held.lock().pre {
            return Ok(Arc::clone(pre));
        }
        if let Some(pre) = self.loaded.get_shared(self.world, &self.compiled) {
            return Ok(pre);
        }
        let loading = self
            .compiler
            .load_code(engines, self.flavor(), &self.file, &self.compiled);
        let code = loading.await.map_err(CodeError::Compile)?;
        let pre = link_program(&self.loaded.0.linkers, engines, self.world, &code)
            .map_err(CodeError::Link)?;
        Ok(self.loaded.share(self.world, &self.compiled, pre))
    }

    /// Drops the code from memory if no instance runs it. Returns whether the code is out of memory.
    pub(crate) fn release_if_unused(&self) -> bool {
        let mut held = self.held.lock();
        if held.instances == 0 {
            held.pre = None;
        }
        held.pre.is_none()
    }
}

fn link_program(
    linkers: &Linkers,
    engines: &Engines,
    world: World,
    code: &NativeCode,
) -> wasmtime::Result<LinkedProgram> {
    let component = match code {
        NativeCode::Component(component) => component,
        NativeCode::Module(module) => {
            let pre = linkers.for_modules(engines)?.instantiate_pre(module)?;
            return Ok(LinkedProgram::Run1(pre));
        }
    };
    let pre = linkers
        .for_components(engines, Flavor::of(world))?
        .instantiate_pre(component)?;
    Ok(match world {
        World::Handler02 => LinkedProgram::P2(HandlerPre::new(pre)?, BootHook::find(component)?),
        World::Handler03 => LinkedProgram::P3(ServicePre::new(pre)?, BootHook::find(component)?),
        World::Run03 => LinkedProgram::Run3(CommandPre3::new(pre)?),
        World::Run02 | World::Wasip1 => LinkedProgram::Run2(CommandPre::new(pre)?),
    })
}
