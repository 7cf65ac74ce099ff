//! `dyno apps`: lists, creates, shows, changes, opens and destroys apps.

use std::io::IsTerminal;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use api::resource::{AppResource, CreateAppRequest, PageResource, UpdateAppRequest};
use grid::name::AppName;

use crate::args::{AppSetting, AppTarget, AppsArgs, AppsCommand};
use crate::client::{RemoteApp, RemoteServer};
use crate::terminal::{self, clean, details, format_moment, table};

pub(crate) fn run(args: &AppsArgs) -> Result<()> {
    match &args.command {
        None => list_apps(&args.on),
        Some(AppsCommand::Create { name }) => create_app(&args.on, name.as_ref()),
        Some(AppsCommand::Info { name }) => show_app(&args.on, name.as_ref()),
        Some(AppsCommand::Set { settings }) => change_settings(&args.on, settings),
        Some(AppsCommand::Destroy { name, confirm }) => {
            destroy_app(&args.on, name.as_ref(), confirm.as_ref())
        }
        Some(AppsCommand::Open { name }) => open_app(&args.on, name.as_ref()),
    }
}

fn list_apps(on: &AppTarget) -> Result<()> {
    let server = RemoteServer::find(&on.server)?;
    let answer = server.client.list("/v1/apps")?;
    server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<AppResource>>()?;
        if items.is_empty() {
            terminal::print_note("No apps", "yet: dyno deploy");
            return Ok(());
        }
        let rows = items.iter().map(|app| {
            [
                clean(&app.name),
                app.release.clone().unwrap_or_else(|| "-".into()),
                describe_formation(app),
                clean(&app.url),
            ]
        });
        terminal::print(&table(["app", "release", "dynos", "url"], rows))
    })
}

fn create_app(on: &AppTarget, name: Option<&AppName>) -> Result<()> {
    let app = RemoteApp::find_named(on, name)?;
    let name = app.name.to_string();
    let answer = app.client().post("/v1/apps", &CreateAppRequest { name })?;
    app.server.show(&answer, || {
        let created: AppResource = answer.read()?;
        terminal::print_note("Created", &clean(&created.name));
        terminal::print_note("Next", &format!("dyno deploy -a {}", app.name));
        terminal::print(&clean(&created.url))
    })
}

fn show_app(on: &AppTarget, name: Option<&AppName>) -> Result<()> {
    let app = RemoteApp::find_named(on, name)?;
    let answer = app.client().get(&app.path(""))?;
    app.server
        .show(&answer, || terminal::print(&describe_app(&answer.read()?)))
}

fn describe_app(app: &AppResource) -> String {
    let timeout = app.timeout_ms.map(std::time::Duration::from_millis);
    let timeout = timeout.map(|time| humantime::format_duration(time).to_string());
    let lines = [
        ("url", app.url.clone()),
        ("hostnames", app.hostnames.join(", ")),
        ("release", describe_release(app)),
        ("dynos", describe_formation(app)),
        ("timeout", timeout.unwrap_or_else(|| "the release's".into())),
        (
            "idle after",
            app.idle_after
                .clone()
                .unwrap_or_else(|| "the server's default".into()),
        ),
        (
            "maintenance",
            if app.maintenance { "on" } else { "off" }.into(),
        ),
        (
            "created",
            format!("{} by {}", format_moment(&app.created_at), app.created_by),
        ),
    ];
    details(
        &clean(&app.name),
        lines.map(|(name, value)| (name, clean(&value))),
    )
}

fn describe_release(app: &AppResource) -> String {
    match (&app.release, &app.newest) {
        (Some(serving), Some(newest)) if serving != newest => {
            format!("{serving} serves, {newest} is the newest")
        }
        (Some(serving), _) => serving.clone(),
        (None, Some(newest)) => format!("none serves yet, {newest} is the newest"),
        (None, None) => "none yet: dyno deploy".into(),
    }
}

fn describe_formation(app: &AppResource) -> String {
    let counts = app.formation.iter();
    let counts: Vec<String> = counts
        .map(|(process, count)| format!("{process}={count}"))
        .collect();
    clean(&counts.join(" "))
}

