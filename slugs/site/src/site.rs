//! Owns the list of a site's files, and finds the file that a path names.
//! Must not know HTTP. No path can name a file that is not in the list.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The first line of a list, which names its format.
const HEADER: &str = "dyno-site 1";
/// The page that answers for a folder.
const INDEX: &str = "index.html";
/// The page that answers for a missing file.
const NOT_FOUND: &str = "404.html";
/// Characters that have to be escaped in a part of a path in a `Location` (RFC 3986, `pchar`).
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A file of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteFile {
    /// The size of the file, in bytes.
    pub(crate) bytes: u64,
    /// A digest of its contents.
    pub(crate) digest: String,
}

/// A site: its files by their paths, without a leading `/`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Site {
    root: String,
    /// The page that answers for missing pages, in apps whose router runs in the browser.
    fallback: Option<String>,
    files: BTreeMap<String, SiteFile>,
}

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PathTarget<'s> {
    /// A file.
    File(&'s str, &'s SiteFile),
    /// A folder. The client is redirected to this path, which ends with `/`.
    Folder(String),
    /// No file; with the site's page for this case, if there is one.
    Nothing(Option<(&'s str, &'s SiteFile)>),
}

impl Site {
    /// Parses the list: a header, then `root PATH`, `fallback PATH` and `file BYTES DIGEST PATH`, one per line.
    pub(crate) fn parse(text: &str) -> Option<Site> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return None;
        }
        let mut site = Site {
            root: String::new(),
            fallback: None,
            files: BTreeMap::new(),
        };
        for line in lines {
            match line.split_once(' ')? {
                ("root", path) => site.root = path.to_owned(),
                ("fallback", path) => site.fallback = Some(path.to_owned()),
                ("file", rest) => {
                    let mut parts = rest.splitn(3, ' ');
                    let bytes = parts.next()?.parse().ok()?;
                    let digest = parts.next()?.to_owned();
                    site.files
                        .insert(parts.next()?.to_owned(), SiteFile { bytes, digest });
                }
                _ => return None,
            }
        }
        Some(site)
    }

    /// The path of a file of the site in the file system of this program.
    pub(crate) fn disk_path(&self, name: &str) -> String {
        match self.root.as_str() {
            "" => format!("/{name}"),
            root => format!("/{root}/{name}"),
        }
    }

    fn file(&self, name: &str) -> Option<(&str, &SiteFile)> {
        let (name, file) = self.files.get_key_value(name)?;
        Some((name, file))
    }

    /// The encoded form of a file (`x.css.br` beside `x.css`).
    pub(crate) fn encoded(&self, name: &str, end: &str) -> Option<(&str, &SiteFile)> {
        self.file(&format!("{name}.{end}"))
    }

    /// Finds what the path of a request names.
    pub(crate) fn find(&self, path: &str) -> PathTarget<'_> {
        let Some(parts) = decode(path) else {
            return self.nothing();
        };
        let name = parts.join("/");
        let inside = |file: &str| match name.as_str() {
            "" => file.to_owned(),
            name => format!("{name}/{file}"),
        };
        let index = self.file(&inside(INDEX));
        if path.ends_with('/') || name.is_empty() {
            return index.map_or_else(
                || self.fall_back(&parts),
                |(name, file)| PathTarget::File(name, file),
            );
        }
        if let Some((name, file)) = self.file(&name) {
            return PathTarget::File(name, file);
        }
        if index.is_some() {
            return PathTarget::Folder(encode(&parts));
        }
        match self.file(&format!("{name}.html")) {
            Some((name, file)) => PathTarget::File(name, file),
            None => self.fall_back(&parts),
        }
    }

    /// The fallback, for a path that looks like a page. A missing picture or script is answered with 404.
    fn fall_back(&self, parts: &[String]) -> PathTarget<'_> {
        let is_page = parts.last().is_none_or(|last| !last.contains('.'));
        let fallback = self.fallback.as_deref().filter(|_| is_page);
        match fallback.and_then(|name| self.file(name)) {
            Some((name, file)) => PathTarget::File(name, file),
            None => self.nothing(),
        }
    }

    fn nothing(&self) -> PathTarget<'_> {
        PathTarget::Nothing(self.file(NOT_FOUND))
    }
}

/// The decoded parts of a path; `None` if one of them cannot be the name of a file.
fn decode(path: &str) -> Option<Vec<String>> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let part = percent_decode_str(part).decode_utf8().ok()?;
            let is_name = !matches!(&*part, "." | "..") && !part.contains(['/', '\\', '\0']);
            is_name.then(|| part.into_owned())
        })
        .collect()
}

/// Encodes a folder's path for a `Location`. The result begins with exactly one `/`, so that it never names another
/// host.
fn encode(parts: &[String]) -> String {
    let mut path = String::from("/");
    for part in parts {
        path.extend(utf8_percent_encode(part, ESCAPED));
        path.push('/');
    }
    path
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn site(more: &str) -> Site {
        let text = format!(
            "dyno-site 1\nroot public\nfile 5 aa index.html\nfile 3 bb docs/index.html\nfile 9 cc a b.txt\n\
             file 10 dd app.css\nfile 4 ee app.css.br\nfile 6 ff app.css.gz\nfile 2 gg about.html\n{more}"
        );
        Site::parse(&text).expect("a list")
    }

    fn found(site: &Site, path: &str) -> String {
        match site.find(path) {
            PathTarget::File(name, _) => name.to_owned(),
            PathTarget::Folder(to) => format!("-> {to}"),
            PathTarget::Nothing(page) => format!("nothing {}", page.map_or("", |(name, _)| name)),
        }
    }

    #[test]
    fn request_paths_resolve_to_files_folders_and_pages() {
        let site = site("file 1 hh é/index.html\n");
        for (path, expected) in [
            ("/", "index.html"),
            ("/index.html", "index.html"),
            ("/docs/", "docs/index.html"),
            ("/docs", "-> /docs/"),
            ("//docs", "-> /docs/"),
            ("/%C3%A9", "-> /%C3%A9/"),
            ("/a%20b.txt", "a b.txt"),
            ("/about", "about.html"),
            ("/about/", "nothing "),
            ("/a%20b.txt/", "nothing "),
            ("/docs/none", "nothing "),
        ] {
            assert_eq!(found(&site, path), expected, "{path}");
        }
    }

    #[test]
    fn paths_outside_of_the_list_are_not_found() {
        let site = site("file 7 ii 404.html\n");
        for path in [
            "/../index.html",
            "/docs/../index.html",
            "/docs/%2e%2e/index.html",
            "/docs%2Findex.html",
            "/..%2f..%2fetc",
            "/index.html%00",
            "/.",
            "/docs/./index.html",
            "/%ff",
            "/.env",
            "/docs\\index.html",
            "/docs%5cindex.html",
        ] {
            assert_eq!(found(&site, path), "nothing 404.html", "{path}");
        }
    }

    #[test]
    fn a_fallback_answers_only_for_pages() {
        let site = site("fallback index.html\n");
        assert_eq!(found(&site, "/users/7"), "index.html");
        assert_eq!(found(&site, "/users/"), "index.html");
        assert_eq!(found(&site, "/gone.js"), "nothing ");
    }

    #[test]
    fn a_file_list_of_another_format_is_refused() {
        for text in [
            "",
            "dyno-site 2\n",
            "dyno-site 1\nfile x aa b\n",
            "dyno-site 1\nwhat\n",
        ] {
            assert_eq!(Site::parse(text), None, "{text}");
        }
        assert_eq!(
            site("").disk_path("docs/index.html"),
            "/public/docs/index.html"
        );
    }
}
