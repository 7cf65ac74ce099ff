//! One node's part of the mesh.
//!
//! Owns the tasks of the listener and the diallers. Must not know who leads, nor what a step does.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use grid::name::{LeaderEpoch, NodeId};
use grid::protocol::{Report, Step};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::dialler::{MeshContext, PeerConnection, keep_connected};
use super::limits::EVENTS_MAX;
use super::listener::{SharedNodeEnd, accept_connections};
use super::peer_table::PeerTable;
use super::shared_end::SharedEnd;
use super::step_channel::StepChannel;
use crate::bundle::NodeBundle;
use crate::channel::{NodeEnd, SendRefused};
use crate::tls::{MeshTls, MeshTlsError, RemovedNodes};

/// Another node, and where it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshPeer {
    /// Its name.
    pub name: NodeId,
    /// The address of its mesh.
    pub address: SocketAddr,
}

/// How a node takes part in the mesh.
#[derive(Clone, Debug)]
pub struct MeshOptions {
    /// Rises with each start of the node's program.
    pub incarnation: u64,
    /// The newest epoch in the node's copy of the ledger.
    pub epoch: LeaderEpoch,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The other nodes.
    pub peers: Vec<MeshPeer>,
    /// The nodes that were removed.
    pub removed: RemovedNodes,
    /// For the jitter of waiting times: any number, another one on each node.
    pub seed: u64,
}

impl MeshOptions {
    /// The options that follow from a bundle: all its nodes are dialled, and the node listens on its own address.
    /// `None` if the node is not in its own list.
    pub fn from_bundle(bundle: &NodeBundle, incarnation: u64, seed: u64) -> Option<Self> {
        let listen = bundle.own_entry()?.address;
        let others = bundle.nodes.iter().filter(|node| node.name != bundle.node);
        let peers = others.map(|node| MeshPeer {
            name: node.name.clone(),
            address: node.address,
        });
        Some(MeshOptions {
            incarnation,
            epoch: LeaderEpoch::default(),
            listen,
            peers: peers.collect(),
            removed: RemovedNodes::new(),
            seed,
        })
    }
}

