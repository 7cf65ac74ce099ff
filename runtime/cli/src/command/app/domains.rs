//! `dyno domains`: the host names at which an app answers, beside its own.

use anyhow::Result;
use api::resource::{AddDomainRequest, DomainResource, PageResource};
use grid::name::Hostname;

use crate::args::{DomainsArgs, DomainsCommand};
use crate::client::TargetApp;
use crate::terminal::{self, clean};

pub(crate) fn run(args: &DomainsArgs) -> Result<()> {
    let app = TargetApp::find(&args.on)?;
    match &args.command {
        None => list(&app),
        Some(DomainsCommand::Add { hostname }) => add(&app, hostname),
        Some(DomainsCommand::Rm { hostname }) => remove(&app, hostname),
    }
}

fn list(app: &TargetApp) -> Result<()> {
    let answer = app.client().list(&app.path("/domains"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<DomainResource>>()?;
        let names: Vec<String> = items.iter().map(|domain| clean(&domain.hostname)).collect();
        terminal::print(&names.join("\n"))
    })
}

fn add(app: &TargetApp, hostname: &Hostname) -> Result<()> {
    let request = AddDomainRequest {
        hostname: hostname.to_string(),
    };
    let answer = app.client().post(&app.path("/domains"), &request)?;
    app.server.show(&answer, || {
        terminal::note("Added", &format!("{hostname} to {}", app.name));
        terminal::note(
            "Next",
            &format!("have the DNS name {hostname} point to the server"),
        );
        Ok(())
    })
}

fn remove(app: &TargetApp, hostname: &Hostname) -> Result<()> {
    let answer = app
        .client()
        .delete(&app.path(&format!("/domains/{hostname}")))?;
    app.server.show(&answer, || {
        terminal::note("Removed", &format!("{hostname} from {}", app.name));
        Ok(())
    })
}
