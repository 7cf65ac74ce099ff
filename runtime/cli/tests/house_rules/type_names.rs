//! The rule that type names are unique in the production code of the workspace.

use std::collections::BTreeMap;

use crate::repository::File;
use crate::source::{Kind, line, only, without_tests, words};

/// Names that may be used more than once, with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Whether a file belongs to the product or the benches: not to tests, guests, examples or the sdk.
fn is_production(file: &File) -> bool {
    let folders = ["runtime/", "slugs/src/", "benches/src/"];
    file.is_rust()
        && !file.is_test()
        && folders.iter().any(|folder| file.path.starts_with(folder))
        && file.path.contains("/src/")
        && !file.path.starts_with("runtime/testkit/")
}

/// Finds types with the same name, anywhere in the workspace.
pub(crate) fn repeated_types(files: &[File]) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| is_production(file)) {
        let code = without_tests(&only(&file.text, Kind::Code));
        for (name, at) in type_names(&code) {
            let place = format!("{}:{}", file.path, line(&code, at));
            places.entry(name).or_default().push(place);
        }
    }
    let excepted = |name: &str| EXCEPTIONS.iter().any(|(excepted, _)| *excepted == name);
    let repeated = places
        .into_iter()
        .filter(|(name, places)| places.len() > 1 && !excepted(name));
    repeated
        .map(|(name, places)| {
            let (first, others) = (&places[0], places[1..].join(", "));
            format!("{first}: the type `{name}` stands at {others} too: the crate of its field keeps the name, give the others a longer one")
        })
        .collect()
}

/// The names and places of the types that code defines. Associated types are ignored, because they are indented.
fn type_names(code: &str) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    for keyword in ["struct", "enum", "union", "trait", "type"] {
        for at in words(code, keyword) {
            let line_start = code[..at].rfind('\n').map_or(0, |newline| newline + 1);
            if keyword == "type" && code[line_start..].starts_with(' ') {
                continue;
            }
            let rest = code[at + keyword.len()..].trim_start();
            let part = |c: &char| c.is_alphanumeric() || *c == '_';
            let name: String = rest.chars().take_while(part).collect();
            if name.starts_with(char::is_uppercase) {
                names.push((name, at));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sources: &[(&str, &str)]) -> Vec<File> {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        sources.iter().map(file).collect()
    }

    #[test]
    fn types_with_the_same_name_are_found() {
        let wrong = files(&[
            (
                "runtime/a/src/lib.rs",
                "//!\npub(crate) struct State<T>(T);\n",
            ),
            ("slugs/src/b.rs", "mod inner {\n    enum State {}\n}\n"),
            ("benches/src/c.rs", "type State = u8;\n"),
        ]);
        let found = repeated_types(&wrong);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("runtime/a/src/lib.rs:2: the type `State` stands at slugs/src/b.rs:2, benches/src/c.rs:1 too"), "{found:?}");
    }

    #[test]
    fn associated_types_tests_and_other_workspaces_are_ignored() {
        let sound = files(&[
            (
                "runtime/a/src/lib.rs",
                "struct One;\nimpl Iterator for One {\n    type Item = u8;\n}\n",
            ),
            (
                "runtime/b/src/lib.rs",
                "impl Iterator for Two {\n    type Item = u8;\n}\n// struct One\n",
            ),
            (
                "runtime/b/src/c.rs",
                "#[cfg(test)]\nmod tests {\n    struct One;\n}\n",
            ),
            ("runtime/b/src/c/tests.rs", "struct One;"),
            ("runtime/testkit/src/lib.rs", "struct One;"),
            ("examples/x/src/lib.rs", "struct One;"),
        ]);
        assert_eq!(repeated_types(&sound), [""; 0]);
    }
}
