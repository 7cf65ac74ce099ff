//! What a release would change, told without changing anything.
//!
//! Owns the comparison. Must not know how a plan is made: the steps are the reconciler's.

use crate::failure::Failure;
use crate::routes::releases::create::{Prepared, manifest};
use crate::state::State;
use grid::desired::App;
use grid::protocol::Step;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Names that a list of changes holds; then it says how many more there are.
const NAMES_MAX: usize = 1_000;

/// Which slug there is, and which there would be.
#[derive(Serialize, ToSchema)]
pub(crate) struct SlugChange {
    #[schema(required, pattern = "^sha256:[0-9a-f]{64}$")]
    from: Option<String>,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    to: String,
}

/// Names of what would differ.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Changes {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// What a release would change.
#[derive(Serialize, ToSchema)]
pub(crate) struct Plan {
    /// The number that it would have.
    #[schema(pattern = "^v[1-9][0-9]*$")]
    version: String,
    description: String,
    slug: SlugChange,
    /// Config vars, by name.
    config: Changes,
    processes: Changes,
    /// The app's files.
    files: Changes,
    /// What would be done, in order, if all went well.
    steps: Vec<String>,
}

/// The plan of a release against the newest one.
pub(crate) async fn of(state: &State, app: &App, prepared: Prepared) -> Result<Plan, Failure> {
    let newest = app.newest_release();
    let old_files = match newest {
        None => BTreeMap::new(),
        Some(newest) if newest.slug == prepared.slug => prepared.manifest.files.clone(),
        // An old slug that is gone cannot be compared: then all files are new.
        Some(newest) => manifest(state, newest.slug)
            .await
            .map(|old| old.files)
            .unwrap_or_default(),
    };
    let none = (BTreeMap::new(), BTreeMap::new());
    let (old_config, old_processes) = newest.map_or(none, |newest| {
        (BTreeMap::clone(&newest.config), newest.processes.clone())
    });
    let steps = state.control.preview_steps(prepared.command).await?;
    // The grid plans for all apps at once; what it does for others is not shown.
    let shown = steps
        .iter()
        .filter(|step| !matches!(step, Step::Record { .. }) && step.app() == Some(&app.name));
    Ok(Plan {
        version: app.next_version().to_string(),
        description: prepared.description,
        slug: SlugChange {
            from: newest.map(|newest| newest.slug.to_string()),
            to: prepared.slug.to_string(),
        },
        config: changes(&old_config, &prepared.config),
        processes: changes(&old_processes, &prepared.processes),
        files: changes(&old_files, &prepared.manifest.files),
        steps: bounded(shown.map(ToString::to_string).collect()),
    })
}

fn changes<K: Ord + ToString, V: PartialEq>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Changes {
    let names = |keys: Vec<&K>| bounded(keys.into_iter().map(ToString::to_string).collect());
    let differs = |(key, value): &(&K, &V)| old.get(key).is_some_and(|was| was != *value);
    Changes {
        added: names(new.keys().filter(|key| !old.contains_key(key)).collect()),
        removed: names(old.keys().filter(|key| !new.contains_key(key)).collect()),
        changed: names(new.iter().filter(differs).map(|(key, _)| key).collect()),
    }
}

fn bounded(mut names: Vec<String>) -> Vec<String> {
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
    fn what_differs_is_named_and_lists_are_bounded() {
        let of = |pairs: &[(&str, u8)]| -> BTreeMap<String, u8> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), *value))
                .collect()
        };
        let made = changes(
            &of(&[("a", 1), ("b", 1), ("c", 1)]),
            &of(&[("b", 2), ("c", 1), ("d", 1)]),
        );
        let names = |name: &str| vec![name.to_owned()];
        let (added, removed, changed) = (names("d"), names("a"), names("b"));
        assert_eq!(
            made,
            Changes {
                added,
                removed,
                changed
            }
        );
        let many: BTreeMap<String, u8> = (0..1_234).map(|n| (format!("{n:04}"), 0)).collect();
        let added = changes(&BTreeMap::new(), &many).added;
        assert_eq!(added.len(), NAMES_MAX + 1);
        assert_eq!(added.last().map(String::as_str), Some("… and 234 more"));
    }
}
