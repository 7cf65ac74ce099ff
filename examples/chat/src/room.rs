//! The lines of the room, in Redis, which all dynos share.

use std::env;
use std::net::ToSocketAddrs;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncCommands, Client, ConnectionAddr, RedisConnectionInfo, RedisError, RedisResult};
use tokio::net::TcpStream;

/// Lines that a new person sees.
const REMEMBERED: isize = 50;

/// One room, seen from one dyno.
pub struct Room {
    redis: MultiplexedConnection,
    channel: String,
    lines: String,
}

impl Room {
    /// Joins the room: from now on the second half receives all lines.
    pub async fn join() -> RedisResult<(Room, PubSub)> {
        let url = env::var("REDIS_URL").map_err(|_| error("REDIS_URL is not set"))?;
        let client = Client::open(url).map_err(|_| error("REDIS_URL is not a URL of Redis"))?;
        let info = client.get_connection_info();
        // On a server that other apps share, the names begin with a prefix of this app.
        let name = match env::var("REDIS_PREFIX") {
            Ok(prefix) if !prefix.is_empty() => format!("{prefix}:chat"),
            _ => "chat".to_owned(),
        };
        let heard = stream(info.addr())?;
        let mut heard = PubSub::new(info.redis_settings(), heard).await?;
        heard.subscribe(&name).await?;
        let redis = connection(info.redis_settings().clone(), stream(info.addr())?).await?;
        let lines = format!("{name}:lines");
        let channel = name;
        Ok((
            Room {
                redis,
                channel,
                lines,
            },
            heard,
        ))
    }

    /// The latest lines, the oldest first.
    pub async fn before(&mut self) -> RedisResult<Vec<String>> {
        self.redis.lrange(&self.lines, -REMEMBERED, -1).await
    }

    /// Sends a line to everybody in the room, this dyno included.
    pub async fn say(&mut self, line: &str) -> RedisResult<()> {
        redis::pipe()
            .atomic()
            .rpush(&self.lines, line)
            .ltrim(&self.lines, -REMEMBERED, -1)
            .publish(&self.channel, line)
            .exec_async(&mut self.redis)
            .await
    }
}

/// A connection whose other half runs in a task, for as long as this half exists.
async fn connection(
    settings: RedisConnectionInfo,
    stream: TcpStream,
) -> RedisResult<MultiplexedConnection> {
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        match MultiplexedConnection::new(&settings, stream).await {
            Ok((connection, driver)) => {
                if tell.send(Ok(connection)).is_ok() {
                    driver.await;
                }
            }
            Err(error) => drop(tell.send(Err(error))),
        }
    });
    told.await
        .unwrap_or_else(|_| Err(error("the connection's task is gone")))
}

/// Under WASI a stream is connected by the standard library and then given to tokio.
fn stream(address: &ConnectionAddr) -> RedisResult<TcpStream> {
    let ConnectionAddr::Tcp(host, port) = address else {
        return Err(error("REDIS_URL does not begin with redis://"));
    };
    let addresses = (host.as_str(), *port).to_socket_addrs()?;
    let addresses: Vec<_> = addresses.collect();
    let stream = std::net::TcpStream::connect(addresses.as_slice())?;
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream)?)
}

fn error(why: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::InvalidClientConfig, why))
}
