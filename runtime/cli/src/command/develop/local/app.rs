//! The one app of the local runner: what is deployed, with how many dynos.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use anyhow::{Result, bail};
use grid::name::{AppName, ProcessType, SlugId};
use node::{LocalDeploy, RunningNode};

use super::source::BuiltSlug;
use crate::terminal;

/// The app, and its last deploy.
pub(super) struct LocalApp<'a> {
    node: &'a RunningNode,
    name: AppName,
    formation: BTreeMap<ProcessType, u32>,
    last: RefCell<Option<(SlugId, BTreeMap<String, String>)>>,
    has_web: Cell<bool>,
}

impl<'a> LocalApp<'a> {
    /// `formation` comes from the command line; it wins over the slug's.
    pub(super) fn new(
        node: &'a RunningNode,
        name: AppName,
        formation: BTreeMap<ProcessType, u32>,
    ) -> LocalApp<'a> {
        LocalApp {
            node,
            name,
            formation,
            last: RefCell::default(),
            has_web: Cell::default(),
        }
    }

    /// Whether the last deploy has a `web` process, which answers requests.
    pub(super) fn has_web(&self) -> bool {
        self.has_web.get()
    }

    /// Makes a release and waits until it serves. A release that fails leaves the one before.
    pub(super) async fn deploy(&self, ready: BuiltSlug) -> Result<()> {
        let now = (ready.id, ready.config.clone());
        if self.last.borrow().as_ref() == Some(&now) {
            terminal::print_note("Unchanged", "the slug is the same as before");
            return Ok(());
        }
        self.check_formation(&ready)?;
        *self.last.borrow_mut() = Some(now);
        let processes = ready.manifest.specs();
        self.has_web.set(processes.keys().any(ProcessType::is_web));
        let formation = self.formation(&ready);
        let deploy = LocalDeploy {
            slug: ready.id,
            config: ready.config,
            processes,
            formation,
        };
        Ok(self.node.deploy(&self.name, deploy).await?)
    }

    /// Refuses a formation that the app cannot have, and warns about process types that are not started.
    fn check_formation(&self, ready: &BuiltSlug) -> Result<()> {
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
            terminal::print_warning(&format!("{name} is not started: add {name}=1 to start one"));
        }
        Ok(())
    }

    fn count(&self, ready: &BuiltSlug, process: &ProcessType) -> u32 {
        let asked = self.formation.get(process).copied();
        asked.unwrap_or_else(|| ready.manifest.initial_formation()[process])
    }

    fn formation(&self, ready: &BuiltSlug) -> BTreeMap<ProcessType, u32> {
        let mut formation = ready.manifest.initial_formation();
        formation.extend(self.formation.clone());
        formation
    }
}
