//! `dyno ps`: dynos, how many there are to be, and fresh ones for old.

use anyhow::{Context, Result};
use api::resource::{
    DynoResource, FormationResource, FormationUpdate, PageResource, UpdateFormationRequest,
};
use grid::name::DynoId;
use serde_json::json;

use crate::args::{PsArgs, PsCommand, ScaleAmount, ScaleChange};
use crate::client::{ApiResponse, TargetApp};
use crate::terminal::{self, clean, span, table};

pub(crate) fn run(args: &PsArgs) -> Result<()> {
    let app = TargetApp::find(&args.on)?;
    match &args.command {
        None => list(&app),
        Some(PsCommand::Scale { changes }) => scale(&app, changes),
        Some(PsCommand::Restart { dyno }) => restart(&app, dyno.as_ref()),
        Some(PsCommand::Stop { dyno }) => stop(&app, dyno),
    }
}

fn list(app: &TargetApp) -> Result<()> {
    let answer = app.client().list(&app.path("/dynos"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<DynoResource>>()?;
        if items.is_empty() {
            terminal::note(
                "No dynos",
                &format!("of {} run: see `dyno ps scale`", app.name),
            );
            return Ok(());
        }
        terminal::print(&rows(&items))
    })
}

fn rows(dynos: &[DynoResource]) -> String {
    let rows = dynos.iter().map(|dyno| {
        [
            clean(&dyno.id),
            clean(&dyno.state),
            span(dyno.for_s),
            clean(&dyno.release),
            clean(dyno.node.as_deref().unwrap_or("-")),
        ]
    });
    table(["dyno", "state", "for", "release", "node"], rows)
}

fn scale(app: &TargetApp, changes: &[ScaleChange]) -> Result<()> {
    if changes.is_empty() {
        let answer = formation(app)?;
        return app
            .server
            .show(&answer, || terminal::print(&sizes(&answer)?));
    }
    // Only a difference needs to know what there is.
    let differs = |change: &ScaleChange| !matches!(change.amount, ScaleAmount::Exactly(_));
    let now = if changes.iter().any(differs) {
        formation(app)?
            .read::<PageResource<FormationResource>>()?
            .items
    } else {
        Vec::new()
    };
    let updates = updates(changes, &now)?;
    let answer = app
        .client()
        .patch(&app.path("/formation"), &UpdateFormationRequest { updates })?;
    app.server.show(&answer, || {
        terminal::note("Scaled", app.name.as_str());
        terminal::print(&sizes(&answer)?)
    })
}

fn formation(app: &TargetApp) -> Result<ApiResponse> {
    app.client().get(&app.path("/formation"))
}

fn sizes(answer: &ApiResponse) -> Result<String> {
    let PageResource { items, .. } = answer.read::<PageResource<FormationResource>>()?;
    let rows = items.iter().map(|item| {
        [
            clean(&item.process),
            item.quantity.to_string(),
            clean(&item.memory),
            clean(&item.kind.to_string()),
        ]
    });
    Ok(table(["process", "dynos", "memory", "kind"], rows))
}

/// The changes as the API takes them: outright.
fn updates(changes: &[ScaleChange], now: &[FormationResource]) -> Result<Vec<FormationUpdate>> {
    let quantity = |change: &ScaleChange| -> Result<u32> {
        if let ScaleAmount::Exactly(count) = change.amount {
            return Ok(count);
        }
        let process = change.process.as_str();
        let found = now.iter().find(|item| item.process == process);
        let found = found.with_context(|| format!("the app has no process type {process}"))?;
        Ok(change.amount.of(found.quantity))
    };
    let update = |change: &ScaleChange| -> Result<FormationUpdate> {
        Ok(FormationUpdate {
            process: change.process.to_string(),
            quantity: Some(quantity(change)?),
            memory: change.memory.clone(),
        })
    };
    changes.iter().map(update).collect()
}

fn restart(app: &TargetApp, dyno: Option<&DynoId>) -> Result<()> {
    let (path, what) = match dyno {
        Some(dyno) => (app.path(&format!("/dynos/{dyno}")), dyno.to_string()),
        None => (app.path("/dynos"), "all dynos".to_owned()),
    };
    let answer = app.client().delete(&path)?;
    app.server.show(&answer, || {
        terminal::note(
            "Restarting",
            &format!("{what} of {}: see `dyno ps`", app.name),
        );
        Ok(())
    })
}

fn stop(app: &TargetApp, dyno: &DynoId) -> Result<()> {
    let answer = app
        .client()
        .post(&app.path(&format!("/dynos/{dyno}/stop")), &json!({}))?;
    app.server.show(&answer, || {
        let back = match dyno.process.runs_once() {
            true => String::new(),
            false => format!(": back with `dyno ps restart {dyno}`"),
        };
        terminal::note("Stopping", &format!("{dyno} of {}{back}", app.name));
        Ok(())
    })
}

#[cfg(test)]
mod tests;
