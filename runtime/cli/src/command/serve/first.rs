//! The first start, and what every start says.
//!
//! Owns the first admin token: made when a ledger has no token yet, printed once, never kept in clear but
//! in this user's credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result};
use control::access::{self, Role, TokenSecret};
use control::{Actor, Control};

use super::settings::Settings;
use crate::client::credentials::{self, KeptLogin};
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
        say_default(api);
        return Ok(());
    }
    let actor = Actor::now("server");
    let (token, secret) = access::mint_token(ADMIN, Role::Admin, None, &actor);
    show(&secret, api)?;
    let made = control.create_token(token, actor, None).await;
    made.context("cannot write down the first admin token")?;
    Ok(())
}

/// The address at which this machine reaches a server that listens at `address`: one that listens at every address of
/// the machine is reached at loopback.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn show(secret: &TokenSecret, api: SocketAddr) -> Result<()> {
    term::print(&format!("admin token: {}\n", secret.reveal()))?;
    term::note(
        "Note",
        "the admin token is not shown again: keep it. `dyno tokens create --role admin --local` makes another one on this \
         machine",
    );
    let url: ServerUrl = format!("http://{}", local(api)).parse()?;
    if !url.is_loopback() {
        return Ok(());
    }
    match credentials::keep(&url, secret.reveal()) {
        Ok(kept) => say_login(&url, &kept),
        // The server works all the same.
        Err(error) => term::warning(&format!("this user is not logged in: {error:#}")),
    }
    Ok(())
}

fn say_login(url: &ServerUrl, kept: &KeptLogin) {
    let file = kept.file.display();
    term::note("Login", &format!("as {ADMIN}, kept in {file}"));
    if kept.replaced {
        term::warning(&format!(
            "this replaces the login to the server that was at {url} before: its token is no longer in that file"
        ));
    }
    if let Some(other) = &kept.default {
        term::warning(&format!(
            "commands still go to {other}: for this server write `--server {url}`, set DYNO_SERVER={url}, or run \
             `dyno login {url}` with the token above"
        ));
    }
}

/// Says where this user's commands go, if that is another server.
fn say_default(api: SocketAddr) {
    let known = credentials::load().ok();
    let other = known.and_then(|known| known.last);
    let url = format!("http://{}", local(api));
    if let Some(other) = other.filter(|other| other.to_string() != url) {
        term::note(
            "Note",
            &format!("commands go to {other}: for this server write `--server {url}`"),
        );
    }
}

/// Says where what is.
pub(super) fn say(settings: &Settings, apps: SocketAddr, api: SocketAddr) {
    let domain = &settings.domain;
    let url = match apps.port() {
        80 => format!("http://APP.{domain}/"),
        port => format!("http://APP.{domain}:{port}/"),
    };
    term::note("Apps", &url);
    term::note("API", &format!("http://{}", local(api)));
    if api.ip().is_unspecified() {
        let port = api.port();
        term::note(
            "API",
            &format!("at every address of this machine, port {port}"),
        );
    }
    term::note("Data", &settings.data.display().to_string());
    if let Some(folder) = &settings.log_dir {
        term::note("Logs", &folder.display().to_string());
    }
    let services: Vec<String> = settings
        .servers
        .offered()
        .map(|(service, place)| format!("{service} at {place}"))
        .collect();
    if !services.is_empty() {
        term::note("Services", &services.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_at_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.0.0.5:80", "10.0.0.5:80"),
        ] {
            let address = local(listens.parse().expect("an address"));
            assert_eq!(address.to_string(), reached);
        }
    }
}
