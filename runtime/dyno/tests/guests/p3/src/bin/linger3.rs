//! On WASI 0.3: sends a complete response, while a task sleeps for `?ms=N` (2000), or with `?how=spin` computes, or
//! with `?how=forever` never ends. The client must get the response at once; the dyno must get no request until the
//! call has ended, and the host must end an endless call.

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
