//! The linked code of a process type: held while one of its dynos is awake, loaded again when one wakes.
//!
//! Owns when code is in memory. Must not know dynos. What a component's code takes, beside what is mapped
//! from the cache, is some hundred KiB: as much as several awake dynos, and too much for an app that sleeps.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::compile::{CompileError, Compiler};
use crate::engine::{Engines, Flavor};
use crate::guest::Guest;

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

/// The code of one process type.
pub(crate) struct Code {
    compiler: Compiler,
    flavor: Flavor,
    /// The component, within the unpacked slug.
    file: PathBuf,
    /// Its native code, in the cache.
    compiled: PathBuf,
    linked: Mutex<Option<Arc<Pre>>>,
    /// Its instances can take one request only.
    pub(crate) single_use: bool,
}

impl Code {
    /// Compiles and links the component in `file`.
    pub(crate) async fn prepare(
        engines: &Engines,
        compiler: &Compiler,
        flavor: Flavor,
        file: PathBuf,
    ) -> Result<Code, CodeError> {
        let compiled = compiler.load(engines, flavor, &file).await;
        let compiled = compiled.map_err(CodeError::Compile)?;
        let linked = link(engines, flavor, &compiled.code).map_err(CodeError::Link)?;
        Ok(Code {
            compiler: compiler.clone(),
            flavor,
            file,
            compiled: compiled.cached,
            linked: Mutex::new(Some(Arc::new(linked))),
            single_use: compiled.single_use,
        })
    }

    /// Which engine it runs on.
    pub(crate) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The code, loaded now if it is not there. Two who ask at once may both load it; one of them is kept.
    pub(crate) async fn linked(&self, engines: &Engines) -> Result<Arc<Pre>, CodeError> {
        if let Some(linked) = &*self.held() {
            return Ok(Arc::clone(linked));
        }
        let loading = self
            .compiler
            .again(engines, self.flavor, &self.file, &self.compiled);
        let code = loading.await.map_err(CodeError::Compile)?;
        let linked = Arc::new(link(engines, self.flavor, &code).map_err(CodeError::Link)?);
        let mut held = self.held();
        Ok(Arc::clone(held.get_or_insert(linked)))
    }

    /// Gives the code back, unless someone else still runs it.
    pub(crate) fn rest(&self) {
        let mut held = self.held();
        if held
            .as_ref()
            .is_some_and(|linked| Arc::strong_count(linked) == 1)
        {
            *held = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Pre>>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn link(engines: &Engines, flavor: Flavor, component: &Component) -> wasmtime::Result<Pre> {
    let pre = engines.linker(flavor)?.instantiate_pre(component)?;
    Ok(match flavor {
        Flavor::P2 => Pre::P2(ProxyPre::new(pre)?),
        Flavor::P3 => Pre::P3(ServicePre::new(pre)?),
    })
}
