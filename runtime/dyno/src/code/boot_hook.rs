//! The boot hook: the function by which a component says whether its app could be loaded.
//!
//! A component may export the instance `dyno:app/boot@0.1.0` with `load: func() -> result<_, string>`. The host calls
//! it once in each instance of a handler, before the first request. A language shim exports it, since only the shim
//! can load the app's source: an instance alone proves nothing about that. Must not know what a failed boot means.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex, Instance, TypedFunc};
use wasmtime::{Store, WasmBacktrace, bail, format_err};
use wasmtime_wasi::I32Exit;

use crate::guest::Guest;

/// The exported interface.
const BOOT: &str = "dyno:app/boot@0.1.0";
/// Its function.
const LOAD: &str = "load";

type Load = TypedFunc<(), (Result<(), String>,)>;

/// Where a component exports its boot hook.
#[derive(Clone, Copy)]
pub(crate) struct BootHook(ComponentExportIndex);

impl BootHook {
    /// The component's hook, if it exports one. Fails if it exports the interface with another function.
    pub(crate) fn find(component: &Component) -> wasmtime::Result<Option<BootHook>> {
        let Some(interface) = component.get_export_index(None, BOOT) else {
            return Ok(None);
        };
        match component.get_export(Some(&interface), LOAD) {
            Some((ComponentItem::ComponentFunc(load), index)) if is_load(&load) => {
                Ok(Some(BootHook(index)))
            }
            _ => bail!("`{BOOT}` must export `{LOAD}: func() -> result<_, string>`"),
        }
    }

    /// Has the app loaded. The error is the app's own reason, or that of a trap or an exit.
    pub(crate) async fn load(
        self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<()> {
        let load: Load = instance.get_typed_func(&mut *store, self.0)?;
        let loaded = load.call_async(&mut *store, ()).await;
        let (loaded,) = loaded.map_err(hide_interpreter)?;
        loaded.map_err(|reason| format_err!("{reason}"))
    }
}

fn is_load(function: &ComponentFunc) -> bool {
    let mut results = function.results();
    let (Some(Type::Result(result)), None) = (results.next(), results.next()) else {
        return false;
    };
    function.params().len() == 0
        && result.ok().is_none()
        && matches!(result.err(), Some(Type::String))
}

/// An error of a component with a boot hook, without the engine's backtrace: its functions are those of an interpreter,
/// and tell an app's developer nothing.
pub(crate) fn hide_interpreter(error: wasmtime::Error) -> wasmtime::Error {
    if !error.is::<WasmBacktrace>() || error.is::<I32Exit>() {
        return error;
    }
    let cause = error.chain().last().map(ToString::to_string);
    wasmtime::Error::msg(cause.unwrap_or_default())
}
