//! The bridge between Ruby's interpreter and the host: the exports of the component of Ruby apps, and the devices by which
//! Ruby code reaches requests and responses.
//!
//! The bridge is linked into the interpreter's module, and runs on its memory, stack and heap. Ruby code opens files under
//! `/dev/dyno`, and the bridge serves them: see [`devices`]. All other files go to the host. Must not know Rack: the Ruby
//! files in `slugs/src/build/ruby/shim` do.

#![no_std]

extern crate alloc;

mod control;
mod crypto;
mod devices;
mod exchange;
mod exports;
mod interpreter;
mod memory;
mod preview1;

/// The imports and exports of the world in `wit`.
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "app", generate_all });
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
