//! A program that exits by the WASI 0.2 call that takes a code, with the code in its first argument (0). The host must
//! report the exact code, from 0 to 255.

fn main() {
    let code = std::env::args().nth(1).and_then(|code| code.parse().ok());
    wasip2::cli::exit::exit_with_code(code.unwrap_or(0));
}
