//! `dyno status`: shows the state of the server, the user's token and the apps.

use anyhow::Result;
use api::resource::{AccountResource, AppResource, PageResource};
use serde_json::json;

use crate::args::StatusArgs;
use crate::client::RemoteServer;
use crate::terminal::{self, clean, details, format_count};

pub(crate) fn run(args: &StatusArgs) -> Result<()> {
    let server = RemoteServer::find(&args.on)?;
    let account: AccountResource = server.client.get("/v1/account")?.read()?;
    let apps = server.client.list("/v1/apps")?;
    let PageResource { items: apps, .. } = apps.read::<PageResource<AppResource>>()?;
    let serving = apps.iter().filter(|app| serves(app)).count();
    let url = server.client.url().to_string();
    if server.json {
        let apps = json!({ "all": apps.len(), "serving": serving });
        return terminal::print_json(&json!({
            "server": url, "status": "up", "account": account.name, "role": account.role, "apps": apps,
        }));
    }
    let rows = [
        ("status", "up".to_owned()),
        (
            "you",
            clean(&format!("{} (role {})", account.name, account.role)),
        ),
        (
            "apps",
            format!("{}, {serving} serving", format_count(apps.len(), "app")),
        ),
    ];
    terminal::print(&details(&url, rows))
}

/// Whether an app answers requests: by its newest release, or by an older one where that has failed.
fn serves(app: &AppResource) -> bool {
    app.release.is_some() && !app.maintenance
}
