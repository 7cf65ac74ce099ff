//! The wasmtime engines of this process, and the thread that ticks their epochs.
//!
//! There are two engines: one without support for concurrent calls serves a WASI 0.2 request at two thirds of the
//! cost, and only WASI 0.3 apps need that support. Must not know apps, slugs or requests.

pub(crate) mod shared_core;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use slugs::World;

/// The time that a guest computes before it yields to others: one tick of the epoch.
pub const EPOCH_TICK: Duration = Duration::from_millis(1);

/// The interval at which the ticker checks for running calls while none is running.
const EPOCH_TICK_IDLE: Duration = Duration::from_millis(5);

/// The stack of wasm code, in bytes. Deeper recursion traps.
const WASM_STACK_BYTES: usize = 512 * 1024;

/// The stack of one call, in bytes: the guest's share, and what host functions need on top of it.
const CALL_STACK_BYTES: usize = 1024 * 1024;

/// The most dynos that are awake at once in both engines. Sleeping dynos do not count.
///
/// A process has 65,530 memory maps (`vm.max_map_count`). A pooled dyno takes four maps, and each stack of a pool
/// takes two, used or not, since its guard page splits the address space. With as many stacks as dynos may be awake,
/// this took 61,485 maps when it was measured.
pub const AWAKE_MAX: u32 = 10_000;

/// The most dynos of WASI 0.3 among these: the engines cannot share stacks.
pub const AWAKE_P3_MAX: u32 = 1_000;

/// The most dynos awake without a pool, where a dyno takes seven maps, and two for its stack.
const AWAKE_ON_DEMAND_MAX: u32 = 6_000;

/// Slots of a pool beyond the number of dynos: a dyno that ends frees its slot a moment after its permit.
const POOL_SPARE: u32 = 100;

/// The most core instances, memories and tables of one component.
pub const CORE_INSTANCES_PER_DYNO_MAX: u32 = 256;
/// See [`CORE_INSTANCES_PER_DYNO_MAX`].
pub const MEMORIES_PER_DYNO_MAX: u32 = 4;
/// See [`CORE_INSTANCES_PER_DYNO_MAX`].
pub const TABLES_PER_DYNO_MAX: u32 = 32;

/// The most elements of all tables of a dyno together (16 bytes each on the host).
pub const TABLE_ELEMENTS_MAX: usize = 1_000_000;

/// The WASI version of a program, which decides on which of the two engines it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// WASI preview 1: a core module, on the engine of 0.2.
    P1,
    /// WASI 0.2: an instance runs one call at a time, without support for concurrency.
    P2,
    /// WASI 0.3: async component functions, streams and futures.
    P3,
}

impl Flavor {
    /// The flavor of programs of `world`.
    pub fn of(world: World) -> Flavor {
        match world {
            World::Handler03 | World::Run03 => Flavor::P3,
            World::Handler02 | World::Run02 => Flavor::P2,
            World::Wasip1 => Flavor::P1,
        }
    }

    /// The name in file names and messages: `p1`, `p2` or `p3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Flavor::P1 => "p1",
            Flavor::P2 => "p2",
            Flavor::P3 => "p3",
        }
    }

    /// The flavor with this name.
    pub fn from_name(name: &str) -> Option<Flavor> {
        match name {
            "p1" => Some(Flavor::P1),
            "p2" => Some(Flavor::P2),
            "p3" => Some(Flavor::P3),
            _ => None,
        }
    }
}

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceAllocation {
    /// From slots that are mapped once and used again.
    Pooled,
    /// From mappings that are made when needed.
    OnDemand,
}

impl InstanceAllocation {
    /// Pooled, if the kernel has `PAGEMAP_SCAN` (Linux 6.7). Without it, the pool is slower than mapping on demand
    /// (45 against 26 µs an instance when it was measured).
    pub fn for_this_machine() -> InstanceAllocation {
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            InstanceAllocation::Pooled
        } else {
            InstanceAllocation::OnDemand
        }
    }
}

/// The configuration for `flavor`. Code compiled under it loads into any engine of this flavor, whatever its
/// allocation.
fn engine_config(flavor: Flavor, allocation: InstanceAllocation) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES)
        // One guest must never see what another left on a stack.
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    match flavor {
        Flavor::P1 | Flavor::P2 => config.concurrency_support(false),
        Flavor::P3 => config
            .concurrency_support(true)
            .wasm_component_model_async(true),
    };
    if allocation == InstanceAllocation::Pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool_config(flavor)));
    }
    config
}

