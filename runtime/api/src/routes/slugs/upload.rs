//! Uploading a slug: from the connection straight into the store, which checks it as it arrives (`slugs::verify`).
//!
//! Owns the limits of an upload. Must not know what makes a slug acceptable.

use super::{process_type_warnings, with_store};
use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::PathName;
use crate::resource::{OpenEnum, SlugProcessResource, UploadedSlugResource};
use crate::state::ApiState;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Buf, Bytes};
use control::access::Role;
use grid::name::SlugId;
use http_body_util::BodyExt;
use slugs::{MEDIA_TYPE, SLUG_BYTES_MAX, Slug};
use std::io::{self, Read};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Pieces of the body between the connection and the store.
const PIECES_MAX: usize = 16;
/// How long a client may pause during an upload.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long an upload may take: 500 MiB at 300 KiB a second.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// How long an upload may wait for other uploads to finish.
const TURN_WAIT_MAX: Duration = Duration::from_secs(60);
/// `Retry-After` in seconds of an upload that waited in vain.
const BUSY_RETRY_SECS: u64 = 30;
/// Bytes of a refused slug that are still received, so that its sender reads the response.
const REST_BYTES_MAX: u64 = 64 << 20;

/// Upload a slug
///
/// The slug is checked in full and must be the one that the path names. A slug may be uploaded again. A token for one
/// app sees the slugs that were uploaded with such a token, and those of the app's releases.
#[utoipa::path(
    put, path = "/v1/slugs/{slug}", operation_id = "upload_slug", tag = "slugs",
    request_body(content = String, content_type = "application/vnd.dyno.slug.v1+tar.zstd"),
    responses(
        (status = 200, description = "The slug was on this server already", body = UploadedSlugResource),
        (status = 201, description = "The slug is on this server now", body = UploadedSlugResource),
    ),
)]
pub(crate) async fn upload_slug(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(id): PathName<SlugId>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<UploadedSlugResource>), ApiFailure> {
    caller.require_role(Role::Deploy)?;
    check_headers(&headers)?;
    let turn = tokio::time::timeout(TURN_WAIT_MAX, state.shared.uploads.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        let message = "the server checks other slugs: try again in a minute";
        return Err(ApiFailure::unavailable("busy", message).retry_after(BUSY_RETRY_SECS));
    };
    // A caller who may not see the slug is not told that it was here already.
    let was_here = caller.can_see_slug(id) && state.slugs.contains(id);
    let (pieces, arriving) = mpsc::channel(PIECES_MAX);
    let reader = UploadBodyReader {
        pieces: arriving,
        piece: Bytes::new(),
    };
    let (sent, stored) = tokio::join!(
        forward_body(body, pieces),
        with_store(&state, move |store| store.put_as(id, reader))
    );
    sent?;
    let slug = stored??;
    note_upload(&state, &caller, id).await?;
    let status = match was_here {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok((status, Json(uploaded_slug_resource(&slug))))
}

/// Lets tokens for the caller's app see the slug: the caller has its bytes.
async fn note_upload(state: &ApiState, caller: &Caller, id: SlugId) -> Result<(), ApiFailure> {
    let Some(app) = &caller.token.app else {
        return Ok(());
    };
    let (app, actor) = (app.clone(), caller.actor());
    state.control.record_upload(app, id, actor).await?;
    Ok(())
}

fn check_headers(headers: &HeaderMap) -> Result<(), ApiFailure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or(MEDIA_TYPE);
    if ![MEDIA_TYPE, "application/octet-stream"].contains(&kind) {
        let message =
            format!("the body must be a slug: send the header Content-Type: {MEDIA_TYPE}");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiFailure::new(status, "unsupported_media_type", message));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    match length {
        Some(length) if length > SLUG_BYTES_MAX => Err(too_large()),
        _ => Ok(()),
    }
}

fn too_large() -> ApiFailure {
    let mib = SLUG_BYTES_MAX >> 20;
    let message = format!("a slug has at most {mib} MiB: leave files out with .slugignore");
    ApiFailure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

fn uploaded_slug_resource(slug: &Slug) -> UploadedSlugResource {
    let manifest = slug.manifest();
    let processes = manifest.processes.iter().map(|(name, process)| {
        let process = SlugProcessResource {
            kind: OpenEnum::Known(process.kind.into()),
            world: process.world.to_string(),
        };
        (name.to_string(), process)
    });
    UploadedSlugResource {
        id: slug.id().to_string(),
        bytes: slug.bytes(),
        unpacked_bytes: manifest.unpacked_bytes(),
        processes: processes.collect(),
        warnings: process_type_warnings(manifest),
    }
}

/// The body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the upload broke off")]
struct BrokenUpload;

/// Sends a body to the store, piece by piece. If the store has refused the slug, the rest is received up to a limit, so
/// that the client has sent everything when it reads the response.
async fn forward_body(
    mut body: Body,
    pieces: mpsc::Sender<Result<Bytes, BrokenUpload>>,
) -> Result<(), ApiFailure> {
    let (mut received, mut unwanted) = (0_u64, 0_u64);
    let deadline = Instant::now() + UPLOAD_TIME_MAX;
    loop {
        let by = deadline.min(Instant::now() + PAUSE_MAX);
        let frame = tokio::time::timeout_at(by, body.frame()).await;
        let failure = match frame {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(frame))) => {
                let Ok(piece) = frame.into_data() else {
                    continue;
                };
                let bytes = piece.len() as u64;
                received += bytes;
                if received <= SLUG_BYTES_MAX {
                    if pieces.send(Ok(piece)).await.is_err() {
                        unwanted += bytes;
                    }
                    if unwanted > REST_BYTES_MAX {
                        return Ok(());
                    }
                    continue;
                }
                too_large()
            }
            Ok(Some(Err(_))) => ApiFailure::bad_request("bad_body", "the upload broke off"),
            Err(_) => upload_timeout(),
        };
        // Tells the store that this is not the slug's end. Fails if the store has refused the slug already.
        let _ = pieces.send(Err(BrokenUpload)).await;
        return Err(failure);
    }
}

fn upload_timeout() -> ApiFailure {
    let secs = PAUSE_MAX.as_secs();
    let message = format!("the upload took too long, or nothing came for {secs} seconds");
    ApiFailure::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
}

/// Reads the pieces of a body, on a blocking thread of the store.
struct UploadBodyReader {
    pieces: mpsc::Receiver<Result<Bytes, BrokenUpload>>,
    piece: Bytes,
}

impl Read for UploadBodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(broken)) => return Err(io::Error::other(broken)),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
