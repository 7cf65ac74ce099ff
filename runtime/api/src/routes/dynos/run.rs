//! One-off dynos: what is to run, and on whose behalf.
//!
//! Owns how what was typed becomes a program of the slug. Must not know how it is run, nor how its output travels.

use super::streams;
use crate::failure::Failure;
use crate::request::extract::{Asked, Path, given};
use crate::routes::dynos::Dyno;
use crate::routes::releases::create::manifest;
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use control::DynoStatus;
use control::access::Role;
use control::once::{OneOffProgram, OneOffRequest};
use control::{MEMORY_BYTES, check_config_vars};
use grid::desired::{App, Limits, ProcessKind, Release};
use grid::lifecycle;
use grid::name::{AppName, ProcessType};
use grid::time::Time;
use serde::Deserialize;
use slugs::{Manifest, SlugPath};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Words of a command.
const WORDS_MAX: usize = 256;

/// Something to run once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDyno {
    /// A process type of the app, a command word of its language such as `python`, or the path of a component in its
    /// slug; then arguments.
    #[schema(min_items = 1, max_items = 256)]
    command: Vec<String>,
    /// Environment variables over the app's config vars.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Whether its output is to be fetched, and its input given; else it reads nothing, and the log has its output.
    #[serde(default)]
    attach: bool,
    /// Its memory, from `1MiB` to `4GiB`; as the process type has it if it is not said.
    #[serde(default, deserialize_with = "given")]
    #[schema(
        pattern = "^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])MiB$|^[1-4]GiB$",
        nullable = false
    )]
    size: Option<String>,
}

/// Run something once
///
/// On a dyno of its own, with the slug and config vars of the release that serves. It is not restarted. An attached one
/// is ended if nobody fetches its output within half a minute.
#[utoipa::path(
    post, path = "/v1/apps/{app}/dynos", operation_id = "run_dyno", tag = "dynos", request_body = NewDyno,
    responses((status = 201, description = "The dyno, which starts", body = Dyno)),
)]
pub(crate) async fn run(
    With(state): With<State>,
    Path(name): Path<AppName>,
    asked: Asked<NewDyno>,
) -> Result<(StatusCode, Json<Dyno>), Failure> {
    let Asked { caller, body, .. } = asked;
    let app = caller.may_change(&name, Role::Deploy)?;
    let release = current(app)?;
    let manifest = manifest(&state, release.slug).await?;
    let (program, process) = program(app, &manifest, body.command)?;
    let size = body.size.as_deref();
    if size.is_some() && !matches!(program, OneOffProgram::Type { .. }) {
        let message = "only a process type has a size that can be changed: leave it out";
        return Err(Failure::invalid("invalid_value", message));
    }
    let memory_bytes = memory(release, process.as_ref(), size)?;
    let (pipes, client) = match body.attach {
        true => Some(streams::pipes(&state, &caller)).unzip(),
        false => (None, None),
    };
    let wanted = OneOffRequest {
        app: name.clone(),
        program,
        env: check_config_vars(body.env)?,
        memory_bytes,
        pipes,
        by: caller.token.name.clone(),
    };
    let begun = state.control.start_one_off(wanted).await?;
    if let Some(client) = client {
        client.wait_as(name, begun.dyno.dyno.clone());
    }
    let status = DynoStatus {
        dyno: begun.dyno,
        version: begun.version,
        state: lifecycle::DynoState::Starting,
        since: Time::ZERO,
        for_secs: 0,
        node: Some(begun.node),
    };
    Ok((
        StatusCode::CREATED,
        Json(crate::routes::dynos::begun(status)),
    ))
}

/// The release that a one-off dyno runs.
fn current(app: &App) -> Result<&Arc<Release>, Failure> {
    let release = app.serving_release().or(app.newest_release());
    release.ok_or_else(|| {
        let message = format!("{} has no release yet: deploy it first", app.name);
        Failure::conflict("no_release", message)
    })
}

/// What the words mean, and the process type whose memory it has.
fn program(
    app: &App,
    manifest: &Manifest,
    words: Vec<String>,
) -> Result<(OneOffProgram, Option<ProcessType>), Failure> {
    if words.len() > WORDS_MAX || words.iter().any(|word| word.contains('\0')) {
        let message = format!("a command has 1 to {WORDS_MAX} words, without NUL");
        return Err(Failure::invalid("invalid_value", message));
    }
    let mut words = words.into_iter();
    let first = words.next();
    let first = first.ok_or_else(|| Failure::invalid("invalid_value", "the command is empty"))?;
    let args: Vec<String> = words.collect();
    let named = first.parse::<ProcessType>().ok();
    let named = named.filter(|name| manifest.processes.contains_key(name));
    if let Some(process) = named {
        runs_by_itself(manifest, &process)?;
        let kept = Some(process.clone());
        return Ok((OneOffProgram::Type { process, args }, kept));
    }
    if let Some(command) = manifest.commands.get(&first) {
        let args = command.args.iter().cloned().chain(args).collect();
        return Ok(component(manifest, first, &command.component, args));
    }
    let path = first.trim_start_matches("./");
    let mut files = manifest.files.keys();
    let Some(path) = files.find(|file| file.as_str() == path) else {
        return Err(no_such_program(app, manifest, &first));
    };
    let name = path.as_str().to_owned();
    Ok(component(manifest, name, path, args))
}

/// A component as it is run by its path, and a process type that runs the same one.
fn component(
    manifest: &Manifest,
    name: String,
    path: &SlugPath,
    args: Vec<String>,
) -> (OneOffProgram, Option<ProcessType>) {
    let mut processes = manifest.processes.iter();
    let process = processes.find(|(_, process)| process.component == *path);
    let path = path.as_str().to_owned();
    let process = process.map(|(name, _)| name.clone());
    (OneOffProgram::Component { name, path, args }, process)
}

fn runs_by_itself(manifest: &Manifest, process: &ProcessType) -> Result<(), Failure> {
    let kind = manifest.processes.get(process).map(|process| process.kind);
    if kind != Some(ProcessKind::Handler) {
        return Ok(());
    }
    let message = format!(
        "{process} answers HTTP requests and does nothing by itself: run a component that has a `main` \
         (one that exports wasi:cli/run)"
    );
    Err(Failure::invalid("not_runnable", message))
}

fn no_such_program(app: &App, manifest: &Manifest, word: &str) -> Failure {
    let known = match manifest.runnable_words().as_slice() {
        [] => "has nothing that runs by itself".to_owned(),
        words => format!("can run {}", words.join(", ")),
    };
    let word: String = word.chars().take(64).collect();
    let message = format!(
        "{:?} is no process type, command or component of {}, which {known}",
        word, app.name
    );
    Failure::invalid("no_such_process", message)
}

/// What is set aside for it, in bytes.
fn memory(
    release: &Release,
    process: Option<&ProcessType>,
    size: Option<&str>,
) -> Result<u64, Failure> {
    let spec = process.and_then(|process| release.processes.get(process));
    let Some(size) = size else {
        return Ok(spec.map_or(Limits::MEMORY_BYTES, |spec| spec.limits.memory_bytes));
    };
    let bytes = text::memory(size)?;
    if !MEMORY_BYTES.contains(&bytes) {
        let message = format!("{size} of memory are not possible: give it 1MiB to 4GiB");
        return Err(Failure::invalid("invalid_value", message));
    }
    Ok(bytes)
}
