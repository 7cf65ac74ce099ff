//! On WASI 0.3: executes `unreachable` before the response, or with `?when=later` after a sleep of 10 ms. The host must
//! answer with an error page and replace the dyno.

use guests_p3::{Answer, param, sleep_ms};
use wasip3::http::types::Request;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    if param(&request, "when").is_some() {
        sleep_ms(10).await;
    }
    core::arch::wasm32::unreachable()
}
