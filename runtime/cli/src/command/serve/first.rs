//! The first start, and what every start says.
//!
//! Owns the first admin token: made when a ledger has no token yet, printed once, never kept in clear but
//! in this user's credentials.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use control::access::{self, Role, Secret};
use control::{Actor, Control};

use super::settings::Settings;
use crate::client::credentials;
use crate::client::url::ServerUrl;
use crate::term;

/// Name of the first token.
const ADMIN: &str = "admin";

/// Makes the first admin token, unless there is a token already. `api` is where the API answers.
///
/// The token is shown before it is written down: a server that is killed in between makes another one at
/// its next start, where the other order would lock everybody out.
pub(super) async fn admin(control: &Control, api: SocketAddr) -> Result<()> {
    if !control.view().tokens.is_empty() {
        return Ok(());
    }
    let actor = Actor::now("server");
    let (token, secret) = access::mint(ADMIN, Role::Admin, None, &actor);
    show(&secret, api)?;
    let made = control.create_token(token, actor, None).await;
    made.context("cannot write down the first admin token")?;
    Ok(())
}

fn show(secret: &Secret, api: SocketAddr) -> Result<()> {
    term::print(&format!("admin token: {}\n", secret.reveal()))?;
    term::note("Note", "the admin token is not shown again: keep it");
    if !api.ip().is_loopback() {
        return Ok(());
    }
    let url: ServerUrl = format!("http://{api}").parse()?;
    match credentials::log_in(&url, secret.reveal()) {
        Ok(file) => term::note("Login", &format!("as {ADMIN}, kept in {}", file.display())),
        // The server works all the same.
        Err(error) => term::warning(&format!("this user is not logged in: {error:#}")),
    }
    Ok(())
}

/// Says where what is.
pub(super) fn say(settings: &Settings, apps: SocketAddr, api: SocketAddr) {
    let domain = &settings.domain;
    let url = match apps.port() {
        80 => format!("http://APP.{domain}/"),
        port => format!("http://APP.{domain}:{port}/"),
    };
    term::note("Apps", &url);
    term::note("API", &format!("http://{api}"));
    term::note("Data", &settings.data.display().to_string());
    let services: Vec<String> = settings
        .servers
        .offered()
        .map(|(service, place)| format!("{service} at {place}"))
        .collect();
    if !services.is_empty() {
        term::note("Services", &services.join(", "));
    }
}
