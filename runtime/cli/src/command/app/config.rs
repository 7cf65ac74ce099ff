//! `dyno config`: an app's config vars.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use api::resource::{ConfigVarsResource, UpdateConfigVarsRequest};
use slugs::manifest::dotenv::format_entry;

use crate::args::{ConfigArgs, ConfigCommand, EnvAssignment};
use crate::client::{ApiResponse, RemoteApp};
use crate::command::release::wait_for_release;
use crate::terminal::{self, ProgressLine, clean, table};

pub(crate) fn run(args: &ConfigArgs) -> Result<()> {
    let assigned = match &args.command {
        Some(ConfigCommand::Set { vars }) => parse_assignments(vars),
        _ => Vec::new(),
    };
    let app = RemoteApp::find(&args.on)?;
    match &args.command {
        None => list_vars(&app, args.shell),
        Some(ConfigCommand::Get { name }) => print_var(&app, name),
        Some(ConfigCommand::Set { .. }) => set_vars(&app, &assigned),
        Some(ConfigCommand::Unset { names }) => unset_vars(&app, names),
    }
}

fn fetch_vars(app: &RemoteApp) -> Result<ApiResponse> {
    app.client().get(&app.path("/config-vars"))
}

fn list_vars(app: &RemoteApp, shell: bool) -> Result<()> {
    let answer = fetch_vars(app)?;
    app.server.show(&answer, || {
        let ConfigVarsResource(vars) = answer.read()?;
        if vars.is_empty() {
            terminal::print_note(
                "No config",
                &format!("vars of {}: dyno config set K=V", app.name),
            );
            return Ok(());
        }
        if shell {
            let lines: Vec<String> = vars
                .iter()
                .map(|(name, value)| format_entry(name, value))
                .collect();
            return terminal::print(&lines.join("\n"));
        }
        let rows = vars.iter().map(|(name, value)| [clean(name), clean(value)]);
        terminal::print(&table(["name", "value"], rows))
    })
}

fn print_var(app: &RemoteApp, name: &str) -> Result<()> {
    let ConfigVarsResource(vars) = fetch_vars(app)?.read()?;
    let value = vars.get(name);
    let value = value.with_context(|| format!("{} has no config var {name}", app.name))?;
    if app.server.json {
        terminal::print_json(value)
    } else {
        terminal::print(value)
    }
}

/// Parses `K=V` arguments. They are not checked while arguments are parsed: the parser's errors quote a wrong value,
/// which may be a secret.
fn parse_assignments(vars: &[String]) -> Vec<EnvAssignment> {
    let parsed = vars.iter().map(|var| {
        var.parse::<EnvAssignment>().unwrap_or_else(|why| {
            let name = var.split('=').next().unwrap_or_default();
            let name = if var.contains('=') {
                clean(name)
            } else {
                "…".to_owned()
            };
            let message = format!("cannot set {name}: {why}");
            crate::args::wrong_usage(&message)
        })
    });
    parsed.collect()
}

fn set_vars(app: &RemoteApp, vars: &[EnvAssignment]) -> Result<()> {
    let pairs = vars
        .iter()
        .map(|var| (var.name.clone(), Some(var.value.clone())));
    let names: Vec<&str> = vars.iter().map(|var| var.name.as_str()).collect();
    change_vars(app, "Set", &names, pairs.collect())
}

fn unset_vars(app: &RemoteApp, names: &[String]) -> Result<()> {
    let pairs = names.iter().map(|name| (name.clone(), None));
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    change_vars(app, "Removed", &shown, pairs.collect())
}

/// Changes config vars, and waits for the release that this makes, if any.
fn change_vars(
    app: &RemoteApp,
    verb: &str,
    names: &[&str],
    pairs: BTreeMap<String, Option<String>>,
) -> Result<()> {
    let answer = app
        .client()
        .patch(&app.path("/config-vars"), &UpdateConfigVarsRequest(pairs))?;
    let names = clean(&names.join(", "));
    match answer.release() {
        Some(version) => {
            terminal::print_note(verb, &format!("{names}, which makes {}", clean(version)));
            wait_for_release(app, version, ProgressLine::new())?;
            app.server.show(&answer, || {
                terminal::print_note("Up", &format!("{} {}", app.name, clean(version)));
                Ok(())
            })
        }
        None => app.server.show(&answer, || {
            terminal::print_note(verb, &format!("{names}; this makes no release"));
            Ok(())
        }),
    }
}
