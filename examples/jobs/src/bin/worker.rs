//! A worker: takes one job after the other. `dyno ps scale worker=4` gives four of them.
//!
//! It has no answer to an error but to end: the platform starts it again, later each time while Redis stays away.

use std::process::ExitCode;
use std::time::Instant;
use std::{env, fmt::Write};

use jobs::factors::factors;
use jobs::queue::Queue;

fn main() -> ExitCode {
    let name = env::var("DYNO").unwrap_or_else(|_| "worker".to_owned());
    let Err(why) = work(&name);
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn work(name: &str) -> Result<std::convert::Infallible, String> {
    let mut queue = Queue::connect()?;
    println!("ready");
    loop {
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
