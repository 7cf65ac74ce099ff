//! The egress policy applied for one dyno: what the dyno may dial, and what its log says about refusals.
//!
//! Owns which of the release's names resolve to an address. Must not know how a connection is made.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use grid::name::{Endpoint, Host};
use wasmtime_wasi::sockets::SocketAddrUse;

use crate::guest::network::egress::ClosedAddress;
use crate::guest::network::resolver::NameResolver;
use crate::guest::network::shared::AppNetwork;
use crate::guest::stdio::logs::DynoLog;

/// The number of refused dials that a dyno's log shows. Later refusals are not logged.
const REFUSALS_TOLD_MAX: u32 = 20;

/// An answer that may need a name lookup first.
pub(crate) type DialVerdict = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;

/// The egress rules of one dyno.
#[derive(Clone)]
pub(crate) struct EgressGate {
    pub(crate) app: Arc<AppNetwork>,
    pub(crate) resolver: NameResolver,
    reach: Arc<BTreeSet<Endpoint>>,
    dyno_log: Arc<DynoLog>,
    lines_logged: Arc<AtomicU32>,
    /// `$PORT`, if the dyno is a server.
    port: Option<u16>,
    /// The log already says that the app tried to listen at another port.
    has_logged_port: Arc<AtomicBool>,
}

impl EgressGate {
    pub(crate) fn new(
        app: Arc<AppNetwork>,
        reach: Arc<BTreeSet<Endpoint>>,
        dyno_log: Arc<DynoLog>,
        port: Option<u16>,
    ) -> EgressGate {
        EgressGate {
            resolver: NameResolver::new(Arc::clone(&app)),
            app,
            reach,
            dyno_log,
            lines_logged: Arc::default(),
            port,
            has_logged_port: Arc::default(),
        }
    }

    /// Checks whether `addr` may be dialled, whatever its name.
    fn check_address(&self, addr: SocketAddr) -> Result<(), ClosedAddress> {
        let node = &self.app.node;
        node.egress.check_address(addr, &self.reach, &node.own)
    }

    /// Whether the release may reach `host` by exactly this name.
    fn reaches_name(&self, host: &str, port: u16) -> bool {
        self.reachable_names(port)
            .any(|name| name.eq_ignore_ascii_case(host))
    }

    /// The names that the release may reach at this port.
    fn reachable_names(&self, port: u16) -> impl Iterator<Item = &str> {
        self.reach
            .iter()
            .filter_map(move |endpoint| match &endpoint.host {
                Host::Name(name) if endpoint.port == port => Some(name.as_str()),
                _ => None,
            })
    }

    /// Whether `addr`, to which `host` resolved, may be used. Never needs a lookup.
    pub(crate) fn allows_without_lookup(&self, host: &str, addr: SocketAddr) -> bool {
        self.decide(Some(host), addr).is_ok()
    }

    /// Whether `addr` may be dialled. `host` is the name that resolved to it, if there is one. A refusal is logged.
    pub(crate) async fn permits_dial(&self, host: Option<&str>, addr: SocketAddr) -> bool {
        let Err(why) = self.decide(host, addr) else {
            return true;
        };
        let stands = self.is_named_by_release(addr, why).await;
        if !stands {
            self.log_refusal(host, addr, why);
        }
        stands
    }

    fn decide(&self, host: Option<&str>, addr: SocketAddr) -> Result<(), ClosedAddress> {
        match (self.check_address(addr), host) {
            // No name opens a dyno's port.
            (Err(why), Some(host))
                if why != ClosedAddress::Dyno && self.reaches_name(host, addr.port()) =>
            {
                Ok(())
            }
            (verdict, _) => verdict,
        }
    }

