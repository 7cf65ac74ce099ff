//! Deploys on a node without an API: the local runner's way to a release.

use std::collections::BTreeMap;

use control::{
    Actor, Command, ControlError, DeployConfig, ReconcilerEnded, ReleaseOutcome, ReleaseSpec,
};
use grid::desired::ProcessSpec;
use grid::name::{AppName, ProcessType, SlugId};

use crate::running_node::RunningNode;

/// The name of the developer in the log.
const ACTOR: &str = "local";

/// The content of a release.
#[derive(Clone, Debug)]
pub struct LocalDeploy {
    /// The slug, in the node's store.
    pub slug: SlugId,
    /// All config vars.
    pub config: BTreeMap<String, String>,
    /// The process types of the slug.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// How many dynos of each process type.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// Why a release does not serve.
#[derive(Debug, thiserror::Error)]
pub enum LocalDeployError {
    /// The release was refused.
    #[error(transparent)]
    Refused(#[from] ControlError),
    /// The node has ended.
    #[error(transparent)]
    Gone(#[from] ReconcilerEnded),
    /// The release's dynos did not come up.
    #[error("{app} did not come up: {reason}")]
    Failed {
        /// The app.
        app: AppName,
        /// Why not.
        reason: String,
    },
}

impl RunningNode {
    /// Makes a release of an app, and waits until it serves or a newer release has taken its place. The app is created
    /// if it does not exist.
    ///
    /// # Errors
    /// The release was refused or did not come up. The release before it goes on serving.
    pub async fn deploy(&self, app: &AppName, deploy: LocalDeploy) -> Result<(), LocalDeployError> {
        let control = &self.core.control;
        if !control.view().desired.apps.contains_key(app) {
            let create = Command::CreateApp {
                app: app.clone(),
                hostnames: Vec::new(),
            };
            control
                .execute_command(create, Actor::new(ACTOR), None)
                .await?;
        }
        let deploy = Command::Deploy {
            app: app.clone(),
            deploy: ReleaseSpec {
                slug: deploy.slug,
                description: "Deploy".to_owned(),
                config: DeployConfig::These(deploy.config),
                processes: deploy.processes,
                formation: deploy.formation,
            },
        };
        let accepted = control
            .execute_command(deploy, Actor::new(ACTOR), None)
            .await?;
        let Some(version) = accepted.version else {
            return Ok(());
        };
        match control.wait_for_outcome(app, version).await? {
            ReleaseOutcome::Serving => control.wait_until_published(app, version).await,
            ReleaseOutcome::Superseded(_) | ReleaseOutcome::Destroyed => {}
            ReleaseOutcome::Failed(reason) => {
                let app = app.clone();
                return Err(LocalDeployError::Failed { app, reason });
            }
        }
        Ok(())
    }
}
