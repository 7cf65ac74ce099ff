//! Owns the choice of the gems that a dyno can use. Must not know where gems come from.

use std::collections::BTreeSet;

use super::FoundGem;
use crate::build::toolbox::error::BuilderError;

/// Gems whose library is part of the component's Ruby, native code included, or is supplied by the component.
const OF_THE_INTERPRETER: [&str; 22] = [
    "cgi", "date", "digest", "erb", "etc", "fcntl", "io-wait", "json", "objspace", "openssl",
    "pathname", "prism", "psych", "rbconfig", "ripper", "socket", "stringio", "strscan", "timeout",
    "uri", "zlib", "monitor",
];
/// Gems that a dyno needs not: web servers and their parts, and tools of developers.
const NOT_NEEDED: [&str; 27] = [
    "bootsnap",
    "byebug",
    "daemons",
    "debug",
    "eventmachine",
    "falcon",
    "foreman",
    "http_parser.rb",
    "io-console",
    "io-event",
    "irb",
    "kgio",
    "listen",
    "nio4r",
    "passenger",
    "pitchfork",
    "pry-byebug",
    "puma",
    "puma_worker_killer",
    "raindrops",
    "readline",
    "readline-ext",
    "reline",
    "spring",
    "thin",
    "unicorn",
    "yahns",
];
/// Gems with native code that have the same in Ruby, for the case that the native code is missing.
const WITH_FALLBACK: [&str; 4] = ["racc", "hitimes", "jaro_winkler", "websocket-driver"];
/// What to use instead of some gems.
const INSTEAD: [(&str, &str); 12] = [
    ("bcrypt", "use `OpenSSL::KDF.pbkdf2_hmac`, which a dyno has"),
    ("argon2", "use `OpenSSL::KDF.pbkdf2_hmac`, which a dyno has"),
    ("nokogiri", "use `rexml`"),
    (
        "pg",
        "a dyno's Ruby has no sockets, and so no databases yet",
    ),
    (
        "mysql2",
        "a dyno's Ruby has no sockets, and so no databases yet",
    ),
    (
        "trilogy",
        "a dyno's Ruby has no sockets, and so no databases yet",
    ),
    ("sqlite3", "use `pstore` or files in ./tmp"),
    ("redcarpet", "use `kramdown`"),
    ("commonmarker", "use `kramdown`"),
    ("oj", "use `json`"),
    ("msgpack", "use `json`"),
    ("sassc", "compile style sheets before deploying"),
];

/// Leaves out the gems that a dyno needs not. Fails if a gem cannot run in a dyno.
pub(super) fn keep_usable(
    found: Vec<FoundGem>,
    gemfile: &str,
) -> Result<Vec<FoundGem>, BuilderError> {
    let is_left_out = |gem: &FoundGem| {
        let name = gem.name.as_str();
        OF_THE_INTERPRETER.contains(&name) || NOT_NEEDED.contains(&name)
    };
    let needed = needed_names(&found);
    let is_kept = |gem: &&FoundGem| !is_left_out(gem) && needed.contains(gem.name.as_str());
    let native = found
        .iter()
        .filter(is_kept)
        .filter(|gem| gem.has_native_code && !WITH_FALLBACK.contains(&gem.name.as_str()));
    let problems: Vec<String> = native.map(|gem| explain_native(gem, &found)).collect();
    if !problems.is_empty() {
        return Err(BuilderError::Refused(format!(
            "{gemfile} names gems with native code, which cannot run in a dyno: {}",
            problems.join("; ")
        )));
    }
    Ok(found.iter().filter(is_kept).cloned().collect())
}

/// The names of the gems that remain if those that are not needed leave with the gems that only they need.
fn needed_names(found: &[FoundGem]) -> BTreeSet<&str> {
    let is_needed_by_none = |name: &str| {
        !found
            .iter()
            .any(|gem| gem.needs.iter().any(|need| need == name))
    };
    let mut open: Vec<&str> = found
        .iter()
        .map(|gem| gem.name.as_str())
        .filter(|name| is_needed_by_none(name))
        .collect();
    let mut needed = BTreeSet::new();
    while let Some(name) = open.pop() {
        if NOT_NEEDED.contains(&name) || !needed.insert(name) {
            continue;
        }
        if let Some(gem) = found.iter().find(|gem| gem.name == name) {
            open.extend(gem.needs.iter().map(String::as_str));
        }
    }
    needed
}

/// Names a gem with native code, a gem that needs it, and what to use instead.
fn explain_native(gem: &FoundGem, found: &[FoundGem]) -> String {
    let mut text = format!("{} {}", gem.name, gem.version);
    let parent = found.iter().find(|other| other.needs.contains(&gem.name));
    if let Some(parent) = parent {
        text.push_str(&format!(", which {} needs", parent.name));
    }
    let instead = INSTEAD.iter().find(|(name, _)| *name == gem.name);
    match instead {
        Some((_, advice)) => text.push_str(&format!(" ({advice})")),
        None => text.push_str(" (use a gem that is written in Ruby alone)"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gem(name: &str, has_native_code: bool, needs: &[&str]) -> FoundGem {
        FoundGem {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            folder: "/none".into(),
            paths: vec!["lib".to_owned()],
            shared: Vec::new(),
            executables: Default::default(),
            has_native_code,
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn kept(found: Vec<FoundGem>) -> Vec<String> {
        let kept = keep_usable(found, "Gemfile").expect("usable gems");
        kept.into_iter().map(|gem| gem.name).collect()
    }

    #[test]
    fn servers_leave_with_the_gems_that_only_they_need() {
        let found = vec![
            gem("sinatra", false, &["rack"]),
            gem("rack", false, &[]),
            gem("thin", true, &["rack", "eventmachine", "only-thin"]),
            gem("eventmachine", true, &[]),
            gem("only-thin", true, &[]),
        ];
        assert_eq!(kept(found), ["sinatra", "rack"]);
    }

    #[test]
    fn libraries_of_the_interpreter_replace_gems() {
        let found = vec![gem("app", false, &["json"]), gem("json", true, &[])];
        assert_eq!(kept(found), ["app"]);
    }

    #[test]
    fn a_gem_with_native_code_is_refused_with_its_reason() {
        let found = vec![
            gem("html", false, &["nokogiri"]),
            gem("nokogiri", true, &[]),
            gem("strange", true, &[]),
        ];
        let error = keep_usable(found, "Gemfile")
            .expect_err("native code")
            .to_string();
        assert_eq!(
            error,
            "Gemfile names gems with native code, which cannot run in a dyno: nokogiri 1.0, which html needs (use `rexml`); \
             strange 1.0 (use a gem that is written in Ruby alone)"
        );
    }
}
