//! The paths that a module imports: by `use` items, and by full paths in code.
//!
//! Must not know the modules of a crate.

use crate::source::{line, words};

/// A path as written in the source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The segments, without a final `self` or glob.
    pub(crate) path: Vec<String>,
    /// The local name, if the path is a `use` item with a single name.
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
}

/// The imports in code whose comments and literals are blanked.
pub(crate) fn imports(code: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut rest = code.to_owned();
    for at in words(code, "use") {
        let Some(length) = code[at..].find(';') else {
            continue;
        };
        let item = &code[at + "use".len()..at + length];
        let starts_a_path =
            item.starts_with(char::is_whitespace) && !item.contains(['<', '(', '=']);
        if starts_a_path {
            let start = at + "use".len();
            use_tree(code, start, at + length, &[], &mut imports);
            rest.replace_range(at..at + length, &blank(&code[at..at + length]));
        }
    }
    for root in ["crate", "super", "self"] {
        for at in words(&rest, root) {
            let continued = rest[..at].trim_end().ends_with("::");
            let visibility = rest[..at].ends_with("in ") || rest[..at].ends_with("pub(");
            let path = segments(&rest[at..]);
            // A path that continues after `super` is counted at its first segment.
            if path.len() > 1 && !continued && !visibility {
                let line = line(code, at);
                imports.push(Import {
                    path,
                    name: None,
                    line,
                });
            }
        }
    }
    imports
}

fn blank(text: &str) -> String {
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    text.chars()
        .flat_map(|c| std::iter::repeat_n(blank(c), c.len_utf8()))
        .collect()
}

/// The segments of the path at the start of a text.
fn segments(text: &str) -> Vec<String> {
    let mut segments = Vec::new();
    for segment in text.split("::") {
        let part = |c: &char| c.is_alphanumeric() || *c == '_';
        let name: String = segment.chars().take_while(part).collect();
        let ends = name.len() < segment.len();
        if !name.is_empty() {
            segments.push(name);
        }
        if ends {
            break;
        }
    }
    segments
}

/// The imports of the `use` tree between `start` and `end`, below a path.
fn use_tree(code: &str, start: usize, end: usize, above: &[String], imports: &mut Vec<Import>) {
    let text = &code[start..end];
    let Some(open) = text.find('{') else {
        let (path, alias) = match text.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (text, None),
        };
        let mut all = above.to_vec();
        let own = path.split("::").map(str::trim);
        all.extend(own.filter(|name| !name.is_empty()).map(str::to_owned));
        let glob = all.last().is_some_and(|last| last == "*");
        let itself = all.len() > 1 && all.last().is_some_and(|last| last == "self");
        if glob || itself {
            all.pop();
        }
        let name = alias.or_else(|| all.last().cloned()).filter(|_| !glob);
        if !all.is_empty() {
            let at = start + text.len() - text.trim_start().len();
            imports.push(Import {
                path: all,
                name,
                line: line(code, at),
            });
        }
        return;
    };
    let mut above = above.to_vec();
    let own = text[..open].split("::").map(str::trim);
    above.extend(own.filter(|name| !name.is_empty()).map(str::to_owned));
    let close = text.rfind('}').unwrap_or(text.len());
    let (mut depth, mut from) = (0, open + 1);
    for (at, byte) in text.bytes().enumerate().take(close).skip(open + 1) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                use_tree(code, start + from, start + at, &above, imports);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !text[from..close].trim().is_empty() {
        use_tree(code, start + from, start + close, &above, imports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<(String, Option<String>, usize)> {
        let import = |import: Import| (import.path.join("::"), import.name, import.line);
        imports(code).into_iter().map(import).collect()
    }

    #[test]
    fn trees_of_use_items_are_split_into_paths() {
        let code =
            "pub use a::b;\npub(crate) use crate::{c::{self, D as E}, f::*,\n    super_g,\n};\n";
        let named = |name: &str| Some(name.to_owned());
        let expected = [
            ("a::b", named("b"), 1),
            ("crate::c", named("c"), 2),
            ("crate::c::D", named("E"), 2),
            ("crate::f", None, 2),
            ("crate::super_g", named("super_g"), 3),
        ];
        assert_eq!(
            paths(code),
            expected.map(|(path, name, line)| (path.to_owned(), name, line))
        );
    }

    #[test]
    fn paths_in_code_are_found_once() {
        let code = "pub(in crate::a) fn f() {\n    crate::b::c(super::super::D::new(), self.x)\n}\nfn g() -> impl Sized + use<'_> { h }";
        let expected = [("crate::b::c", 2), ("super::super::D::new", 2)];
        let expected = expected.map(|(path, line)| (path.to_owned(), None, line));
        assert_eq!(paths(code), expected);
    }
}
