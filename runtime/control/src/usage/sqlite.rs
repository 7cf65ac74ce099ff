//! Records of dyno time in an SQLite file.
//!
//! Owns the table. Must not know the ledger: this file is separate, since its loss affects bills but no app.

use super::store::{UsageError, UsageStore};
use grid::name::{AppName, DynoKey, Run};
use grid::time::Time;
use grid::usage::UsageInterval;
use parking_lot::Mutex;
use rusqlite::{Connection, Row, params};
use std::path::Path;
use std::time::Duration;

/// The version of the schema.
const SCHEMA: i64 = 1;
/// Time for which another process may lock the file before a call fails.
const BUSY: Duration = Duration::from_secs(5);

/// Times are microseconds since 1970. A run is one row, which grows.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS runs (
        app TEXT NOT NULL,
        dyno TEXT NOT NULL,
        run INTEGER NOT NULL,
        memory_bytes INTEGER NOT NULL,
        begins INTEGER NOT NULL,
        ends INTEGER NOT NULL,
        PRIMARY KEY (app, dyno, run)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS runs_ends ON runs (ends);
";
const RECORD: &str = "
    INSERT INTO runs (app, dyno, run, memory_bytes, begins, ends) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (app, dyno, run) DO UPDATE SET
        memory_bytes = excluded.memory_bytes, begins = excluded.begins, ends = excluded.ends
        WHERE excluded.ends > ends
";
const READ: &str = "
    SELECT app, dyno, run, memory_bytes, begins, ends FROM runs
    WHERE ends > ?1 AND begins < ?2 AND (?3 IS NULL OR app = ?3)
    ORDER BY app, dyno, run
";

/// A store in an SQLite file. Several processes may use the same file.
#[derive(Debug)]
pub struct SqliteUsageStore(Mutex<Connection>);

fn failed<E>(what: &'static str) -> impl Fn(E) -> UsageError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| UsageError {
        what,
        source: Box::new(source),
    }
}

/// A newer version created the file.
#[derive(Debug, thiserror::Error)]
#[error(
    "the usage database has format {0}, and this dyno knows {SCHEMA}: use the dyno that made it"
)]
struct NewerUsageFormat(i64);

impl SqliteUsageStore {
    /// Opens the file, and creates it if it does not exist.
    pub fn open(path: &Path) -> Result<Self, UsageError> {
        let connection = Connection::open(path).map_err(failed("open"))?;
        let prepared = connection
            .busy_timeout(BUSY)
            .and_then(|()| connection.pragma_update(None, "journal_mode", "WAL"))
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .and_then(|()| connection.pragma_query_value(None, "user_version", |row| row.get(0)));
        match prepared.map_err(failed("open"))? {
            0 => {
                let made = connection.execute_batch(TABLE);
                let made =
                    made.and_then(|()| connection.pragma_update(None, "user_version", SCHEMA));
                made.map_err(failed("make a table of"))?;
            }
            SCHEMA => {}
            newer => return Err(failed("open")(NewerUsageFormat(newer))),
        }
        Ok(SqliteUsageStore(Mutex::new(connection)))
    }

    fn write(&self, records: &[UsageInterval]) -> rusqlite::Result<()> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(RECORD)?;
            for record in records {
                let DynoKey { app, dyno, run } = &record.dyno;
                statement.execute(params![
                    app.as_str(),
                    dyno.to_string(),
                    whole(run.0),
                    whole(record.memory_bytes),
                    whole(record.from.micros()),
                    whole(record.to.micros()),
                ])?;
            }
        }
        transaction.commit()
    }
}

impl UsageStore for SqliteUsageStore {
    fn write_records(&self, records: &[UsageInterval]) -> Result<(), UsageError> {
        self.write(records).map_err(failed("write"))
    }

    fn read_records(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError> {
        let connection = self.0.lock();
        let mut statement = connection.prepare_cached(READ).map_err(failed("read"))?;
        let (since, until) = (whole(since.micros()), whole(until.micros()));
        let rows = statement
            .query_map(params![since, until, app.map(AppName::as_str)], interval)
            .map_err(failed("read"))?;
        rows.collect::<rusqlite::Result<_>>()
            .map_err(failed("read"))
    }

    fn last_end(&self) -> Result<Time, UsageError> {
        let latest = "SELECT COALESCE(MAX(ends), 0) FROM runs";
        let ends = self.0.lock().query_row(latest, [], |row| row.get(0));
        Ok(Time::from_micros(count(ends.map_err(failed("read"))?)))
    }

    fn forget_before(&self, before: Time) -> Result<(), UsageError> {
        let old = "DELETE FROM runs WHERE ends < ?1";
        let deleted = self.0.lock().execute(old, [whole(before.micros())]);
        deleted.map(drop).map_err(failed("prune"))
    }
}

fn interval(row: &Row<'_>) -> rusqlite::Result<UsageInterval> {
    let dyno = DynoKey {
        app: parsed(row, 0)?,
        dyno: parsed(row, 1)?,
        run: Run(count(row.get(2)?)),
    };
    Ok(UsageInterval {
        dyno,
        memory_bytes: count(row.get(3)?),
        from: Time::from_micros(count(row.get(4)?)),
        to: Time::from_micros(count(row.get(5)?)),
    })
}

/// Parses a name in a column.
fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    let kind = rusqlite::types::Type::Text;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error)))
}

/// SQLite's integers are signed. Our numbers are not, and are far below the limit.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
