//! The entries, in PostgreSQL.
//!
//! A dyno serves one request at a time, so it needs one connection and no pool. The connection is kept between requests.
//! If the database server was restarted meanwhile, the next request connects again.

use std::future::Future;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{env, fmt};

use tokio::runtime::Runtime;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

/// Longest time for one piece of work in the database.
const PATIENCE: Duration = Duration::from_secs(5);
/// Number of entries that a page shows.
const SHOWN: i64 = 50;

/// Why the database could not be used.
#[derive(Debug)]
pub enum Error {
    /// `DATABASE_URL` is missing, or is not a URL of PostgreSQL.
    Url(String),
    /// The server cannot be reached, or took too long.
    Away(String),
    /// The server answered with an error.
    Postgres(tokio_postgres::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Url(why) => write!(f, "DATABASE_URL: {why}"),
            Error::Away(why) => write!(f, "PostgreSQL cannot be reached: {why}"),
            Error::Postgres(error) => match error.as_db_error() {
                Some(said) => write!(f, "PostgreSQL: {said}"),
                None => write!(f, "PostgreSQL: {error}"),
            },
        }
    }
}

impl std::error::Error for Error {}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Postgres(error)
    }
}

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub message: String,
    /// UTC, to the minute.
    pub written: String,
}

/// One connection, opened when it is first needed.
pub struct Database {
    /// The connection has a task of its own, which runs only while a call waits.
    runtime: Runtime,
    client: Option<Client>,
}

impl Database {
    /// A database that is not connected yet.
    pub fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = None;
        Ok(Database { runtime, client })
    }

    /// The newest entries first.
    pub fn newest(&mut self) -> Result<Vec<Entry>, Error> {
        const QUERY: &str = "SELECT name, message, to_char(written AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') \
                             FROM entries ORDER BY id DESC LIMIT $1";
        let mut rows = self.within(async |client| Ok(client.query(QUERY, &[&SHOWN]).await?));
        // Reading twice is harmless, so a query on a broken connection is tried again.
        if rows.is_err() && self.client.is_none() {
            rows = self.within(async |client| Ok(client.query(QUERY, &[&SHOWN]).await?));
        }
        let entry = |row: &tokio_postgres::Row| Entry {
            name: row.get(0),
            message: row.get(1),
            written: row.get(2),
        };
        Ok(rows?.iter().map(entry).collect())
    }

    /// Adds an entry, without a second try: if the connection breaks, it is unknown whether the entry was stored.
    pub fn add(&mut self, name: &str, message: &str) -> Result<(), Error> {
        // An empty query checks the connection. If it is broken, the insert gets a new one.
        let _ = self.within(async |client| Ok(client.simple_query("").await?));
        const INSERT: &str = "INSERT INTO entries (name, message) VALUES ($1, $2)";
        self.within(async |client| Ok(client.execute(INSERT, &[&name, &message]).await?))?;
        Ok(())
    }

    /// Makes the tables that are missing.
    pub fn migrate(&mut self) -> Result<(), Error> {
        self.within(async |client| Ok(client.batch_execute(include_str!("schema.sql")).await?))
    }

    /// Runs one piece of work on the connection. The connection is dropped if it broke or took too long.
    fn within<T>(
        &mut self,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Database { runtime, client } = self;
        runtime.block_on(async {
            let connected = match client.take() {
                Some(connected) => connected,
                None => patiently(connect()).await?,
            };
            let done = patiently(work(&connected)).await;
            if !connected.is_closed() && !matches!(done, Err(Error::Away(_))) {
                *client = Some(connected);
            }
            done
        })
    }
}

async fn patiently<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Away(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}

async fn connect() -> Result<Client, Error> {
    let url = env::var("DATABASE_URL").map_err(|_| Error::Url("is not set".to_owned()))?;
    let config: Config = url
        .parse()
        .map_err(|_| Error::Url("is not a URL of PostgreSQL".to_owned()))?;
    let Some(Host::Tcp(host)) = config.get_hosts().first() else {
        return Err(Error::Url("names no host".to_owned()));
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let away = |error: std::io::Error| Error::Away(error.to_string());
    let addresses = (host.as_str(), port).to_socket_addrs().map_err(away)?;
    let mut stream = Err(Error::Away("its name has no address".to_owned()));
    for address in addresses {
        // Blocks, so that the limit around this could not end it.
        stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(away);
        if stream.is_ok() {
            break;
        }
    }
    let stream = stream?;
    stream.set_nodelay(true).map_err(away)?;
    stream.set_nonblocking(true).map_err(away)?;
    let stream = tokio::net::TcpStream::from_std(stream).map_err(away)?;
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(async move {
        // How it ended is told to whoever asks next.
        let _ = connection.await;
    });
    Ok(client)
}
