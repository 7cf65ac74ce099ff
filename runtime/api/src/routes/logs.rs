//! The log of an app, as a stream of lines.
//!
//! Owns how lines become a response. Must not know how they are kept.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, QueryParameters};
use crate::state::ApiState;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use control::logs::{DynoSelector, Follow, LINES_MAX, LogFilter, LogSide, LogTail};
use futures_util::stream;
use grid::name::AppName;
use serde::Deserialize;
use std::convert::Infallible;
use std::fmt::Write;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

/// Lines if the request does not say how many.
const LINES_DEFAULT: usize = 100;
/// Lines are sent together up to this size.
const CHUNK_BYTES: usize = 32 * 1024;

/// The two halves of a log.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LogSource)]
enum LogHalf {
    /// Output of the app.
    App,
    /// Messages of the platform.
    Dyno,
}

/// The parameters of a request for log lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Whether to go on with new lines as they come.
    #[serde(default)]
    tail: bool,
    /// How many of the last lines to begin with; 100 if absent.
    #[param(minimum = 0, maximum = 1500)]
    n: Option<usize>,
    /// Only lines from or about this dyno, or this process type.
    #[param(pattern = "^[a-z][a-z0-9_-]{0,29}([.][1-9][0-9]{0,8})?$")]
    dyno: Option<String>,
    /// Only output of the app, or only messages of the platform.
    #[param(inline)]
    source: Option<LogHalf>,
}

impl LogQuery {
    fn filter(&self) -> Result<LogFilter, ApiFailure> {
        let side = self.source.map(|source| match source {
            LogHalf::App => LogSide::App,
            LogHalf::Dyno => LogSide::Dyno,
        });
        let which = self
            .dyno
            .as_deref()
            .map(parse_dyno_or_process)
            .transpose()?;
        Ok(LogFilter { side, which })
    }
}

fn parse_dyno_or_process(text: &str) -> Result<DynoSelector, ApiFailure> {
    let dyno = text.parse().map(DynoSelector::Dyno).ok();
    let which = dyno.or_else(|| text.parse().map(DynoSelector::Process).ok());
    which.ok_or_else(|| {
        let message = "dyno is a dyno such as web.1, or a process type such as web";
        ApiFailure::bad_request("bad_query", message)
    })
}

/// The next lines to send together; none at the end of the log or when the server ends.
async fn next_chunk(tail: &mut LogTail, closing: &CancellationToken) -> Option<Bytes> {
    let first = tokio::select! {
        line = tail.next_line() => line?,
        () = closing.cancelled() => return None,
    };
    let mut text = String::new();
    let mut next = Some(first);
    while let Some(line) = next {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
        next = (text.len() < CHUNK_BYTES)
            .then(|| tail.next_ready_line())
            .flatten();
    }
    Some(text.into())
}

/// The log of an app
///
/// One line each: `TIMESTAMP SOURCE[DYNO]: TEXT`. With `tail`, the response goes on until the client leaves.
#[utoipa::path(
    get, path = "/v1/apps/{app}/logs", operation_id = "read_logs", tag = "logs", params(LogQuery),
    responses((status = 200, description = "Lines, the oldest first", body = String, content_type = "text/plain")),
)]
pub(crate) async fn read_logs(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(query): QueryParameters<LogQuery>,
) -> Result<Response, ApiFailure> {
    caller.visible_app(&name)?;
    let n = query.n.unwrap_or(LINES_DEFAULT);
    if n > LINES_MAX {
        let message = format!("n is a number of lines from 0 to {LINES_MAX}");
        return Err(ApiFailure::bad_request("bad_query", message));
    }
    let follow = match query.tail {
        true => Follow::Yes,
        false => Follow::No,
    };
    let (logs, filter) = (state.logs.clone(), query.filter()?);
    // On a blocking thread: a log that was not read since the server started is still on disk.
    let tail = tokio::task::spawn_blocking(move || logs.open_tail(&name, filter, n, follow)).await;
    let tail = tail.map_err(|_| ApiFailure::internal())??;
    let closing = state.shared.closing.clone();
    let chunks = stream::unfold((tail, closing), |(mut tail, closing)| async move {
        let chunk = next_chunk(&mut tail, &closing).await?;
        Some((Ok::<_, Infallible>(chunk), (tail, closing)))
    });
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, Body::from_stream(chunks)).into_response())
}
