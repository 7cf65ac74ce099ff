//! The SQLite file of a ledger.
//!
//! Owns the schema, and the meaning of SQLite's errors for an append. Must not know the content of an entry.

use crate::ledger::entry::EntryId;
use crate::ledger::error::AppendError;
use crate::ledger::sealed::SealedEntry;
use crate::ledger::sequence::Seq;
use crate::seal::{SealKeyError, sync_folder};
use fail::fail_point;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The version of the schema.
const SCHEMA: i64 = 1;
/// SQLite's application id of a ledger: `dyno` in ASCII.
const APPLICATION: i64 = 0x6479_6e6f;
/// Time for which another process may lock the file before the ledger counts as unavailable.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size in bytes to which the write-ahead log is kept for reuse.
const LOG_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// The reason for which a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerOpenError {
    /// The key cannot be loaded.
    #[error("there is no key for the ledger")]
    Key(#[from] SealKeyError),
    /// The file cannot be created.
    #[error("cannot make the ledger {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// SQLite cannot use the file.
    #[error("cannot open the ledger {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The file belongs to another program.
    #[error("{} is not a ledger", .0.display())]
    Foreign(PathBuf),
    /// A newer version of this program created the file.
    #[error(
        "the ledger {path} was made by a newer version (its schema is {found}, this version knows \
         {SCHEMA}): update this program",
        path = path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
    },
}

/// Opens or creates the file. Also returns the place of the last entry.
pub(super) fn open(path: &Path) -> Result<(Connection, Seq), LedgerOpenError> {
    make(path).map_err(|source| LedgerOpenError::Io {
        path: path.to_owned(),
        source,
    })?;
    let failed = |source| LedgerOpenError::Sqlite {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    set_up(&connection).map_err(failed)?;
    match versions(&connection).map_err(failed)? {
        (0, 0) => create(&mut connection).map_err(failed)?,
        (APPLICATION, SCHEMA) => {}
        (APPLICATION, found) => {
            return Err(LedgerOpenError::TooNew {
                path: path.to_owned(),
                found,
            });
        }
        _ => return Err(LedgerOpenError::Foreign(path.to_owned())),
    }
    let last = last(&connection).map_err(failed)?;
    Ok((connection, last))
}

/// Creates an empty file, which is an empty database, readable by its owner only. SQLite gives its other files the
/// same permissions.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)?.sync_all()?;
    sync_folder(path)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit waits for the disk, so that an answered command survives a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn versions(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE entries (
            seq INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            sealed BLOB NOT NULL
        ) STRICT",
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}

/// The place of the last entry.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Seq> {
    let select = "SELECT coalesce(max(seq), 0) FROM entries";
    let last: i64 = connection.query_row(select, [], |row| row.get(0))?;
    Ok(Seq(last.cast_unsigned()))
}

/// Appends entries after `after`, in one transaction.
pub(super) fn append(
    connection: &mut Connection,
    after: Seq,
    entries: &[SealedEntry],
) -> Result<Seq, AppendError> {
    fail_point!("ledger-before-append");
    let nothing_written = |source| AppendError::Unavailable(Arc::new(source));
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(nothing_written)?;
    let actual = last(&transaction).map_err(nothing_written)?;
    if actual != after {
        return Err(AppendError::Conflict {
            expected: after,
            actual,
        });
    }
    let insert = "INSERT INTO entries (seq, id, sealed) VALUES (?1, ?2, ?3)";
    let mut end = after;
    for SealedEntry { at, id, sealed } in entries {
        transaction
            .execute(insert, (at.0.cast_signed(), id.bytes(), sealed))
            .map_err(nothing_written)?;
        end = *at;
    }
    fail_point!("ledger-before-commit");
    transaction.commit().map_err(of_commit)?;
    fail_point!("ledger-after-append");
    Ok(end)
}

/// Classifies an error of a commit. The last write of a commit makes the commit valid, so after a failed write the
/// entry is certainly not there. After a failed sync the outcome is unknown.
fn of_commit(error: rusqlite::Error) -> AppendError {
    let code = error.sqlite_error().map(|error| error.extended_code);
    let unwritten = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
        )
    );
    if unwritten || code == Some(ffi::SQLITE_IOERR_WRITE) {
        AppendError::Unavailable(Arc::new(error))
    } else {
        AppendError::Ambiguous(Arc::new(error))
    }
}

/// Reads at most `limit` rows after `after`, in order.
pub(super) fn read(
    connection: &Connection,
    after: Seq,
    limit: usize,
) -> rusqlite::Result<Vec<SealedEntry>> {
    let select = "SELECT seq, id, sealed FROM entries WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut statement = connection.prepare_cached(select)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((after.0.cast_signed(), limit), |row| {
        Ok(SealedEntry {
            at: Seq(row.get::<_, i64>(0)?.cast_unsigned()),
            id: EntryId::from_bytes(row.get(1)?),
            sealed: row.get(2)?,
        })
    })?;
    rows.collect()
}
