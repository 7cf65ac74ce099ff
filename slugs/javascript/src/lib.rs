//! What JavaScript apps compute in compiled code: the interface `dyno:javascript/native`.
//!
//! The engine of JavaScript is an interpreter inside of WebAssembly, where a digest costs a thousand times what it costs
//! here. The component that this crate becomes has no imports; `slugs` composes it with the engine's component.

#[cfg(target_arch = "wasm32")]
mod component;
pub mod crypto;
