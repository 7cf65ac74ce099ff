//! One app as users asked for it.
//!
//! Owns which release should serve and which dynos are too old. Must not know which dynos exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    AppSettings, Attachment, Attachments, ConfigVars, FactError, Formation, Release, RestartTarget,
};
use crate::name::{
    AddonName, AppName, AttachmentName, DynoId, Hostname, ProcessType, ReleaseId, Run, Version,
};

/// The most releases of an app that are kept, whatever the operator sets.
pub const RELEASES_MAX: usize = 1_000;
/// Web dynos of an app whose formation was never set. Other process types have none then.
const WEB_DYNOS_DEFAULT: u32 = 1;

/// One app: its releases, how many dynos it wants, where it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// The newest [`RELEASES_MAX`] releases, and the one that serves.
    pub releases: BTreeMap<Version, Arc<Release>>,
    /// The release that is published, or was when a newer one failed.
    pub serving: Option<Version>,
    /// Releases that failed, each with the reason.
    pub failed: BTreeMap<Version, String>,
    /// The number of dynos of each process type.
    pub formation: Formation,
    /// The app's host names.
    pub hostnames: BTreeSet<Hostname>,
    /// Whether every request is answered with the maintenance page.
    pub maintenance: bool,
    /// The settings of its owner.
    pub settings: AppSettings,
    /// Memory in bytes for dynos of a process type, in releases made from now on, instead of the slug's setting.
    pub sizes: BTreeMap<ProcessType, u64>,
    /// Config vars for the first release.
    pub first_config: ConfigVars,
    /// The app's attachments.
    pub attachments: Attachments,
    /// Dynos with a smaller run are of a destroyed app of the same name.
    pub first_run: Run,
    /// The place of the app's creation among the facts of the ledger, from 1.
    creation: u64,
    /// Releases whose release process ended, and whether it succeeded.
    ran: BTreeMap<Version, bool>,
    /// Places that are to stay empty.
    stopped: BTreeSet<DynoId>,
    restarted: Run,
    restarted_dynos: BTreeMap<DynoId, Run>,
    forgiven: BTreeMap<ProcessType, Run>,
}

impl App {
    pub(super) fn new(
        name: AppName,
        hostnames: &[Hostname],
        first_run: Run,
        creation: u64,
    ) -> Self {
        App {
            name,
            releases: BTreeMap::new(),
            serving: None,
            failed: BTreeMap::new(),
            formation: Formation::new(),
            hostnames: hostnames.iter().cloned().collect(),
            maintenance: false,
            settings: AppSettings::default(),
            sizes: BTreeMap::new(),
            first_config: ConfigVars::default(),
            attachments: Attachments::default(),
            first_run,
            creation,
            ran: BTreeMap::new(),
            stopped: BTreeSet::new(),
            restarted: Run(0),
            restarted_dynos: BTreeMap::new(),
            forgiven: BTreeMap::new(),
        }
    }

    /// The id of the app's release of this number.
    pub const fn release_id(&self, version: Version) -> ReleaseId {
        ReleaseId {
            creation: self.creation,
            version,
        }
    }

    /// The release with this id, unless it is gone or belonged to a destroyed app of the same name.
    pub fn release(&self, id: ReleaseId) -> Option<&Arc<Release>> {
        let release = self.releases.get(&id.version);
        release.filter(|_| id.creation == self.creation)
    }

    /// The newest release, failed or not.
    pub fn newest_release(&self) -> Option<&Arc<Release>> {
        self.releases.values().next_back()
    }

    /// The config vars of the next release, unless they are changed.
    pub fn newest_config(&self) -> &Arc<BTreeMap<String, String>> {
        let newest = self.newest_release().map(|release| &release.config);
        newest.unwrap_or(&self.first_config.0)
    }

    /// The number that the next release will have.
    pub fn next_version(&self) -> Version {
        self.newest_release()
            .map_or(Version::FIRST, |release| release.version.next())
    }

    /// The release that is published.
    pub fn serving_release(&self) -> Option<&Arc<Release>> {
        self.serving.and_then(|version| self.releases.get(&version))
    }

