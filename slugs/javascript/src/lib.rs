//! Cryptography for JavaScript apps, in compiled code: the interface `dyno:javascript/native`.
//!
//! The engine of JavaScript is an interpreter inside of WebAssembly, where the SHA-256 of 5 MB took 16 seconds. The component that this crate becomes has no imports; `slugs` composes it with the engine's component.

#[cfg(target_arch = "wasm32")]
mod component;
pub mod crypto;
