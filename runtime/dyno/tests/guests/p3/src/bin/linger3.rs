//! On WASI 0.3: sends a whole response and goes on with a task of its own for `?ms=N` (2000), asleep, or with
//! `?how=spin` computing, or `?how=forever` without end. The client must have its response at once; the dyno gets
//! nothing new until the call has ended, and a call that never does is ended by the host.

use std::time::{Duration, Instant};

use guests_p3::{Answer, fields, number, param, sleep_ms, streamed};
use wasip3::http::types::Request;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    let ms = number(&request, "ms", 2000);
    let how = param(&request, "how").unwrap_or_default();
    streamed(200, fields(&[]), move |mut sink| async move {
        sink.write_all(b"done\n".to_vec()).await;
        drop(sink);
        match how.as_str() {
            "spin" => {
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(ms) {}
            }
            "forever" => loop {
                sleep_ms(1000).await;
            },
            _ => sleep_ms(ms).await,
        }
    })
}
