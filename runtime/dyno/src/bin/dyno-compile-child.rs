//! The compile child as a program of its own, for this crate's tests; `dyno` is its own child.

use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, flavor, input, output] = &args[..] else {
        eprintln!("usage: dyno-compile-child FLAVOR INPUT OUTPUT");
        std::process::exit(2);
    };
    std::process::exit(dyno::compile::child_main(
        flavor,
        Path::new(input),
        Path::new(output),
    ));
}
