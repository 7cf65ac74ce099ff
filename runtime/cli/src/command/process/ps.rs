//! `dyno ps`: dynos, how many there are to be, and fresh ones for old.

use anyhow::{Context, Result};
use grid::name::DynoId;
use serde_json::{Map, Value, json};

use crate::args::{Amount, Ps, PsCommand, Scale};
use crate::client::types::{Dyno, Formation, Items};
use crate::client::{Answer, App};
use crate::terminal::{self, clean, span, table};

pub(crate) fn run(args: &Ps) -> Result<()> {
    let app = App::of(&args.on)?;
    match &args.command {
        None => list(&app),
        Some(PsCommand::Scale { changes }) => scale(&app, changes),
        Some(PsCommand::Restart { dyno }) => restart(&app, dyno.as_ref()),
        Some(PsCommand::Stop { dyno }) => stop(&app, dyno),
    }
}

fn list(app: &App) -> Result<()> {
    let answer = app.client().list(&app.path("/dynos"))?;
    app.server.show(&answer, || {
        let Items { items } = answer.read::<Items<Dyno>>()?;
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

fn rows(dynos: &[Dyno]) -> String {
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

fn scale(app: &App, changes: &[Scale]) -> Result<()> {
    if changes.is_empty() {
        let answer = formation(app)?;
        return app
            .server
            .show(&answer, || terminal::print(&sizes(&answer)?));
    }
    // Only a difference needs to know what there is.
    let differs = |change: &Scale| !matches!(change.amount, Amount::Exactly(_));
    let now = if changes.iter().any(differs) {
        formation(app)?.read::<Items<Formation>>()?.items
    } else {
        Vec::new()
    };
    let updates = updates(changes, &now)?;
    let answer = app
        .client()
        .patch(&app.path("/formation"), &json!({ "updates": updates }))?;
    app.server.show(&answer, || {
        terminal::note("Scaled", app.name.as_str());
        terminal::print(&sizes(&answer)?)
    })
}

fn formation(app: &App) -> Result<Answer> {
    app.client().get(&app.path("/formation"))
}

fn sizes(answer: &Answer) -> Result<String> {
    let Items { items } = answer.read::<Items<Formation>>()?;
    let rows = items.iter().map(|item| {
        [
            clean(&item.process),
            item.quantity.to_string(),
            clean(item.memory.as_deref().unwrap_or("-")),
            clean(item.kind.as_deref().unwrap_or("-")),
        ]
    });
    Ok(table(["process", "dynos", "memory", "kind"], rows))
}

/// The changes as the API takes them: outright.
fn updates(changes: &[Scale], now: &[Formation]) -> Result<Vec<Value>> {
    let quantity = |change: &Scale| -> Result<u32> {
        if let Amount::Exactly(count) = change.amount {
            return Ok(count);
        }
        let process = change.process.as_str();
        let found = now.iter().find(|item| item.process == process);
        let found = found.with_context(|| format!("the app has no process type {process}"))?;
        Ok(change.amount.of(found.quantity))
    };
    let update = |change: &Scale| -> Result<Value> {
        let mut update = Map::new();
        update.insert("type".into(), change.process.as_str().into());
        update.insert("quantity".into(), quantity(change)?.into());
        if let Some(memory) = &change.memory {
            update.insert("memory".into(), memory.as_str().into());
        }
        Ok(update.into())
    };
    changes.iter().map(update).collect()
}

fn restart(app: &App, dyno: Option<&DynoId>) -> Result<()> {
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

fn stop(app: &App, dyno: &DynoId) -> Result<()> {
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
