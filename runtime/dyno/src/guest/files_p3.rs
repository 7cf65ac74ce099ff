//! `wasi:filesystem` 0.3 for a dyno.
use super::Guest;
use wasmtime::component::Linker;

pub(crate) fn add_to_linker(_linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    Ok(())
}
