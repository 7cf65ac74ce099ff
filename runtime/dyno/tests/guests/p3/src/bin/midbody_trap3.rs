//! On WASI 0.3: sends a head and `?bytes=N` (1000) of body, then traps; with `?length=1` the head announced twice as
//! much. The host must abort the response, and never end it as if it were complete.

use guests_p3::{Answer, fields, number, streamed};
use wasip3::http::types::Request;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    let bytes = number(&request, "bytes", 1000);
    let length = (bytes * 2).to_string();
    let fields = match number(&request, "length", 0) {
        1 => fields(&[("content-length", &length)]),
        _ => fields(&[]),
    };
    streamed(200, fields, move |mut sink| async move {
        sink.write_all(vec![b'x'; bytes as usize]).await;
        core::arch::wasm32::unreachable()
    })
}
