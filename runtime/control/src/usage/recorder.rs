//! Measures dyno time and writes it to a store.
//!
//! Owns when a dyno's time is written. Must not know prices, nor why a dyno runs.

use super::meter::{self, RunMeter};
use super::store::{UsageError, UsageStore};
use grid::name::{AppName, DynoKey};
use grid::time::Time;
use grid::usage::UsageInterval;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior};

/// Interval of checkpoints: the most of a running dyno's time that a kill of the server can lose.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// Time for which records are kept: a year, plus time for questions about its last bill.
pub const RECORDS_KEPT: Duration = Duration::from_secs(400 * 24 * 3_600);

/// Measures dyno time. Clones share the same measurements.
#[derive(Clone, Debug)]
pub struct UsageRecorder(Arc<UsageRecorderShared>);

#[derive(Debug)]
struct UsageRecorderShared {
    store: Arc<dyn UsageStore>,
    meter: Mutex<RunMeter>,
    /// Usage time at `started`: see [`UsageRecorder::now`].
    base: Time,
    started: Instant,
}

impl UsageRecorder {
    /// Continues where the store ends. `wall` is the current time of the wall clock. Blocks on the store.
    pub fn open(store: Arc<dyn UsageStore>, wall: SystemTime) -> Result<Self, UsageError> {
        let base = time_since_epoch(wall).max(store.last_end()?);
        Ok(UsageRecorder(Arc::new(UsageRecorderShared {
            store,
            meter: Mutex::default(),
            base,
            started: Instant::now(),
        })))
    }

    /// The usage time, since 1970. Starts at the wall clock's time, or at the end of the last record if that is
    /// later, and then runs independently: after a change of the system clock no hour is billed twice.
    pub fn now(&self) -> Time {
        self.0.base + self.0.started.elapsed()
    }

    /// Records that a dyno is up, or that its node has released it. Repeated calls change nothing.
    pub fn record_change(&self, dyno: &DynoKey, memory_bytes: u64, up: bool) {
        let now = self.now();
        let mut meter = self.0.meter.lock();
        if up {
            meter.start_run(dyno, memory_bytes, now);
        } else {
            meter.end_run(dyno, now);
        }
    }

    /// Writes the measurements to the store. Blocks on the store. After an error the next call tries again.
    pub fn write_checkpoint(&self) -> Result<(), UsageError> {
        let records = self.0.meter.lock().unwritten_records(self.now());
        if records.is_empty() {
            return Ok(());
        }
        self.0.store.write_records(&records)?;
        self.0.meter.lock().forget_written(&records);
        Ok(())
    }

    /// The dyno time of one app, or of all apps, from `since` to before `until`. Includes running dynos, up to now.
    /// Blocks on the store.
    pub fn intervals(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError> {
        // The store is read first: a run that is written meanwhile is then found twice instead of not at all.
        let mut all = self.0.store.read_records(app, since, until)?;
        let measured = self.0.meter.lock().unwritten_records(self.now());
        all.extend(
            measured
                .into_iter()
                .filter(|record| app.is_none_or(|app| record.dyno.app == *app)),
        );
        Ok(meter::cut_to_period(meter::keep_longest(all), since, until))
    }

    /// Writes a checkpoint every [`CHECKPOINT_EVERY`] until `stop` is ready, and a last one then. Calls `failed`
    /// with each error.
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
            let written = tokio::task::spawn_blocking(move || recorder.write_and_prune()).await;
            if let Ok(Err(error)) = written {
                failed(error);
            }
            if last {
                return;
            }
        }
    }

    fn write_and_prune(&self) -> Result<(), UsageError> {
        self.write_checkpoint()?;
        let now = self.now();
        let oldest = Time::from_micros(now.micros().saturating_sub(whole_micros(RECORDS_KEPT)));
        self.0.store.forget_before(oldest)
    }
}

/// Converts a time of the wall clock to a time since 1970.
pub fn time_since_epoch(wall: SystemTime) -> Time {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH);
    Time::from_micros(since.map_or(0, whole_micros))
}

fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
