//! New releases: of a slug, or of an earlier release.
//!
//! Owns what a release takes over from its slug. Must not decide when the release serves.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path, Query, given};
use crate::routes::releases::plan::{self, Plan};
use crate::routes::releases::{self, Release};
use crate::routes::slugs;
use crate::state::State;
use ::slugs::Manifest;
use ::slugs::store::StoreError;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use control::access::Role;
use control::{Command, DeployConfig, ReleaseSpec};
use grid::desired::{App, ProcessSpec};
use grid::name::{AppName, ProcessType, SlugId, Version};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Characters of a release's description.
const DESCRIPTION_CHARS_MAX: usize = 500;
/// What a release is called when nobody said why it was made.
const DESCRIPTION_DEFAULT: &str = "Deploy";

/// A new release: of a slug, or of an earlier release.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRelease {
    /// The slug, which must be on the server.
    #[serde(default, deserialize_with = "given")]
    slug: Option<String>,
    /// Why; `Deploy` if it is not said.
    #[serde(default, deserialize_with = "given")]
    description: Option<String>,
    /// The earlier release whose slug and config vars the new one is to have.
    #[serde(default, deserialize_with = "given")]
    rollback: Option<String>,
}

/// Whether to do it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Planning {
    /// Only tell what would happen, and change nothing.
    #[serde(default)]
    plan: bool,
}

/// What is asked for, checked as far as it goes without a look at the store.
enum Wanted {
    Slug(SlugId, String),
    Rollback(Version),
}

/// A command, and what is to be said about it.
pub(crate) struct Prepared {
    pub(crate) command: Command,
    pub(crate) slug: SlugId,
    pub(crate) manifest: Manifest,
    pub(crate) description: String,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) processes: BTreeMap<ProcessType, ProcessSpec>,
    warnings: Vec<String>,
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::invalid("invalid_value", message)
}

fn wanted(body: NewRelease) -> Result<Wanted, Failure> {
    match (body.slug, body.rollback) {
        (Some(slug), None) => {
            let id = slug
                .parse::<SlugId>()
                .map_err(|error| invalid(error.to_string()))?;
            let text = body
                .description
                .unwrap_or_else(|| DESCRIPTION_DEFAULT.to_owned());
            let chars = text.chars().count();
            if !(1..=DESCRIPTION_CHARS_MAX).contains(&chars)
                || text.chars().any(grid::text::is_control)
            {
                return Err(invalid(format!(
                    "a description is one line of 1 to {DESCRIPTION_CHARS_MAX} characters"
                )));
            }
            Ok(Wanted::Slug(id, text))
        }
        (None, Some(_)) if body.description.is_some() => Err(invalid(
            "a rollback describes itself: leave description out",
        )),
        (None, Some(version)) => {
            let version = version.parse::<Version>();
            version
                .map(Wanted::Rollback)
                .map_err(|error| invalid(error.to_string()))
        }
        _ => Err(invalid(
            "give either slug, or rollback with an earlier release",
        )),
    }
}

/// Make a release
///
/// It serves once its dynos are up; what serves before goes on until then. With `plan`, tells what would happen
/// and changes nothing.
#[utoipa::path(
    post, path = "/v1/apps/{app}/releases", operation_id = "create_release", tag = "releases",
    params(Planning), request_body = NewRelease,
    responses(
        (status = 200, description = "What would happen", body = Plan),
        (status = 201, description = "The release, whose dynos come up", body = Release),
    ),
)]
pub(crate) async fn create(
    With(state): With<State>,
    Path(name): Path<AppName>,
    Query(planning): Query<Planning>,
    asked: Asked<NewRelease>,
) -> Result<Response, Failure> {
    let Asked { caller, body, key } = asked;
    let app = caller.may_change(&name, Role::Deploy)?;
    let prepared = match wanted(body)? {
        Wanted::Slug(slug, description) => of_slug(&state, &caller, app, slug, description).await?,
        Wanted::Rollback(to) => of_release(&state, app, to).await?,
    };
    if planning.plan {
        return Ok(Json(plan::of(&state, app, prepared).await?).into_response());
    }
    let Prepared {
        command, warnings, ..
    } = prepared;
    let accepted = state.control.execute_command(command, caller.actor(), key).await?;
    let version = accepted.version.ok_or_else(Failure::internal)?;
    let mut release = releases::of(state.control.view().desired.app(&name)?, version)?;
    release.warnings = Some(warnings);
    Ok((StatusCode::CREATED, Json(release)).into_response())
}

