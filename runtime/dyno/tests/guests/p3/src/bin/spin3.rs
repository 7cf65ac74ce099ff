//! On WASI 0.3: an infinite loop, before the head, or `?after=head` in the task that should write the body, or
//! `?after=body` behind 10 bytes. The host must end it at its deadline and replace the dyno.

use guests_p3::{Answer, fields, param, streamed};
use wasip3::http::types::Request;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    match param(&request, "after") {
        None => spin(),
        Some(after) => streamed(200, fields(&[]), move |mut sink| async move {
            if after == "body" {
                sink.write_all(b"0123456789".to_vec()).await;
            }
            spin()
        }),
    }
}

fn spin() -> ! {
    let mut rounds = 0u64;
    loop {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
}
