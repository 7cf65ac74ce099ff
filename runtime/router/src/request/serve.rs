//! The request function: from a request head to a response.
//!
//! Owns the order of the steps: check the head, find the app, dispatch the request, or answer with an error page. Must
//! not know the bytes of a connection, framing, or what a dyno is.

use std::convert::Infallible;
use std::sync::Arc;

use exchange::DynoHandle;
use exchange::headers::REQUEST_ID;
use http::response::Parts;
use http::{Request, Response, Version, header};

use crate::request::admission;
use crate::request::client_body::ClientBody;
use crate::request::dispatch::dispatch_request;
use crate::request::forwarded::read_forwarded_origin;
use crate::request::queue::RoutedApp;
use crate::request::routing_table::Routes;
use crate::response::error_page::{RequestFailure, answer_failure};
use crate::response::response_body::{BodySource, ResponseBody};
use crate::shared::access_entry::AccessEntry;
use crate::shared::connection_state::ConnectionState;
use crate::shared::stream_state::StreamState;

/// Serves one request: the response is an app's, or an error page.
///
/// The part before the returned future runs at once, so that a request whose client disconnects before the first poll
/// is still in its app's log. The HTTP layer moves the future several times, so the future is kept small: no level of it
/// holds a copy of what another level holds, and what is seldom waited for is boxed.
pub(crate) fn serve_request<D: DynoHandle>(
    routes: &Routes<D>,
    connection: &Arc<ConnectionState>,
    stream: Option<Arc<StreamState>>,
    request: Request<ClientBody>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + use<D> {
    let (mut head, body) = request.into_parts();
    let rejected_head = connection.rejected_head();
    let mut origin = connection.origin();
    if connection.from_trusted_proxy {
        origin = read_forwarded_origin(&head.headers, origin);
    }
    let mut entry = AccessEntry::open(connection.clone(), stream, &head, origin);
    let version = head.version;
    let accept = head.headers.get(header::ACCEPT).cloned();
    let app = match rejected_head {
        Some(rejection) => {
            entry.mark_unread();
            Err(rejection.into())
        }
        None => find_app(routes, &mut entry, &mut head),
    };
    async move {
        let result = match app {
            Ok(app) => dispatch_request(&app, &mut entry, &mut head, body).await,
            Err(failure) => Err(failure),
        };
        let (mut head, source) = result.unwrap_or_else(|failure| {
            let (head, page) = answer_failure(failure, accept.as_ref(), &mut entry, version);
            (head, BodySource::Whole(page, None))
        });
        let request_id = entry.record().request_id.clone();
        head.headers.insert(REQUEST_ID, request_id);
        if version == Version::HTTP_10 {
            end_http10_connection(&mut head, matches!(source, BodySource::Live(_)));
        }
        let body = ResponseBody::new(source, entry);
        Ok(Response::from_parts(head, body))
    }
}

/// Checks the head, and finds the app that the request is for.
fn find_app<D: DynoHandle>(
    routes: &Routes<D>,
    entry: &mut AccessEntry,
    head: &mut http::request::Parts,
) -> Result<Arc<RoutedApp<D>>, RequestFailure> {
    let has_absolute_target = head.version != Version::HTTP_2 && head.uri.authority().is_some();
    admission::admit_head(head, &entry.connection.router.limits)?;
    if has_absolute_target {
        entry.set_target(head);
    }
    let host = admission::requested_host(&head.headers);
    let app = routes.find_by_host(host).ok_or(RequestFailure::NoSuchApp)?;
    if head.version == Version::HTTP_10 {
        admission::add_missing_host(&mut head.headers, &entry.connection.port);
    }
    entry.set_app(&app.name, &app.counters);
    Ok(app)
}

/// Makes the HTTP layer close the connection of an HTTP/1.0 client that asked to keep it alive: if the end of the
/// connection is the end of the body, or if the response says so.
fn end_http10_connection(head: &mut Parts, is_streamed: bool) {
    let has_unknown_length = is_streamed && !head.headers.contains_key(header::CONTENT_LENGTH);
    if has_unknown_length || head.headers.contains_key(header::CONNECTION) {
        head.version = Version::HTTP_10;
    }
}
