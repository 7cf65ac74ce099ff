//! `dyno domains`: the host names at which an app answers, beside its own.

use anyhow::Result;
use grid::name::Hostname;
use serde_json::json;

use crate::args::{Domains, DomainsCommand};
use crate::client::App;
use crate::client::types::{Domain, Items};
use crate::terminal::{self, clean};

pub(crate) fn run(args: &Domains) -> Result<()> {
    let app = App::of(&args.on)?;
    match &args.command {
        None => list(&app),
        Some(DomainsCommand::Add { hostname }) => add(&app, hostname),
        Some(DomainsCommand::Rm { hostname }) => remove(&app, hostname),
    }
}

fn list(app: &App) -> Result<()> {
    let answer = app.client().list(&app.path("/domains"))?;
    app.server.show(&answer, || {
        let Items { items } = answer.read::<Items<Domain>>()?;
        let names: Vec<String> = items.iter().map(|domain| clean(&domain.hostname)).collect();
        terminal::print(&names.join("\n"))
    })
}

fn add(app: &App, hostname: &Hostname) -> Result<()> {
    let body = json!({ "hostname": hostname });
    let answer = app.client().post(&app.path("/domains"), &body)?;
    app.server.show(&answer, || {
        terminal::note("Added", &format!("{hostname} to {}", app.name));
        terminal::note(
            "Next",
            &format!("have the DNS name {hostname} point to the server"),
        );
        Ok(())
    })
}

fn remove(app: &App, hostname: &Hostname) -> Result<()> {
    let answer = app
        .client()
        .delete(&app.path(&format!("/domains/{hostname}")))?;
    app.server.show(&answer, || {
        terminal::note("Removed", &format!("{hostname} from {}", app.name));
        Ok(())
    })
}
