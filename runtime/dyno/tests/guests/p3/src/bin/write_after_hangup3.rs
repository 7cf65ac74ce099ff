//! On WASI 0.3: streams a line every 10 ms for ever and panics if a write fails, like many programs that die when a
//! client hangs up. A hang-up must not count as a crash of the app.

use guests_p3::{Answer, fields, sleep_ms, streamed};
use wasip3::http::types::Request;

guests_p3::guest!(handle);

async fn handle(_request: Request) -> Answer {
    streamed(200, fields(&[]), |mut sink| async move {
        loop {
            let left = sink.write_all(b"tick\n".to_vec()).await;
            assert!(left.is_empty(), "the reader is gone");
            sleep_ms(10).await;
        }
    })
}
