//! Commands as users of other platforms write them: `ps:scale`, `scale`, `releases:rollback`, `run:detached`.
//!
//! Owns their translation, word for word, before the command line is read. Must not know arguments.

use std::ffi::OsString;

/// Groups of commands, which some people write with a colon: `dyno ps:scale web=4`.
pub(super) const GROUPS: [&str; 10] = [
    "addons",
    "slug",
    "local",
    "apps",
    "releases",
    "ps",
    "config",
    "maintenance",
    "domains",
    "tokens",
];

/// Words that others use, and ours for them. The longest that fits is taken.
pub(super) const HABITS: [(&[&str], &[&str]); 26] = [
    (&["scale"], &["ps", "scale"]),
    (&["restart"], &["ps", "restart"]),
    (&["stop"], &["ps", "stop"]),
    (&["create"], &["apps", "create"]),
    (&["destroy"], &["apps", "destroy"]),
    (&["info"], &["apps", "info"]),
    (&["open"], &["apps", "open"]),
    (&["list"], &["apps"]),
    (&["apps", "list"], &["apps"]),
    (&["apps", "delete"], &["apps", "destroy"]),
    (&["ps", "list"], &["ps"]),
    (&["ps", "kill"], &["ps", "stop"]),
    (&["dynos"], &["ps"]),
    (&["releases", "list"], &["releases"]),
    (&["releases", "rollback"], &["rollback"]),
    (&["config", "list"], &["config"]),
    (&["config", "add"], &["config", "set"]),
    (&["config", "remove"], &["config", "unset"]),
    (&["config", "rm"], &["config", "unset"]),
    (&["domains", "list"], &["domains"]),
    (&["addons", "list"], &["addons"]),
    (&["tokens", "list"], &["tokens"]),
    // With a space, `detached` would be a process type.
    (&["run:detached"], &["run", "--detached"]),
    (&["auth", "login"], &["login"]),
    (&["auth", "logout"], &["logout"]),
    (&["auth", "whoami"], &["whoami"]),
];

/// The command line in our words. `dyno help` knows the same ones.
pub(crate) fn translate(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let is_help = args.get(1).is_some_and(|word| word == "help");
    let at = if is_help { 2 } else { 1 };
    split_colon(&mut args, at);
    let fits = |(theirs, _): &&(&[&str], &[&str])| {
        let words = args.get(at..at + theirs.len());
        words.is_some_and(|words| words.iter().zip(*theirs).all(|(word, their)| word == their))
    };
    let habit = HABITS
        .iter()
        .filter(fits)
        .max_by_key(|(theirs, _)| theirs.len());
    if let Some((theirs, ours)) = habit {
        let ours: Vec<OsString> = ours.iter().map(OsString::from).collect();
        // `dyno help` takes no flags.
        let ours = ours
            .into_iter()
            .filter(|word| !is_help || word != "--detached");
        args.splice(at..at + theirs.len(), ours);
    }
    args
}

/// Splits `group:command` in two words.
fn split_colon(args: &mut Vec<OsString>, at: usize) {
    let split = args.get(at).and_then(|arg| arg.to_str()?.split_once(':'));
    let is_group = |group: &str| {
        GROUPS.contains(&group)
            || HABITS
                .iter()
                .any(|(theirs, _)| theirs.len() > 1 && theirs[0] == group)
    };
    if let Some((group, command)) = split.filter(|(group, _)| is_group(group)) {
        let words = [OsString::from(group), OsString::from(command)];
        args.splice(at..=at, words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(text: &str) -> String {
        let words = translate(text.split(' ').map(OsString::from));
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn a_colon_separates_words_like_a_space() {
        for (theirs, ours) in [
            ("dyno slug:inspect a.slug", "dyno slug inspect a.slug"),
            ("dyno ps:scale web=4", "dyno ps scale web=4"),
            ("dyno config:set A=b:c", "dyno config set A=b:c"),
            ("dyno apps:create shop", "dyno apps create shop"),
            ("dyno build c:d", "dyno build c:d"),
        ] {
            assert_eq!(translated(theirs), ours);
        }
    }

    #[test]
    fn commands_of_other_platforms_are_translated() {
        for (theirs, ours) in [
            ("dyno scale web=2 -a shop", "dyno ps scale web=2 -a shop"),
            ("dyno releases:rollback v3", "dyno rollback v3"),
            ("dyno run:detached rake -x", "dyno run --detached rake -x"),
            ("dyno run detached", "dyno run detached"),
            ("dyno config:add A=1", "dyno config set A=1"),
            ("dyno auth:login URL", "dyno login URL"),
            ("dyno help scale", "dyno help ps scale"),
            ("dyno help ps:scale", "dyno help ps scale"),
            ("dyno help run:detached", "dyno help run"),
            ("dyno run detach", "dyno run detach"),
            ("dyno local run scale", "dyno local run scale"),
        ] {
            assert_eq!(translated(theirs), ours);
        }
    }
}
