//! The policy in one dyno's name: what it may dial, and what its log says of refusals.
//!
//! Owns which of the release's names stand for an address. Must not know how a connection is made.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use grid::name::{Endpoint, Host};
use wasmtime_wasi::sockets::SocketAddrUse;

use super::egress::Closed;
use super::logs::Voice;
use super::network::AppNetwork;
use super::resolver::Resolver;

/// Refused dials that a dyno's log shows before it says no more about them.
const REFUSALS_TOLD_MAX: u32 = 20;

/// An answer that may need a lookup first.
pub(crate) type Verdict = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;

/// One dyno's way out.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: Arc<AppNetwork>,
    pub(crate) resolver: Resolver,
    reach: Arc<BTreeSet<Endpoint>>,
    voice: Arc<Voice>,
    told: Arc<AtomicU32>,
}

impl Gate {
    pub(crate) fn new(
        app: Arc<AppNetwork>,
        reach: Arc<BTreeSet<Endpoint>>,
        voice: Arc<Voice>,
    ) -> Gate {
        Gate {
            resolver: Resolver::new(Arc::clone(&app)),
            app,
            reach,
            voice,
            told: Arc::default(),
        }
    }

    /// Whether `addr` may be dialled whatever it is called.
    fn check(&self, addr: SocketAddr) -> Result<(), Closed> {
        let node = &self.app.node;
        node.egress.check(addr, &self.reach, &node.own)
    }

    /// Whether the release may reach `host`, by this very name.
    fn reaches(&self, host: &str, port: u16) -> bool {
        self.names(port).any(|name| name.eq_ignore_ascii_case(host))
    }

    /// The names that the release may reach at this port.
    fn names(&self, port: u16) -> impl Iterator<Item = &str> {
        self.reach
            .iter()
            .filter_map(move |endpoint| match &endpoint.host {
                Host::Name(name) if endpoint.port == port => Some(name.as_str()),
                _ => None,
            })
    }

    /// Whether `addr`, which `host` was resolved to, may be dialled.
    pub(crate) fn allows(&self, host: &str, addr: SocketAddr) -> bool {
        self.verdict(host, addr).is_ok()
    }

    /// The same; a refusal is told to the log.
    pub(crate) fn dial(&self, host: &str, addr: SocketAddr) -> bool {
        let verdict = self.verdict(host, addr);
        if let Err(why) = verdict {
            let named = host.parse().is_ok_and(|ip: IpAddr| addr.ip() == ip);
            self.refused((!named).then_some(host), addr, why);
        }
        verdict.is_ok()
    }

    fn verdict(&self, host: &str, addr: SocketAddr) -> Result<(), Closed> {
        match self.check(addr) {
            // No name opens a dyno's port.
            Err(why) if why != Closed::Dyno && self.reaches(host, addr.port()) => Ok(()),
            verdict => verdict,
        }
    }

    fn refused(&self, host: Option<&str>, addr: SocketAddr, why: Closed) {
        if self.told.fetch_add(1, Ordering::Relaxed) >= REFUSALS_TOLD_MAX {
            return;
        }
        let whither = match host {
            Some(host) => format!("{host} ({addr})"),
            None => addr.to_string(),
        };
        let remedy = self.app.node.egress.remedy(addr, why);
        let remedy = remedy.map_or_else(String::new, |words| {
            format!("; the operator opens it with: {words}")
        });
        let text = format!("Outbound connection to {whither} refused: {why}{remedy}");
        self.voice.platform(&text);
    }

    /// What a socket may do: connect and send by the policy, never listen.
    pub(crate) fn socket(&self, addr: SocketAddr, reason: SocketAddrUse) -> Verdict {
        let now = match reason {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => return self.address(addr, true),
            SocketAddrUse::UdpReceive => return self.address(addr, false),
            // What connecting and sending do by themselves; a chosen port or address is a server's.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                addr.ip().is_unspecified() && addr.port() == 0
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        };
        Box::pin(std::future::ready(now))
    }

    /// An address without a name: it may still be what a name of the release stands for, now.
    fn address(&self, addr: SocketAddr, tell: bool) -> Verdict {
        let why = match self.check(addr) {
            Ok(()) => return Box::pin(std::future::ready(true)),
            Err(why) => why,
        };
        let gate = self.clone();
        if why == Closed::Dyno || gate.names(addr.port()).next().is_none() {
            if tell {
                gate.refused(None, addr, why);
            }
            return Box::pin(std::future::ready(false));
        }
        Box::pin(async move {
            let stands = gate.stands_for_name(addr).await;
            if !stands && tell {
                gate.refused(None, addr, why);
            }
            stands
        })
    }

    async fn stands_for_name(&self, addr: SocketAddr) -> bool {
        for name in self.names(addr.port()) {
            let found = self.resolver.resolve(name).await;
            if found.is_ok_and(|found| found.contains(&addr.ip().to_canonical())) {
                return true;
            }
        }
        false
    }

    /// Something that the app's developers should know of their outgoing requests.
    pub(crate) fn tell(&self, text: &str) {
        if self.told.fetch_add(1, Ordering::Relaxed) < REFUSALS_TOLD_MAX {
            self.voice.platform(text);
        }
    }
}
