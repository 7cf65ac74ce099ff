//! `dyno deploy`: source becomes a slug, the slug a release, and the release serves.

mod source;

use std::path::Path;

use anyhow::Result;
use api::resource::{AppResource, CreateAppRequest, CreateReleaseRequest, ReleaseResource};

use super::plan::{plan, plan_of_first};
use super::wait::{settle, up};
use crate::args::DeployArgs;
use crate::client::{ApiResponse, TargetApp, is_not_found};
use crate::terminal::{self, ProgressLine, clean, count, size};
use source::DeploySource;

pub(crate) fn run(args: &DeployArgs) -> Result<()> {
    let app = TargetApp::find_in_folder(&args.on, folder(&args.what))?;
    // Asked before the build, which may take long: is there a server that lets us in?
    let known = app.client().find(&app.path(""))?;
    let working = ProgressLine::start("Building");
    let source = DeploySource::make(&args.what, &working)?;
    let release = wish(&source, args.message.as_deref());
    let Some(known) = known else {
        if args.plan {
            drop(working);
            return plan_of_first(&app, source.slug());
        }
        create(&app, &working)?;
        return deploy(&app, &source, &release, working);
    };
    // Before the plan too, which tells what a deploy would do: nothing, then.
    if let Some(answer) = unchanged(&app, &known.read()?, &source)? {
        drop(working);
        return nothing_changed(&app, &answer);
    }
    if args.plan {
        upload(&app, &source, &working)?;
        drop(working);
        return plan(&app, &release);
    }
    deploy(&app, &source, &release, working)
}

/// The folder whose name or `dyno.toml` names the app: that of the source, or the one that we are in.
fn folder(what: &Path) -> &Path {
    if what.is_dir() { what } else { Path::new(".") }
}

/// The release as the API takes it.
fn wish(source: &DeploySource, message: Option<&str>) -> CreateReleaseRequest {
    CreateReleaseRequest {
        slug: Some(source.slug().id().to_string()),
        description: message.map(str::to_owned),
        rollback: None,
    }
}

fn create(app: &TargetApp, working: &ProgressLine) -> Result<()> {
    let name = app.name.to_string();
    app.client().post("/v1/apps", &CreateAppRequest { name })?;
    working.done("Created", &format!("app {}", app.name));
    Ok(())
}

/// The release that serves this slug already, if the newest one does.
fn unchanged(
    app: &TargetApp,
    known: &AppResource,
    source: &DeploySource,
) -> Result<Option<ApiResponse>> {
    let Some(serving) = known
        .release
        .as_ref()
        .filter(|_| known.release == known.newest)
    else {
        return Ok(None);
    };
    let answer = app
        .client()
        .get(&app.path(&format!("/releases/{serving}")))?;
    let same = answer.read::<ReleaseResource>()?.slug == source.slug().id().to_string();
    Ok(same.then_some(answer))
}

fn nothing_changed(app: &TargetApp, answer: &ApiResponse) -> Result<()> {
    let version = clean(&answer.read::<ReleaseResource>()?.version);
    app.server.show(answer, || {
        terminal::note(
            "Unchanged",
            &format!("nothing changed: {version} serves this slug already"),
        );
        up(app, &version)
    })
}

fn deploy(
    app: &TargetApp,
    source: &DeploySource,
    release: &CreateReleaseRequest,
    working: ProgressLine,
) -> Result<()> {
    upload(app, source, &working)?;
    let created: ReleaseResource = app.client().post(&app.path("/releases"), release)?.read()?;
    for text in created.warnings.iter().flatten() {
        working.warning(&clean(text));
    }
    for name in source.missing(&created.config_names) {
        let set = format!("dyno config set {name}=… -a {}", app.name);
        working.warning(&format!("the app needs {name}, which is not set: {set}"));
    }
    let answer = settle(app, &created.version, working)?;
    app.server.show(&answer, || {
        up(app, &created.version)?;
        terminal::note("Next", &format!("dyno logs -t -a {}", app.name));
        Ok(())
    })
}

/// Gives the server the slug, if it has not got it.
fn upload(app: &TargetApp, source: &DeploySource, working: &ProgressLine) -> Result<()> {
    let slug = source.slug();
    let path = format!("/v1/slugs/{}", slug.id().hex());
    match app.client().get(&path) {
        Ok(_) => return Ok(()),
        Err(error) if is_not_found(&error) => {}
        Err(error) => return Err(error),
    }
    let files = count(slug.manifest().files.len(), "file");
    working.step("Uploading", &format!("{}, {files}", size(slug.bytes())));
    let file = source.open()?;
    app.client().upload_slug(
        &path,
        working.bytes("Uploading", file, slug.bytes()),
        slug.bytes(),
    )?;
    Ok(())
}
