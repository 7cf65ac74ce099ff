//! A program that exits with the code in its first argument (0). With `abort`, it traps. The host must report the exact
//! code, from 0 to 255.

fn main() {
    let how = std::env::args().nth(1).unwrap_or_default();
    if how == "abort" {
        std::process::abort();
    }
    println!("ends with {how}");
    std::process::exit(how.parse().unwrap_or(0));
}
