//! A worker: does one job after the other. `dyno ps scale worker=4` starts four workers.
//!
//! The platform closes the input of a dyno that has to end: the worker then ends after its current job. It does not delete
//! its heartbeat, since another worker of the same name may have started already.
//!
//! After an error the worker ends: the platform starts it again, after longer and longer pauses while Redis is away.

use std::process::ExitCode;
use std::time::Instant;
use std::{env, fmt::Write};

use jobs::factors::factors;
use jobs::queue::Queue;
use wasip2::cli::stdin::get_stdin;

/// Bytes of input that are skipped at a time.
const INPUT_BYTES: u64 = 4096;

fn main() -> ExitCode {
    let name = env::var("DYNO").unwrap_or_else(|_| "worker".to_owned());
    match work(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn work(name: &str) -> Result<(), String> {
    let mut queue = Queue::connect()?;
    println!("ready");
    while !is_to_end() {
        let Some(job) = queue.take(name).map_err(|error| error.to_string())? else {
            continue;
        };
        let begun = Instant::now();
        let result = match job.number.parse() {
            Ok(number) => listed(&factors(number)),
            Err(_) => "not a number".to_owned(),
        };
        queue
            .done(name, job.id, &result)
            .map_err(|error| error.to_string())?;
        println!("job {} done in {} ms", job.id, begun.elapsed().as_millis());
    }
    Ok(())
}

/// Whether the input is closed. Data on the input is skipped. `std` could only wait for the end.
fn is_to_end() -> bool {
    let input = get_stdin();
    input.subscribe().ready() && input.read(INPUT_BYTES).is_err()
}

fn listed(factors: &[u64]) -> String {
    let mut text = String::new();
    for factor in factors {
        let between = if text.is_empty() { "" } else { " × " };
        let _ = write!(text, "{between}{factor}");
    }
    if text.is_empty() {
        "none".to_owned()
    } else {
        text
    }
}
