//! Running a one-off dyno.
//!
//! Owns how a command becomes a program of the slug. Must not know how the program runs, nor how its output travels.

use super::dyno_resource;
use crate::failure::ApiFailure;
use crate::request::extract::PathName;
use crate::request::json_body::JsonRequest;
use crate::resource::{DynoResource, RunDynoRequest};
use crate::routes::slugs::read_manifest;
use crate::state::ApiState;
use crate::state::one_off_streams::open_pipes;
use crate::text;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::DynoStatus;
use control::access::Role;
use control::once::{OneOffProgram, OneOffRequest};
use control::{MEMORY_BYTES, check_config_vars};
use grid::desired::{App, Limits, ProcessKind, Release};
use grid::lifecycle;
use grid::name::{AppName, ProcessType};
use grid::time::Time;
use slugs::{Manifest, SlugPath};
use std::sync::Arc;
use std::time::SystemTime;

/// Words of a command, at most. The schema of [`RunDynoRequest`] says the same.
const WORDS_MAX: usize = 256;
/// Characters of a wrong command word that the message repeats.
const WORD_CHARS_SHOWN: usize = 64;

/// Run something once
///
/// On a dyno of its own, with the slug and config vars of the release that serves. The dyno is not restarted. An
/// attached dyno is ended if its client does not read the output within half a minute.
#[utoipa::path(
    post, path = "/v1/apps/{app}/dynos", operation_id = "run_dyno", tag = "dynos", request_body = RunDynoRequest,
    responses((status = 201, description = "The dyno, which is starting", body = DynoResource)),
)]
pub(crate) async fn run_dyno(
    State(state): State<ApiState>,
    PathName(name): PathName<AppName>,
    request: JsonRequest<RunDynoRequest>,
) -> Result<(StatusCode, Json<DynoResource>), ApiFailure> {
    let JsonRequest { caller, body, .. } = request;
    let app = caller.require_app_role(&name, Role::Deploy)?;
    let release = release_to_run(app)?;
    let manifest = read_manifest(&state, release.slug).await?;
    let (program, process) = find_program(app, &manifest, body.command)?;
    let size = body.size.as_deref();
    if size.is_some() && !matches!(program, OneOffProgram::Type { .. }) {
        let message = "only a process type has a size that can be changed: leave size out";
        return Err(ApiFailure::invalid_value(message));
    }
    let memory_bytes = memory_of(release, process.as_ref(), size)?;
    let (pipes, streams) = match body.attach {
        true => Some(open_pipes(caller.token.id.clone())).unzip(),
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
    if let Some(streams) = streams {
        let dyno = begun.dyno.dyno.clone();
        state.shared.one_off_streams.insert(name, dyno, streams);
    }
    let status = DynoStatus {
        dyno: begun.dyno,
        version: begun.version,
        state: lifecycle::DynoState::Starting,
        since: Time::ZERO,
        for_secs: 0,
        node: Some(begun.node),
    };
    let dyno = dyno_resource(status, SystemTime::now());
    Ok((StatusCode::CREATED, Json(dyno)))
}

/// The release whose slug and config vars a one-off dyno gets: the one that serves, or else the newest.
fn release_to_run(app: &App) -> Result<&Arc<Release>, ApiFailure> {
    let release = app.serving_release().or(app.newest_release());
    release.ok_or_else(|| {
        let message = format!("{} has no release yet: deploy it first", app.name);
        ApiFailure::conflict("no_release", message)
    })
}

/// The program that a command stands for, and the process type whose memory it gets. The first word is a process type,
/// a command word of the slug, or the path of a component.
fn find_program(
    app: &App,
    manifest: &Manifest,
    words: Vec<String>,
) -> Result<(OneOffProgram, Option<ProcessType>), ApiFailure> {
    if words.len() > WORDS_MAX || words.iter().any(|word| word.contains('\0')) {
        let message = format!("a command has 1 to {WORDS_MAX} words, without NUL");
        return Err(ApiFailure::invalid_value(message));
    }
    let mut words = words.into_iter();
    let first = words.next();
    let first = first.ok_or_else(|| ApiFailure::invalid_value("the command is empty"))?;
    let args: Vec<String> = words.collect();
    let process = first.parse::<ProcessType>().ok();
    let process = process.filter(|name| manifest.processes.contains_key(name));
    if let Some(process) = process {
        check_is_program(manifest, &process)?;
        let with_memory_of = Some(process.clone());
        return Ok((OneOffProgram::Type { process, args }, with_memory_of));
    }
    if let Some(command) = manifest.commands.get(&first) {
        let args = command.args.iter().cloned().chain(args).collect();
        return Ok(component_program(manifest, first, &command.component, args));
    }
    let path = first.trim_start_matches("./");
    let mut files = manifest.files.keys();
    let Some(path) = files.find(|file| file.as_str() == path) else {
        return Err(no_such_program(app, manifest, &first));
    };
    let name = path.as_str().to_owned();
    Ok(component_program(manifest, name, path, args))
}

/// A component that is named by its path, and a process type that runs the same component.
fn component_program(
    manifest: &Manifest,
    name: String,
    path: &SlugPath,
    args: Vec<String>,
) -> (OneOffProgram, Option<ProcessType>) {
    let mut processes = manifest.processes.iter();
    let process = processes.find(|(_, process)| process.component == *path);
    let process = process.map(|(name, _)| name.clone());
    let path = path.as_str().to_owned();
    (OneOffProgram::Component { name, path, args }, process)
}

fn check_is_program(manifest: &Manifest, process: &ProcessType) -> Result<(), ApiFailure> {
    let kind = manifest.processes.get(process).map(|process| process.kind);
    if kind != Some(ProcessKind::Handler) {
        return Ok(());
    }
    let message = format!(
        "{process} answers HTTP requests and does nothing by itself: run a component that has a `main` \
         (one that exports wasi:cli/run)"
    );
    Err(ApiFailure::unprocessable("not_runnable", message))
}

fn no_such_program(app: &App, manifest: &Manifest, word: &str) -> ApiFailure {
    let known = match manifest.runnable_words().as_slice() {
        [] => "has nothing that runs by itself".to_owned(),
        words => format!("can run {}", words.join(", ")),
    };
    let word: String = word.chars().take(WORD_CHARS_SHOWN).collect();
    let message = format!(
        "{word:?} is no process type, command or component of {}, which {known}",
        app.name
    );
    ApiFailure::unprocessable("no_such_process", message)
}

/// Memory of the dyno in bytes: the requested size, or else that of the process type.
fn memory_of(
    release: &Release,
    process: Option<&ProcessType>,
    size: Option<&str>,
) -> Result<u64, ApiFailure> {
    let spec = process.and_then(|process| release.processes.get(process));
    let Some(size) = size else {
        return Ok(spec.map_or(Limits::MEMORY_BYTES, |spec| spec.limits.memory_bytes));
    };
    let bytes = text::parse_memory(size)?;
    if !MEMORY_BYTES.contains(&bytes) {
        let message = format!("{size} of memory are not possible: give it 1MiB to 4GiB");
        return Err(ApiFailure::invalid_value(message));
    }
    Ok(bytes)
}
