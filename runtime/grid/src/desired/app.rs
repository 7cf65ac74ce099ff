//! One app as it was asked for.
//!
//! Owns which release should serve and which dynos are too old. Must not know which dynos exist.

use super::{Formation, Misfit, Release, Restart};
use crate::name::{AppName, DynoId, Hostname, ProcessType, Run, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Releases that are kept for rollback, the newest ones; the operator's default of `--keep-releases`.
pub const RELEASES_KEPT: usize = 50;
/// Dynos that a process type has when nobody said how many: one web dyno, none of any other.
const WEB_DYNOS_DEFAULT: u32 = 1;

/// One app: its releases, how many dynos it wants, where it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// The newest [`RELEASES_KEPT`] releases, and the one that serves.
    pub releases: BTreeMap<Version, Arc<Release>>,
    /// The release that is published, or was when a newer one failed.
    pub serving: Option<Version>,
    /// Releases that did not come up, and why.
    pub failed: BTreeMap<Version, String>,
    /// How many dynos of each type.
    pub formation: Formation,
    /// Where it answers.
    pub hostnames: BTreeSet<Hostname>,
    /// Whether every request is answered with the maintenance page.
    pub maintenance: bool,
    restarted: Run,
    restarted_dynos: BTreeMap<DynoId, Run>,
    forgiven: BTreeMap<ProcessType, Run>,
}

impl App {
    pub(super) fn new(name: AppName, hostnames: &[Hostname]) -> Self {
        App {
            name,
            releases: BTreeMap::new(),
            serving: None,
            failed: BTreeMap::new(),
            formation: Formation::new(),
            hostnames: hostnames.iter().cloned().collect(),
            maintenance: false,
            restarted: Run(0),
            restarted_dynos: BTreeMap::new(),
            forgiven: BTreeMap::new(),
        }
    }

    /// The newest release, whatever became of it.
    pub fn newest(&self) -> Option<&Arc<Release>> {
        self.releases.values().next_back()
    }

    /// The number that the next release will have.
    pub fn next_version(&self) -> Version {
        self.newest()
            .map_or(Version::FIRST, |release| release.version.next())
    }

    /// The release that is published.
    pub fn serving_release(&self) -> Option<&Arc<Release>> {
        self.serving.and_then(|version| self.releases.get(&version))
    }

    /// The release that should serve: the newest, unless it failed and another one serves.
    ///
    /// A failed release with nothing to fall back to is tried again, with back-off.
    pub fn target(&self) -> Option<&Arc<Release>> {
        let newest = self.newest()?;
        if self.failed.contains_key(&newest.version) {
            return self.serving_release().or(Some(newest));
        }
        Some(newest)
    }

    /// The releases whose dynos should run: the target first, then the one that serves meanwhile.
    pub fn wanted(&self) -> Vec<Arc<Release>> {
        let target = self.target();
        let serving = self
            .serving_release()
            .filter(|s| target.is_none_or(|t| t.version != s.version));
        target.into_iter().chain(serving).cloned().collect()
    }

    /// How many dynos of a type are wanted.
    pub fn count(&self, process: &ProcessType) -> u32 {
        self.formation.get(process).copied().unwrap_or(0)
    }

    /// The places that a release's dynos fill, in order.
    pub fn slots(&self, release: &Release) -> Vec<DynoId> {
        let slots = release.processes.keys().flat_map(|process| {
            let indices = 1..=self.count(process);
            indices.map(|index| DynoId {
                process: process.clone(),
                index,
            })
        });
        slots.collect()
    }

    /// Dynos in this place with a smaller run were told to restart.
    pub fn stale_before(&self, dyno: &DynoId) -> Run {
        let own = self.restarted_dynos.get(dyno).copied().unwrap_or_default();
        own.max(self.restarted)
    }

    /// Crashes of smaller runs in this place do not count any more.
    pub fn forgiven_before(&self, dyno: &DynoId) -> Run {
        let scaled = self
            .forgiven
            .get(&dyno.process)
            .copied()
            .unwrap_or_default();
        scaled.max(self.stale_before(dyno))
    }

    pub(super) fn release(&mut self, release: &Arc<Release>) -> Result<(), Misfit> {
        let (next, given) = (self.next_version(), release.version);
        if next != given {
            return Err(Misfit::VersionGap {
                app: self.name.clone(),
                next,
                given,
            });
        }
        for process in release.processes.keys() {
            let default = if process.is_web() {
                WEB_DYNOS_DEFAULT
            } else {
                0
            };
            self.formation.entry(process.clone()).or_insert(default);
        }
        self.releases.insert(given, Arc::clone(release));
        while self.releases.len() > RELEASES_KEPT {
            let serving = self.serving;
            let oldest = self
                .releases
                .keys()
                .copied()
                .find(|version| Some(*version) != serving);
            let Some(oldest) = oldest else { break };
            self.releases.remove(&oldest);
            self.failed.remove(&oldest);
        }
        Ok(())
    }

    fn expect_release(&self, version: Version) -> Result<(), Misfit> {
        if self.releases.contains_key(&version) {
            return Ok(());
        }
        Err(Misfit::NoSuchRelease {
            app: self.name.clone(),
            version,
        })
    }

    pub(super) fn serve(&mut self, version: Version) -> Result<(), Misfit> {
        self.expect_release(version)?;
        self.serving = Some(version);
        self.failed.remove(&version);
        Ok(())
    }

    pub(super) fn fail(&mut self, version: Version, reason: &str) -> Result<(), Misfit> {
        self.expect_release(version)?;
        self.failed.insert(version, reason.to_owned());
        Ok(())
    }

    pub(super) fn scale(&mut self, process: &ProcessType, count: u32, before: Run) {
        let old = self.formation.insert(process.clone(), count);
        if old.unwrap_or(0) == 0 {
            self.forgiven.insert(process.clone(), before);
        }
        // A place that is gone has nothing to remember, so that the map stays bounded.
        self.restarted_dynos
            .retain(|dyno, _| dyno.process != *process || dyno.index <= count);
    }

    pub(super) fn restart(&mut self, target: &Restart, before: Run) {
        match target {
            Restart::All => {
                self.restarted = before;
                self.restarted_dynos.clear();
            }
            Restart::Dyno(dyno) => {
                self.restarted_dynos.insert(dyno.clone(), before);
            }
        }
    }
}
