//! `dyno ps`: lists, scales, restarts and stops dynos.

use anyhow::{Context, Result};
use api::resource::{
    DynoResource, FormationResource, FormationUpdate, PageResource, UpdateFormationRequest,
};
use grid::name::DynoId;
use serde_json::json;

use crate::args::{PsArgs, PsCommand, ScaleAmount, ScaleChange};
use crate::client::{ApiResponse, RemoteApp};
use crate::terminal::{self, clean, format_span, table};

pub(crate) fn run(args: &PsArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    match &args.command {
        None => list_dynos(&app),
        Some(PsCommand::Scale { changes }) => scale_processes(&app, changes),
        Some(PsCommand::Restart { dyno }) => restart_dynos(&app, dyno.as_ref()),
        Some(PsCommand::Stop { dyno }) => stop_dyno(&app, dyno),
    }
}

fn list_dynos(app: &RemoteApp) -> Result<()> {
    let answer = app.client().list(&app.path("/dynos"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<DynoResource>>()?;
        if items.is_empty() {
            terminal::print_note(
                "No dynos",
                &format!("of {} run: dyno ps scale web=1", app.name),
            );
            return Ok(());
        }
        terminal::print(&dyno_table(&items))
    })
}

fn dyno_table(dynos: &[DynoResource]) -> String {
    let rows = dynos.iter().map(|dyno| {
        [
            clean(&dyno.id),
            clean(&dyno.state),
            format_span(dyno.for_s),
            clean(&dyno.release),
            clean(dyno.node.as_deref().unwrap_or("-")),
        ]
    });
    table(["dyno", "state", "for", "release", "node"], rows)
}

fn scale_processes(app: &RemoteApp, changes: &[ScaleChange]) -> Result<()> {
    if changes.is_empty() {
        let answer = fetch_formation(app)?;
        return app
            .server
            .show(&answer, || terminal::print(&formation_table(&answer)?));
    }
    // Only a difference, such as web+1, needs the present formation.
    let differs = |change: &ScaleChange| !matches!(change.amount, ScaleAmount::Exactly(_));
    let now = if changes.iter().any(differs) {
        fetch_formation(app)?
            .read::<PageResource<FormationResource>>()?
            .items
    } else {
        Vec::new()
    };
    let updates = formation_updates(changes, &now)?;
    let answer = app
        .client()
        .patch(&app.path("/formation"), &UpdateFormationRequest { updates })?;
    app.server.show(&answer, || {
        terminal::print_note("Scaled", app.name.as_str());
        terminal::print(&formation_table(&answer)?)
    })
}

fn fetch_formation(app: &RemoteApp) -> Result<ApiResponse> {
    app.client().get(&app.path("/formation"))
}

fn formation_table(answer: &ApiResponse) -> Result<String> {
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

/// The changes in the form of the API, which takes absolute numbers only.
fn formation_updates(
    changes: &[ScaleChange],
    now: &[FormationResource],
) -> Result<Vec<FormationUpdate>> {
    let quantity = |change: &ScaleChange| -> Result<u32> {
        if let ScaleAmount::Exactly(count) = change.amount {
            return Ok(count);
        }
        let process = change.process.as_str();
        let found = now.iter().find(|item| item.process == process);
        let found = found.with_context(|| format!("the app has no process type {process}"))?;
        Ok(change.amount.apply_to(found.quantity))
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

fn restart_dynos(app: &RemoteApp, dyno: Option<&DynoId>) -> Result<()> {
    let (path, what) = match dyno {
        Some(dyno) => (app.path(&format!("/dynos/{dyno}")), dyno.to_string()),
        None => (app.path("/dynos"), "all dynos".to_owned()),
    };
    let answer = app.client().delete(&path)?;
    app.server.show(&answer, || {
        terminal::print_note(
            "Restarting",
            &format!("{what} of {}: `dyno ps` shows them", app.name),
        );
        Ok(())
    })
}

fn stop_dyno(app: &RemoteApp, dyno: &DynoId) -> Result<()> {
    let answer = app
        .client()
        .post(&app.path(&format!("/dynos/{dyno}/stop")), &json!({}))?;
    app.server.show(&answer, || {
        let back = match dyno.process.runs_once() {
            true => String::new(),
            false => format!(": back with `dyno ps restart {dyno}`"),
        };
        terminal::print_note("Stopping", &format!("{dyno} of {}{back}", app.name));
        Ok(())
    })
}

#[cfg(test)]
mod tests;
