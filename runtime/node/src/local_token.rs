//! Tokens for users who may read the server's data, without another token.
//!
//! The data folder, with the ledger's key in it, belongs to its owner alone. A user who can read the folder could read
//! the whole ledger, so a token gives nothing new. The server is the only writer of its ledger: a running server makes
//! the token, asked over a socket in the folder; for a stopped server the caller's process writes it, under the server's
//! lock (see `client`).
//!
//! Owns the socket's path and what is sent over it: one line of JSON each way. Must not know how a token is shown.

mod client;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use control::Actor;
use control::access::{self, Role, Token, TokenSecret, TokenSpec};
use grid::name::AppName;
use serde::{Deserialize, Serialize};

pub use client::{LocalTokenError, create_local_token};

/// The socket's name in the data folder.
pub(crate) const SOCKET_NAME: &str = "local.sock";
/// Tokens that were made while the server was stopped, for its log at the next start.
const NOTES_NAME: &str = "local.log";
/// Most bytes of a line: a request with a name of 64 characters has some hundred.
pub(crate) const LINE_BYTES_MAX: u64 = 4_096;
/// Most bytes of a socket's path: `sun_path` without its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Mode of files that their owner alone reads and writes.
const FILE_MODE: u32 = 0o600;

/// The token that is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalTokenRequest {
    /// The purpose of the token; shown in lists and logs.
    pub name: String,
    /// The role of the token.
    pub role: Role,
    /// The only app that it is good for; none: all apps.
    pub app: Option<AppName>,
}

/// A new token, in the form of the API.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalToken {
    /// The id of the token. It is used to revoke the token.
    pub id: String,
    /// The purpose of the token.
    pub name: String,
    role: Role,
    app: Option<AppName>,
    created_at: String,
    created_by: String,
    /// The secret, which is stored nowhere.
    pub token: String,
}

/// The server's answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LocalTokenReply {
    Made(LocalToken),
    Refused(String),
}

impl LocalTokenRequest {
    /// The token to create, its secret, and the user of this machine who asked for it.
    pub(crate) fn mint(&self, user: u32) -> (TokenSpec, TokenSecret, Actor) {
        let actor = Actor::new(format!("local user {user}"));
        let (spec, secret) = access::mint_token(&self.name, self.role, self.app.clone());
        (spec, secret, actor)
    }
}

impl LocalToken {
    pub(crate) fn new(token: &Token, secret: &TokenSecret) -> LocalToken {
        let created = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(token.created_ms));
        let created = created.unwrap_or(SystemTime::UNIX_EPOCH);
        LocalToken {
            id: token.id.to_string(),
            name: token.name.clone(),
            role: token.role,
            app: token.app.clone(),
            created_at: humantime::format_rfc3339_millis(created).to_string(),
            created_by: token.created_by.clone(),
            token: secret.reveal().to_owned(),
        }
    }
}

/// A token as the server's log names it, without its secret.
pub(crate) fn describe_token(token: &TokenSpec, creator: &Actor) -> String {
    let (id, role, by) = (&token.id, token.role, creator.name());
    let app = token.app.as_ref();
    let app = app.map_or_else(String::new, |app| format!(" for {app}"));
    let name = token.name.escape_debug();
    format!("token {id} ({name}, role {role}{app}) created in the data folder by {by}")
}

/// A path to the socket that is short enough for `sun_path`, however long the folder's path is. The path is good as long
/// as the file is open.
pub(crate) fn socket_path(root: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = root.join(SOCKET_NAME);
    if path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = File::open(root)?;
    let short = format!("/proc/self/fd/{}/{SOCKET_NAME}", folder.as_raw_fd());
    Ok((short.into(), Some(folder)))
}

/// Leaves a note about a token that is made while the server is stopped.
fn append_note(root: &Path, token: &TokenSpec, creator: &Actor) -> io::Result<()> {
    let mut notes = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(FILE_MODE)
        // Root may do this in a folder of another user, who could have put a link there.
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(root.join(NOTES_NAME))?;
    writeln!(notes, "{}", describe_token(token, creator))
}

/// Takes the notes about tokens that were made while the server was stopped.
pub(crate) fn take_notes(root: &Path) -> Vec<String> {
    let file = root.join(NOTES_NAME);
    let Ok(notes) = std::fs::read_to_string(&file) else {
        return Vec::new();
    };
    // A file that stays is reported again at the next start.
    let _ = std::fs::remove_file(&file);
    notes.lines().map(str::to_owned).collect()
}