/// The pool of an engine. Each dyno reserves address space (4 GiB and guard pages, of 128 TiB), and keeps its last
/// stack while it is awake.
fn pool_config(flavor: Flavor) -> PoolingAllocationConfig {
    let dynos = match flavor {
        Flavor::P1 | Flavor::P2 => AWAKE_MAX + POOL_SPARE,
        Flavor::P3 => AWAKE_P3_MAX + POOL_SPARE,
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(dynos)
        .total_core_instances(dynos * 4)
        .total_memories(dynos)
        .total_tables(dynos * 2)
        .total_stacks(dynos)
        .max_core_instances_per_component(CORE_INSTANCES_PER_DYNO_MAX)
        .max_memories_per_component(MEMORIES_PER_DYNO_MAX)
        .max_tables_per_component(TABLES_PER_DYNO_MAX)
        .max_component_instance_size(16 * 1024 * 1024)
        .max_core_instance_size(16 * 1024 * 1024)
        .table_elements(TABLE_ELEMENTS_MAX)
        // A dyno that sleeps or ends returns its memory, and does not leave it to the next dyno.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Creates an engine that only compiles. The compile child uses it; it never runs code.
pub(crate) fn new_compile_engine(flavor: Flavor) -> wasmtime::Result<Engine> {
    Engine::new(&engine_config(flavor, InstanceAllocation::OnDemand))
}

/// The two engines, and the thread that ticks their epochs.
pub struct Engines {
    p2: Engine,
    p3: Engine,
    ticker: Arc<EpochTicker>,
    awake: Arc<Semaphore>,
    awake_p3: Arc<Semaphore>,
    /// The most permits that one dyno may take: as many as there are in the smaller semaphore.
    awake_max: u32,
}

/// The permit of one dyno to be awake.
pub(crate) struct AwakePermit {
    _all: OwnedSemaphorePermit,
    _p3: Option<OwnedSemaphorePermit>,
}

struct EpochTicker {
    running: AtomicUsize,
    stop: AtomicBool,
}

/// Exists while guest code runs: as long as there is one, the epoch ticks every [`EPOCH_TICK`].
pub struct GuestRunning(Arc<EpochTicker>);

impl Drop for GuestRunning {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engines {
    /// Creates both engines, and starts the ticker thread (`epoch`), which ends when this value is dropped.
    pub fn new(allocation: InstanceAllocation) -> wasmtime::Result<Arc<Engines>> {
        let awake = match allocation {
            InstanceAllocation::Pooled => AWAKE_MAX,
            InstanceAllocation::OnDemand => AWAKE_ON_DEMAND_MAX,
        };
        Engines::with_awake_max(allocation, awake)
    }

    /// Like [`Engines::new`], with at most `awake` dynos awake, and never more than [`AWAKE_MAX`].
    pub fn with_awake_max(
        allocation: InstanceAllocation,
        awake: u32,
    ) -> wasmtime::Result<Arc<Engines>> {
        let awake = awake.min(AWAKE_MAX);
        let p2 = Engine::new(&engine_config(Flavor::P2, allocation))?;
        let p3 = Engine::new(&engine_config(Flavor::P3, allocation))?;
        let ticker = Arc::new(EpochTicker {
            running: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let (thread, e2, e3) = (Arc::clone(&ticker), p2.clone(), p3.clone());
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || tick_epochs(&thread, &e2, &e3))?;
        Ok(Arc::new(Engines {
            p2,
            p3,
            ticker,
            awake: Arc::new(Semaphore::new(awake as usize)),
            awake_p3: Arc::new(Semaphore::new(awake.min(AWAKE_P3_MAX) as usize)),
            awake_max: awake.min(AWAKE_P3_MAX),
        }))
    }

    /// Waits for the permit to be awake, in the order of the calls. A dyno whose component has several memories counts
    /// as that many dynos: a pool has one memory for each. Calls `full` if the permit is not available at once.
    pub(crate) async fn wait_for_permit(
        &self,
        (flavor, memories): (Flavor, u32),
        full: impl FnOnce(),
    ) -> AwakePermit {
        let count = memories.min(self.awake_max);
        let p3 = (flavor == Flavor::P3).then_some(&self.awake_p3);
        let there_is = |rights: &Arc<Semaphore>| rights.available_permits() >= count as usize;
        if !(there_is(&self.awake) && p3.is_none_or(there_is)) {
            full();
        }
        let take = async |rights: &Arc<Semaphore>| {
            let right = Arc::clone(rights).acquire_many_owned(count).await;
            right.expect("the semaphore is never closed")
        };
        let _p3 = match p3 {
            Some(rights) => Some(take(rights).await),
            None => None,
        };
        let _all = take(&self.awake).await;
        AwakePermit { _all, _p3 }
    }

    /// The engine for this flavor.
    pub fn get(&self, flavor: Flavor) -> &Engine {
        match flavor {
            Flavor::P1 | Flavor::P2 => &self.p2,
            Flavor::P3 => &self.p3,
        }
    }

    /// Marks that guest code runs, until the returned value is dropped.
    pub fn mark_guest_running(&self) -> GuestRunning {
        self.ticker.running.fetch_add(1, Ordering::Relaxed);
        GuestRunning(Arc::clone(&self.ticker))
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.ticker.stop.store(true, Ordering::Relaxed);
    }
}

fn tick_epochs(ticker: &EpochTicker, p2: &Engine, p3: &Engine) {
    while !ticker.stop.load(Ordering::Relaxed) {
        if ticker.running.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(EPOCH_TICK_IDLE);
            continue;
        }
        std::thread::sleep(EPOCH_TICK);
        p2.increment_epoch();
        p3.increment_epoch();
    }
}
