//! The requirements of every boot: the engines and network of this machine, the permit to be awake, and a store with
//! limits.
//!
//! Must not know handlers, programs or requests.

use std::path::PathBuf;
use std::sync::Arc;

use grid::name::DynoKey;
use wasmtime::Store;

use crate::engine::{AwakePermit, Engines};
use crate::guest::Guest;
use crate::guest::filesystem::folders::DynoFolders;
use crate::guest::filesystem::quota::DiskQuota;
use crate::guest::network::shared::NodeNetwork;
use crate::life::DynoLife;
use crate::release::PreparedProcess;

/// The most bytes that a guest may pass to the host in one call.
const HOSTCALL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The number of epochs after which a call first yields: between one and two ticks.
pub(crate) const EPOCHS_FIRST: u64 = 2;

/// The parts that all boots on this machine share.
pub(crate) struct BootContext {
    pub(crate) engines: Arc<Engines>,
    pub(crate) network: Arc<NodeNetwork>,
    /// The folder in which dynos keep their own folders.
    pub(crate) work: PathBuf,
}

impl BootContext {
    /// The folder of one dyno's own folders.
    pub(crate) fn home_of(&self, key: &DynoKey) -> PathBuf {
        self.work.join(format!("{}-{}", key.app, key.run.0))
    }
}

/// Waits for the permit to be awake. If it is not available at once, the dyno's log says so.
pub(crate) async fn wait_to_be_awake(
    context: &BootContext,
    ready: &PreparedProcess,
    life: &DynoLife,
) -> AwakePermit {
    let full = || {
        life.dyno_log.write_platform_line(
            "This machine has as many dynos awake as it can have: waiting for one of them to sleep or end",
        );
    };
    context
        .engines
        .wait_for_permit((ready.code.flavor(), ready.code.memories()), full)
        .await
}

/// Creates a store for `guest` with all its limits.
pub(crate) fn new_store(
    context: &BootContext,
    ready: &PreparedProcess,
    guest: Guest,
) -> Store<Guest> {
    let mut store = Store::new(context.engines.get(ready.code.flavor()), guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(EPOCHS_FIRST);
    store
}

/// The folders of a dyno, whose own are in `home`.
pub(crate) fn dyno_folders(ready: &PreparedProcess, life: &DynoLife, home: PathBuf) -> DynoFolders {
    DynoFolders::new(ready.files.clone(), home, disk_quota(ready, life))
}

fn disk_quota(ready: &PreparedProcess, life: &DynoLife) -> DiskQuota {
    let limits = &ready.limits;
    let dyno_log = Arc::clone(&life.dyno_log);
    let (mebibytes, files) = (limits.disk_bytes / (1024 * 1024), limits.disk_files);
    DiskQuota::new(limits.disk_bytes, limits.disk_files.into(), move || {
        dyno_log.write_platform_line(&format!(
            "./tmp and ./log are full ({mebibytes} MiB or {files} files): the app is told that no space is left"
        ));
    })
}
