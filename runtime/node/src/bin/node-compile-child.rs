//! The compile child as a program of its own, for this crate's tests; `dyno` is its own child.

use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, flavor, input, output] = &args[..] else {
        eprintln!("usage: node-compile-child FLAVOR INPUT OUTPUT");
        std::process::exit(2);
    };
    std::process::exit(node::compile_component(
        flavor,
        Path::new(input),
        Path::new(output),
    ));
}
