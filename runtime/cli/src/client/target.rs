//! Which server and which app a command means.
//!
//! The only place that reads the environment for them.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use grid::name::AppName;
use slugs::project::Project;

use super::credentials::{self, Credentials};
use super::{Answer, Client, ServerUrl};
use crate::args::{OnApp, OnServer};
use crate::terminal;

/// The server, if no flag names one.
const SERVER: &str = "DYNO_SERVER";
/// The app, if no flag names one.
const APP: &str = "DYNO_APP";
/// The token, if there is one that no login has to keep: for machines.
const TOKEN: &str = "DYNO_TOKEN";

/// A server, and how its answers are shown.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

impl Server {
    /// The server that is meant, with the token for it.
    pub(crate) fn of(on: &OnServer) -> Result<Server> {
        let credentials = credentials::load()?;
        let url = server_url(on.server.as_deref(), &credentials)?;
        let token = match variable(TOKEN) {
            Some(token) => token,
            None => credentials
                .token(&url)
                .ok_or_else(|| NoServer::NotLoggedIn(url.clone()))?
                .to_owned(),
        };
        Ok(Server {
            client: Client::new(url, token),
            json: on.json,
        })
    }

    /// The same, for requests about an app that the command line names.
    pub(crate) fn naming_apps(mut self) -> Server {
        self.client = self.client.naming_apps_by(NamedBy::CommandLine);
        self
    }

    /// Prints an answer as JSON if that is asked for; else as `people` read it. No content is no JSON.
    pub(crate) fn show(&self, answer: &Answer, people: impl FnOnce() -> Result<()>) -> Result<()> {
        match self.json {
            true if answer.json().is_null() => Ok(()),
            true => terminal::json(answer.json()),
            false => people(),
        }
    }
}

/// An app on a server.
pub(crate) struct App {
    pub(crate) server: Server,
    pub(crate) name: AppName,
}

impl App {
    /// The app that is meant in this folder.
    pub(crate) fn of(on: &OnApp) -> Result<App> {
        App::in_folder(on, Path::new("."))
    }

    /// The app that is meant in another folder.
    pub(crate) fn in_folder(on: &OnApp, folder: &Path) -> Result<App> {
        let (name, named_by) = app_name(on.app.as_ref(), folder)?;
        let mut server = Server::of(&on.server)?;
        server.client = server.client.naming_apps_by(named_by);
        Ok(App { server, name })
    }

    /// The app that an argument names, which must fit `-a`; without one, the app that is meant in this folder.
    pub(crate) fn named(on: &OnApp, name: Option<&AppName>) -> Result<App> {
        let Some(name) = name else {
            return App::of(on);
        };
        if let Some(flag) = on.app.as_ref().filter(|flag| *flag != name) {
            bail!("two names: {name}, and {flag} by -a");
        }
        let server = Server::of(&on.server)?.naming_apps();
        let name = name.clone();
        Ok(App { server, name })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.server.client
    }

    /// The path of a part of the app: `/v1/apps/NAME` and `rest`.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/apps/{}{rest}", self.name)
    }
}

/// The server: by flag, by environment, or by the last login.
pub(crate) fn server_url(flag: Option<&str>, credentials: &Credentials) -> Result<ServerUrl> {
    let named = |text: &str, by: &str| text.parse().with_context(|| format!("in {by}"));
    match (flag, variable(SERVER)) {
        (Some(text), _) => named(text, "--server"),
        (None, Some(text)) => named(&text, SERVER),
        (None, None) => Ok(credentials.last.clone().ok_or(NoServer::Unknown)?),
    }
}

/// Why no server can be asked.
#[derive(Debug)]
pub(crate) enum NoServer {
    /// Nothing names one.
    Unknown,
    /// There is no token for it.
    NotLoggedIn(ServerUrl),
}

impl NoServer {
    /// A command that helps.
    pub(super) fn next(&self) -> String {
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

/// What named an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// `-a`, or the command's own argument.
    CommandLine,
    /// `DYNO_APP`.
    Variable,
    /// `name` in `dyno.toml`.
    Settings,
    /// The folder's name.
    Folder,
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NamedBy::CommandLine => "the name is from the command line",
            NamedBy::Variable => "the name is from DYNO_APP",
            NamedBy::Settings => "the name is from dyno.toml",
            NamedBy::Folder => "the name is the folder's, since there is no -a, no DYNO_APP and no name in dyno.toml",
        })
    }
}

/// The app: by flag, by environment, by `dyno.toml` in the folder, or by the folder's name.
fn app_name(flag: Option<&AppName>, folder: &Path) -> Result<(AppName, NamedBy)> {
    match (flag, variable(APP)) {
        (Some(name), _) => Ok((name.clone(), NamedBy::CommandLine)),
        (None, Some(text)) => {
            let name = text.parse().with_context(|| format!("in {APP}"))?;
            Ok((name, NamedBy::Variable))
        }
        (None, None) => by_folder(folder),
    }
}

fn by_folder(folder: &Path) -> Result<(AppName, NamedBy)> {
    let folder = folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))?;
    if let Some(name) = Project::load_settings(&folder)?.name {
        return Ok((name, NamedBy::Settings));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.to_lowercase().replace(['_', '.', ' '], "-");
    match plain.parse() {
        Ok(name) => Ok((name, NamedBy::Folder)),
        Err(_) => bail!(
            "which app? The folder's name {name:?} is no app name: name the app with -a, or in dyno.toml with name = \"…\""
        ),
    }
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_app() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("My_Shop.v2");
        std::fs::create_dir(&folder).expect("made");
        let named = |by| move |name: &str| (name.parse().expect("a name"), by);
        assert_eq!(
            by_folder(&folder).expect("a name"),
            named(NamedBy::Folder)("my-shop-v2")
        );
        // A Procfile of another platform does not matter for the name.
        std::fs::write(folder.join("Procfile"), "web: bundle exec puma *").expect("written");
        std::fs::write(folder.join("dyno.toml"), "name = \"shop\"").expect("written");
        assert_eq!(
            by_folder(&folder).expect("a name"),
            named(NamedBy::Settings)("shop")
        );
        std::fs::write(folder.join("dyno.toml"), "nome = \"shop\"").expect("written");
        assert!(
            by_folder(&folder).is_err(),
            "a broken file is not passed over"
        );
        let error = by_folder(Path::new("/")).expect_err("no name");
        assert!(error.to_string().contains("-a"), "{error}");
    }
}
