//! The command that makes a release, and what its maker should know.
//!
//! Owns what a release takes over from its slug or from an earlier release. Must not know requests.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::routes::slugs::{process_type_warnings, read_manifest, slug_missing};
use crate::state::ApiState;
use ::slugs::Manifest;
use control::{Command, DeployConfig, ReleaseSpec};
use grid::desired::{App, ProcessSpec};
use grid::name::{ProcessType, SlugId, Version};
use std::collections::BTreeMap;

/// A release that is ready to be made or planned.
pub(super) struct PreparedRelease {
    pub(super) command: Command,
    pub(super) slug: SlugId,
    pub(super) manifest: Manifest,
    pub(super) description: String,
    pub(super) config: BTreeMap<String, String>,
    pub(super) processes: BTreeMap<ProcessType, ProcessSpec>,
    pub(super) warnings: Vec<String>,
}

/// Prepares a release of a slug.
pub(super) async fn prepare_deploy(
    state: &ApiState,
    caller: &Caller,
    app: &App,
    slug: SlugId,
    description: String,
) -> Result<PreparedRelease, ApiFailure> {
    if !caller.can_see_slug(slug) {
        return Err(slug_missing(slug));
    }
    let manifest = read_manifest(state, slug).await?;
    let processes = manifest.specs();
    let mut warnings = process_type_warnings(&manifest);
    // Only the first release takes defaults from the slug: a later one must not bring back removed config vars.
    let defaults = match app.newest_release() {
        Some(_) => BTreeMap::new(),
        None => config_defaults(&manifest),
    };
    let mut config = defaults.clone();
    config.extend(BTreeMap::clone(app.newest_config()));
    warnings.extend(missing_config_warnings(&manifest, &config));
    warnings.extend(unscaled_warning(&manifest, app));
    let formation = manifest.initial_formation();
    let deploy = ReleaseSpec {
        slug,
        description: description.clone(),
        config: DeployConfig::Own(defaults),
        processes: processes.clone(),
        formation,
    };
    let app = app.name.clone();
    Ok(PreparedRelease {
        command: Command::Deploy { app, deploy },
        slug,
        manifest,
        description,
        config,
        processes,
        warnings,
    })
}

/// Prepares a release with the slug and config vars of an earlier release.
pub(super) async fn prepare_rollback(
    state: &ApiState,
    app: &App,
    to: Version,
) -> Result<PreparedRelease, ApiFailure> {
    let Some(earlier) = app.releases.get(&to) else {
        let name = &app.name;
        let message = format!("{name} has no release {to}, or not any more");
        return Err(ApiFailure::not_found_with_id("no_such_release", message));
    };
    let manifest = read_manifest(state, earlier.slug).await?;
    let config = app.attachments.carried_vars(&earlier.config, to);
    let app = app.name.clone();
    Ok(PreparedRelease {
        command: Command::Rollback { app, to },
        slug: earlier.slug,
        manifest,
        description: format!("Rollback to {to}"),
        config,
        processes: earlier.processes.clone(),
        warnings: Vec::new(),
    })
}

/// A warning about new process types that have no dyno; none if all have one.
fn unscaled_warning(manifest: &Manifest, app: &App) -> Option<String> {
    let formation = manifest.initial_formation().into_iter();
    let unscaled = formation.filter(|(name, count)| {
        *count == 0 && !name.runs_once() && !app.formation.contains_key(name)
    });
    let names: Vec<String> = unscaled.map(|(name, _)| name.to_string()).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    let first = names.first();
    first.map(|first| {
        let all = names.join(", ");
        format!("{all} {have} no dyno yet: start one with `dyno ps scale {first}=1`")
    })
}

/// Config vars to which the slug gives a value.
fn config_defaults(manifest: &Manifest) -> BTreeMap<String, String> {
    let vars = manifest.env.iter();
    vars.filter_map(|(name, var)| Some((name.clone(), var.value.clone()?)))
        .collect()
}

/// One warning for each config var that the slug needs and the release would not have.
fn missing_config_warnings(manifest: &Manifest, config: &BTreeMap<String, String>) -> Vec<String> {
    let required = manifest.env.iter().filter(|(_, var)| var.required);
    required
        .filter(|(name, _)| !config.contains_key(*name))
        .map(|(name, _)| {
            format!("the app needs the config var {name}: set it with `dyno config set {name}=…`")
        })
        .collect()
}
