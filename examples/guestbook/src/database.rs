//! The entries, in PostgreSQL.
//!
//! A dyno serves one request at a time, so it needs one connection and no pool. The connection outlives requests;
//! if the server was restarted meanwhile, the next request connects anew.

use std::future::Future;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{env, fmt};

use tokio::runtime::Runtime;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

/// How long the server may take for one request of ours.
const PATIENCE: Duration = Duration::from_secs(5);
/// The newest entries that a page shows.
const SHOWN: i64 = 50;

/// What kept us from the entries.
#[derive(Debug)]
pub enum Error {
    /// `DATABASE_URL` is missing, or is none.
    Url(String),
    /// The server cannot be reached, or takes too long.
    Away(String),
    /// The server's own word.
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

/// What one visitor wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub message: String,
    /// UTC, to the minute.
    pub written: String,
}

/// One connection, made when it is first needed.
pub struct Database {
    /// The connection's own task runs while one of our calls waits, and rests between requests.
    runtime: Runtime,
    client: Option<Client>,
}

impl Database {
    /// Not connected yet.
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
        // Asking twice does no harm, so a connection that broke meanwhile is worth a second try.
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

    /// Adds an entry, once: if the connection breaks meanwhile nobody knows whether it is there, and that is an error.
    pub fn add(&mut self, name: &str, message: &str) -> Result<(), Error> {
        // An empty query tells whether the connection still stands; if not, the insert gets a new one.
        let _ = self.within(async |client| Ok(client.simple_query("").await?));
        const INSERT: &str = "INSERT INTO entries (name, message) VALUES ($1, $2)";
        self.within(async |client| Ok(client.execute(INSERT, &[&name, &message]).await?))?;
        Ok(())
    }

    /// Makes the tables, or leaves them if they are there.
    pub fn migrate(&mut self) -> Result<(), Error> {
        self.within(async |client| Ok(client.batch_execute(include_str!("schema.sql")).await?))
    }

    /// Runs one piece of work on the connection. One that broke or took too long is gone afterwards.
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
