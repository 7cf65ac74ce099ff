//! The clock: one dyno that does regular work. Every minute it deletes old jobs, and moves jobs whose worker is gone back
//! to the waiting ones.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use jobs::queue::Queue;

const EVERY: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let Err(why) = tick();
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn tick() -> Result<std::convert::Infallible, String> {
    let mut queue = Queue::connect()?;
    println!("ready");
    loop {
        let forgotten = queue.tidy().map_err(|error| error.to_string())?;
        println!("forgot {forgotten} old jobs");
        let rescued = queue.rescue().map_err(|error| error.to_string())?;
        if rescued > 0 {
            println!("gave back {rescued} jobs of workers that are gone");
        }
        sleep(EVERY);
    }
}
