//! The addresses of this machine's network interfaces.
//!
//! Owns how they are read and how old the list may be. Must not know which addresses are closed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use if_addrs::IfAddr;
use parking_lot::Mutex;

/// The greatest age of the list: a new address of the machine is closed after this time at the latest.
const AGE_MAX: Duration = Duration::from_secs(1);

/// This machine's addresses, read when a guest dials.
#[derive(Debug, Default)]
pub(crate) struct MachineAddresses(Mutex<Option<AddressList>>);

#[derive(Debug)]
struct AddressList {
    read: Instant,
    addresses: Vec<IpAddr>,
}

impl MachineAddresses {
    /// Whether `ip` is an address of this machine, or the broadcast address of one of its networks. Always true if
    /// the list could never be read.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let mut list = self.0.lock();
        if list
            .as_ref()
            .is_none_or(|list| list.read.elapsed() > AGE_MAX)
        {
            // If the list cannot be read (no file descriptor is free), the last list stays in use.
            if let Some(fresh) = read_interfaces() {
                *list = Some(fresh);
            }
        }
        let list = list.as_ref();
        list.is_none_or(|list| list.addresses.contains(&ip.to_canonical()))
    }

    /// Whether traffic to `ip` stays on this machine.
    pub(crate) fn stays_here(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || ip.is_unspecified() || self.contains(ip)
    }

    /// A fixed list for tests, which is never read again.
    #[cfg(test)]
    pub(crate) fn from_list(addresses: &[IpAddr]) -> MachineAddresses {
        let far = Instant::now() + Duration::from_secs(86_400);
        MachineAddresses(Mutex::new(Some(AddressList {
            read: far,
            addresses: addresses.to_vec(),
        })))
    }
}

fn read_interfaces() -> Option<AddressList> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    let mut addresses = Vec::with_capacity(interfaces.len());
    for interface in interfaces {
        addresses.push(interface.ip());
        if let IfAddr::V4(v4) = interface.addr {
            addresses.extend(v4.broadcast.map(IpAddr::V4));
        }
    }
    Some(AddressList {
        read: Instant::now(),
        addresses,
    })
}
