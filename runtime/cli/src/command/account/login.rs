//! `dyno login`, `logout`, `whoami`: the token of this user on a server.

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result, bail};
use api::resource::AccountResource;

use crate::args::{LoginArgs, LogoutArgs, WhoamiArgs};
use crate::client::{Client, RemoteServer, ServerUrl, credentials, server_url};
use crate::terminal::{self, clean};

/// Most bytes that are read for a token: a longer input is another file.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Checks a token with the server, and keeps it.
pub(crate) fn login(args: &LoginArgs) -> Result<()> {
    let url: ServerUrl = args.url.parse()?;
    if url.is_open() {
        terminal::print_warning(&format!(
            "{url} is not encrypted: others on the network can read the token"
        ));
    }
    let token = read_token(&url)?;
    let client = Client::new(url.clone(), token.clone());
    let answer = client.get("/v1/account")?;
    let account: AccountResource = answer.read()?;
    let file = credentials::log_in(&url, &token)?;
    if args.json {
        return terminal::print_json(answer.json());
    }
    terminal::print_note("Logged in", &describe_account(&account, &url));
    terminal::print_note("Kept in", &file.display().to_string());
    terminal::print_note("Next", "dyno deploy");
    Ok(())
}

/// Reads a token from the terminal, without showing it, or from stdin.
fn read_token(url: &ServerUrl) -> Result<String> {
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        terminal::prompt(&format!("Token for {url}: "))?
    } else {
        let mut text = String::new();
        let read = stdin.take(TOKEN_BYTES_MAX).read_to_string(&mut text);
        read.context("cannot read a token from stdin")?;
        text
    };
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!(
            "no token was given: it is one line, as `dyno tokens create` or a server's first start prints it"
        );
    }
    Ok(token.to_owned())
}

pub(crate) fn logout(args: &LogoutArgs) -> Result<()> {
    let url = server_url(args.server.as_deref(), &credentials::load()?)?;
    if !credentials::log_out(&url)? {
        bail!("you are not logged in to {url}");
    }
    terminal::print_note(
        "Logged out",
        &format!("of {url}; the token is valid until `dyno tokens revoke`"),
    );
    Ok(())
}

pub(crate) fn whoami(args: &WhoamiArgs) -> Result<()> {
    let server = RemoteServer::find(&args.on)?;
    let answer = server.client.get("/v1/account")?;
    server.show(&answer, || {
        terminal::print(&describe_account(&answer.read()?, server.client.url()))
    })
}

fn describe_account(account: &AccountResource, url: &ServerUrl) -> String {
    let AccountResource { name, role, app } = account;
    let only = app
        .as_ref()
        .map_or_else(String::new, |app| format!(", app {app} only"));
    clean(&format!("{name} (role {role}{only}) at {url}"))
}
