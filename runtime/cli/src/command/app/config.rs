//! `dyno config`: an app's config vars.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use api::resource::{ConfigVarsResource, UpdateConfigVarsRequest};
use slugs::manifest::dotenv::format_entry;

use crate::args::{ConfigArgs, ConfigCommand, EnvAssignment};
use crate::client::{ApiResponse, TargetApp};
use crate::command::release::settle;
use crate::terminal::{self, ProgressLine, clean, table};

pub(crate) fn run(args: &ConfigArgs) -> Result<()> {
    let assigned = match &args.command {
        Some(ConfigCommand::Set { vars }) => assignments(vars),
        _ => Vec::new(),
    };
    let app = TargetApp::find(&args.on)?;
    match &args.command {
        None => list(&app, args.shell),
        Some(ConfigCommand::Get { name }) => get(&app, name),
        Some(ConfigCommand::Set { .. }) => set(&app, &assigned),
        Some(ConfigCommand::Unset { names }) => unset(&app, names),
    }
}

fn fetch(app: &TargetApp) -> Result<ApiResponse> {
    app.client().get(&app.path("/config-vars"))
}

fn list(app: &TargetApp, shell: bool) -> Result<()> {
    let answer = fetch(app)?;
    app.server.show(&answer, || {
        let ConfigVarsResource(vars) = answer.read()?;
        if vars.is_empty() {
            terminal::note(
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

fn get(app: &TargetApp, name: &str) -> Result<()> {
    let ConfigVarsResource(vars) = fetch(app)?.read()?;
    let value = vars.get(name);
    let value = value.with_context(|| format!("{} has no config var {name}", app.name))?;
    if app.server.json {
        terminal::json(value)
    } else {
        terminal::print(value)
    }
}

/// Checked here and not with the other arguments: what is said of wrong ones quotes them, secrets as well.
fn assignments(vars: &[String]) -> Vec<EnvAssignment> {
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

fn set(app: &TargetApp, vars: &[EnvAssignment]) -> Result<()> {
    let pairs = vars
        .iter()
        .map(|var| (var.name.clone(), Some(var.value.clone())));
    let names: Vec<&str> = vars.iter().map(|var| var.name.as_str()).collect();
    change(app, "Set", &names, pairs.collect())
}

fn unset(app: &TargetApp, names: &[String]) -> Result<()> {
    let pairs = names.iter().map(|name| (name.clone(), None));
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    change(app, "Removed", &shown, pairs.collect())
}

/// Makes the change, and waits for the release that it makes, if it makes one.
fn change(
    app: &TargetApp,
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
            terminal::note(verb, &format!("{names}, which makes {}", clean(version)));
            settle(app, version, ProgressLine::quiet())?;
            app.server.show(&answer, || {
                terminal::note("Up", &format!("{} {}", app.name, clean(version)));
                Ok(())
            })
        }
        None => app.server.show(&answer, || {
            terminal::note(verb, &format!("{names}; no release was to be made"));
            Ok(())
        }),
    }
}
