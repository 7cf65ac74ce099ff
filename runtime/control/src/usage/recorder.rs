//! Measures dyno time and writes it down.
//!
//! Owns when a dyno's time is written down. Must not know prices, nor why a dyno runs.

use super::meter::{self, RunMeter};
use super::store::{UsageError, UsageStore};
use grid::name::{AppName, DynoKey};
use grid::time::Time;
use grid::usage::UsageInterval;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior};

/// How much of a running dyno's time a kill can lose.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How long records are kept: a year, and time to ask about it.
pub const RECORDS_KEPT: Duration = Duration::from_secs(400 * 24 * 3_600);

/// Measures dyno time. Clones share what they measure.
#[derive(Clone, Debug)]
pub struct UsageRecorder(Arc<UsageRecorderShared>);

#[derive(Debug)]
struct UsageRecorderShared {
    store: Arc<dyn UsageStore>,
    meter: Mutex<RunMeter>,
    /// Usage time at `started`: see [`Recorder::now`].
    base: Time,
    started: Instant,
}

impl UsageRecorder {
    /// Goes on where the store ends. `wall` is the time by the wall clock. Blocks on the store.
    pub fn open(store: Arc<dyn UsageStore>, wall: SystemTime) -> Result<Self, UsageError> {
        let base = unix(wall).max(store.last()?);
        Ok(UsageRecorder(Arc::new(UsageRecorderShared {
            store,
            meter: Mutex::default(),
            base,
            started: Instant::now(),
        })))
    }

    /// Usage time, as a time since 1970. It begins at the wall clock's, or at the last record's end if that is
    /// later, and then runs by itself: whoever sets the clock back or forth has no hour billed twice.
    pub fn now(&self) -> Time {
        self.0.base + self.0.started.elapsed()
    }

    /// Notes that a dyno is up, or that its node has nothing left of it. Saying so again changes nothing.
    pub fn changed(&self, dyno: &DynoKey, memory_bytes: u64, up: bool) {
        let now = self.now();
        let mut meter = self.0.meter.lock();
        if up {
            meter.up(dyno, memory_bytes, now);
        } else {
            meter.down(dyno, now);
        }
    }

    /// Writes down what was measured. Blocks on the store; what could not be written is tried again the next
    /// time.
    pub fn checkpoint(&self) -> Result<(), UsageError> {
        let records = self.0.meter.lock().records(self.now());
        if records.is_empty() {
            return Ok(());
        }
        self.0.store.record(&records)?;
        self.0.meter.lock().written(&records);
        Ok(())
    }

    /// The dyno time of one app, or of all, cut to what lies from `since` to before `until`. What runs is in it,
    /// up to now. Blocks on the store.
    pub fn intervals(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError> {
        // First what is written: what is measured meanwhile is then there twice, rather than not at all.
        let mut all = self.0.store.read(app, since, until)?;
        let measured = self.0.meter.lock().records(self.now());
        all.extend(
            measured
                .into_iter()
                .filter(|record| app.is_none_or(|app| record.dyno.app == *app)),
        );
        Ok(meter::cut(meter::longest(all), since, until))
    }

    /// Writes down what was measured at every [`CHECKPOINT_EVERY`], until `stop` is ready, and once more then.
    /// `failed` is told what could not be written.
    pub async fn run(self, stop: impl Future<Output = ()>, failed: impl Fn(UsageError)) {
        let mut ticks = tokio::time::interval(CHECKPOINT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        loop {
            let last = tokio::select! {
                () = &mut stop => true,
                _ = ticks.tick() => false,
            };
            let recorder = self.clone();
            let written = tokio::task::spawn_blocking(move || recorder.tick()).await;
            if let Ok(Err(error)) = written {
                failed(error);
            }
            if last {
                return;
            }
        }
    }

    fn tick(&self) -> Result<(), UsageError> {
        self.checkpoint()?;
        let now = self.now();
        let oldest = Time::from_micros(now.micros().saturating_sub(micros(RECORDS_KEPT)));
        self.0.store.forget(oldest)
    }
}

/// A time of the wall clock as a time since 1970.
pub fn unix(wall: SystemTime) -> Time {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH);
    Time::from_micros(since.map_or(0, micros))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
