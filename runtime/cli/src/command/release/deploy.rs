//! `dyno deploy`: source becomes a slug, the slug a release, and the release serves.

mod source;

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::plan::{plan, plan_of_first};
use super::wait::{settle, up};
use crate::args::Deploy;
use crate::client::types::{self, Release};
use crate::client::{Answer, App, is_not_found};
use crate::terminal::{self, Working, clean, count, size};
use source::Source;

pub(crate) fn run(args: &Deploy) -> Result<()> {
    let app = App::in_folder(&args.on, folder(&args.what))?;
    // Asked before the build, which may take long: is there a server that lets us in?
    let known = app.client().find(&app.path(""))?;
    let working = Working::start("Building");
    let source = Source::make(&args.what, &working)?;
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
fn wish(source: &Source, message: Option<&str>) -> Value {
    let mut release = Map::new();
    release.insert("slug".into(), source.slug().id().to_string().into());
    if let Some(message) = message {
        release.insert("description".into(), message.into());
    }
    release.into()
}

fn create(app: &App, working: &Working) -> Result<()> {
    app.client()
        .post("/v1/apps", &json!({ "name": app.name }))?;
    working.done("Created", &format!("app {}", app.name));
    Ok(())
}

/// The release that serves this slug already, if the newest one does.
fn unchanged(app: &App, known: &types::App, source: &Source) -> Result<Option<Answer>> {
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
    let same = answer.read::<Release>()?.slug == Some(source.slug().id().to_string());
    Ok(same.then_some(answer))
}

fn nothing_changed(app: &App, answer: &Answer) -> Result<()> {
    let version = clean(&answer.read::<Release>()?.version);
    app.server.show(answer, || {
        terminal::note(
            "Unchanged",
            &format!("nothing changed: {version} serves this slug already"),
        );
        up(app, &version)
    })
}

fn deploy(app: &App, source: &Source, release: &Value, working: Working) -> Result<()> {
    upload(app, source, &working)?;
    let created: Release = app.client().post(&app.path("/releases"), release)?.read()?;
    for text in &created.warnings {
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
fn upload(app: &App, source: &Source, working: &Working) -> Result<()> {
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
    app.client().put(
        &path,
        working.bytes("Uploading", file, slug.bytes()),
        slug.bytes(),
    )?;
    Ok(())
}
