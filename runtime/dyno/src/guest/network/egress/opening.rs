//! One thing that the operator opened: a network, and perhaps a port.
//!
//! Owns the text of `--egress-allow`. Must not know what is closed otherwise.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

/// A network, or one port in it: `10.0.0.0/8`, `10.0.0.5/32:5432`, `10.0.0.5:5432`, `fd00::/8`, `[fd00::5]:5432`,
/// `[fd00::]/8:5432`. An address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressOpening {
    /// Its addresses.
    pub network: IpNet,
    /// The only port; all of them if there is none.
    pub port: Option<u16>,
}

/// Text that is no [`EgressOpening`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressOpeningError {
    /// Neither an address nor a network.
    #[error("write a network and perhaps a port: 10.0.0.0/8, 10.0.0.5:5432 or [fd00::5]:5432")]
    Network,
    /// What follows the colon.
    #[error("the port is a number from 1 to 65535")]
    Port,
    /// Bits beyond the prefix, as in 10.0.0.5/8.
    #[error("{0} names one address and a network: write {1} for the network")]
    Bits(IpNet, IpNet),
}

impl EgressOpening {
    /// All ports of the network of `address` and its first `bits`.
    ///
    /// # Panics
    /// If there are more bits than the address has.
    pub fn network(address: IpAddr, bits: u8) -> EgressOpening {
        let network = IpNet::new(address, bits).expect("a prefix is no longer than its address");
        let (network, port) = (network.trunc(), None);
        EgressOpening { network, port }
    }

    /// Whether this opens `addr`.
    pub(crate) fn contains(&self, addr: SocketAddr) -> bool {
        self.network.contains(&addr.ip()) && self.port.is_none_or(|port| port == addr.port())
    }
}

impl FromStr for EgressOpening {
    type Err = EgressOpeningError;

    fn from_str(text: &str) -> Result<Self, EgressOpeningError> {
        let (network, port) = match bracketed(text) {
            Some((address, rest)) => {
                let (prefix, port) = match rest.split_once(':') {
                    Some((prefix, port)) => (prefix, Some(port)),
                    None => (rest, None),
                };
                (format!("{address}{prefix}"), port)
            }
            // More than one colon: an IPv6 address without a port.
            None => match text.split_once(':') {
                Some((network, port)) if !port.contains(':') => (network.to_owned(), Some(port)),
                _ => (text.to_owned(), None),
            },
        };
        Ok(EgressOpening {
            network: parse_network(&network)?,
            port: port.map(parse_port).transpose()?,
        })
    }
}

/// What stands in brackets, and what follows.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (address, rest) = text.strip_prefix('[')?.split_once(']')?;
    address.contains(':').then_some((address, rest))
}

fn parse_network(text: &str) -> Result<IpNet, EgressOpeningError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = text.parse().map_err(|_| EgressOpeningError::Network)?;
    match network.trunc() {
        whole if whole == network => Ok(network),
        whole => Err(EgressOpeningError::Bits(network, whole)),
    }
}

fn parse_port(text: &str) -> Result<u16, EgressOpeningError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| plain && *port > 0);
    port.ok_or(EgressOpeningError::Port)
}

impl fmt::Display for EgressOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (network, None) => write!(f, "{network}"),
            (IpNet::V4(network), Some(port)) => write!(f, "{network}:{port}"),
            (IpNet::V6(network), Some(port)) => {
                write!(f, "[{}]/{}:{port}", network.addr(), network.prefix_len())
            }
        }
    }
}
