//! The addresses of this machine's own interfaces, as far as the system tells.
//!
//! Owns how they are learnt and how old the list may be. Must not know what is closed.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use if_addrs::IfAddr;

/// How old the list may be: an address that the machine was given is closed after so long.
const AGE_MAX: Duration = Duration::from_secs(1);

/// This machine's addresses, asked for when somebody dials.
#[derive(Debug, Default)]
pub(crate) struct MachineAddresses(Mutex<Option<AddressList>>);

#[derive(Debug)]
struct AddressList {
    read: Instant,
    addresses: Vec<IpAddr>,
}

impl MachineAddresses {
    /// Whether `ip` is one of them, or the broadcast address of one. If the system never told, every address is.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list
            .as_ref()
            .is_none_or(|list| list.read.elapsed() > AGE_MAX)
        {
            // One that cannot be read (no descriptor is free) leaves the last one as it is.
            if let Some(fresh) = read() {
                *list = Some(fresh);
            }
        }
        let list = list.as_ref();
        list.is_none_or(|list| list.addresses.contains(&ip.to_canonical()))
    }

    /// Whether what is sent to `ip` stays on this machine.
    pub(crate) fn here(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || ip.is_unspecified() || self.contains(ip)
    }

    /// A list that a test made, which is never read anew.
    #[cfg(test)]
    pub(crate) fn of(addresses: &[IpAddr]) -> MachineAddresses {
        let far = Instant::now() + Duration::from_secs(86_400);
        MachineAddresses(Mutex::new(Some(AddressList {
            read: far,
            addresses: addresses.to_vec(),
        })))
    }
}

fn read() -> Option<AddressList> {
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
