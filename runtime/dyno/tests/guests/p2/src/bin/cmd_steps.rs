//! A program that takes its time: so many lines (`step N`) as its first argument says (3), so many milliseconds apart
//! as the second says (0), and then the exit code of the third (0). The host must pass each line on as it comes, and
//! give the code exactly.

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
