//! The boot hook: the function with which a component tells whether its app could be loaded.
//!
//! A component may export the instance `dyno:app/boot@0.1.0` with `load: func() -> result<_, string>`. The host calls
//! it once in each instance of a handler, before the first request. Language shims export it, since only the shim can
//! load the app's source: that an instance exists does not show that the app works. Must not know what a failed boot
//! means.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex, Instance, TypedFunc};
use wasmtime::{Store, WasmBacktrace, bail, format_err};
use wasmtime_wasi::I32Exit;

use crate::guest::Guest;

/// The exported interface.
const BOOT: &str = "dyno:app/boot@0.1.0";
/// The function of the interface.
const LOAD: &str = "load";

type BootHookLoad = TypedFunc<(), (Result<(), String>,)>;

/// The index of a component's boot hook among its exports.
#[derive(Clone, Copy)]
pub(crate) struct BootHook(ComponentExportIndex);

impl BootHook {
    /// Finds the component's boot hook.
    ///
    /// # Errors
    /// If the component exports the interface without this function.
    pub(crate) fn find(component: &Component) -> wasmtime::Result<Option<BootHook>> {
        let Some(interface) = component.get_export_index(None, BOOT) else {
            return Ok(None);
        };
        match component.get_export(Some(&interface), LOAD) {
            Some((ComponentItem::ComponentFunc(load), index)) if has_load_signature(&load) => {
                Ok(Some(BootHook(index)))
            }
            _ => bail!("`{BOOT}` must export `{LOAD}: func() -> result<_, string>`"),
        }
    }

    /// Loads the app.
    ///
    /// # Errors
    /// The app's own reason, or a trap or an exit.
    pub(crate) async fn load_app(
        self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<()> {
        let load: BootHookLoad = instance.get_typed_func(&mut *store, self.0)?;
        let loaded = load.call_async(&mut *store, ()).await;
        let (loaded,) = loaded.map_err(hide_interpreter_backtrace)?;
        loaded.map_err(|reason| format_err!("{reason}"))
    }
}

fn has_load_signature(function: &ComponentFunc) -> bool {
    let mut results = function.results();
    let (Some(Type::Result(result)), None) = (results.next(), results.next()) else {
        return false;
    };
    function.params().len() == 0
        && result.ok().is_none()
        && matches!(result.err(), Some(Type::String))
}

/// Removes the engine's backtrace from an error of a component with a boot hook: its functions are those of an
/// interpreter, and tell the app's developer nothing.
pub(crate) fn hide_interpreter_backtrace(error: wasmtime::Error) -> wasmtime::Error {
    if !error.is::<WasmBacktrace>() || error.is::<I32Exit>() {
        return error;
    }
    let cause = error.chain().last().map(ToString::to_string);
    wasmtime::Error::msg(cause.unwrap_or_default())
}