    fn log_refusal(&self, host: Option<&str>, addr: SocketAddr, why: ClosedAddress) {
        if self.lines_logged.fetch_add(1, Ordering::Relaxed) >= REFUSALS_TOLD_MAX {
            return;
        }
        let itself = |host: &str| host.parse().is_ok_and(|ip: IpAddr| addr.ip() == ip);
        let whither = match host {
            Some(host) if !itself(host) => format!("{host} ({addr})"),
            _ => addr.to_string(),
        };
        let remedy = self.app.node.egress.opening_command(addr, why);
        let remedy = remedy.map_or_else(String::new, |words| {
            format!("; the operator opens it with: {words}")
        });
        let text = format!("Outbound connection to {whither} refused: {why}{remedy}");
        self.dyno_log.write_platform_line(&text);
    }

    /// Logs once that the app listens at another port than `$PORT`, where no request reaches it.
    fn log_wrong_port(&self, addr: SocketAddr) {
        let Some(port) = self.port else { return };
        if self.has_logged_port.swap(true, Ordering::Relaxed) {
            return;
        }
        self.dyno_log.write_platform_line(&format!(
            "The app tried to listen at {addr}, where no request reaches it: $PORT is {port} here, and another number in each \
             dyno; read it from the environment and listen at 0.0.0.0:$PORT"
        ));
    }

