//! The policy of addresses that a guest may reach, for sockets and for outgoing `wasi:http` alike.
//!
//! Public addresses are open. Private addresses and those of this machine are closed, unless the operator opens them
//! with [`EgressPolicy::allowed`] or the release may reach them. Must not know names, nor how a connection is made.

mod kind;
mod opening;
mod own;
mod ports;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use grid::name::{Endpoint, Host};

pub(crate) use kind::ClosedAddress;
pub use opening::{EgressOpening, EgressOpeningError};
pub(crate) use own::MachineAddresses;
pub use ports::ClosedPorts;

/// The destinations that the operator opens to guests, besides public addresses.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// The networks that are open to every app.
    pub allowed: Arc<[EgressOpening]>,
    /// The ports of the platform's own router and API. On this machine's addresses they are closed, unless an entry
    /// of `allowed` names the port.
    pub listening: Arc<[u16]>,
    /// The ports on which dynos listen. On this machine's addresses they are closed whatever is allowed: an app is
    /// reached through the router only.
    pub dynos: ClosedPorts,
    /// The command that takes `--egress-allow`, as shown in log lines.
    pub command: &'static str,
}

impl Default for EgressPolicy {
    /// The policy of `dyno serve` without flags.
    fn default() -> EgressPolicy {
        EgressPolicy {
            allowed: Arc::default(),
            listening: Arc::default(),
            dynos: ClosedPorts::default(),
            command: "dyno serve",
        }
    }
}

impl EgressPolicy {
    /// Checks whether a dyno may dial `addr`. `reach` is what its release may reach. Only endpoints with an address
    /// count here; a name is resolved when it is dialled.
    ///
    /// # Errors
    /// The reason why `addr` is closed.
    pub(crate) fn check_address(
        &self,
        addr: SocketAddr,
        reach: &BTreeSet<Endpoint>,
        own: &MachineAddresses,
    ) -> Result<(), ClosedAddress> {
        let (ip, port) = (addr.ip(), addr.port());
        if self.dynos.contains(port) && own.stays_here(ip) {
            return Err(ClosedAddress::Dyno);
        }
        let given =
            |endpoint: &Endpoint| endpoint.port == port && endpoint.host == Host::Address(ip);
        if reach.iter().any(given) {
            return Ok(());
        }
        let mut openings = self.allowed.iter().filter(|open| open.contains(addr));
        if self.listening.contains(&port) && own.stays_here(ip) {
            return match openings.any(|open| open.port.is_some()) {
                true => Ok(()),
                false => Err(ClosedAddress::Platform),
            };
        }
        if openings.next().is_some() {
            return Ok(());
        }
        match ClosedAddress::by_default(ip) {
            Some(kind) => Err(kind),
            None if own.contains(ip) => Err(ClosedAddress::Own),
            None => Ok(()),
        }
    }

    /// The command line that opens `addr`, for people to copy. Nothing opens a dyno's port.
    pub(crate) fn opening_command(&self, addr: SocketAddr, why: ClosedAddress) -> Option<String> {
        let opening = match (why, addr.ip()) {
            (ClosedAddress::Dyno, _) => return None,
            (_, IpAddr::V4(ip)) => format!("{ip}/32:{}", addr.port()),
            (_, IpAddr::V6(ip)) => format!("[{ip}]/128:{}", addr.port()),
        };
        Some(format!("{} --egress-allow {opening}", self.command))
    }
}