/// What a slug of this server says about itself.
pub(crate) async fn manifest(state: &State, id: SlugId) -> Result<Manifest, Failure> {
    match state.store(move |store| store.manifest(id)).await? {
        Err(StoreError::NotFound { .. }) => Err(slugs::missing(id)),
        other => Ok(other?),
    }
}

async fn of_slug(
    state: &State,
    caller: &Caller,
    app: &App,
    slug: SlugId,
    description: String,
) -> Result<Prepared, Failure> {
    if !caller.sees_slug(slug) {
        return Err(slugs::missing(slug));
    }
    let manifest = manifest(state, slug).await?;
    let processes = manifest.specs();
    let mut warnings = kind_warnings(&manifest);
    // Defaults are for an app's beginning: later on, its owner's config is as it is.
    let first = match app.newest_release() {
        Some(_) => BTreeMap::new(),
        None => defaults(&manifest),
    };
    let mut config = first.clone();
    config.extend(BTreeMap::clone(app.newest_config()));
    warnings.extend(missing(&manifest, &config));
    warnings.extend(asleep(&manifest, app));
    let formation = manifest.initial_formation();
    let deploy = ReleaseSpec {
        slug,
        description: description.clone(),
        config: DeployConfig::Own(first),
        processes: processes.clone(),
        formation,
    };
    let app = app.name.clone();
    Ok(Prepared {
        command: Command::Deploy { app, deploy },
        slug,
        manifest,
        description,
        config,
        processes,
        warnings,
    })
}

async fn of_release(state: &State, app: &App, to: Version) -> Result<Prepared, Failure> {
    let Some(old) = app.releases.get(&to) else {
        let name = &app.name;
        let message = format!("{name} has no release {to}, or not any more");
        return Err(Failure::missing("no_such_release", message));
    };
    let manifest = manifest(state, old.slug).await?;
    let config = app.attachments.carried_vars(&old.config, to);
    let app = app.name.clone();
    Ok(Prepared {
        command: Command::Rollback { app, to },
        slug: old.slug,
        manifest,
        description: format!("Rollback to {to}"),
        config,
        processes: old.processes.clone(),
        warnings: Vec::new(),
    })
}

/// What is said about process types that are run otherwise than their owner may think.
pub(crate) fn kind_warnings(manifest: &Manifest) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, count) in &manifest.formation {
        if name.runs_once() && *count > 0 {
            warnings.push(format!(
                "{name} runs once and is never part of a formation: {name}={count} is passed over"
            ));
        }
    }
    if manifest.processes.keys().any(ProcessType::is_run) {
        warnings.push(
            "run is the name of one-off dynos, so that a process type of this name is never scaled: \
             give it another name, or start it with `dyno run run`"
                .to_owned(),
        );
    }
    warnings
}

/// What is said once of process types that nobody has asked for yet.
fn asleep(manifest: &Manifest, app: &App) -> Option<String> {
    let new = manifest.initial_formation().into_iter();
    let new = new.filter(|(name, count)| {
        *count == 0 && !name.runs_once() && !app.formation.contains_key(name)
    });
    let names: Vec<String> = new.map(|(name, _)| name.to_string()).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    let first = names.first();
    first.map(|first| {
        let all = names.join(", ");
        format!("{all} {have} no dyno yet: start one with `dyno ps scale {first}=1`")
    })
}

fn defaults(manifest: &Manifest) -> BTreeMap<String, String> {
    let values = manifest.env.iter();
    values
        .filter_map(|(name, var)| Some((name.clone(), var.value.clone()?)))
        .collect()
}

fn missing(manifest: &Manifest, config: &BTreeMap<String, String>) -> Vec<String> {
    let needed = manifest.env.iter().filter(|(_, var)| var.required);
    needed
        .filter(|(name, _)| !config.contains_key(*name))
        .map(|(name, _)| {
            format!("the app needs the config var {name}: set it with `dyno config set {name}=…`")
        })
        .collect()
}
