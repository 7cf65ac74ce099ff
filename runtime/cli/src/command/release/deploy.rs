//! `dyno deploy`: builds a slug, makes a release of it, and waits until the release serves.

mod source;

use std::path::Path;

use anyhow::Result;
use api::resource::{AppResource, CreateAppRequest, CreateReleaseRequest, ReleaseResource};

use super::plan::{print_first_plan, print_plan};
use super::wait::{print_served, wait_for_release};
use crate::args::DeployArgs;
use crate::client::{ApiResponse, RemoteApp, is_not_found};
use crate::terminal::{self, ProgressLine, clean, format_count, format_size};
use source::DeploySource;

pub(crate) fn run(args: &DeployArgs) -> Result<()> {
    let app = RemoteApp::find_in_folder(&args.on, app_folder(&args.what))?;
    // Before the build, which may take long: is there a server, and does it accept the token?
    let known = app.client().find(&app.path(""))?;
    let progress = ProgressLine::start("Building");
    let source = DeploySource::make(&args.what, &progress)?;
    let release = release_request(&source, args.message.as_deref());
    let Some(known) = known else {
        if args.plan {
            drop(progress);
            return print_first_plan(&app, source.slug());
        }
        create_app(&app, &progress)?;
        return create_release(&app, &source, &release, progress);
    };
    // Before the plan too: a deploy of the same slug would do nothing.
    if let Some(answer) = find_unchanged_release(&app, &known.read()?, &source)? {
        drop(progress);
        return print_unchanged(&app, &answer);
    }
    if args.plan {
        upload_slug(&app, &source, &progress)?;
        drop(progress);
        return print_plan(&app, &release);
    }
    create_release(&app, &source, &release, progress)
}

/// The folder whose `dyno.toml` or name gives the app's name: the source's, or the current folder.
fn app_folder(what: &Path) -> &Path {
    if what.is_dir() { what } else { Path::new(".") }
}

/// The body of the request for a release.
fn release_request(source: &DeploySource, message: Option<&str>) -> CreateReleaseRequest {
    CreateReleaseRequest {
        slug: Some(source.slug().id().to_string()),
        description: message.map(str::to_owned),
        rollback: None,
    }
}

fn create_app(app: &RemoteApp, progress: &ProgressLine) -> Result<()> {
    let name = app.name.to_string();
    app.client().post("/v1/apps", &CreateAppRequest { name })?;
    progress.print_done("Created", &format!("app {}", app.name));
    Ok(())
}

/// The newest release, if it serves and has this slug.
fn find_unchanged_release(
    app: &RemoteApp,
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

fn print_unchanged(app: &RemoteApp, answer: &ApiResponse) -> Result<()> {
    let version = clean(&answer.read::<ReleaseResource>()?.version);
    app.server.show(answer, || {
        terminal::print_note(
            "Unchanged",
            &format!("nothing changed: {version} serves this slug already"),
        );
        print_served(app, &version)
    })
}

fn create_release(
    app: &RemoteApp,
    source: &DeploySource,
    release: &CreateReleaseRequest,
    progress: ProgressLine,
) -> Result<()> {
    upload_slug(app, source, &progress)?;
    let created: ReleaseResource = app.client().post(&app.path("/releases"), release)?.read()?;
    for text in created.warnings.iter().flatten() {
        progress.print_warning(&clean(text));
    }
    for name in source.missing(&created.config_names) {
        let set = format!("dyno config set {name}=… -a {}", app.name);
        progress.print_warning(&format!("the app needs {name}, which is not set: {set}"));
    }
    let answer = wait_for_release(app, &created.version, progress)?;
    app.server.show(&answer, || {
        print_served(app, &created.version)?;
        terminal::print_note("Next", &format!("dyno logs -t -a {}", app.name));
        Ok(())
    })
}

/// Uploads the slug, unless the server has it.
fn upload_slug(app: &RemoteApp, source: &DeploySource, progress: &ProgressLine) -> Result<()> {
    let slug = source.slug();
    let path = format!("/v1/slugs/{}", slug.id().hex());
    match app.client().get(&path) {
        Ok(_) => return Ok(()),
        Err(error) if is_not_found(&error) => {}
        Err(error) => return Err(error),
    }
    let files = format_count(slug.manifest().files.len(), "file");
    progress.show_step(
        "Uploading",
        &format!("{}, {files}", format_size(slug.bytes())),
    );
    let file = source.open()?;
    app.client().upload_slug(
        &path,
        progress.count_bytes("Uploading", file, slug.bytes()),
        slug.bytes(),
    )?;
    Ok(())
}
