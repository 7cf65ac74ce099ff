//! The socket in the data folder, at which users of this machine ask the running server for a token.
//!
//! Owns the socket and its file. Requests are answered one after the other.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::Control;
use grid::text::error_chain;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::local_token::{
    LINE_BYTES_MAX, LocalToken, LocalTokenReply, LocalTokenRequest, SOCKET_NAME, describe_token,
    socket_path,
};
use crate::observer::{NodeEvent, SharedObserver};

/// Time limit for a client to send its request and read the answer. Also the pause after a failed `accept`.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Mode of the socket's file: its owner alone connects.
const SOCKET_MODE: u32 = 0o600;

/// The socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {}", path.display())]
pub struct LocalTokenSocketError {
    path: PathBuf,
    source: io::Error,
}

/// The listening socket. Its file is removed with it.
pub(crate) struct LocalTokenSocket {
    listener: UnixListener,
    file: PathBuf,
}

impl Drop for LocalTokenSocket {
    fn drop(&mut self) {
        // A file that stays is replaced at the next start.
        let _ = std::fs::remove_file(&self.file);
    }
}

impl LocalTokenSocket {
    /// Listens in a data folder, whose lock the caller holds: a file that is there is a dead server's.
    pub(crate) fn bind(root: &Path) -> Result<LocalTokenSocket, LocalTokenSocketError> {
        let file = root.join(SOCKET_NAME);
        match bind_private(root, &file) {
            Ok(listener) => Ok(LocalTokenSocket { listener, file }),
            Err(source) => Err(LocalTokenSocketError { path: file, source }),
        }
    }

    /// Answers requests, for ever.
    pub(crate) async fn serve(self, control: Control, observer: SharedObserver) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    // A client that sends no request, or leaves, gets no answer.
                    let served = serve_client(stream, &control, &observer);
                    let _ = tokio::time::timeout(CLIENT_TIMEOUT, served).await;
                }
                Err(_) => tokio::time::sleep(CLIENT_TIMEOUT).await,
            }
        }
    }
}

fn bind_private(root: &Path, file: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (path, _folder) = socket_path(root)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

async fn serve_client(
    mut stream: UnixStream,
    control: &Control,
    observer: &SharedObserver,
) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    // The socket's mode keeps other users out; this check holds if somebody changes the mode.
    let server_user = rustix::process::geteuid().as_raw();
    let reply = match user == 0 || user == server_user {
        true => {
            let request = read_request(&mut stream).await?;
            create_token(&request, user, control, observer).await
        }
        false => {
            let reason = "only the server's own user and root may do this";
            LocalTokenReply::Refused(reason.to_owned())
        }
    };
    let line = serde_json::to_string(&reply)? + "\n";
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await
}

async fn read_request(stream: &mut UnixStream) -> io::Result<LocalTokenRequest> {
    let (reader, _) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LINE_BYTES_MAX));
    reader.read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}

async fn create_token(
    request: &LocalTokenRequest,
    user: u32,
    control: &Control,
    observer: &SharedObserver,
) -> LocalTokenReply {
    let (spec, secret, actor) = request.mint(user);
    let creation = control.create_token(spec.clone(), actor.clone(), None);
    match creation.await {
        Ok(accepted) => {
            observer.on_event(NodeEvent::LocalTokenCreated {
                description: describe_token(&spec, &actor),
                while_stopped: false,
            });
            let token = spec.into_token(&actor, accepted.at_ms);
            LocalTokenReply::Made(LocalToken::new(&token, &secret))
        }
        Err(error) => LocalTokenReply::Refused(error_chain(&error)),
    }
}
