//! Owns the composition of the component of all JavaScript apps: the engine's component, and the compiled code that the
//! engine calls. Must not know how either is made.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use wasm_compose::composer::ComponentComposer;
use wasm_compose::config::Config;
use wasm_encoder::{ComponentSection, ProducersField, ProducersSection};
use wit_component::ComponentEncoder;

use crate::build::toolbox::build_folder::write_error;
use crate::build::toolbox::error::BuilderError;

/// Built by `slugs/javascript/build`.
const NATIVE: &[u8] = include_bytes!("../../../javascript/native.wasm");
/// The sources of the compiled code, in place of its bytes: pins are texts.
pub(super) const NATIVE_SOURCES: [&str; 6] = [
    include_str!("../../../javascript/Cargo.lock"),
    include_str!("../../../javascript/build"),
    include_str!("../../../javascript/src/component.rs"),
    include_str!("../../../javascript/src/crypto.rs"),
    include_str!("../../../javascript/src/lib.rs"),
    NATIVE_WIT,
];
/// The interface of the compiled code.
pub(super) const NATIVE_WIT: &str = include_str!("../../../javascript/wit/native.wit");
/// The compiled code as a component, in the toolchain's folder.
const NATIVE_COMPONENT: &str = "native.wasm";
/// Tells the platform that instances take any number of requests.
const OWN_HANDLER: (&str, &str) = ("dyno-handler", "1");

/// Composes the engine's component in `folder` with the compiled code. Returns the component of all JavaScript apps.
pub(super) fn compose_component(folder: &Path, engine: &str) -> Result<Vec<u8>, BuilderError> {
    let native = ComponentEncoder::default()
        .module(NATIVE)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| unfit(&error))?;
    let path = folder.join(NATIVE_COMPONENT);
    fs::write(&path, native).map_err(write_error(&path))?;
    let config = Config {
        dir: folder.to_owned(),
        definitions: vec![path.clone()],
        ..Config::default()
    };
    let composed = ComponentComposer::new(&folder.join(engine), &config).compose();
    fs::remove_file(&path).map_err(write_error(&path))?;
    Ok(sign(composed.map_err(|error| unfit(&error))?))
}

fn unfit(error: &dyn Display) -> BuilderError {
    BuilderError::Refused(format!(
        "the component of JavaScript apps cannot be composed: {error:#}"
    ))
}

/// Adds the mark of the platform's own handler (tool-conventions, "producers section").
fn sign(mut component: Vec<u8>) -> Vec<u8> {
    let mut field = ProducersField::new();
    field.value(OWN_HANDLER.0, OWN_HANDLER.1);
    let mut producers = ProducersSection::new();
    producers.field("processed-by", &field);
    producers.append_to_component(&mut component);
    component
}
