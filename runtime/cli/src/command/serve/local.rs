//! Tokens for whoever may read the server's data, without another token: a socket in the data folder.
//!
//! The folder, and so the socket, is its owner's alone, as is the key in it: whoever gets through could read all of the
//! ledger anyway. The server is the only one who writes the ledger, so a running one is asked; a stopped one is stood in
//! for, under its lock (see `command::tokens::local`).
//!
//! Owns the socket and what is said over it: one line of JSON each way. Must not know how the asker shows it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use control::access::{self, Role, Token, TokenSecret};
use control::{Actor, Control};
use grid::name::AppName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::term;

/// The socket's name in the data folder.
const SOCKET: &str = "local.sock";
/// What was done while the server was stopped, for its log at the next start.
const NOTES: &str = "local.log";
/// Bytes of a line at most: a name of 64 characters has some hundred.
pub(crate) const LINE_BYTES_MAX: u64 = 4_096;
/// What the other side has for all it says.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that a socket's path may have: `sun_path`, and its end.
const PATH_BYTES_MAX: usize = 107;

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalRequest {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) app: Option<AppName>,
}

/// The token, as the API would tell it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalToken {
    pub(crate) id: String,
    pub(crate) name: String,
    role: Role,
    app: Option<AppName>,
    created_at: String,
    created_by: String,
    pub(crate) token: String,
}

/// What comes back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LocalAnswer {
    Made(LocalToken),
    Refused(String),
}

impl LocalRequest {
    /// A new token, its secret, and who made it: a user of this machine.
    pub(crate) fn mint(&self, user: u32) -> (Token, TokenSecret, Actor) {
        let actor = Actor::now(&format!("local user {user}"));
        let (token, secret) = access::mint_token(&self.name, self.role, self.app.clone(), &actor);
        (token, secret, actor)
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

/// The line about a token in the server's log.
fn audit(token: &Token) -> String {
    let (id, role, by) = (&token.id, token.role, &token.created_by);
    let app = token.app.as_ref();
    let app = app.map_or_else(String::new, |app| format!(" for {app}"));
    let name = token.name.escape_debug();
    format!("token {id} ({name}, role {role}{app}) created in the data folder by {by}")
}

/// A path by which the socket can be named, however long that of the folder is. The file is to be kept until then.
pub(crate) fn socket(root: &Path) -> Result<(PathBuf, Option<File>)> {
    let path = root.join(SOCKET);
    if path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = File::open(root)?;
    let short = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
    Ok((short.into(), Some(folder)))
}

/// Says what was done while the server was stopped, and takes requests from now on.
pub(super) fn start(root: &Path, control: &Control, tasks: &mut JoinSet<()>) {
    say_notes(root);
    match LocalSocket::bind(root) {
        Ok(socket) => drop(tasks.spawn(socket.serve(control.clone()))),
        // Apps are served all the same.
        Err(error) => term::warning(&format!(
            "`dyno tokens create --local` works only while the server is stopped: {error:#}"
        )),
    }
}

/// The listening socket; its file goes with it.
struct LocalSocket {
    listener: UnixListener,
    file: PathBuf,
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        // One that stays is replaced at the next start.
        let _ = std::fs::remove_file(&self.file);
    }
}

impl LocalSocket {
    /// Listens in the data folder, whose lock is held: a file that is there is a dead server's.
    fn bind(root: &Path) -> Result<LocalSocket> {
        let file = root.join(SOCKET);
        let bind = || -> Result<UnixListener> {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            let (path, _folder) = socket(root)?;
            let listener = UnixListener::bind(path)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = bind().with_context(|| format!("cannot listen at {}", file.display()))?;
        Ok(LocalSocket { listener, file })
    }

    /// Answers one after the other, for ever.
    async fn serve(self, control: Control) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    // Whoever asks badly, or leaves, gets nothing.
                    let _ = tokio::time::timeout(PATIENCE, answer(stream, &control)).await;
                }
                Err(_) => tokio::time::sleep(PATIENCE).await,
            }
        }
    }
}

async fn answer(mut stream: UnixStream, control: &Control) -> Result<()> {
    let user = stream.peer_cred()?.uid();
    // The mode of the socket lets nobody else in; this holds if somebody changes it.
    let own = rustix::process::geteuid().as_raw();
    let answer = match user == 0 || user == own {
        true => {
            let (reader, _) = stream.split();
            let mut line = String::new();
            let mut reader = BufReader::new(reader.take(LINE_BYTES_MAX));
            reader.read_line(&mut line).await?;
            make(&serde_json::from_str(&line)?, user, control).await
        }
        false => LocalAnswer::Refused("only the server's own user and root may do this".to_owned()),
    };
    let line = serde_json::to_string(&answer)? + "\n";
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn make(request: &LocalRequest, user: u32, control: &Control) -> LocalAnswer {
    let (token, secret, actor) = request.mint(user);
    match control.create_token(token.clone(), actor, None).await {
        Ok(_) => {
            term::note("Access", &audit(&token));
            LocalAnswer::Made(LocalToken::new(&token, &secret))
        }
        Err(error) => LocalAnswer::Refused(format!("{:#}", anyhow::Error::new(error))),
    }
}

/// Leaves a note of a token that was made while the server was stopped.
pub(crate) fn leave_note(root: &Path, token: &Token) -> Result<()> {
    let file = root.join(NOTES);
    let mut notes = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        // Root may do this in a folder that is another user's.
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(notes, "{}", audit(token))?;
    Ok(())
}

/// Says what was done while the server was stopped.
fn say_notes(root: &Path) {
    let file = root.join(NOTES);
    if let Ok(notes) = std::fs::read_to_string(&file) {
        for note in notes.lines() {
            term::note("Access", &format!("{note}, while the server was stopped"));
        }
        let _ = std::fs::remove_file(&file);
    }
}
