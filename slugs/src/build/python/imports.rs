//! Owns the list of what an app's files import that is not theirs, and how surely each import is done. Must not run
//! anything.
//!
//! What is missed (an import by a name in a variable) is imported from the packages' files when a dyno needs it, which
//! takes longer and works as well.

use std::collections::BTreeMap;

use super::facts::{ModuleFacts, SourceFacts, When};

/// Something that is imported: a module, and what is taken from it (empty for `import MODULE`).
pub(super) type Wanted = (String, String);

/// Where something is imported, and how surely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImportPlace {
    /// None where no file that the app's processes load is known to do it.
    pub(super) when: Option<When>,
    pub(super) file: String,
    pub(super) line: usize,
}

/// What all files import, the strongest place for each. `starts` are the files that the app's processes load.
pub(super) fn of(facts: &SourceFacts, starts: &[String]) -> BTreeMap<Wanted, ImportPlace> {
    let reached = reached(facts, starts);
    let mut found: BTreeMap<Wanted, ImportPlace> = BTreeMap::new();
    for module in facts.modules() {
        let how = reached.get(module.file.as_str()).copied();
        for import in module.imports.iter().filter(|import| import.level == 0) {
            if is_surely_own(facts, &import.module) {
                continue;
            }
            let place = ImportPlace {
                when: how.map(|how| how.min(import.when)),
                file: module.file.clone(),
                line: import.line,
            };
            let wanted = (import.module.clone(), import.name.clone());
            match found.get_mut(&wanted) {
                Some(known) if known.when >= place.when => {}
                Some(known) => *known = place,
                None => drop(found.insert(wanted, place)),
            }
        }
        for (wanted, place) in named_in_texts(facts, module) {
            found.entry(wanted).or_insert(place);
        }
    }
    found
}

/// Names in texts, such as those of Django's settings: imported while building if they can be, and never missed.
fn named_in_texts<'a>(
    facts: &'a SourceFacts,
    module: &'a ModuleFacts,
) -> impl Iterator<Item = (Wanted, ImportPlace)> + 'a {
    let words = module.words.iter();
    words.filter_map(|word| {
        let (outer, name) = word.rsplit_once('.')?;
        let place = ImportPlace {
            when: None,
            file: module.file.clone(),
            line: 0,
        };
        (!is_surely_own(facts, outer)).then(|| ((outer.to_owned(), name.to_owned()), place))
    })
}

/// A package of the app. A folder without `__init__.py` gives way to an installed package of the same name.
fn is_surely_own(facts: &SourceFacts, dotted: &str) -> bool {
    let top = dotted.split('.').next().unwrap_or_default();
    facts.module(top).is_some()
}

/// The files that are loaded when these are, with how surely. A name in a text may be of a module that is loaded by it.
pub(super) fn reached<'a>(facts: &'a SourceFacts, starts: &[String]) -> BTreeMap<&'a str, When> {
    let mut reached: BTreeMap<&str, When> = BTreeMap::new();
    let mut waiting: Vec<(&ModuleFacts, When)> = starts
        .iter()
        .filter_map(|file| Some((facts.file(file)?, When::Always)))
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
            let files = facts.led_to(&module.file, import).into_iter();
            waiting.extend(files.map(|file| (file, how.min(import.when))));
        }
        for word in &module.words {
            let outer = word.rsplit_once('.').map_or("", |(outer, _)| outer);
            let named = facts.module(word).or_else(|| facts.module(outer));
            waiting.extend(named.map(|file| (file, how.min(When::Maybe))));
        }
    }
    reached
}

#[cfg(test)]
mod tests;