/// The mesh cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MeshStartError {
    /// The bundle is not usable.
    #[error("the mesh cannot start with this bundle")]
    Tls(#[from] MeshTlsError),
    /// The address is taken, or not this machine's.
    #[error(
        "the mesh cannot listen on {address}: check that it is an address of this machine, and that no other program listens there"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A report was not taken, because it is larger than a frame may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the report is larger than {} bytes", crate::channel::FRAME_BYTES_MAX)]
pub struct OversizedReport(pub Box<Report>);

struct Dialler {
    connections: watch::Receiver<PeerConnection>,
    task: JoinSet<()>,
}

/// A running node of the mesh. Its tasks and connections end soon after it is dropped; [`MeshNode::stop`] waits for that.
pub struct MeshNode {
    context: Arc<MeshContext>,
    node_end: Arc<SharedNodeEnd>,
    own: NodeId,
    address: SocketAddr,
    seed: u64,
    diallers: Mutex<BTreeMap<NodeId, Dialler>>,
    /// One task.
    listener: JoinSet<()>,
}

/// The steps of leaders, in order.
pub struct StepReceiver {
    node_end: Arc<SharedNodeEnd>,
    steps: mpsc::Receiver<(LeaderEpoch, Step)>,
}

impl StepReceiver {
    /// The next step, and the epoch of the leader that sent it. Waits for ever when the mesh has ended. Steps that
    /// arrived before a newer leader began are refused and counted.
    pub async fn next_step(&mut self) -> (LeaderEpoch, Step) {
        loop {
            match self.steps.recv().await {
                Some((epoch, step)) if self.node_end.with_end(|end| end.admit_step(epoch)) => {
                    return (epoch, step);
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl MeshNode {
    /// Listens, and dials all peers.
    pub async fn start(
        bundle: &NodeBundle,
        options: MeshOptions,
    ) -> Result<(Self, StepReceiver), MeshStartError> {
        let tls = MeshTls::new(bundle, &options.removed)?;
        let listen_error = |source| MeshStartError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let context = Arc::new(MeshContext {
            incarnation: options.incarnation,
            tls,
            removed: options.removed,
            peers: PeerTable::new(),
        });
        let (sender, steps) = mpsc::channel(EVENTS_MAX);
        let end = NodeEnd::new(options.incarnation, options.epoch);
        let node_end = Arc::new(SharedEnd::new(end, sender));
        let mut task = JoinSet::new();
        let accepting = accept_connections(Arc::clone(&context), Arc::clone(&node_end), listener);
        task.spawn(accepting);
        let mesh = MeshNode {
            context,
            node_end: Arc::clone(&node_end),
            own: bundle.node.clone(),
            address,
            seed: options.seed,
            diallers: Mutex::new(BTreeMap::new()),
            listener: task,
        };
        for peer in options.peers {
            mesh.add_peer(peer);
        }
        Ok((mesh, StepReceiver { node_end, steps }))
    }

    /// Ends the listener and all connections. When this returns, the address is free for another listener.
    pub async fn stop(mut self) {
        self.listener.shutdown().await;
        let diallers = std::mem::take(&mut *self.diallers.lock());
        for mut dialler in diallers.into_values() {
            dialler.task.shutdown().await;
        }
    }

    /// The address at which the node listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Dials a further peer, or a known one at another address. Call it within a tokio runtime.
    pub fn add_peer(&self, peer: MeshPeer) {
        if peer.name == self.own {
            return;
        }
        self.context.peers.expect_peer(&peer.name);
        let (offer, connections) = watch::channel(None);
        let context = Arc::clone(&self.context);
        let name_bytes = peer.name.as_str().bytes();
        let seed = name_bytes.fold(self.seed, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let mut task = JoinSet::new();
        let (name, address) = (peer.name.clone(), peer.address);
        task.spawn(keep_connected(context, name, address, offer, seed));
        let dialler = Dialler { connections, task };
        let replaced = self.diallers.lock().insert(peer.name, dialler);
        drop(replaced.map(|dialler| dialler.task));
    }

    /// Stops dialling a peer, and forgets it. Its own connections end only if it is in the set of removed nodes.
    pub fn remove_peer(&self, peer: &NodeId) {
        drop(self.diallers.lock().remove(peer));
        self.context.peers.forget_peer(peer);
    }

    /// Who was heard when.
    pub fn peers(&self) -> &PeerTable {
        &self.context.peers
    }

    /// The set of removed nodes.
    pub fn removed(&self) -> &RemovedNodes {
        &self.context.removed
    }

    /// Opens the channel of a leader to a node; `None` if the node is not dialled.
    pub fn open_channel(&self, node: &NodeId, epoch: LeaderEpoch) -> Option<StepChannel> {
        let diallers = self.diallers.lock();
        let connections = diallers.get(node)?.connections.clone();
        Some(StepChannel::open(epoch, connections))
    }

    /// Takes a report for whoever leads. Waits while too many are not acknowledged, even for as long as nobody leads.
    ///
    /// Acknowledgements come in order with steps, so that another task must take the steps meanwhile.
    pub async fn send_report(&self, report: Report) -> Result<(), OversizedReport> {
        let sent = self.node_end.send(report).await;
        sent.map_err(|refused| match refused {
            SendRefused::Full(report)
            | SendRefused::Oversized(report)
            | SendRefused::Ended(report) => OversizedReport(Box::new(report)),
        })
    }

    /// The ledger says that a leader of this epoch has begun: leaders of lower epochs are refused from now on.
    pub fn observe_epoch(&self, epoch: LeaderEpoch) {
        self.node_end.with_end(|end| end.observe_epoch(epoch));
    }

    /// How often a leader of a lower epoch was refused.
    pub fn refused_count(&self) -> u64 {
        self.node_end.with_end(|end| end.refused_count())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::bundle::{EngineCount, GridKey, create_bundles, plan_nodes};

    #[test]
    fn a_bundle_says_where_to_listen_and_whom_to_dial() {
        let nodes = ["a=10.0.0.1", "b=10.0.0.2:80", "c=10.0.0.3"];
        let nodes = plan_nodes(&nodes, None, EngineCount::Three).expect("valid");
        let key = GridKey::from_bytes([1; 32]);
        let grid = create_bundles(&nodes, &key, SystemTime::now()).expect("a grid");
        let options = MeshOptions::from_bundle(&grid.bundles[1], 3, 4).expect("listed");
        assert_eq!(options.listen.to_string(), "10.0.0.2:80");
        let peers = options.peers.iter();
        let peers: Vec<String> = peers
            .map(|peer| format!("{}={}", peer.name, peer.address))
            .collect();
        assert_eq!(peers, ["a=10.0.0.1:7330", "c=10.0.0.3:7330"]);
    }
}
