//! On WASI 0.3: answers with `status` (200), announces `length` (1234; 0: none), and sends `bytes` (0) of body,
//! whatever the length; `/panic` panics. The host must accept any length where the protocol sends no content (HEAD,
//! 204, 304), and must replace the dyno at once after a panic.

use guests_p3::{Answer, fields, number, path, streamed};
use wasip3::http::types::Request;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    assert_ne!(path(&request), "/panic", "the stranger has found it");
    let length = number(&request, "length", 1234).to_string();
    let headers = match length.as_str() {
        "0" => fields(&[]),
        length => fields(&[("content-length", length)]),
    };
    let status = number(&request, "status", 200) as u16;
    let bytes = number(&request, "bytes", 0) as usize;
    streamed(status, headers, move |mut sink| async move {
        let left = sink.write_all(vec![b'x'; bytes]).await;
        assert!(left.is_empty(), "{} bytes were not taken", left.len());
    })
}
