//! On WASI 0.3: makes `?n=N` (1,000,000) streams and keeps both ends of each; with `?what=tasks` as many tasks that
//! sleep. The host must stop it at the limit of its tables, without using more memory itself.

use guests_p3::{Answer, number, param, sleep_ms, text};
use wasip3::http::types::Request;
use wasip3::wit_stream;

const HOUR_MS: u64 = 3_600_000;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    let n = number(&request, "n", 1_000_000);
    let tasks = param(&request, "what").as_deref() == Some("tasks");
    for _ in 0..n {
        match tasks {
            true => drop(wasip3::spawn_local(sleep_ms(HOUR_MS))),
            false => std::mem::forget(wit_stream::new::<u8>()),
        }
    }
    text(200, format!("made={n}\n"))
}