    /// The release that should serve: the newest, unless it failed and another one serves.
    ///
    /// A failed release is tried again, with back-off, if no other release serves. The exception is a release whose
    /// release process failed: a process that has done half its work must not be repeated without a user's decision.
    pub fn target_release(&self) -> Option<&Arc<Release>> {
        let newest = self.newest_release()?;
        if self.failed.contains_key(&newest.version) {
            let over = self.ran.get(&newest.version) == Some(&false);
            return self.serving_release().or((!over).then_some(newest));
        }
        Some(newest)
    }

    /// Whether the release process of a release ended, with success or not.
    pub fn release_process_has_ended(&self, version: Version) -> bool {
        self.ran.contains_key(&version)
    }

    /// Whether the end of the release process of this release is still to be recorded.
    pub fn awaits_release_process(&self, id: ReleaseId) -> bool {
        self.release(id).is_some() && !self.release_process_has_ended(id.version)
    }

    /// Whether the dynos of a release must wait for its release process to succeed.
    pub fn is_unprepared(&self, release: &Release) -> bool {
        release.release_process().is_some()
            && self.serving != Some(release.version)
            && self.ran.get(&release.version) != Some(&true)
    }

    /// The releases whose dynos should run: the target first, then the release that serves until the target does.
    pub fn wanted_releases(&self) -> Vec<Arc<Release>> {
        let target = self.target_release();
        let serving = self
            .serving_release()
            .filter(|s| target.is_none_or(|t| t.version != s.version));
        target.into_iter().chain(serving).cloned().collect()
    }

    /// The number of dynos of a process type that the formation asks for, stopped ones included.
    pub fn requested_count(&self, process: &ProcessType) -> u32 {
        let count = self.formation.get(process).copied();
        count.filter(|_| !process.runs_once()).unwrap_or(0)
    }

    /// The places of a process type that are to be filled, in order.
    pub fn open_places(&self, process: &ProcessType) -> impl Iterator<Item = DynoId> {
        let places = (1..=self.requested_count(process)).map(|index| DynoId {
            process: process.clone(),
            index,
        });
        places.filter(|dyno| !self.stopped.contains(dyno))
    }

    /// The number of places of a process type that are to be filled.
    pub fn count_open_places(&self, process: &ProcessType) -> u32 {
        let count = self.requested_count(process);
        if self.stopped.is_empty() {
            return count;
        }
        let stopped = self.stopped.iter();
        let stopped = stopped.filter(|dyno| dyno.process == *process && dyno.index <= count);
        count - u32::try_from(stopped.count()).unwrap_or(count)
    }

    /// The number of places of web dynos that are to be filled.
    pub fn count_open_web_places(&self) -> u32 {
        let web = self.formation.keys().find(|process| process.is_web());
        web.map_or(0, |web| self.count_open_places(web))
    }

    /// Whether a place is to be filled.
    pub fn is_place_open(&self, dyno: &DynoId) -> bool {
        dyno.index <= self.requested_count(&dyno.process) && !self.stopped.contains(dyno)
    }

    /// The places that a release's dynos fill, in order.
    pub fn places_of_release(&self, release: &Release) -> Vec<DynoId> {
        let processes = release.processes.keys();
        processes
            .flat_map(|process| self.open_places(process))
            .collect()
    }

    /// The first of the newest `kept` releases, if some release before it is not needed and can be pruned.
    pub fn first_kept_version(&self, kept: usize) -> Option<Version> {
        if self.releases.len() <= kept {
            return None;
        }
        let first = self.releases.keys().nth_back(kept.max(1) - 1)?;
        let mut old = self.releases.range(..first);
        old.any(|(version, _)| !self.needs_release(*version))
            .then_some(*first)
    }

