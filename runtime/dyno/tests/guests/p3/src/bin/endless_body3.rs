//! On WASI 0.3: streams a body without end, as fast as the host takes it, and stops in good order when nobody reads it
//! any more. The host must end it by its own limits.

use guests_p3::{Answer, fields, streamed};
use wasip3::http::types::Request;

const CHUNK_BYTES: usize = 64 * 1024;

guests_p3::guest!(handle);

async fn handle(_request: Request) -> Answer {
    streamed(200, fields(&[]), |mut sink| async move {
        while sink.write_all(vec![b'x'; CHUNK_BYTES]).await.is_empty() {}
    })
}
