//! Grids for tests, and waiting.
//!
//! Owns bundles and the start of nodes. Must not know what a test looks at.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use grid::name::{LeaderEpoch, NodeId};
use mesh::bundle::{EngineCount, GridKey, NodeBundle, create_bundles, plan_nodes};
use mesh::connection::{MeshNode, MeshOptions, MeshPeer, StepReceiver};
use mesh::tls::RemovedNodes;

/// The longest time that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bundles of a new grid of `a`, `b` and `c`.
pub(crate) fn make_bundles() -> Vec<NodeBundle> {
    let nodes = ["a=127.0.0.2", "b=127.0.0.3", "c=127.0.0.4"];
    let nodes = plan_nodes(&nodes, None, EngineCount::Three).expect("valid");
    let key = GridKey::generate().expect("random");
    let grid = create_bundles(&nodes, &key, SystemTime::now());
    grid.expect("a grid").bundles
}

pub(crate) fn name(text: &str) -> NodeId {
    text.parse().expect("a name")
}

/// A running node and its steps.
pub(crate) struct RunningMesh {
    pub(crate) mesh: MeshNode,
    pub(crate) steps: StepReceiver,
}

impl RunningMesh {
    /// Starts a node on its own address, at a free port.
    pub(crate) async fn start(bundle: &NodeBundle) -> Self {
        let mut address = bundle.own_entry().expect("listed").address;
        address.set_port(0);
        RunningMesh::start_at(bundle, address, 1).await
    }

    /// Starts a node at an address, which may have been a node's that has just ended.
    pub(crate) async fn start_at(
        bundle: &NodeBundle,
        listen: SocketAddr,
        incarnation: u64,
    ) -> Self {
        let options = MeshOptions {
            incarnation,
            epoch: LeaderEpoch(0),
            listen,
            peers: Vec::new(),
            removed: RemovedNodes::new(),
            seed: u64::from(listen.port()),
        };
        let started = MeshNode::start(bundle, options).await;
        let (mesh, steps) = started.expect("starts");
        RunningMesh { mesh, steps }
    }

    /// Dials a node by name, at any address.
    pub(crate) fn dial(&self, node: &str, address: SocketAddr) {
        let name = name(node);
        self.mesh.add_peer(MeshPeer { name, address });
    }

    pub(crate) fn hears(&self, node: &str) -> bool {
        self.mesh.peers().heard_peers().contains(&name(node))
    }

    pub(crate) fn problem(&self, node: &str) -> String {
        let record = self.mesh.peers().record(&name(node));
        record.and_then(|record| record.problem).unwrap_or_default()
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until<'a>(
    what: &'a str,
    mut is_so: impl FnMut() -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    let deadline = Instant::now() + PATIENCE;
    async move {
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits for a future, not for ever.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("not in time: {what}"))
}
