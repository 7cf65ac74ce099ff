//! The operator's servers for add-ons.
//!
//! Owns the list of offered services. Must not know how an add-on is created.

use super::backend::AddonServer;
use super::error::ProvisionError;
use super::memcached::MemcachedService;
use super::postgresql::PostgresqlService;
use super::redis::RedisService;
use grid::desired::AddonService;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The operator's servers, at most one for each service.
#[derive(Clone, Debug, Default)]
pub struct AddonServers {
    all: BTreeMap<AddonService, Arc<dyn AddonServer>>,
}

impl AddonServers {
    /// Adds a PostgreSQL server.
    pub fn with_postgresql(mut self, server: PostgresqlService) -> Self {
        self.all.insert(AddonService::Postgresql, Arc::new(server));
        self
    }

    /// Adds a Redis server.
    pub fn with_redis(mut self, server: RedisService) -> Self {
        self.all.insert(AddonService::Redis, Arc::new(server));
        self
    }

    /// Adds memcached servers.
    pub fn with_memcached(mut self, servers: MemcachedService) -> Self {
        self.all.insert(AddonService::Memcached, Arc::new(servers));
        self
    }

    /// The offered services, and the addresses of their servers.
    pub fn offered(&self) -> impl Iterator<Item = (AddonService, String)> {
        let all = self.all.iter();
        all.map(|(service, server)| (*service, server.address()))
    }

    pub(super) fn get(
        &self,
        service: AddonService,
    ) -> Result<&Arc<dyn AddonServer>, ProvisionError> {
        let server = self.all.get(&service);
        server.ok_or(ProvisionError::NotOffered(service))
    }
}
