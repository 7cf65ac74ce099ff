//! The one app of the local runner, as the reconciler's commands.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use control::{Actor, Command, Deploy, DeployConfig, Outcome};
use grid::desired::{Limits, ProcessSpec};
use grid::name::{AppName, ProcessType, SlugId};
use slugs::manifest::ManifestProcess;

use super::source::Ready;
use crate::platform::Platform;
use crate::term;

/// The app and what was deployed last.
pub(super) struct App<'a> {
    platform: &'a Platform,
    name: AppName,
    formation: BTreeMap<ProcessType, u32>,
    last: RefCell<Option<(SlugId, BTreeMap<String, String>)>>,
    has_web: Cell<bool>,
}

impl<'a> App<'a> {
    /// `formation` is what the developer asked for; it wins over the slug's.
    pub(super) fn new(
        platform: &'a Platform,
        name: AppName,
        formation: BTreeMap<ProcessType, u32>,
    ) -> App<'a> {
        App {
            platform,
            name,
            formation,
            last: RefCell::default(),
            has_web: Cell::default(),
        }
    }

    /// Whether what was deployed last answers requests.
    pub(super) fn has_web(&self) -> bool {
        self.has_web.get()
    }

    /// Makes a release and waits until it serves. A release that fails leaves the one before.
    pub(super) async fn deploy(&self, ready: Ready) -> Result<()> {
        let now = (ready.id, ready.config.clone());
        if self.last.borrow().as_ref() == Some(&now) {
            term::note("Unchanged", "the slug is the same as before");
            return Ok(());
        }
        let processes = self.processes(&ready)?;
        let control = &self.platform.control;
        if self.last.borrow().is_none() {
            let (app, hostnames) = (self.name.clone(), vec![]);
            let create = Command::CreateApp { app, hostnames };
            control.command(create, actor(), None).await?;
        }
        *self.last.borrow_mut() = Some(now);
        self.has_web.set(processes.keys().any(ProcessType::is_web));
        let formation = self.formation(&ready);
        let deploy = Deploy {
            slug: ready.id,
            description: "Deploy".to_owned(),
            config: DeployConfig::These(ready.config),
            processes,
            formation,
        };
        let app = self.name.clone();
        let deploy = Command::Deploy { app, deploy };
        let accepted = control.command(deploy, actor(), None).await?;
        let version = accepted.version.context("a deploy makes a release")?;
        match control.outcome(&self.name, version).await? {
            Outcome::Serving => {
                control.until_published(&self.name, version).await;
                Ok(())
            }
            Outcome::Superseded(_) | Outcome::Destroyed => Ok(()),
            Outcome::Failed(reason) => bail!("{} did not come up: {reason}", self.name),
        }
    }

    /// The process types that can be run.
    fn processes(&self, ready: &Ready) -> Result<BTreeMap<ProcessType, ProcessSpec>> {
        let known = &ready.manifest.processes;
        if let Some(unknown) = self
            .formation
            .keys()
            .find(|name| !known.contains_key(*name))
        {
            let known: Vec<String> = known.keys().map(ToString::to_string).collect();
            bail!(
                "the app has no process type {unknown}: it has {}",
                known.join(", ")
            );
        }
        let asked = self.formation.keys().find(|name| name.runs_once());
        if let Some(name) = asked {
            bail!("{name} runs once and is never part of a formation: use `dyno local run {name}`");
        }
        let idle = known.keys().filter(|name| !name.runs_once());
        for name in idle.filter(|name| self.count(ready, name) == 0) {
            term::warning(&format!("{name} is not started: add {name}=1 to start one"));
        }
        let processes = known.iter();
        Ok(processes
            .map(|(name, process)| (name.clone(), spec(process)))
            .collect())
    }

    fn count(&self, ready: &Ready, process: &ProcessType) -> u32 {
        let asked = self.formation.get(process).copied();
        asked.unwrap_or_else(|| ready.manifest.initial_formation()[process])
    }

    fn formation(&self, ready: &Ready) -> BTreeMap<ProcessType, u32> {
        let mut formation = ready.manifest.initial_formation();
        formation.extend(self.formation.clone());
        formation
    }
}

/// Whoever runs this program.
fn actor() -> Actor {
    Actor::now("local")
}

fn spec(process: &ManifestProcess) -> ProcessSpec {
    let (own, default) = (&process.limits, Limits::default());
    let limits = Limits {
        memory_bytes: own.memory_bytes.unwrap_or(default.memory_bytes),
        request_timeout: own
            .timeout_ms
            .map_or(default.request_timeout, Duration::from_millis),
        disk_bytes: own.disk_bytes.unwrap_or(default.disk_bytes),
        connections: own.connections.unwrap_or(default.connections),
        ..default
    };
    ProcessSpec {
        kind: process.kind,
        limits: Arc::new(limits),
    }
}
