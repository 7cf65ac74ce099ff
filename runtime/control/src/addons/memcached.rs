//! memcached: add-ons are addresses only; nothing is created on the servers.
//!
//! Owns the check that the servers answer before an app gets their addresses. memcached has no users: every client
//! can use the whole server, so all apps with this add-on share one cache.

use super::backend::{AddonServer, SERVER_CONNECT_TIMEOUT};
use super::error::{MEMCACHED_SERVERS_MAX, ProvisionError, ServiceConfigError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, AddonService, ConfigVars, NewAddon};
use grid::name::Endpoint;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Maximum number of bytes read of the answer to `version`.
const ANSWER_BYTES_MAX: usize = 64;

/// The operator's memcached servers.
#[derive(Clone, Debug)]
pub struct MemcachedService {
    /// In the order in which clients use them.
    servers: Vec<Endpoint>,
}

impl MemcachedService {
    /// Creates the service from one to sixteen servers, whose addresses apps use as given.
    pub fn new(servers: Vec<Endpoint>) -> Result<Self, ServiceConfigError> {
        if !(1..=MEMCACHED_SERVERS_MAX).contains(&servers.len()) {
            return Err(ServiceConfigError::Servers);
        }
        Ok(MemcachedService { servers })
    }

    fn join_addresses(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        servers.join(",")
    }

    async fn check_servers(&self) -> Result<AddonDetails, ProvisionError> {
        for server in &self.servers {
            ask(server)
                .await
                .map_err(|why| ProvisionError::Unreachable {
                    service: AddonService::Memcached,
                    place: server.to_string(),
                    why,
                })?;
        }
        let values = BTreeMap::from([("SERVERS".to_owned(), self.join_addresses())]);
        Ok(AddonDetails {
            values: ConfigVars(Arc::new(values)),
            reach: Arc::new(self.servers.iter().cloned().collect()),
            number: None,
        })
    }
}

/// Checks that a memcached server answers.
async fn ask(server: &Endpoint) -> Result<(), String> {
    let asked = timeout(SERVER_CONNECT_TIMEOUT, async {
        let mut stream = TcpStream::connect(server.to_string()).await?;
        stream.write_all(b"version\r\n").await?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        let count = stream.read(&mut answer).await?;
        Ok::<_, std::io::Error>(answer[..count].starts_with(b"VERSION "))
    });
    match asked.await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("what answers there is no memcached".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

impl AddonServer for MemcachedService {
    fn address(&self) -> String {
        self.join_addresses()
    }

    fn create_addon<'a>(
        &'a self,
        _: &'a NewAddon,
        _: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>> {
        self.check_servers().boxed()
    }

    fn destroy_addon<'a>(
        &'a self,
        _: &'a NewAddon,
        _: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        async { Ok(()) }.boxed()
    }

    fn tend_addon<'a>(
        &'a self,
        _: &'a NewAddon,
        _: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        async { Ok(()) }.boxed()
    }
}
