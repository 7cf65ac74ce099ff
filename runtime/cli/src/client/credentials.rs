//! `credentials.toml`: the token of each server, and the default server.
//!
//! Owns the file, which is private to its user and replaced atomically. Must not know the permissions of tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::url::ServerUrl;
use crate::dirs;
use crate::terminal;

const FILE: &str = "credentials.toml";
/// Mode of the file's folder: access for the user only.
const FOLDER_MODE: u32 = 0o700;
/// Mode bits that give access to the group and to others.
const OTHERS: u32 = 0o077;

/// The content of the file. A missing file counts as empty.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The default server for commands: that of the last login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<ServerUrl>,
    #[serde(default)]
    servers: BTreeMap<ServerUrl, Login>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    token: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Stores a token for a server, which becomes the default server. `server` is the URL of the API.
pub(crate) fn log_in(server: &ServerUrl, token: &str) -> Result<PathBuf> {
    let file = file()?;
    let mut credentials = Credentials::load(&file)?;
    credentials.insert(server.clone(), token.to_owned());
    credentials.save(&file)?;
    Ok(file)
}

/// The result of an automatic login.
pub(crate) struct KeptLogin {
    /// The credentials file.
    pub(crate) file: PathBuf,
    /// The default server for commands, if it differs from the server of the login.
    pub(crate) default: Option<ServerUrl>,
    /// Whether a different token for the same URL was replaced.
    pub(crate) replaced: bool,
}

/// Stores a token without a user's request, as the first start of a server does. The server becomes the default server
/// only if there is none yet.
pub(crate) fn keep(server: &ServerUrl, token: &str) -> Result<KeptLogin> {
    let file = file()?;
    let mut credentials = Credentials::load(&file)?;
    let replaced = credentials.keep(server.clone(), token.to_owned());
    credentials.save(&file)?;
    let default = credentials.last.filter(|last| last != server);
    Ok(KeptLogin {
        file,
        default,
        replaced,
    })
}

/// Removes the token of a server. Returns whether there was one.
pub(crate) fn log_out(server: &ServerUrl) -> Result<bool> {
    let file = file()?;
    let mut credentials = Credentials::load(&file)?;
    let was = credentials.remove(server);
    if was {
        credentials.save(&file)?;
    }
    Ok(was)
}

/// Reads the credentials of this user.
pub(crate) fn load() -> Result<Credentials> {
    Credentials::load(&file()?)
}

fn file() -> Result<PathBuf> {
    Ok(dirs::config()?.join(FILE))
}

impl Credentials {
    /// The token of a server.
    pub(crate) fn token(&self, server: &ServerUrl) -> Option<&str> {
        self.servers.get(server).map(|login| login.token.as_str())
    }

    fn insert(&mut self, server: ServerUrl, token: String) {
        self.last = Some(server.clone());
        self.servers.insert(server, Login { token });
    }

    /// Stores a token, as the function of the same name does. Returns whether a different token was replaced.
    fn keep(&mut self, server: ServerUrl, token: String) -> bool {
        self.last.get_or_insert_with(|| server.clone());
        let login = Login { token };
        let before = self.servers.insert(server.clone(), login);
        before.is_some_and(|before| Some(before.token.as_str()) != self.token(&server))
    }

    fn remove(&mut self, server: &ServerUrl) -> bool {
        if self.last.as_ref() == Some(server) {
            self.last = None;
        }
        self.servers.remove(server).is_some()
    }

    fn load(file: &Path) -> Result<Credentials> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Credentials::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        warn_if_open(file);
        // The parser's error would quote the line, and with it a token.
        toml::from_str(&text).map_err(|_| {
            anyhow::anyhow!(
                "{} is damaged: remove it, and log in again with `dyno login URL`",
                file.display()
            )
        })
    }

    /// Replaces the file atomically: a concurrent reader gets either the old or the new content.
    fn save(&self, file: &Path) -> Result<()> {
        let write = || -> Result<()> {
            let folder = file.parent().context("the file has no folder")?;
            let mut maker = std::fs::DirBuilder::new();
            maker.recursive(true).mode(FOLDER_MODE).create(folder)?;
            // Temporary files are created with access for the user only.
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(toml::to_string(self)?.as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(file)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }
}

fn warn_if_open(file: &Path) {
    let mode = std::fs::metadata(file).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & OTHERS != 0) {
        let file = file.display();
        terminal::print_warning(&format!("others may read {file}: run chmod 600 {file}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn saved_credentials_are_private_and_can_be_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep/dyno").join(FILE);
        assert_eq!(
            Credentials::load(&file).expect("absent"),
            Credentials::default()
        );
        let mut credentials = Credentials::default();
        credentials.insert(url("http://127.0.0.1:8081"), "dyno_a".into());
        credentials.insert(url("https://api.example.com"), "dyno_b".into());
        credentials.save(&file).expect("saved");
        let loaded = Credentials::load(&file).expect("loaded");
        assert_eq!(loaded, credentials);
        assert_eq!(loaded.last, Some(url("https://api.example.com")));
        assert_eq!(loaded.token(&url("http://127.0.0.1:8081")), Some("dyno_a"));
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().expect("a folder")), 0o700);
    }

    #[test]
    fn the_default_server_is_forgotten_only_with_its_own_login() {
        let mut credentials = Credentials::default();
        credentials.insert(url("http://a.example"), "1".into());
        credentials.insert(url("http://b.example"), "2".into());
        assert!(credentials.remove(&url("http://a.example")));
        assert_eq!(credentials.last, Some(url("http://b.example")));
        assert!(credentials.remove(&url("http://b.example")));
        assert_eq!(credentials, Credentials::default());
        assert!(!credentials.remove(&url("http://b.example")));
    }

    #[test]
    fn a_second_server_does_not_become_the_default_automatically() {
        let mut credentials = Credentials::default();
        let (first, second) = (url("http://127.0.0.1:8081"), url("http://127.0.0.1:9081"));
        assert!(!credentials.keep(first.clone(), "1".into()));
        assert!(!credentials.keep(second.clone(), "2".into()));
        assert_eq!(credentials.last, Some(first.clone()));
        assert_eq!(credentials.token(&second), Some("2"));
        assert!(
            !credentials.keep(second.clone(), "2".into()),
            "the same token"
        );
        assert!(credentials.keep(first.clone(), "3".into()), "another token");
        credentials.remove(&first);
        credentials.keep(second.clone(), "2".into());
        assert_eq!(credentials.last, Some(second));
    }

    #[test]
    fn a_damaged_file_is_named_but_not_quoted() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        std::fs::write(&file, "token = dyno_secret").expect("written");
        let error = format!("{:#}", Credentials::load(&file).expect_err("damaged"));
        assert!(error.contains("credentials.toml is damaged"), "{error}");
        assert!(!error.contains("dyno_secret"), "{error}");
        assert!(
            !format!(
                "{:?}",
                Login {
                    token: "dyno_secret".into()
                }
            )
            .contains("secret")
        );
    }
}
