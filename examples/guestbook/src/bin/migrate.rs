//! The release process: makes the tables before a new release takes requests.
//!
//! If that fails, it ends with exit code 1, and the old release continues to serve.

use std::process::ExitCode;

use guestbook::database::Database;

fn main() -> ExitCode {
    let outcome = Database::new()
        .map_err(|error| error.to_string())
        .and_then(|mut database| database.migrate().map_err(|error| error.to_string()));
    match outcome {
        Ok(()) => {
            println!("The tables are there.");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
