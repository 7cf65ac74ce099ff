//! On WASI 0.3: streams an endless body, as fast as the host accepts it, and returns normally when the reader is gone.
//! The host must end the call by its own limits.

use guests_p3::{Answer, fields, streamed};
use wasip3::http::types::Request;

const CHUNK_BYTES: usize = 64 * 1024;

guests_p3::guest!(handle);

async fn handle(_request: Request) -> Answer {
    streamed(200, fields(&[]), |mut sink| async move {
        while sink.write_all(vec![b'x'; CHUNK_BYTES]).await.is_empty() {}
    })
}
