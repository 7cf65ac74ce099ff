//! The server and the app that a command is for.
//!
//! Owns how both are found: by flag, environment, login or folder. No other module reads the environment for them.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use grid::name::AppName;
use slugs::project::Project;

use super::credentials::{self, Credentials};
use super::{ApiResponse, Client, ServerUrl};
use crate::args::{AppTarget, ServerTarget};
use crate::terminal;

/// The variable with the server, if no flag names one.
const SERVER: &str = "DYNO_SERVER";
/// The variable with the app, if no flag names one.
const APP: &str = "DYNO_APP";
/// The variable with a token, for programs that do not log in.
const TOKEN: &str = "DYNO_TOKEN";

/// A server, and how its responses are shown.
pub(crate) struct RemoteServer {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

impl RemoteServer {
    /// Finds the server, and the token for it.
    pub(crate) fn find(on: &ServerTarget) -> Result<RemoteServer> {
        let credentials = credentials::load()?;
        let url = server_url(on.server.as_deref(), &credentials)?;
        let token = match variable(TOKEN) {
            Some(token) => token,
            None => credentials
                .token(&url)
                .ok_or_else(|| NoServer::NotLoggedIn(url.clone()))?
                .to_owned(),
        };
        Ok(RemoteServer {
            client: Client::new(url, token),
            json: on.json,
        })
    }

    /// Makes errors about a missing app state that the command line named it.
    pub(crate) fn with_app_from_command_line(mut self) -> RemoteServer {
        self.client = self.client.with_app_name_source(AppNameSource::CommandLine);
        self
    }

    /// Prints a response: with `--json` its JSON, or nothing if it has none; else what `print_text` prints.
    pub(crate) fn show(
        &self,
        response: &ApiResponse,
        print_text: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.json {
            true if response.json().is_null() => Ok(()),
            true => terminal::print_json(response.json()),
            false => print_text(),
        }
    }
}

/// An app on a server.
pub(crate) struct RemoteApp {
    pub(crate) server: RemoteServer,
    pub(crate) name: AppName,
}

impl RemoteApp {
    /// Finds the app, as seen from the current folder.
    pub(crate) fn find(on: &AppTarget) -> Result<RemoteApp> {
        RemoteApp::find_in_folder(on, Path::new("."))
    }

    /// Finds the app, as seen from another folder.
    pub(crate) fn find_in_folder(on: &AppTarget, folder: &Path) -> Result<RemoteApp> {
        let (name, source) = app_name(on.app.as_ref(), folder)?;
        let mut server = RemoteServer::find(&on.server)?;
        server.client = server.client.with_app_name_source(source);
        Ok(RemoteApp { server, name })
    }

    /// The app of an argument, which must be the same as that of `-a`. Without an argument, finds the app as
    /// [`RemoteApp::find`] does.
    pub(crate) fn find_named(on: &AppTarget, name: Option<&AppName>) -> Result<RemoteApp> {
        let Some(name) = name else {
            return RemoteApp::find(on);
        };
        if let Some(flag) = on.app.as_ref().filter(|flag| *flag != name) {
            bail!("two names: {name}, and {flag} by -a");
        }
        let server = RemoteServer::find(&on.server)?.with_app_from_command_line();
        let name = name.clone();
        Ok(RemoteApp { server, name })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.server.client
    }

    /// The path of a part of the app's API: `/v1/apps/NAME` and `rest`.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/apps/{}{rest}", self.name)
    }
}

/// The server's URL: by flag, by environment, or by the last login.
pub(crate) fn server_url(flag: Option<&str>, credentials: &Credentials) -> Result<ServerUrl> {
    let named = |text: &str, by: &str| text.parse().with_context(|| format!("in {by}"));
    match (flag, variable(SERVER)) {
        (Some(text), _) => named(text, "--server"),
        (None, Some(text)) => named(&text, SERVER),
        (None, None) => Ok(credentials.last.clone().ok_or(NoServer::Unknown)?),
    }
}

/// Why there is no server to send a request to.
#[derive(Debug)]
pub(crate) enum NoServer {
    /// No server was named.
    Unknown,
    /// No token for this server is known.
    NotLoggedIn(ServerUrl),
}

impl NoServer {
    /// A command that helps.
    pub(super) fn next_command(&self) -> String {
        match self {
            NoServer::Unknown => "dyno serve".to_owned(),
            NoServer::NotLoggedIn(url) => format!("dyno login {url}"),
        }
    }
}

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoServer::Unknown => f.write_str(
                "no server is known: start one with `dyno serve`, or log in to one with `dyno login URL`",
            ),
            NoServer::NotLoggedIn(url) => {
                write!(f, "you are not logged in to {url}: run `dyno login {url}`")
            }
        }
    }
}

impl std::error::Error for NoServer {}

/// The source of an app's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppNameSource {
    /// `-a`, or the command's own argument.
    CommandLine,
    /// `DYNO_APP`.
    Variable,
    /// `name` in `dyno.toml`.
    ProjectFile,
    /// The folder's name.
    Folder,
}

impl fmt::Display for AppNameSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AppNameSource::CommandLine => "the name is from the command line",
            AppNameSource::Variable => "the name is from DYNO_APP",
            AppNameSource::ProjectFile => "the name is from dyno.toml",
            AppNameSource::Folder => "the name is the folder's, since there is no -a, no DYNO_APP and no name in dyno.toml",
        })
    }
}

/// The app's name: by flag, by environment, by `dyno.toml` in the folder, or by the folder's name.
fn app_name(flag: Option<&AppName>, folder: &Path) -> Result<(AppName, AppNameSource)> {
    match (flag, variable(APP)) {
        (Some(name), _) => Ok((name.clone(), AppNameSource::CommandLine)),
        (None, Some(text)) => {
            let name = text.parse().with_context(|| format!("in {APP}"))?;
            Ok((name, AppNameSource::Variable))
        }
        (None, None) => app_name_in_folder(folder),
    }
}

fn app_name_in_folder(folder: &Path) -> Result<(AppName, AppNameSource)> {
    let folder = folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))?;
    if let Some(name) = Project::load_settings(&folder)?.name {
        return Ok((name, AppNameSource::ProjectFile));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.to_lowercase().replace(['_', '.', ' '], "-");
    match plain.parse() {
        Ok(name) => Ok((name, AppNameSource::Folder)),
        Err(_) => bail!(
            "which app? The folder's name {name:?} is no app name: name the app with -a, or in dyno.toml with name = \"…\""
        ),
    }
}

/// A variable of the environment, if it is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_name_is_from_dyno_toml_or_the_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("My_Shop.v2");
        std::fs::create_dir(&folder).expect("made");
        let named = |by| move |name: &str| (name.parse().expect("a name"), by);
        assert_eq!(
            app_name_in_folder(&folder).expect("a name"),
            named(AppNameSource::Folder)("my-shop-v2")
        );
        // A Procfile of another platform does not matter for the name.
        std::fs::write(folder.join("Procfile"), "web: bundle exec puma *").expect("written");
        std::fs::write(folder.join("dyno.toml"), "name = \"shop\"").expect("written");
        assert_eq!(
            app_name_in_folder(&folder).expect("a name"),
            named(AppNameSource::ProjectFile)("shop")
        );
        std::fs::write(folder.join("dyno.toml"), "nome = \"shop\"").expect("written");
        assert!(
            app_name_in_folder(&folder).is_err(),
            "a broken file is not passed over"
        );
        let error = app_name_in_folder(Path::new("/")).expect_err("no name");
        assert!(error.to_string().contains("-a"), "{error}");
    }
}
