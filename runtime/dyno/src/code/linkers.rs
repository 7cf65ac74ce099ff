//! The linkers of this process: the functions that components and core modules may import.
//!
//! Each linker is created at its first use, since most machines run apps of one flavor. Must not know apps.

use std::sync::OnceLock;

use wasmtime::component::Linker;

use crate::engine::{Engines, Flavor};
use crate::guest::{Guest, build_component_linker, build_module_linker};

/// One linker for each flavor.
#[derive(Default)]
pub(super) struct Linkers {
    preview1: OnceLock<wasmtime::Linker<Guest>>,
    p2: OnceLock<Linker<Guest>>,
    p3: OnceLock<Linker<Guest>>,
}

impl Linkers {
    /// The linker of core modules.
    pub(super) fn for_modules(
        &self,
        engines: &Engines,
    ) -> wasmtime::Result<&wasmtime::Linker<Guest>> {
        if let Some(linker) = self.preview1.get() {
            return Ok(linker);
        }
        let linker = build_module_linker(engines.get(Flavor::P1))?;
        Ok(self.preview1.get_or_init(|| linker))
    }

    /// The linker of components of `flavor`.
    pub(super) fn for_components(
        &self,
        engines: &Engines,
        flavor: Flavor,
    ) -> wasmtime::Result<&Linker<Guest>> {
        let cell = match flavor {
            Flavor::P1 | Flavor::P2 => &self.p2,
            Flavor::P3 => &self.p3,
        };
        if let Some(linker) = cell.get() {
            return Ok(linker);
        }
        let linker = build_component_linker(engines.get(flavor), flavor)?;
        Ok(cell.get_or_init(|| linker))
    }
}
