//! Owns the list of what an app's files import besides each other, and how certain each import is. Must not run anything.
//!
//! An import that this list misses (by a name in a variable) is done from the packages' files when a dyno needs it: slower,
//! with the same result.

use std::collections::BTreeMap;

use super::facts::{ImportCertainty, ModuleFacts, SourceFacts};

/// A module, and the name that is imported from it (empty for `import MODULE`).
pub(super) type ImportedName = (String, String);

/// The place of an import, and how certain it is that the import runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImportPlace {
    /// `None` if no file that the app's processes load is known to import the name.
    pub(super) certainty: Option<ImportCertainty>,
    pub(super) file: String,
    pub(super) line: usize,
}

/// Finds the imports of all files, each with the most certain place. `starts` are the files that the app's processes load.
pub(super) fn find_imports(
    facts: &SourceFacts,
    starts: &[String],
) -> BTreeMap<ImportedName, ImportPlace> {
    let reached = reached_files(facts, starts);
    let mut found: BTreeMap<ImportedName, ImportPlace> = BTreeMap::new();
    for module in facts.modules() {
        let how = reached.get(module.file.as_str()).copied();
        for import in module.imports.iter().filter(|import| import.level == 0) {
            if is_own_package(facts, &import.module) {
                continue;
            }
            let place = ImportPlace {
                certainty: how.map(|how| how.min(import.when)),
                file: module.file.clone(),
                line: import.line,
            };
            let wanted = (import.module.clone(), import.name.clone());
            match found.get_mut(&wanted) {
                Some(known) if known.certainty >= place.certainty => {}
                Some(known) => *known = place,
                None => drop(found.insert(wanted, place)),
            }
        }
        for (wanted, place) in names_in_texts(facts, module) {
            found.entry(wanted).or_insert(place);
        }
    }
    found
}

/// Names in texts, such as those of Django's settings. The build tries to import them; a failure does not matter.
fn names_in_texts<'a>(
    facts: &'a SourceFacts,
    module: &'a ModuleFacts,
) -> impl Iterator<Item = (ImportedName, ImportPlace)> + 'a {
    let words = module.words.iter();
    words.filter_map(|word| {
        let (outer, name) = word.rsplit_once('.')?;
        let place = ImportPlace {
            certainty: None,
            file: module.file.clone(),
            line: 0,
        };
        (!is_own_package(facts, outer)).then(|| ((outer.to_owned(), name.to_owned()), place))
    })
}

/// Whether a module is in a package of the app. A folder without `__init__.py` does not count: an installed package of the
/// same name wins over such a folder.
fn is_own_package(facts: &SourceFacts, dotted: &str) -> bool {
    let top = dotted.split('.').next().unwrap_or_default();
    facts.module(top).is_some()
}

/// The files that are loaded when these are, each with how certainly. A name in a text may be the name of a module that is
/// loaded.
pub(super) fn reached_files<'a>(
    facts: &'a SourceFacts,
    starts: &[String],
) -> BTreeMap<&'a str, ImportCertainty> {
    let mut reached: BTreeMap<&str, ImportCertainty> = BTreeMap::new();
    let mut waiting: Vec<(&ModuleFacts, ImportCertainty)> = starts
        .iter()
        .filter_map(|file| Some((facts.file(file)?, ImportCertainty::Always)))
        .collect();
    while let Some((module, how)) = waiting.pop() {
        if reached
            .get(module.file.as_str())
            .is_some_and(|known| *known >= how)
        {
            continue;
        }
        reached.insert(&module.file, how);
        for import in &module.imports {
            let files = facts.imported_files(&module.file, import).into_iter();
            waiting.extend(files.map(|file| (file, how.min(import.when))));
        }
        for word in &module.words {
            let outer = word.rsplit_once('.').map_or("", |(outer, _)| outer);
            let named = facts.module(word).or_else(|| facts.module(outer));
            waiting.extend(named.map(|file| (file, how.min(ImportCertainty::Maybe))));
        }
    }
    reached
}

#[cfg(test)]
mod tests;
