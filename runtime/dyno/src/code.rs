//! The linked code of a process type: held while one of its dynos is awake, loaded again when one wakes.
//!
//! Owns when code is in memory. Must not know dynos. What a component's code takes, beside what is mapped
//! from the cache, is some hundred KiB: as much as several awake dynos, and too much for an app that sleeps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::compile::{CompileError, Compiler};
use crate::engine::{Engines, Flavor};
use crate::guest::Guest;
use crate::release::Ready;

/// A linked component, ready to be instantiated.
pub(crate) enum Pre {
    P2(ProxyPre<Guest>),
    P3(ServicePre<Guest>),
}

/// Why there is no code to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    /// It could not be compiled or loaded.
    #[error("its code cannot be loaded")]
    Compile(#[source] CompileError),
    /// The component wants something that is not offered, or does not export a handler.
    #[error("it does not fit this host")]
    Link(#[source] wasmtime::Error),
}

/// Code that is in memory, by its file in the cache: releases of one slug, and apps of one slug, share it.
#[derive(Clone, Default)]
pub(crate) struct Loaded(Arc<Mutex<HashMap<PathBuf, Weak<Pre>>>>);

impl Loaded {
    fn get(&self, compiled: &Path) -> Option<Arc<Pre>> {
        lock(&self.0).get(compiled)?.upgrade()
    }

    /// Keeps it in mind for others. If they were faster, theirs is taken.
    fn offer(&self, compiled: &Path, pre: Pre) -> Arc<Pre> {
        let mut all = lock(&self.0);
        if let Some(known) = all.get(compiled).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, known| known.strong_count() > 0);
        let pre = Arc::new(pre);
        all.insert(compiled.to_owned(), Arc::downgrade(&pre));
        pre
    }
}

/// The code of one process type.
pub(crate) struct Code {
    compiler: Compiler,
    loaded: Loaded,
    flavor: Flavor,
    /// The component, within the unpacked slug.
    file: PathBuf,
    /// Its native code, in the cache.
    compiled: PathBuf,
    held: Mutex<Held>,
    /// Its instances can take one request only.
    pub(crate) single_use: bool,
}

/// What this process type itself holds of its code.
#[derive(Default)]
struct Held {
    pre: Option<Arc<Pre>>,
    /// Instances that run it.
    instances: usize,
}

/// The right of one instance to run the code, which stays in memory as long.
pub(crate) struct Lease {
    ready: Arc<Ready>,
    pre: Arc<Pre>,
}

impl Lease {
    /// The code of `ready`, loaded now if it is not there.
    pub(crate) async fn take(ready: Arc<Ready>, engines: &Engines) -> Result<Lease, CodeError> {
        let pre = ready.code.pre(engines).await?;
        let mut held = lock(&ready.code.held);
        held.instances += 1;
        held.pre.get_or_insert_with(|| Arc::clone(&pre));
        drop(held);
        Ok(Lease { ready, pre })
    }

    pub(crate) fn pre(&self) -> &Pre {
        &self.pre
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.ready.code.held).instances -= 1;
    }
}

impl Code {
    /// Compiles and links the component in `file`.
    pub(crate) async fn prepare(
        engines: &Engines,
        compiler: &Compiler,
        loaded: &Loaded,
        (flavor, file): (Flavor, PathBuf),
    ) -> Result<Code, CodeError> {
        let found = compiler.find(engines, flavor, &file).await;
        let found = found.map_err(CodeError::Compile)?;
        let code = Code {
            compiler: compiler.clone(),
            loaded: loaded.clone(),
            flavor,
            file,
            compiled: found.cached,
            held: Mutex::default(),
            single_use: found.single_use,
        };
        let pre = code.pre(engines).await?;
        lock(&code.held).pre = Some(pre);
        Ok(code)
    }

    /// Which engine it runs on.
    pub(crate) fn flavor(&self) -> Flavor {
        self.flavor
    }

    async fn pre(&self, engines: &Engines) -> Result<Arc<Pre>, CodeError> {
        if let Some(pre) = &lock(&self.held).pre {
            return Ok(Arc::clone(pre));
        }
        if let Some(pre) = self.loaded.get(&self.compiled) {
            return Ok(pre);
        }
        let loading = self
            .compiler
            .code(engines, self.flavor, &self.file, &self.compiled);
        let code = loading.await.map_err(CodeError::Compile)?;
        let pre = link(engines, self.flavor, &code).map_err(CodeError::Link)?;
        Ok(self.loaded.offer(&self.compiled, pre))
    }

    /// Gives the code back, unless there are instances of it; says whether it did.
    pub(crate) fn rest(&self) -> bool {
        let mut held = lock(&self.held);
        if held.instances == 0 {
            held.pre = None;
        }
        held.pre.is_none()
    }
}

/// Nothing that holds one of these locks can panic in between.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn link(engines: &Engines, flavor: Flavor, component: &Component) -> wasmtime::Result<Pre> {
    let pre = engines.linker(flavor)?.instantiate_pre(component)?;
    Ok(match flavor {
        Flavor::P2 => Pre::P2(ProxyPre::new(pre)?),
        Flavor::P3 => Pre::P3(ServicePre::new(pre)?),
    })
}
