//! `dyno status`: whether the server is up, who you are there, and how its apps are.

use anyhow::Result;
use serde_json::json;

use crate::args::Status;
use crate::client::Server;
use crate::client::types::{Account, App, Items};
use crate::terminal::{self, clean, count, details};

pub(crate) fn run(args: &Status) -> Result<()> {
    let server = Server::of(&args.on)?;
    let account: Account = server.client.get("/v1/account")?.read()?;
    let apps = server.client.list("/v1/apps")?.read::<Items<App>>()?.items;
    let serving = apps.iter().filter(|app| serves(app)).count();
    let url = server.client.url().to_string();
    if server.json {
        let apps = json!({ "all": apps.len(), "serving": serving });
        return terminal::json(&json!({
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
            format!("{}, {serving} serving", count(apps.len(), "app")),
        ),
    ];
    terminal::print(&details(&url, rows))
}

/// Whether an app answers requests: by its newest release, or by an older one where that has failed.
fn serves(app: &App) -> bool {
    app.release.is_some() && !app.maintenance
}
