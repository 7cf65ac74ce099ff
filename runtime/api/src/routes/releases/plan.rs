//! Shows the changes that a release would make, without making them.
//!
//! Owns the comparison with the newest release. Must not know how a plan is made: the steps are the reconciler's.

use super::prepare::PreparedRelease;
use crate::failure::ApiFailure;
use crate::resource::{ChangesResource, ReleasePlanResource, SlugChangeResource};
use crate::routes::slugs::read_manifest;
use crate::state::ApiState;
use grid::desired::App;
use grid::protocol::Step;
use std::collections::BTreeMap;

/// Names in a list of changes, at most; the list then ends with the number of the names left out.
const NAMES_MAX: usize = 1_000;

/// Compares a release with the newest one.
pub(super) async fn plan_release(
    state: &ApiState,
    app: &App,
    prepared: PreparedRelease,
) -> Result<ReleasePlanResource, ApiFailure> {
    let newest = app.newest_release();
    let old_files = match newest {
        None => BTreeMap::new(),
        Some(newest) if newest.slug == prepared.slug => prepared.manifest.files.clone(),
        // If the old slug was removed, all files count as added.
        Some(newest) => read_manifest(state, newest.slug)
            .await
            .map(|old| old.files)
            .unwrap_or_default(),
    };
    let none = (BTreeMap::new(), BTreeMap::new());
    let (old_config, old_processes) = newest.map_or(none, |newest| {
        (BTreeMap::clone(&newest.config), newest.processes.clone())
    });
    let steps = state.control.preview_steps(prepared.command).await?;
    // The grid plans all apps together; steps of other apps are not shown.
    let own = steps
        .iter()
        .filter(|step| !matches!(step, Step::Record { .. }) && step.app() == Some(&app.name));
    Ok(ReleasePlanResource {
        version: app.next_version().to_string(),
        description: prepared.description,
        slug: SlugChangeResource {
            from: newest.map(|newest| newest.slug.to_string()),
            to: prepared.slug.to_string(),
        },
        config: compare(&old_config, &prepared.config),
        processes: compare(&old_processes, &prepared.processes),
        files: compare(&old_files, &prepared.manifest.files),
        steps: bound_names(own.map(ToString::to_string).collect()),
    })
}

fn compare<K: Ord + ToString, V: PartialEq>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> ChangesResource {
    let names = |keys: Vec<&K>| bound_names(keys.into_iter().map(ToString::to_string).collect());
    let differs = |(key, value): &(&K, &V)| old.get(key).is_some_and(|was| was != *value);
    ChangesResource {
        added: names(new.keys().filter(|key| !old.contains_key(key)).collect()),
        removed: names(old.keys().filter(|key| !new.contains_key(key)).collect()),
        changed: names(new.iter().filter(differs).map(|(key, _)| key).collect()),
    }
}

fn bound_names(mut names: Vec<String>) -> Vec<String> {
    if names.len() > NAMES_MAX {
        let more = names.len() - NAMES_MAX;
        names.truncate(NAMES_MAX);
        names.push(format!("… and {more} more"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_names_changes_and_its_lists_are_bounded() {
        let map = |pairs: &[(&str, u8)]| -> BTreeMap<String, u8> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), *value))
                .collect()
        };
        let changes = compare(
            &map(&[("a", 1), ("b", 1), ("c", 1)]),
            &map(&[("b", 2), ("c", 1), ("d", 1)]),
        );
        let names = |name: &str| vec![name.to_owned()];
        let (added, removed, changed) = (names("d"), names("a"), names("b"));
        assert_eq!(
            changes,
            ChangesResource {
                added,
                removed,
                changed
            }
        );
        let many: BTreeMap<String, u8> = (0..1_234).map(|n| (format!("{n:04}"), 0)).collect();
        let added = compare(&BTreeMap::new(), &many).added;
        assert_eq!(added.len(), NAMES_MAX + 1);
        assert_eq!(added.last().map(String::as_str), Some("… and 234 more"));
    }
}
