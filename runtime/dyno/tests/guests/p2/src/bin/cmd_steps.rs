//! A slow program. Arguments: the number of lines to print (3; `step N`), the pause between two lines in
//! milliseconds (0), and the exit code (0). The host must pass on each line as it is written, and the exact exit
//! code.

use std::io::Write;
use std::time::Duration;

fn main() {
    let number = |at: usize, default: u64| {
        let word = std::env::args().nth(at);
        word.and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    let (steps, pause) = (number(1, 3), Duration::from_millis(number(2, 0)));
    for step in 1..=steps {
        println!("step {step}");
        let _ = std::io::stdout().flush();
        std::thread::sleep(pause);
    }
    #[cfg(target_env = "p2")]
    wasip2::cli::exit::exit_with_code(number(3, 0) as u8);
    #[cfg(not(target_env = "p2"))]
    std::process::exit(number(3, 0) as i32);
}
