//! Releases made ready on this machine, and programs that run once.
//!
//! Owns how many releases are fetched at a time. Must not know dynos.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use grid::desired::Release;
use grid::name::{AppName, ReleaseId};
use grid::protocol::Report;

use crate::error_chain::chain;
use crate::fleet::shared::FleetShared;
use crate::life::DynoLife;
use crate::program::oneoff::{OneOffGuest, RunningOneOffGuest};
use crate::program::process::ProgramSetup;
use crate::release::source::FetchedSlug;
use crate::release::{
    CodePreparer, PrepareError, PreparedProcesses, prepare_one_off, prepare_release,
};

/// Makes a release ready in a task of its own, and reports the result.
pub(super) fn fetch_release(
    shared: &Arc<FleetShared>,
    app: AppName,
    release: ReleaseId,
    contents: Arc<Release>,
) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let turn = shared.fetches.acquire().await;
        let result = prepare_processes(&shared, &app, &contents).await;
        let result = result.map(|processes| {
            let key = (app.clone(), release);
            shared.state().releases.insert(key, Arc::new(processes));
        });
        drop(turn);
        shared.report(Report::Fetched {
            node: shared.id.clone(),
            app,
            release,
            result,
        });
    });
}

async fn prepare_processes(
    shared: &FleetShared,
    app: &AppName,
    release: &Arc<Release>,
) -> Result<PreparedProcesses, String> {
    let unpacked = unpack_slug(shared, release).await?;
    let processes = prepare_release(preparer(shared), app, release, &unpacked);
    processes.await.map_err(|e| chain(&e))
}

async fn unpack_slug(shared: &FleetShared, release: &Release) -> Result<FetchedSlug, String> {
    let (slugs, id) = (Arc::clone(&shared.slugs), release.slug);
    let _turn = shared.unpacks.acquire().await;
    let unpacked = tokio::task::spawn_blocking(move || slugs(id));
    unpacked.await.map_err(|e| e.to_string())?
}

fn preparer(shared: &FleetShared) -> CodePreparer<'_> {
    CodePreparer {
        engines: &shared.context.engines,
        compiler: &shared.compiler,
        loaded: &shared.loaded,
    }
}

/// Makes a program ready and runs it once.
pub(super) async fn run_once(
    shared: &FleetShared,
    one_off: OneOffGuest,
) -> Result<RunningOneOffGuest, PrepareError> {
    let OneOffGuest {
        key,
        release,
        app,
        command,
        env,
        platform_vars,
        stdio,
        folders,
    } = one_off;
    let turn = shared.fetches.acquire().await;
    let unpacked = unpack_slug(shared, &release).await;
    let unpacked = unpacked.map_err(PrepareError::Slug)?;
    let ready = prepare_one_off(
        preparer(shared),
        (&app, &release),
        &unpacked,
        (&key.dyno, command),
        (env, platform_vars),
    );
    let ready = Arc::new(ready.await?);
    drop(turn);
    let number = shared.one_offs.fetch_add(1, Ordering::Relaxed);
    let context = Arc::clone(&shared.context);
    let setup = ProgramSetup {
        // No app's name has a dot, so no dyno has this folder.
        home: context.work.join(format!("once.{number}")),
        stdio,
        folders,
        port: None,
    };
    let life = Arc::new(DynoLife::new(key.clone(), Arc::new(shared.log_of(&key))));
    Ok(RunningOneOffGuest::start(context, ready, life, setup))
}
