//! Making a release, or showing what it would change.
//!
//! Owns the form of the request. Must not decide when the release serves.

use super::find_release;
use super::plan::plan_release;
use super::prepare::{PreparedRelease, prepare_deploy, prepare_rollback};
use crate::failure::ApiFailure;
use crate::request::extract::{PathName, QueryParameters};
use crate::request::json_body::JsonRequest;
use crate::resource::{CreateReleaseRequest, ReleasePlanResource, ReleaseResource};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use control::access::Role;
use grid::name::{AppName, SlugId, Version};
use serde::Deserialize;
use std::fmt::Display;
use std::str::FromStr;
use utoipa::IntoParams;

/// Characters of a release's description, at most.
const DESCRIPTION_CHARS_MAX: usize = 500;
/// The description of a deploy if the request has none.
const DESCRIPTION_DEFAULT: &str = "Deploy";

/// Whether to make the release.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlanQuery {
    /// Only show what would happen, and change nothing.
    #[serde(default)]
    plan: bool,
}

/// A valid [`CreateReleaseRequest`].
enum ReleaseSource {
    Slug { id: SlugId, description: String },
    Rollback(Version),
}

impl ReleaseSource {
    fn parse(body: CreateReleaseRequest) -> Result<ReleaseSource, ApiFailure> {
        match (body.slug, body.rollback) {
            (Some(slug), None) => {
                let id = parse_value(&slug)?;
                let description = body.description;
                let description = description.unwrap_or_else(|| DESCRIPTION_DEFAULT.to_owned());
                check_description(&description)?;
                Ok(ReleaseSource::Slug { id, description })
            }
            (None, Some(_)) if body.description.is_some() => Err(ApiFailure::invalid_value(
                "a rollback describes itself: leave description out",
            )),
            (None, Some(version)) => parse_value(&version).map(ReleaseSource::Rollback),
            _ => Err(ApiFailure::invalid_value(
                "give either slug, or rollback with an earlier release",
            )),
        }
    }
}

fn parse_value<T: FromStr<Err: Display>>(text: &str) -> Result<T, ApiFailure> {
    text.parse()
        .map_err(|error: T::Err| ApiFailure::invalid_value(error.to_string()))
}

fn check_description(text: &str) -> Result<(), ApiFailure> {
    let has_length = (1..=DESCRIPTION_CHARS_MAX).contains(&text.chars().count());
    if has_length && !text.chars().any(grid::text::is_control) {
        return Ok(());
    }
    Err(ApiFailure::invalid_value(format!(
        "a description is one line of 1 to {DESCRIPTION_CHARS_MAX} characters"
    )))
}

/// Make a release
///
/// It serves once its dynos are up; the release before serves until then. With `plan`, shows what would happen and
/// changes nothing.
#[utoipa::path(
    post, path = "/v1/apps/{app}/releases", operation_id = "create_release", tag = "releases",
    params(PlanQuery), request_body = CreateReleaseRequest,
    responses(
        (status = 200, description = "What would happen", body = ReleasePlanResource),
        (status = 201, description = "The release, whose dynos are starting", body = ReleaseResource),
    ),
)]
pub(crate) async fn create_release(
    State(state): State<ApiState>,
    PathName(name): PathName<AppName>,
    QueryParameters(query): QueryParameters<PlanQuery>,
    request: JsonRequest<CreateReleaseRequest>,
) -> Result<Response, ApiFailure> {
    let JsonRequest { caller, body, key } = request;
    let app = caller.require_app_role(&name, Role::Deploy)?;
    let prepared = match ReleaseSource::parse(body)? {
        ReleaseSource::Slug { id, description } => {
            prepare_deploy(&state, &caller, app, id, description).await?
        }
        ReleaseSource::Rollback(to) => prepare_rollback(&state, app, to).await?,
    };
    if query.plan {
        let plan = plan_release(&state, app, prepared).await?;
        return Ok(Json(plan).into_response());
    }
    let PreparedRelease {
        command, warnings, ..
    } = prepared;
    let accepted = state
        .control
        .execute_command(command, caller.actor(), key)
        .await?;
    let version = accepted.version.ok_or_else(ApiFailure::internal)?;
    let mut release = find_release(state.control.view().desired.app(&name)?, version)?;
    release.warnings = Some(warnings);
    Ok((StatusCode::CREATED, Json(release)).into_response())
}
