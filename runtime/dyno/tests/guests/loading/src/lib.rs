//! The boot hook of guests: acts as the config var `LOAD` says.
//!
//! `ok` (or unset), `err` (a traceback on stderr, and a reason), `trap`, `panic`, `exit`, `spin`, and `chance`, which
//! fails every second time. A separate crate, because guests of both WASI versions export it; must not know either
//! version.

wit_bindgen::generate!({
    inline: "
        package dyno:app@0.1.0;
        interface boot {
            load: func() -> result<_, string>;
        }
        world loads {
            export boot;
        }
    ",
    world: "loads",
    pub_export_macro: true,
});

/// The hook; a guest exports it with `guests_loading::export!(Hook with_types_in guests_loading)`.
pub struct Hook;

impl exports::dyno::app::boot::Guest for Hook {
    fn load() -> Result<(), String> {
        println!("load is called");
        match std::env::var("LOAD").as_deref() {
            Ok("err") => fails(),
            Ok("trap") => core::arch::wasm32::unreachable(),
            Ok("panic") => panic!("there is no shop to load"),
            Ok("exit") => std::process::exit(3),
            Ok("spin") => loop {
                std::hint::spin_loop();
            },
            Ok("chance") if is_unlucky() => fails(),
            _ => Ok(()),
        }
    }
}

fn fails() -> Result<(), String> {
    eprintln!("Traceback (most recent call last):");
    eprintln!("  File \"/app.py\", line 3, in <module>");
    // Without a line end, as some runtimes write.
    eprint!("ModuleNotFoundError: No module named 'shop'");
    Err("ModuleNotFoundError: No module named 'shop'".to_owned())
}

fn is_unlucky() -> bool {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) & 1 == 0
}
