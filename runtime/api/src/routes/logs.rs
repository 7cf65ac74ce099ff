//! An app's log as a stream of lines.
//!
//! Owns how lines become a response. Must not know how they are kept.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Path, Query};
use crate::state::State;
use axum::body::Body;
use axum::extract::State as With;
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

/// Lines when nobody said how many.
const LINES_DEFAULT: usize = 100;
/// Lines go out together up to so many bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// The half of the sources that is wanted.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogSource {
    /// What the app prints.
    App,
    /// What the platform says.
    Dyno,
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Whether to go on with lines as they come.
    #[serde(default)]
    tail: bool,
    /// How many lines to begin with; 100 if it is not said.
    #[param(minimum = 0, maximum = 1500)]
    n: Option<usize>,
    /// Only lines from or about this dyno, or this process type.
    #[param(pattern = "^[a-z][a-z0-9_-]{0,29}([.][1-9][0-9]{0,8})?$")]
    dyno: Option<String>,
    /// Only what the app prints, or only what the platform says.
    #[param(inline)]
    source: Option<LogSource>,
}

fn filter(wanted: &Wanted) -> Result<LogFilter, Failure> {
    let side = wanted.source.map(|source| match source {
        LogSource::App => LogSide::App,
        LogSource::Dyno => LogSide::Dyno,
    });
    let which = match wanted.dyno.as_deref() {
        None => None,
        Some(text) => {
            let dyno = text.parse().map(DynoSelector::Dyno).ok();
            let which = dyno.or_else(|| text.parse().map(DynoSelector::Process).ok());
            Some(which.ok_or_else(|| {
                let message = "dyno is a dyno such as web.1, or a process type such as web";
                Failure::bad_request("bad_query", message)
            })?)
        }
    };
    Ok(LogFilter { side, which })
}

/// The next lines, as they go out together; none at the end.
async fn chunk(tail: &mut LogTail, closing: &CancellationToken) -> Option<Bytes> {
    let first = tokio::select! {
        line = tail.next() => line?,
        () = closing.cancelled() => return None,
    };
    let mut text = String::new();
    let mut next = Some(first);
    while let Some(line) = next {
        writeln!(text, "{line}").expect("a String takes all");
        next = (text.len() < CHUNK_BYTES).then(|| tail.ready()).flatten();
    }
    Some(text.into())
}

/// The log of an app
///
/// One line each: `TIMESTAMP SOURCE[DYNO]: TEXT`. With `tail` the answer goes on until the client leaves.
#[utoipa::path(
    get, path = "/v1/apps/{app}/logs", operation_id = "read_logs", tag = "logs", params(Wanted),
    responses((status = 200, description = "Lines, the oldest first", body = String, content_type = "text/plain")),
)]
pub(crate) async fn read(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<AppName>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    caller.app(&name)?;
    let n = wanted.n.unwrap_or(LINES_DEFAULT);
    if n > LINES_MAX {
        let message = format!("n is a number of lines from 0 to {LINES_MAX}");
        return Err(Failure::bad_request("bad_query", message));
    }
    let follow = match wanted.tail {
        true => Follow::Yes,
        false => Follow::No,
    };
    let (logs, filter) = (state.logs.clone(), filter(&wanted)?);
    // The lines of a log that nobody has read since the start are on the disk.
    let tail = tokio::task::spawn_blocking(move || logs.tail(&name, filter, n, follow)).await;
    let tail = tail.map_err(|_| Failure::internal())??;
    let closing = state.0.closing.clone();
    let lines = stream::unfold((tail, closing), |(mut tail, closing)| async move {
        let chunk = chunk(&mut tail, &closing).await?;
        Some((Ok::<_, Infallible>(chunk), (tail, closing)))
    });
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, Body::from_stream(lines)).into_response())
}
