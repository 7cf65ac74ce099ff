//! A program that ends by the call of WASI 0.2 which takes a code, the one its first argument names (0). The host must
//! give the code exactly, from 0 to 255.

fn main() {
    let code = std::env::args().nth(1).and_then(|code| code.parse().ok());
    wasip2::cli::exit::exit_with_code(code.unwrap_or(0));
}
