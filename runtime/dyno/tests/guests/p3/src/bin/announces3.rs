//! On WASI 0.3: answers with `status` (200), announces `length` (1234; 0: none) whatever it sends, and sends `bytes` (0) of
//! body; `/panic` panics. The host must take the former where the protocol sends no content, for a HEAD, and with the
//! status 204 or 304; and must replace it at once after the latter.

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
