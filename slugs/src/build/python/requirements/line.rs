//! Owns the form of one requirement. Must not know the files that hold requirements.

use std::collections::BTreeMap;

/// Requirements by the name of the extra that adds them.
pub(crate) type ExtraRequirements = BTreeMap<String, Vec<String>>;

/// A package's name in the form in which indexes compare names (PEP 503).
pub(crate) fn normalize_name(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// The normalized name of the package that a requirement asks for.
pub(crate) fn package_name(line: &str) -> String {
    let name = line
        .trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || "-_.".contains(*c));
    normalize_name(&name.collect::<String>())
}
