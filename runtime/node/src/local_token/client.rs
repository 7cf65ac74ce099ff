//! Requests a token for a data folder: from the running server, or if none runs, by writing to the ledger directly.
//!
//! The ledger has one writer at a time in both cases.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::OfflineTokenError;
use control::ledger::{LedgerOpenError, SqliteLedger};

use super::{
    LINE_BYTES_MAX, LocalToken, LocalTokenReply, LocalTokenRequest, append_note, socket_path,
};
use crate::data_folder::DataFolder;

/// How long to wait for a server that is starting or ending.
const SERVER_CHANGE_MAX: Duration = Duration::from_secs(15);
/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a server may take to answer over its socket.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why no token was made in a data folder.
#[derive(Debug, thiserror::Error)]
pub enum LocalTokenError {
    /// The folder holds no server's data.
    #[error("{} holds no server's data: name the data folder of `dyno serve`", .0.display())]
    NoData(PathBuf),
    /// The folder belongs to another user.
    #[error(
        "this user may not read the server's data in {}: run this as the server's user, or with sudo",
        .0.display()
    )]
    NotAllowed(PathBuf),
    /// The folder cannot be read or written.
    #[error("cannot use the server's data in {}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A server is starting or ending, for too long.
    #[error(
        "a server uses {} and does not answer there: wait until it has started or ended, and try again",
        .0.display()
    )]
    Busy(PathBuf),
    /// The running server cannot be asked.
    #[error("cannot ask the running server")]
    Connect(#[source] io::Error),
    /// The running server did not answer.
    #[error("the running server did not answer: try again")]
    NoReply(#[source] io::Error),
    /// The running server refused; the text says why.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The running server speaks another form.
    #[error("the running server does not understand: is it of another version?")]
    NotUnderstood,
    /// The ledger of a stopped server cannot be opened.
    #[error("cannot open the ledger")]
    Ledger(#[from] LedgerOpenError),
    /// The ledger of a stopped server did not take the token.
    #[error("no token was created")]
    Offline(#[from] OfflineTokenError),
    /// Files that root made cannot be given to the server's user.
    #[error("cannot give {} to its owner", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Makes a token for the server whose data is in `root`. Blocks, for some seconds while the server starts or ends.
///
/// # Errors
/// This user may not read the data, or the token was refused.
pub fn create_local_token(
    root: &Path,
    request: &LocalTokenRequest,
) -> Result<LocalToken, LocalTokenError> {
    check_access(root)?;
    let deadline = Instant::now() + SERVER_CHANGE_MAX;
    loop {
        if let Some(stream) = connect(root)? {
            return ask_server(stream, request);
        }
        let lock = DataFolder::try_lock(root).map_err(data_error(root))?;
        if let Some(folder) = lock {
            return write_offline(&folder, request);
        }
        if Instant::now() > deadline {
            return Err(LocalTokenError::Busy(root.to_owned()));
        }
        // The server is starting or ending.
        std::thread::sleep(RETRY_PAUSE);
    }
}

fn data_error(root: &Path) -> impl Fn(io::Error) -> LocalTokenError {
    move |source| LocalTokenError::Data {
        path: root.to_owned(),
        source,
    }
}

/// A user who can read the key can read the whole ledger; nobody else gets a token.
fn check_access(root: &Path) -> Result<(), LocalTokenError> {
    let Err(error) = File::open(root.join("key")) else {
        return Ok(());
    };
    Err(match error.kind() {
        ErrorKind::NotFound => LocalTokenError::NoData(root.to_owned()),
        ErrorKind::PermissionDenied => LocalTokenError::NotAllowed(root.to_owned()),
        _ => data_error(root)(error),
    })
}

/// Connects to the running server, if there is one.
fn connect(root: &Path) -> Result<Option<UnixStream>, LocalTokenError> {
    let (path, _folder) = socket_path(root).map_err(data_error(root))?;
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) =>
        {
            Ok(None)
        }
        Err(error) => Err(LocalTokenError::Connect(error)),
    }
}

fn ask_server(
    stream: UnixStream,
    request: &LocalTokenRequest,
) -> Result<LocalToken, LocalTokenError> {
    let reply = exchange_lines(stream, request).map_err(LocalTokenError::NoReply)?;
    match serde_json::from_str(&reply) {
        Ok(LocalTokenReply::Made(token)) => Ok(token),
        Ok(LocalTokenReply::Refused(reason)) => Err(LocalTokenError::Refused(reason)),
        Err(_) => Err(LocalTokenError::NotUnderstood),
    }
}

/// Sends the request and reads the server's line.
fn exchange_lines(mut stream: UnixStream, request: &LocalTokenRequest) -> io::Result<String> {
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
    let line = serde_json::to_string(request)? + "\n";
    stream.write_all(line.as_bytes())?;
    let mut reply = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut reply)?;
    Ok(reply)
}

/// Writes the token into the ledger of a stopped server.
fn write_offline(
    folder: &DataFolder,
    request: &LocalTokenRequest,
) -> Result<LocalToken, LocalTokenError> {
    let root = folder.root();
    let user = rustix::process::geteuid().as_raw();
    let (spec, secret, actor) = request.mint(user);
    let ledger = SqliteLedger::open(&folder.ledger(), &folder.key())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(data_error(root))?;
    let written = control::create_token_offline(Arc::new(ledger), spec.clone(), actor.clone());
    let written = runtime.block_on(written);
    let noted = append_note(root, &spec, &actor);
    // Also after a failure: the server could not start if root owned files of its folder.
    give_files_to_owner(root)?;
    let token = written?;
    noted.map_err(data_error(root))?;
    Ok(LocalToken::new(&token, &secret))
}

/// Gives files that root made to the folder's owner, the server's user, who could not open them otherwise.
fn give_files_to_owner(root: &Path) -> Result<(), LocalTokenError> {
    let owner = std::fs::metadata(root).map_err(data_error(root))?;
    let entries = std::fs::read_dir(root).map_err(data_error(root))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let file = std::fs::symlink_metadata(&path);
        if file.is_ok_and(|file| file.is_file() && file.uid() != owner.uid()) {
            // `lchown`: if the file has become a link by now, its target keeps its owner.
            lchown(&path, Some(owner.uid()), Some(owner.gid()))
                .map_err(|source| LocalTokenError::Owner { path, source })?;
        }
    }
    Ok(())
}