    /// Decides whether a socket may do this: connecting and sending follow the policy, listening is never allowed.
    pub(crate) fn check_socket(&self, addr: SocketAddr, reason: SocketAddrUse) -> DialVerdict {
        let now = match reason {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                if self.check_address(addr).is_err() {
                    return self.decide_later(addr, reason);
                }
                true
            }
            // A socket that connects or sends is first bound to any address and port. Only servers choose a port.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                addr.ip().is_unspecified() && addr.port() == 0
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        };
        if !now && matches!(reason, SocketAddrUse::TcpBind | SocketAddrUse::TcpListen) {
            self.log_wrong_port(addr);
        }
        Box::pin(std::future::ready(now))
    }

    /// Decides about an address that is closed, unless one of the release's names resolves to it.
    fn decide_later(&self, addr: SocketAddr, reason: SocketAddrUse) -> DialVerdict {
        let gate = self.clone();
        Box::pin(async move {
            match (reason, gate.check_address(addr)) {
                (_, Ok(())) => true,
                // A refused incoming datagram is not logged, since the app did not cause it.
                (SocketAddrUse::UdpReceive, Err(why)) => gate.is_named_by_release(addr, why).await,
                _ => gate.permits_dial(None, addr).await,
            }
        })
    }

    /// Whether one of the release's names resolves to this closed address now.
    async fn is_named_by_release(&self, addr: SocketAddr, why: ClosedAddress) -> bool {
        if why == ClosedAddress::Dyno {
            return false;
        }
        for name in self.reachable_names(addr.port()) {
            let found = self.resolver.resolve(name).await;
            if found.is_ok_and(|found| found.contains(&addr.ip().to_canonical())) {
                return true;
            }
        }
        false
    }

    /// Logs something that the app's developers should know about their outgoing requests.
    pub(crate) fn log_notice(&self, text: &str) {
        if self.lines_logged.fetch_add(1, Ordering::Relaxed) < REFUSALS_TOLD_MAX {
            self.dyno_log.write_platform_line(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::guest::network::egress::EgressPolicy;
    use crate::guest::network::shared::NodeNetwork;
    use crate::guest::stdio::logs::LogLine;

    /// Makes the gate of a dyno whose release may reach the endpoints `reach`. Also returns the dyno's log.
    fn gate(egress: EgressPolicy, reach: &[&str]) -> (EgressGate, Arc<Mutex<Vec<LogLine>>>) {
        let app = "demo".parse().expect("a name");
        let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let log = Arc::clone(&lines);
        let dyno_log = DynoLog {
            app: "demo".parse().expect("a name"),
            dyno: "web.1".parse().expect("a dyno"),
            sink: Arc::new(move |line| log.lock().expect("not poisoned").push(line)),
        };
        let reach = reach.iter().map(|end| end.parse().expect("an endpoint"));
        let network = NodeNetwork::new(egress).for_app(&app);
        let reach = Arc::new(reach.collect());
        let gate = EgressGate::new(network, reach, Arc::new(dyno_log), Some(5000));
        (gate, lines)
    }

    async fn connects(gate: &EgressGate, addr: &str) -> bool {
        let addr = addr.parse().expect("an address");
        gate.check_socket(addr, SocketAddrUse::TcpConnect).await
    }

    #[tokio::test]
    async fn endpoint_names_of_a_release_open_the_addresses_they_resolve_to() {
        let (gate, log) = gate(
            EgressPolicy::default(),
            &["localhost:5432", "10.0.0.5:6379"],
        );
        assert!(connects(&gate, "127.0.0.1:5432").await);
        assert!(connects(&gate, "10.0.0.5:6379").await);
        for closed in [
            "127.0.0.1:5433",
            "127.0.0.2:5432",
            "10.0.0.5:5432",
            "10.0.0.6:6379",
        ] {
            assert!(!connects(&gate, closed).await, "{closed}");
        }
        let addr = "127.0.0.1:5432".parse().expect("an address");
        // The first name needs no lookup. The second resolves to the same address.
        assert!(
            gate.allows_without_lookup("LOCALHOST", addr)
                && !gate.allows_without_lookup("other.test", addr)
        );
        assert!(gate.permits_dial(Some("other.test"), addr).await);
        let elsewhere = "127.0.0.2:5432".parse().expect("an address");
        assert!(!gate.permits_dial(Some("other.test"), elsewhere).await);
        assert_eq!(log.lock().expect("not poisoned").len(), 5);
    }

    #[tokio::test]
    async fn the_port_of_a_dyno_stays_closed_for_every_name() {
        let egress = EgressPolicy::default();
        egress.dynos.insert(5_432);
        let (gate, _) = gate(egress, &["localhost:5432", "127.0.0.1:5432"]);
        assert!(!connects(&gate, "127.0.0.1:5432").await);
        let addr = "127.0.0.1:5432".parse().expect("an address");
        assert!(
            !gate.allows_without_lookup("localhost", addr)
                && !gate.permits_dial(Some("localhost"), addr).await
        );
    }

    #[tokio::test]
    async fn logged_refusals_are_limited() {
        let (gate, log) = gate(EgressPolicy::default(), &[]);
        let addr = "10.0.0.5:5432".parse().expect("an address");
        // Refused incoming datagrams are not logged.
        assert!(!gate.check_socket(addr, SocketAddrUse::UdpReceive).await);
        assert!(log.lock().expect("not poisoned").is_empty());
        for _ in 0..2 * REFUSALS_TOLD_MAX {
            assert!(!gate.check_socket(addr, SocketAddrUse::UdpSend).await);
        }
        let log = log.lock().expect("not poisoned");
        assert_eq!(log.len(), REFUSALS_TOLD_MAX as usize);
    }

    #[tokio::test]
    async fn a_wrong_listen_address_is_logged_once() {
        let (gate, log) = gate(EgressPolicy::default(), &[]);
        for chosen in ["127.0.0.1:8080", "0.0.0.0:3000"] {
            let chosen = chosen.parse().expect("an address");
            assert!(!gate.check_socket(chosen, SocketAddrUse::TcpBind).await);
        }
        let log = log.lock().expect("not poisoned");
        let [line] = &log[..] else {
            panic!("{log:?}");
        };
        for words in [
            "at 127.0.0.1:8080",
            "$PORT is 5000",
            "listen at 0.0.0.0:$PORT",
        ] {
            assert!(line.text.contains(words), "{}", line.text);
        }
    }

    #[tokio::test]
    async fn a_guest_socket_cannot_listen() {
        let (gate, _) = gate(EgressPolicy::default(), &[]);
        let any = "0.0.0.0:0".parse().expect("an address");
        assert!(gate.check_socket(any, SocketAddrUse::TcpBind).await);
        assert!(!gate.check_socket(any, SocketAddrUse::TcpListen).await);
        for chosen in ["0.0.0.0:80", "127.0.0.1:0"] {
            let chosen = chosen.parse().expect("an address");
            assert!(!gate.check_socket(chosen, SocketAddrUse::TcpBind).await);
            assert!(!gate.check_socket(chosen, SocketAddrUse::UdpBind).await);
        }
    }
}
