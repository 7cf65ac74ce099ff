//! On WASI 0.3: waits for ever, before the head, or `?after=head` behind it, or `?after=body` behind 10 bytes. The host
//! must end it at its deadline (or by its idle timeout) and replace the dyno.

use guests_p3::{Answer, fields, param, sleep_ms, streamed, text};
use wasip3::http::types::Request;

/// About three hundred years.
const FOREVER_MS: u64 = 9_000_000_000_000;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    match param(&request, "after") {
        None => {
            sleep_ms(FOREVER_MS).await;
            text(200, "woke up\n")
        }
        Some(after) => streamed(200, fields(&[]), move |mut sink| async move {
            if after == "body" {
                sink.write_all(b"0123456789".to_vec()).await;
            }
            sleep_ms(FOREVER_MS).await;
            drop(sink);
        }),
    }
}
