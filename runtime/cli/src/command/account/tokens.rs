//! `dyno tokens`: lists, creates and revokes the access tokens of a server.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use api::resource::{CreateTokenRequest, PageResource, TokenResource, TokenRoleResource};
use grid::name::AppName;
use node::{LocalToken, LocalTokenError, LocalTokenRequest};

use crate::args::{TokenRole, TokensArgs, TokensCommand};
use crate::client::{RemoteServer, escape};
use crate::dirs;
use crate::terminal::{self, clean, format_age, table};

pub(crate) fn run(args: &TokensArgs) -> Result<()> {
    let Some(TokensCommand::Create {
        role,
        app,
        name,
        local,
        data,
    }) = &args.command
    else {
        let server = RemoteServer::find(&args.on)?;
        return match &args.command {
            Some(TokensCommand::Revoke { id }) => revoke_token(&server, id),
            _ => list_tokens(&server),
        };
    };
    let name = name.as_deref().unwrap_or(role.name());
    if !local {
        return create_token(&RemoteServer::find(&args.on)?, name, *role, app.as_ref());
    }
    if args.on.server.is_some() {
        bail!("--local is for the server whose data is on this machine: leave --server out");
    }
    let request = LocalTokenRequest {
        name: name.to_owned(),
        role: role.name().parse()?,
        app: app.clone(),
    };
    create_local_token(&request, data.as_deref(), args.on.json)
}

fn list_tokens(server: &RemoteServer) -> Result<()> {
    let answer = server.client.list("/v1/tokens")?;
    server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<TokenResource>>()?;
        let now = SystemTime::now();
        let rows = items.iter().map(|token| {
            [
                clean(&token.id),
                clean(&token.name),
                clean(&token.role.to_string()),
                clean(token.app.as_deref().unwrap_or("all")),
                clean(&token.created_by),
                format_age(&token.created_at, now),
            ]
        });
        terminal::print(&table(["id", "name", "role", "app", "by", "when"], rows))
    })
}

fn role_resource(role: TokenRole) -> TokenRoleResource {
    match role {
        TokenRole::Admin => TokenRoleResource::Admin,
        TokenRole::Deploy => TokenRoleResource::Deploy,
        TokenRole::Read => TokenRoleResource::Read,
    }
}

fn create_token(
    server: &RemoteServer,
    name: &str,
    role: TokenRole,
    app: Option<&AppName>,
) -> Result<()> {
    let request = CreateTokenRequest {
        name: name.to_owned(),
        role: role_resource(role),
        app: app.map(ToString::to_string),
    };
    let answer = server.client.post("/v1/tokens", &request)?;
    server.show(&answer, || {
        let token: TokenResource = answer.read()?;
        let secret = token
            .token
            .context("the server made a token, but did not send its secret")?;
        terminal::print_note(
            "Created",
            &clean(&format!(
                "token {} ({}), shown this once",
                token.id, token.name
            )),
        );
        terminal::print(&clean(&secret))
    })
}

/// Makes a token in the data folder of a server on this machine, and prints its secret alone on stdout.
fn create_local_token(request: &LocalTokenRequest, data: Option<&Path>, json: bool) -> Result<()> {
    let root = match data {
        Some(data) => data.to_owned(),
        None => dirs::data()?,
    };
    let token: LocalToken = match node::create_local_token(&root, request) {
        Ok(token) => token,
        Err(LocalTokenError::NoData(root)) => bail!(
            "{} holds no server's data: name the folder that `dyno serve` has, with --data DIR",
            root.display()
        ),
        Err(LocalTokenError::Refused(reason)) => bail!("the server refused: {}", clean(&reason)),
        Err(error) => return Err(error.into()),
    };
    if json {
        return terminal::print_json(&token);
    }
    let text = format!("token {} ({}), shown this once", token.id, token.name);
    terminal::print_note("Created", &clean(&text));
    terminal::print_note("Next", "dyno login URL, which asks for it");
    terminal::print(&clean(&token.token))
}

fn revoke_token(server: &RemoteServer, id: &str) -> Result<()> {
    let answer = server
        .client
        .delete(&format!("/v1/tokens/{}", escape(id)))?;
    server.show(&answer, || {
        terminal::print_note("Revoked", &format!("token {id}"));
        Ok(())
    })
}