fn change_settings(on: &AppTarget, settings: &[AppSetting]) -> Result<()> {
    let app = RemoteApp::find(on)?;
    let answer = app
        .client()
        .patch(&app.path(""), &settings_request(settings))?;
    app.server
        .show(&answer, || terminal::print(&describe_app(&answer.read()?)))
}

fn settings_request(settings: &[AppSetting]) -> UpdateAppRequest {
    let mut request = UpdateAppRequest::default();
    for setting in settings {
        match setting {
            AppSetting::Timeout(value) => request.timeout = Some(value.clone()),
            AppSetting::IdleAfter(value) => request.idle_after = Some(value.clone()),
        }
    }
    request
}

/// The name after `--confirm` says which app. Another name on the command line must be the same.
fn destroy_app(on: &AppTarget, name: Option<&AppName>, confirm: Option<&AppName>) -> Result<()> {
    let named = name.or(on.app.as_ref());
    let Some(confirm) = confirm else {
        let app = named.map_or("APP", AppName::as_str);
        crate::args::wrong_usage(&format!(
            "this destroys an app with its releases and config vars: to confirm, give its name again, as in \
             `dyno apps destroy {app} --confirm {app}`"
        ));
    };
    if let Some(other) = named.filter(|app| *app != confirm) {
        let given = if name.is_some() { "" } else { "-a " };
        bail!("--confirm {confirm} does not fit {given}{other}: nothing was destroyed");
    }
    let app = RemoteApp::find_named(on, Some(confirm))?;
    let answer = app.client().delete(&app.path(""))?;
    app.server.show(&answer, || {
        terminal::print_note(
            "Destroyed",
            &format!("{confirm}, with its releases and config vars"),
        );
        Ok(())
    })
}

fn open_app(on: &AppTarget, name: Option<&AppName>) -> Result<()> {
    let app = RemoteApp::find_named(on, name)?;
    let answer = app.client().get(&app.path(""))?;
    let url = answer.read::<AppResource>()?.url;
    if std::io::stdout().is_terminal() && !app.server.json && !open_browser(&url) {
        terminal::print_warning("no browser was found: open the URL yourself");
    }
    app.server.show(&answer, || terminal::print(&clean(&url)))
}

/// Opens a URL in the desktop's browser. Returns whether there is a browser.
fn open_browser(url: &str) -> bool {
    // The URL comes from the server: it must not be taken for a flag or a file.
    let web = url.starts_with("http://") || url.starts_with("https://");
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut opened = Command::new(opener);
    opened
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    web && opened.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn app(extra: Value) -> AppResource {
        let mut app = json!({
            "name": "shop", "url": "http://shop.localhost:8080/", "hostnames": [], "maintenance": false,
            "formation": {}, "created_at": "2026-11-22T00:53:12Z", "created_by": "admin",
        });
        let fields = app.as_object_mut().expect("an object");
        fields.extend(extra.as_object().expect("an object").clone());
        serde_json::from_value(app).expect("an app")
    }

    #[test]
    fn an_app_description_omits_missing_parts() {
        let text = describe_app(&app(json!({
            "hostnames": ["www.example.com"], "maintenance": true, "timeout_ms": 90_000, "idle_after": "off",
            "release": "v3", "newest": "v4", "formation": { "web": 2, "worker": 0 },
            "created_at": "2026-11-22T00:53:12Z", "created_by": "admin", "later": [1],
        })));
        let expected = "shop
  url          http://shop.localhost:8080/
  hostnames    www.example.com
  release      v3 serves, v4 is the newest
  dynos        web=2 worker=0
  timeout      1m 30s
  idle after   off
  maintenance  on
  created      2026-11-22 00:53:12 UTC by admin";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_output_for_a_new_app_names_the_next_command() {
        let text = describe_app(&app(json!({ "release": null, "timeout_ms": null })));
        assert!(text.contains("none yet: dyno deploy"), "{text}");
        assert!(
            !text.contains("hostnames") && !text.contains("dynos  "),
            "{text}"
        );
    }

    #[test]
    fn a_setting_of_default_is_sent_as_null() {
        let settings = [
            AppSetting::Timeout(Some("30s".into())),
            AppSetting::IdleAfter(None),
        ];
        assert_eq!(
            json!(settings_request(&settings)),
            json!({ "timeout": "30s", "idle_after": null })
        );
    }
}