    /// Whether a release serves or should.
    fn needs_release(&self, version: Version) -> bool {
        self.serving == Some(version) || self.target_release().is_some_and(|t| t.version == version)
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

    pub(super) fn add_release(&mut self, release: &Arc<Release>) -> Result<(), FactError> {
        let (next, given) = (self.next_version(), release.version);
        if next != given {
            return Err(FactError::VersionGap {
                app: self.name.clone(),
                next,
                given,
            });
        }
        let processes = release.processes.keys();
        for process in processes.filter(|process| !process.runs_once()) {
            let default = if process.is_web() {
                WEB_DYNOS_DEFAULT
            } else {
                0
            };
            self.formation.entry(process.clone()).or_insert(default);
        }
        self.stopped.clear();
        self.releases.insert(given, Arc::clone(release));
        while self.releases.len() > RELEASES_MAX {
            let serving = self.serving;
            let oldest = self
                .releases
                .keys()
                .copied()
                .find(|version| Some(*version) != serving);
            let Some(oldest) = oldest else { break };
            self.forget_release(oldest);
        }
        self.forget_attachments();
        Ok(())
    }

    /// Attaches an add-on: the next release is the first with its config vars.
    pub(super) fn attach_addon(&mut self, name: &AttachmentName, mut attachment: Attachment) {
        attachment.since = self.next_version();
        self.attachments.add(name.clone(), attachment);
    }

    /// Detaches an add-on: the next release is the first without its config vars.
    pub(super) fn detach_addon(&mut self, addon: &AddonName) -> Result<(), FactError> {
        let until = self.next_version();
        if self.attachments.remove(addon, until) {
            return Ok(());
        }
        Err(FactError::NotAttached {
            app: self.name.clone(),
            addon: addon.clone(),
        })
    }

    fn forget_attachments(&mut self) {
        let oldest = self.releases.keys().next();
        self.attachments
            .prune(oldest.copied().unwrap_or(Version::FIRST));
    }

    fn expect_release(&self, version: Version) -> Result<(), FactError> {
        if self.releases.contains_key(&version) {
            return Ok(());
        }
        Err(FactError::NoSuchRelease {
            app: self.name.clone(),
            version,
        })
    }

    pub(super) fn mark_serving(&mut self, version: Version) -> Result<(), FactError> {
        self.expect_release(version)?;
        self.serving = Some(version);
        self.failed.remove(&version);
        Ok(())
    }

    pub(super) fn mark_failed(&mut self, version: Version, reason: &str) -> Result<(), FactError> {
        self.expect_release(version)?;
        self.failed.insert(version, reason.to_owned());
        Ok(())
    }

    pub(super) fn note_release_process_end(
        &mut self,
        version: Version,
        failure: Option<&str>,
    ) -> Result<(), FactError> {
        self.expect_release(version)?;
        self.ran.insert(version, failure.is_none());
        match failure {
            Some(reason) => self.mark_failed(version, reason),
            None => Ok(()),
        }
    }

    fn forget_release(&mut self, version: Version) {
        self.releases.remove(&version);
        self.failed.remove(&version);
        self.ran.remove(&version);
    }

    pub(super) fn scale_process(&mut self, process: &ProcessType, count: u32, before: Run) {
        let old = self.formation.insert(process.clone(), count);
        if old.unwrap_or(0) == 0 {
            self.forgiven.insert(process.clone(), before);
        }
        // Removed places are forgotten, so that the map stays bounded.
        self.restarted_dynos
            .retain(|dyno, _| dyno.process != *process || dyno.index <= count);
        self.stopped.retain(|dyno| dyno.process != *process);
    }

    pub(super) fn restart_dynos(&mut self, target: &RestartTarget, before: Run) {
        match target {
            RestartTarget::All => {
                self.restarted = before;
                self.restarted_dynos.clear();
                self.stopped.clear();
            }
            RestartTarget::Dyno(dyno) => {
                self.stopped.remove(dyno);
                self.restarted_dynos.insert(dyno.clone(), before);
            }
        }
    }

    pub(super) fn stop_dyno(&mut self, dyno: &DynoId, before: Run) {
        if self.is_place_open(dyno) {
            self.stopped.insert(dyno.clone());
            self.restarted_dynos.insert(dyno.clone(), before);
        }
    }

    pub(super) fn resize_process(&mut self, process: &ProcessType, memory_bytes: Option<u64>) {
        match memory_bytes {
            Some(bytes) => self.sizes.insert(process.clone(), bytes),
            None => self.sizes.remove(process),
        };
    }

    pub(super) fn remove_domain(&mut self, hostname: &Hostname) -> Result<(), FactError> {
        if self.hostnames.remove(hostname) {
            return Ok(());
        }
        Err(FactError::NoSuchDomain {
            app: self.name.clone(),
            hostname: hostname.clone(),
        })
    }

    pub(super) fn prune_releases(&mut self, before: Version) {
        let newest = self.newest_release().map(|release| release.version);
        let kept = |version: Version| version >= before || Some(version) == newest;
        let old = self.releases.keys().copied();
        let gone: Vec<Version> = old
            .filter(|v| !kept(*v) && !self.needs_release(*v))
            .collect();
        for version in gone {
            self.forget_release(version);
        }
        self.forget_attachments();
    }
}
