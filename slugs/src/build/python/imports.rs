//! Owns the list of modules that an app's files import, by the look of their lines. Must not run them.
//!
//! What is missed (an import by a name in a variable) is imported from the packages' files when a dyno needs it, which
//! takes longer and works as well.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::{BuildError, sources};

/// `MODULE<TAB>NAME` lines, sorted: what the files import that is not theirs. `NAME` is empty for `import MODULE`.
pub(super) fn of(folder: &Path, files: &[sources::Source]) -> Result<String, BuildError> {
    let mut found = BTreeSet::new();
    for (_, path) in files {
        let text = sources::text(path)?.unwrap_or_default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.split('#').next().unwrap_or_default().trim().to_owned();
            let begins = line.starts_with("import ") || line.starts_with("from ");
            if !begins {
                continue;
            }
            // A list in brackets goes on until they close; lines that do not are no import.
            while line.contains('(') && !line.contains(')') {
                let Some(next) = lines.next() else { break };
                line.push_str(next.split('#').next().unwrap_or_default());
            }
            found.extend(imported(&line));
        }
    }
    let own = |module: &str| {
        let top = module.split('.').next().unwrap_or_default();
        folder.join(top).is_dir() || folder.join(format!("{top}.py")).is_file()
    };
    let lines = found
        .into_iter()
        .filter(|(module, _)| !module.is_empty() && !own(module));
    Ok(lines
        .map(|(module, name)| format!("{module}\t{name}\n"))
        .collect())
}

/// What one statement imports, of other packages than its own.
fn imported(line: &str) -> Vec<(String, String)> {
    let name = |text: &str| {
        let first = text.split_whitespace().next().unwrap_or_default();
        first.trim_matches(['(', ')', ',']).to_owned()
    };
    if let Some(rest) = line.strip_prefix("import ") {
        let modules = rest.split(',').map(|module| (name(module), String::new()));
        return modules.filter(|(module, _)| is_module(module)).collect();
    }
    let Some((module, names)) = line
        .strip_prefix("from ")
        .and_then(|rest| rest.split_once(" import"))
    else {
        return Vec::new();
    };
    let module = module.trim();
    if !is_module(module) {
        return Vec::new();
    }
    names
        .trim_matches(|c: char| c.is_whitespace() || c == '(' || c == ')')
        .split(',')
        .map(|one| (module.to_owned(), name(one)))
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

/// Not relative, and nothing else than names.
fn is_module(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read() {
        let pairs = |line: &str| -> Vec<String> {
            let found = imported(line).into_iter();
            found
                .map(|(module, name)| format!("{module}:{name}"))
                .collect()
        };
        assert_eq!(pairs("import a.b as c, d"), ["a.b:", "d:"]);
        assert_eq!(pairs("from a import b as c, d"), ["a:b", "a:d"]);
        assert_eq!(pairs("from a.b import (c,   d,)"), ["a.b:c", "a.b:d"]);
        assert_eq!(pairs("from a import *"), ["a:*"]);
        assert!(pairs("from . import a").is_empty());
        assert!(pairs("from .a import b").is_empty());
        assert!(pairs("import the words of a text").len() <= 1);
    }
}
