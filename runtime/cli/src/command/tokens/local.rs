//! `dyno tokens create --local`: a token without a token, for whoever may read the server's data.
//!
//! Owns how it comes about: a running server makes it, asked over the socket in its data folder; for a stopped one this
//! process makes it, under the server's lock. Either way there is one writer of the ledger.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use control::ledger::SqliteLedger;

use crate::command::serve::data::Data;
use crate::command::serve::local::{
    LINE_BYTES_MAX, LocalAnswer, LocalRequest, LocalToken, leave_note, socket,
};
use crate::dirs;
use crate::term::{self, clean};

/// How long a server that starts or ends may take until it can be asked, or stood in for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Until a server answers over its socket.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the token and prints its secret alone on stdout.
pub(super) fn create(request: &LocalRequest, data: Option<&Path>, json: bool) -> Result<()> {
    let root = match data {
        Some(data) => data.to_owned(),
        None => dirs::data()?,
    };
    expect_access(&root)?;
    let made = make(&root, request)?;
    if json {
        return term::json(&made);
    }
    let text = format!("token {} ({}), shown this once", made.id, made.name);
    term::note("Created", &clean(&text));
    term::note("Next", "dyno login URL, which asks for it");
    term::print(&clean(&made.token))
}

/// Whoever may read the key may read all that the ledger holds; nobody else gets a token.
fn expect_access(root: &Path) -> Result<()> {
    let folder = root.display();
    let Err(error) = File::open(root.join("key")) else {
        return Ok(());
    };
    let what = match error.kind() {
        ErrorKind::NotFound => format!(
            "{folder} holds no server's data: name the folder that `dyno serve` has, with --data DIR"
        ),
        ErrorKind::PermissionDenied => format!(
            "this user may not read the server's data in {folder}: run this as the server's user, or with sudo"
        ),
        _ => format!("cannot read the server's data in {folder}"),
    };
    Err(anyhow::Error::new(error).context(what))
}

fn make(root: &Path, request: &LocalRequest) -> Result<LocalToken> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(stream) = connect(root)? {
            return ask(stream, request);
        }
        if let Some(data) = Data::lock(root)? {
            return stand_in(&data, root, request);
        }
        if Instant::now() > until {
            bail!(
                "a server uses {} and does not answer there: wait until it has started or ended, and try again",
                root.display()
            );
        }
        // It is starting or ending.
        std::thread::sleep(PAUSE);
    }
}

/// The running server, if there is one.
fn connect(root: &Path) -> Result<Option<UnixStream>> {
    let (path, _folder) = socket(root)?;
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).context("cannot ask the running server"),
    }
}

fn ask(mut stream: UnixStream, request: &LocalRequest) -> Result<LocalToken> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let line = serde_json::to_string(request)? + "\n";
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    let read = BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut answer);
    read.context("the running server did not answer: try again")?;
    match serde_json::from_str(&answer) {
        Ok(LocalAnswer::Made(token)) => Ok(token),
        Ok(LocalAnswer::Refused(why)) => bail!("the server refused: {}", clean(&why)),
        Err(_) => bail!("the running server does not understand: is it of another version?"),
    }
}

/// Writes the token into the ledger of a server that does not run.
fn stand_in(data: &Data, root: &Path, request: &LocalRequest) -> Result<LocalToken> {
    let user = rustix::process::geteuid().as_raw();
    let (token, secret, actor) = request.mint(user);
    let ledger =
        SqliteLedger::open(&data.ledger(), &data.key()).context("cannot open the ledger")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let made = control::create_token_offline(Arc::new(ledger), token.clone(), actor);
    let done = runtime.block_on(made).context("no token was created");
    let noted = leave_note(root, &token);
    give_back(root)?;
    done?;
    noted?;
    Ok(LocalToken::new(&token, &secret))
}

/// Has files that root made belong to the server's user, who could not open them otherwise.
fn give_back(root: &Path) -> Result<()> {
    let owner = std::fs::metadata(root)?;
    let files = std::fs::read_dir(root)?;
    let paths: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    for path in paths {
        let found = std::fs::symlink_metadata(&path);
        if found.is_ok_and(|found| found.is_file() && found.uid() != owner.uid()) {
            // Not what a link leads to, should there be one by now.
            lchown(&path, Some(owner.uid()), Some(owner.gid()))
                .with_context(|| format!("cannot give {} to its owner", path.display()))?;
        }
    }
    Ok(())
}
