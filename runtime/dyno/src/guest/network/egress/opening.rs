//! A network that the operator opened, with an optional port.
//!
//! Owns the text format of `--egress-allow`. Must not know which addresses are closed by default.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

/// A network, or one port in it: `10.0.0.0/8`, `10.0.0.5/32:5432`, `10.0.0.5:5432`, `fd00::/8`, `[fd00::5]:5432`,
/// `[fd00::]/8:5432`. A single address is a network of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressOpening {
    /// The addresses of the network.
    pub network: IpNet,
    /// The port that is opened. `None`: all ports.
    pub port: Option<u16>,
}

/// The reason why a text is not an [`EgressOpening`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressOpeningError {
    /// The text before the port is neither an address nor a network.
    #[error("write a network and perhaps a port: 10.0.0.0/8, 10.0.0.5:5432 or [fd00::5]:5432")]
    Network,
    /// The text after the colon is not a port.
    #[error("the port is a number from 1 to 65535")]
    Port,
    /// The address has bits beyond the prefix, as in 10.0.0.5/8. The second network is the one without these bits.
    #[error("{0} names one address and a network: write {1} for the network")]
    Bits(IpNet, IpNet),
}

impl EgressOpening {
    /// All ports of the network that consists of the first `bits` bits of `address`.
    ///
    /// # Panics
    /// If the address has fewer bits.
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
            // A text with more than one colon is an IPv6 address without a port.
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

/// Splits `[address]rest`. `None` if the text does not start with an IPv6 address in brackets.
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
