//! A program that ends with the exit code in its first argument; 0 without an argument. With `abort`, it traps instead.
//! The host must return exactly this code, from 0 to 255.

fn main() {
    let how = std::env::args().nth(1).unwrap_or_default();
    if how == "abort" {
        std::process::abort();
    }
    println!("ends with {how}");
    std::process::exit(how.parse().unwrap_or(0));
}
