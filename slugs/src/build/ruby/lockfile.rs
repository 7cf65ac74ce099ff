//! Owns the reading of `Gemfile.lock`: which gems it names, and which gems need which. Must not know where gems are.

use std::collections::BTreeMap;

/// A gem of a lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockedGem {
    pub(super) version: String,
    /// The names of the gems that this gem needs.
    pub(super) needs: Vec<String>,
}

/// Parses the gems of a lockfile, by name. Where a gem is named for several platforms, that of plain Ruby is taken.
///
/// The sections `GEM`, `GIT` and `PATH` list gems under `specs:`, each behind four spaces as `NAME (VERSION)` or
/// `NAME (VERSION-PLATFORM)`, and behind six spaces what the gem needs.
pub(super) fn parse_lockfile(text: &str) -> BTreeMap<String, LockedGem> {
    let mut gems: BTreeMap<String, LockedGem> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let (name, version) = match line.trim().split_once(" (") {
            Some((name, rest)) => (name, rest.trim_end_matches(')')),
            None => (line.trim(), ""),
        };
        match indent {
            4 if !version.is_empty() => {
                let (version, platform) = match version.split_once('-') {
                    Some((version, platform)) => (version, Some(platform)),
                    None => (version, None),
                };
                current = Some(name.to_owned());
                let found = LockedGem {
                    version: version.to_owned(),
                    needs: Vec::new(),
                };
                match platform {
                    None => drop(gems.insert(name.to_owned(), found)),
                    Some(_) => drop(gems.entry(name.to_owned()).or_insert(found)),
                }
            }
            6 => {
                let gem = current.as_ref().and_then(|name| gems.get_mut(name));
                if let Some(gem) = gem {
                    gem.needs.push(name.trim_end_matches('!').to_owned());
                }
            }
            _ => current = None,
        }
    }
    gems
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKFILE: &str = "GIT\n  remote: x\n  revision: y\n  specs:\n    own (0.1)\n\nGEM\n  remote: z\n  specs:\n    \
        mustermann (3.0.3)\n      ruby2_keywords (~> 0.0.1)\n    nokogiri (1.16.0)\n      racc (~> 1.4)\n    \
        nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    ruby2_keywords (0.0.5)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  \
        own!\n  mustermann (~> 3)\n\nBUNDLED WITH\n   2.5.0\n";

    #[test]
    fn all_sections_with_gems_are_read() {
        let gems = parse_lockfile(LOCKFILE);
        let versions: Vec<(&str, &str)> = gems
            .iter()
            .map(|(name, gem)| (name.as_str(), gem.version.as_str()))
            .collect();
        let expected = [
            ("mustermann", "3.0.3"),
            ("nokogiri", "1.16.0"),
            ("own", "0.1"),
            ("ruby2_keywords", "0.0.5"),
        ];
        assert_eq!(versions, expected);
        assert_eq!(gems["mustermann"].needs, ["ruby2_keywords"]);
    }
}
