//! The output of a server for its operator: addresses, the first admin token, and problems.
//!
//! Owns the texts, and the login of this user with the first admin token. Must not decide anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use grid::text::error_chain;
use node::{NodeConfig, NodeEvent, NodeObserver, ObserverError};

use crate::client::credentials::{self, KeptLogin};
use crate::client::url::ServerUrl;
use crate::terminal;

/// Name of the first token.
const FIRST_TOKEN_NAME: &str = "admin";

/// Shows a server's events on this terminal.
pub(super) struct OperatorTerminal {
    domain: String,
    /// Further lines about the server: a heading and a text each.
    lines: Vec<(&'static str, String)>,
    /// Whether this start made the first admin token.
    has_shown_token: AtomicBool,
}

impl OperatorTerminal {
    pub(super) fn new(config: &NodeConfig) -> OperatorTerminal {
        let folder = |path: &std::path::Path| path.display().to_string();
        let services = config.offered_services().into_iter();
        let services: Vec<String> = services
            .map(|(service, place)| format!("{service} at {place}"))
            .collect();
        let services = (!services.is_empty()).then(|| services.join(", "));
        let lines = [
            ("Data", config.data_folder().map(folder)),
            ("Logs", config.log_folder().map(folder)),
            ("Services", services),
        ];
        let lines = lines.into_iter();
        OperatorTerminal {
            domain: config.domain().unwrap_or_default().to_owned(),
            lines: lines
                .filter_map(|(heading, text)| Some((heading, text?)))
                .collect(),
            has_shown_token: AtomicBool::new(false),
        }
    }

    /// Tells this user where commands go, if that is another server. To be called when the server has started.
    pub(super) fn finish_start(&self, api: Option<SocketAddr>) {
        if let Some(api) = api
            && !self.has_shown_token.load(Ordering::Relaxed)
        {
            note_other_default(api);
        }
    }

    fn note_addresses(&self, apps: SocketAddr, api: Option<SocketAddr>) {
        let domain = &self.domain;
        let url = match apps.port() {
            80 => format!("http://APP.{domain}/"),
            port => format!("http://APP.{domain}:{port}/"),
        };
        terminal::print_note("Apps", &url);
        if let Some(api) = api {
            terminal::print_note("API", &format!("http://{}", reachable_address(api)));
            if api.ip().is_unspecified() {
                let port = api.port();
                let text = format!("at every address of this machine, port {port}");
                terminal::print_note("API", &text);
            }
        }
        for (heading, text) in &self.lines {
            terminal::print_note(heading, text);
        }
    }
}

impl NodeObserver for OperatorTerminal {
    fn on_event(&self, event: NodeEvent) {
        match event {
            NodeEvent::Listening { apps, api } => self.note_addresses(apps, api),
            NodeEvent::LogsNotKept(error) => terminal::print_warning(&format!(
                "log lines do not survive a restart: {}",
                error_chain(&error)
            )),
            NodeEvent::LogWriteFailed(error) => terminal::print_warning(&format!(
                "log lines cannot be written to the disk: {error}. Readers get them all the same"
            )),
            NodeEvent::LogWriteRecovered => {
                terminal::print_note("Again", "log lines are written to the disk");
            }
            NodeEvent::LedgerWriteFailed(cause) => terminal::print_warning(&format!(
                "changes cannot be written down: {cause}. Is the disk full? Apps run on"
            )),
            NodeEvent::LedgerWriteRecovered => {
                terminal::print_note("Again", "changes are written down")
            }
            NodeEvent::UsageWriteFailed(error) => terminal::print_warning(&format!(
                "dyno time is not written down: {}",
                error_chain(&error)
            )),
            NodeEvent::SlugPruneFailed(error) => {
                terminal::print_warning(&format!("old slugs stay: {}", error_chain(&error)));
            }
            NodeEvent::AddonTrouble(text) => terminal::print_warning(&text),
            NodeEvent::LocalTokenSocketFailed(error) => terminal::print_warning(&format!(
                "`dyno tokens create --local` works only while the server is stopped: {}",
                error_chain(&error)
            )),
            NodeEvent::LocalTokenCreated {
                description,
                while_stopped,
            } => {
                let when = match while_stopped {
                    true => ", while the server was stopped",
                    false => "",
                };
                terminal::print_note("Access", &format!("{description}{when}"));
            }
        }
    }

    fn show_first_token(&self, secret: &str, api: SocketAddr) -> Result<(), ObserverError> {
        self.has_shown_token.store(true, Ordering::Relaxed);
        show_token(secret, api)
            .map_err(anyhow::Error::reallocate_into_boxed_dyn_error_without_backtrace)
    }
}

/// The address at which this machine reaches a server that listens at `address`: loopback for a server that listens at
/// every address of the machine.
fn reachable_address(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Prints the first admin token, and logs this user in if the API is on loopback.
fn show_token(secret: &str, api: SocketAddr) -> Result<()> {
    terminal::print(&format!("admin token: {secret}\n"))?;
    terminal::print_note(
        "Note",
        "the admin token is not shown again: keep it. `dyno tokens create --role admin --local` makes another one on this \
         machine",
    );
    let url: ServerUrl = format!("http://{}", reachable_address(api)).parse()?;
    if !url.is_loopback() {
        return Ok(());
    }
    match credentials::keep(&url, secret) {
        Ok(kept) => note_login(&url, &kept),
        // The server works without the login.
        Err(error) => terminal::print_warning(&format!("this user is not logged in: {error:#}")),
    }
    Ok(())
}

fn note_login(url: &ServerUrl, kept: &KeptLogin) {
    let file = kept.file.display();
    terminal::print_note("Login", &format!("as {FIRST_TOKEN_NAME}, kept in {file}"));
    if kept.replaced {
        terminal::print_warning(&format!(
            "this replaces the login to the server that was at {url} before: its token is no longer in that file"
        ));
    }
    if let Some(other) = &kept.default {
        terminal::print_warning(&format!(
            "commands still go to {other}: for this server write `--server {url}`, set DYNO_SERVER={url}, or run \
             `dyno login {url}` with the token above"
        ));
    }
}

/// Tells the user to which server commands go, if that is another server.
fn note_other_default(api: SocketAddr) {
    let known = credentials::load().ok();
    let other = known.and_then(|known| known.last);
    let url = format!("http://{}", reachable_address(api));
    if let Some(other) = other.filter(|other| other.to_string() != url) {
        terminal::print_note(
            "Note",
            &format!("commands go to {other}: for this server write `--server {url}`"),
        );
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
            let address = reachable_address(listens.parse().expect("an address"));
            assert_eq!(address.to_string(), reached);
        }
    }
}
