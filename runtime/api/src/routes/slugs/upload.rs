//! A slug that comes in: from the connection straight into the store, which checks it as it passes.
//!
//! Owns the bounds on an upload. Must not know what makes a slug acceptable.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::Path;
use crate::routes::releases::KindName;
use crate::routes::releases::create::kind_warnings;
use crate::state::State;
use axum::Json;
use axum::body::Body;
use axum::extract::State as With;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Buf, Bytes};
use control::access::Role;
use grid::name::SlugId;
use http_body_util::BodyExt;
use serde::Serialize;
use slugs::{MEDIA_TYPE, SLUG_BYTES_MAX, Slug};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use utoipa::ToSchema;

/// Pieces of the body between the connection and the store.
const PIECES_MAX: usize = 16;
/// How long a client may pause within an upload.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long an upload may take: 500 MiB at 300 KiB a second.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// How long an upload may wait for others to be checked.
const TURN_MAX: Duration = Duration::from_secs(60);
/// What is still read of a slug that is refused already, so that its sender gets to read why.
const REST_BYTES_MAX: u64 = 64 << 20;

/// How a process type of a slug is run.
#[derive(Serialize, ToSchema)]
pub(crate) struct SlugProcess {
    kind: KindName,
    world: String,
}

/// A slug that was taken in.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewSlug {
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    id: String,
    /// Size of the file.
    bytes: u64,
    /// Size of all files in it.
    unpacked_bytes: u64,
    processes: BTreeMap<String, SlugProcess>,
    /// What its owner should know.
    warnings: Vec<String>,
}

/// Upload a slug
///
/// The slug is checked in full and must be the one that the path names. Bringing one again is no error. A token for one
/// app sees the slugs that it brought, and those of the app's releases.
#[utoipa::path(
    put, path = "/v1/slugs/{slug}", operation_id = "upload_slug", tag = "slugs",
    request_body(content = String, content_type = "application/vnd.dyno.slug.v1+tar.zstd"),
    responses(
        (status = 200, description = "The slug was here already", body = NewSlug),
        (status = 201, description = "The slug is here now", body = NewSlug),
    ),
)]
pub(crate) async fn put(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<SlugId>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<NewSlug>), Failure> {
    caller.may(Role::Deploy)?;
    check_headers(&headers)?;
    let turn = tokio::time::timeout(TURN_MAX, state.0.uploads.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        let message = "the server checks other slugs: try again in a minute";
        return Err(Failure::unavailable("busy", message).retry_after(30));
    };
    // Whether somebody else has brought it is none of the caller's business.
    let was_here = caller.sees_slug(id) && state.slugs.contains(id);
    let (pieces, arriving) = mpsc::channel(PIECES_MAX);
    let reader = Arriving {
        pieces: arriving,
        piece: Bytes::new(),
    };
    let (sent, stored) = tokio::join!(
        pass_on(body, pieces),
        state.store(move |store| store.put_as(id, reader))
    );
    sent?;
    let slug = stored??;
    note_upload(&state, &caller, id).await?;
    let status = match was_here {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok((status, Json(shown(&slug))))
}

/// Lets tokens for the caller's app see the slug, whose bytes the caller has.
async fn note_upload(state: &State, caller: &Caller, id: SlugId) -> Result<(), Failure> {
    let Some(app) = &caller.token.app else {
        return Ok(());
    };
    let (app, actor) = (app.clone(), caller.actor());
    state.control.record_upload(app, id, actor).await?;
    Ok(())
}

fn check_headers(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or(MEDIA_TYPE);
    if ![MEDIA_TYPE, "application/octet-stream"].contains(&kind) {
        let message =
            format!("the body must be a slug: send the header Content-Type: {MEDIA_TYPE}");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Failure::new(status, "unsupported_media_type", message));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    match length {
        Some(length) if length > SLUG_BYTES_MAX => Err(too_large()),
        _ => Ok(()),
    }
}

fn too_large() -> Failure {
    let mib = SLUG_BYTES_MAX >> 20;
    let message = format!("a slug has at most {mib} MiB: leave files out with .slugignore");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

fn shown(slug: &Slug) -> NewSlug {
    let manifest = slug.manifest();
    let processes = manifest.processes.iter().map(|(name, process)| {
        let process = SlugProcess {
            kind: process.kind.into(),
            world: process.world.to_string(),
        };
        (name.to_string(), process)
    });
    NewSlug {
        id: slug.id().to_string(),
        bytes: slug.bytes(),
        unpacked_bytes: manifest.unpacked_bytes(),
        processes: processes.collect(),
        warnings: kind_warnings(manifest),
    }
}

/// Why a body ended that was not at its end.
#[derive(Debug, thiserror::Error)]
#[error("the upload broke off")]
struct BrokeOff;

/// Brings a body to the store, piece by piece. What the store does not want any more is read to a bound, so
/// that the client is at its end when it is told why.
async fn pass_on(
    mut body: Body,
    pieces: mpsc::Sender<Result<Bytes, BrokeOff>>,
) -> Result<(), Failure> {
    let (mut came, mut unwanted) = (0_u64, 0_u64);
    let ends = Instant::now() + UPLOAD_TIME_MAX;
    loop {
        let by = ends.min(Instant::now() + PAUSE_MAX);
        let frame = tokio::time::timeout_at(by, body.frame()).await;
        let failure = match frame {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(frame))) => {
                let Ok(piece) = frame.into_data() else {
                    continue;
                };
                let bytes = piece.len() as u64;
                came += bytes;
                if came <= SLUG_BYTES_MAX {
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
            Ok(Some(Err(_))) => Failure::bad_request("bad_body", "the upload broke off"),
            Err(_) => {
                let secs = PAUSE_MAX.as_secs();
                let message =
                    format!("the upload took too long, or nothing came for {secs} seconds");
                Failure::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
            }
        };
        // So that the store does not take this for the end; it may have ended already.
        let _ = pieces.send(Err(BrokeOff)).await;
        return Err(failure);
    }
}

/// The pieces as the store reads them, in a thread that may block.
struct Arriving {
    pieces: mpsc::Receiver<Result<Bytes, BrokeOff>>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(broke_off)) => return Err(io::Error::other(broke_off)),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
