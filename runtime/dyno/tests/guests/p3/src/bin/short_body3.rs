//! On WASI 0.3: announces 1000 bytes and ends the stream after 100; with `?how=error` the trailers then say that it
//! failed. The host must abort the response, and never end it as if it were complete.

use guests_p3::{Answer, fields, param};
use wasip3::http::types::{ErrorCode, Request, Response};
use wasip3::{wit_future, wit_stream};

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    let failed = param(&request, "how").as_deref() == Some("error");
    let (mut sink, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let length = fields(&[("content-length", "1000")]);
    let (response, sent) = Response::new(length, Some(contents), trailers);
    wasip3::spawn_local(async move {
        sink.write_all(vec![b'x'; 100]).await;
        drop(sink);
        let outcome = match failed {
            true => Err(ErrorCode::HttpResponseIncomplete),
            false => Ok(None),
        };
        let _ = end.write(outcome).await;
        eprintln!("sent: {:?}", sent.await);
    });
    Ok(response)
}
