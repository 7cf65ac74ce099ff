//! A program that ends with the code that its first argument names (0). `abort`: it traps instead. The host must give
//! the code exactly, from 0 to 255.

fn main() {
    let how = std::env::args().nth(1).unwrap_or_default();
    if how == "abort" {
        std::process::abort();
    }
    println!("ends with {how}");
    std::process::exit(how.parse().unwrap_or(0));
}
