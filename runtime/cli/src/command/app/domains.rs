//! `dyno domains`: hostnames at which an app answers, beside its own.

use anyhow::Result;
use api::resource::{AddDomainRequest, DomainResource, PageResource};
use grid::name::Hostname;

use crate::args::{DomainsArgs, DomainsCommand};
use crate::client::RemoteApp;
use crate::terminal::{self, clean};

pub(crate) fn run(args: &DomainsArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    match &args.command {
        None => list_hostnames(&app),
        Some(DomainsCommand::Add { hostname }) => add_hostname(&app, hostname),
        Some(DomainsCommand::Rm { hostname }) => remove_hostname(&app, hostname),
    }
}

fn list_hostnames(app: &RemoteApp) -> Result<()> {
    let answer = app.client().list(&app.path("/domains"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<DomainResource>>()?;
        let names: Vec<String> = items.iter().map(|domain| clean(&domain.hostname)).collect();
        terminal::print(&names.join("\n"))
    })
}

fn add_hostname(app: &RemoteApp, hostname: &Hostname) -> Result<()> {
    let request = AddDomainRequest {
        hostname: hostname.to_string(),
    };
    let answer = app.client().post(&app.path("/domains"), &request)?;
    app.server.show(&answer, || {
        terminal::print_note("Added", &format!("{hostname} to {}", app.name));
        terminal::print_note(
            "Next",
            &format!("point the DNS name {hostname} to the server"),
        );
        Ok(())
    })
}

fn remove_hostname(app: &RemoteApp, hostname: &Hostname) -> Result<()> {
    let answer = app
        .client()
        .delete(&app.path(&format!("/domains/{hostname}")))?;
    app.server.show(&answer, || {
        terminal::print_note("Removed", &format!("{hostname} from {}", app.name));
        Ok(())
    })
}
