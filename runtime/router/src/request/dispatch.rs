//! Handing a request to a dyno.
//!
//! Owns taking a dyno or waiting for one, and trying another dyno when a server dyno cannot be reached. Must not know
//! how a call runs, nor how its response is sent.

use std::sync::Arc;

use exchange::DynoHandle;
use grid::protocol::Refusal;
use grid::routing::Claim;
use http::Request;
use http::request::Parts as RequestHead;
use http::response::Parts as ResponseHead;
use http_body::Body;
use tokio::time::Instant;

use crate::limits::RETRIES_MAX;
use crate::request::client_body::ClientBody;
use crate::request::queue::{DynoTurn, RoutedApp};
use crate::request::running_call::{RunningCall, SwitchRequest};
use crate::request::upload::{BufferedBody, read_body};
use crate::response::error_page::RequestFailure;
use crate::response::response_body::BodySource;
use crate::shared::access_entry::AccessEntry;

/// Hands the request to a dyno of `app`, and waits for its answer. Takes `head` out of the reference.
pub(crate) async fn dispatch_request<D: DynoHandle>(
    app: &Arc<RoutedApp<D>>,
    entry: &mut AccessEntry,
    head: &mut RequestHead,
    body: ClientBody,
) -> Result<(ResponseHead, BodySource), RequestFailure> {
    let (switch, body, arrived) = if body.is_end_stream() {
        drop(body);
        let switch = SwitchRequest::from_head(head);
        (switch, BufferedBody::empty(), entry.arrived)
    } else {
        // Skip reading the body when the app would refuse the request anyway.
        app.admit()?;
        let body = Box::pin(read_body(body, &entry.connection.request_memory)).await?;
        (None, body, Instant::now())
    };
    let claim = claim_dyno(app, entry, arrived).await?;
    if claim.dyno.can_switch_protocols() {
        return Box::pin(dispatch_to_server(
            app, entry, arrived, claim, head, body, switch,
        ))
        .await;
    }
    let call = RunningCall::new(app, entry, arrived, claim, take_head(head), body, None);
    call.answer(app, entry, arrived, None).await
}

/// Hands the request to a server dyno. If that dyno cannot be reached, nothing of the request was sent, and another dyno
/// gets it.
async fn dispatch_to_server<D: DynoHandle>(
    app: &Arc<RoutedApp<D>>,
    entry: &mut AccessEntry,
    arrived: Instant,
    mut claim: Claim<D>,
    head: &mut RequestHead,
    mut body: BufferedBody,
    switch: Option<SwitchRequest>,
) -> Result<(ResponseHead, BodySource), RequestFailure> {
    for _ in 0..RETRIES_MAX {
        let Some(body_copy) = body.copy() else { break };
        let copy = copy_head(head);
        let call = RunningCall::new(app, entry, arrived, claim, copy, body, switch.as_ref());
        match call.answer(app, entry, arrived, switch.clone()).await {
            Err(RequestFailure::Refused(code)) if code.is_retryable() => body = body_copy,
            result => return result,
        }
        claim = claim_dyno(app, entry, arrived).await?;
    }
    let head = take_head(head);
    let call = RunningCall::new(app, entry, arrived, claim, head, body, switch.as_ref());
    call.answer(app, entry, arrived, switch).await
}

/// Takes a free dyno, or waits for one.
async fn claim_dyno<D: DynoHandle>(
    app: &Arc<RoutedApp<D>>,
    entry: &mut AccessEntry,
    arrived: Instant,
) -> Result<Claim<D>, Refusal> {
    let waiting = match app.claim_dyno(arrived) {
        DynoTurn::Now(claim) => return Ok(claim),
        DynoTurn::Refused(refusal) => return Err(refusal),
        DynoTurn::Wait(waiting) => waiting,
    };
    entry.record_mut().queue = waiting.depth;
    entry.begin_wait(arrived);
    let claim = Box::pin(waiting.wait()).await;
    entry.end_wait();
    claim
}

/// Moves the head out of its place.
fn take_head(head: &mut RequestHead) -> RequestHead {
    let (empty, ()) = Request::new(()).into_parts();
    std::mem::replace(head, empty)
}

/// A copy of the head for another dyno, without its extensions.
fn copy_head(head: &RequestHead) -> RequestHead {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = head.method.clone();
    copy.uri = head.uri.clone();
    copy.version = head.version;
    copy.headers = head.headers.clone();
    copy
}
