//! On WASI 0.3: returns an error instead of a response, or with `?how=exit` exits. The host must answer with an error
//! page that does not contain the text of the error.

use guests_p3::{Answer, param};
use wasip3::http::types::{ErrorCode, Request};

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    if param(&request, "how").as_deref() == Some("exit") {
        std::process::exit(0);
    }
    let secret = "the password is hunter2".to_owned();
    Err(ErrorCode::InternalError(Some(secret)))
}
