//! Which addresses a guest may reach: the policy, for sockets and for outgoing `wasi:http` alike.
//!
//! Public addresses are open; what lies around the host is closed unless the operator opens it, by
//! [`EgressPolicy::allowed`] or by what a release may reach. Addresses in, verdicts out: must know neither
//! names nor how a connection is made.

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

/// The operator's word on what guests may reach beside public addresses.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// What is open, to every app.
    pub allowed: Arc<[EgressOpening]>,
    /// The ports that the platform's own router and API listen on. On this machine's addresses they are closed,
    /// unless one of `allowed` names the port.
    pub listening: Arc<[u16]>,
    /// The ports of dynos that listen. On this machine's addresses they are closed, whatever is allowed: an app is
    /// reached through the router.
    pub dynos: ClosedPorts,
    /// The command that takes `--egress-allow`, as the log names it.
    pub command: &'static str,
}

impl Default for EgressPolicy {
    /// `dyno serve` without flags.
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
    /// What one dyno may dial. `reach` is its release's; endpoints with a name are not for here, since a name is
    /// resolved when it is dialled.
    ///
    /// # Errors
    /// Why `addr` is closed.
    pub(crate) fn check(
        &self,
        addr: SocketAddr,
        reach: &BTreeSet<Endpoint>,
        own: &MachineAddresses,
    ) -> Result<(), ClosedAddress> {
        let (ip, port) = (addr.ip(), addr.port());
        if self.dynos.contains(port) && own.here(ip) {
            return Err(ClosedAddress::Dyno);
        }
        let given =
            |endpoint: &Endpoint| endpoint.port == port && endpoint.host == Host::Address(ip);
        if reach.iter().any(given) {
            return Ok(());
        }
        let mut openings = self.allowed.iter().filter(|open| open.contains(addr));
        if self.listening.contains(&port) && own.here(ip) {
            return match openings.any(|open| open.port.is_some()) {
                true => Ok(()),
                false => Err(ClosedAddress::Platform),
            };
        }
        if openings.next().is_some() {
            return Ok(());
        }
        match ClosedAddress::of(ip) {
            Some(kind) => Err(kind),
            None if own.contains(ip) => Err(ClosedAddress::Own),
            None => Ok(()),
        }
    }

    /// What opens `addr`, for people to copy. Nothing opens a dyno's port.
    pub(crate) fn remedy(&self, addr: SocketAddr, why: ClosedAddress) -> Option<String> {
        let opening = match (why, addr.ip()) {
            (ClosedAddress::Dyno, _) => return None,
            (_, IpAddr::V4(ip)) => format!("{ip}/32:{}", addr.port()),
            (_, IpAddr::V6(ip)) => format!("[{ip}]/128:{}", addr.port()),
        };
        Some(format!("{} --egress-allow {opening}", self.command))
    }
}
