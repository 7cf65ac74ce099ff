//! Owns what the component has to know about a Ruby app, and how the app's web process is found: by the Procfile, or by files
//! with usual names. Must not know gems.

use std::collections::BTreeMap;
use std::path::Path;

use grid::name::ProcessType;
use serde::Serialize;

use crate::build::toolbox::command_line::{self, parse_setting, words_of};
use crate::build::toolbox::error::BuilderError;
use crate::manifest::procfile::Procfile;

/// The file that `rackup` and all servers of Rack apps read.
const RACKUP_FILE: &str = "config.ru";
/// Programs that start a server themselves, where there is neither a Procfile nor a `config.ru`.
const PROGRAMS: [&str; 5] = ["app.rb", "main.rb", "server.rb", "web.rb", "hello.rb"];
/// Programs that are servers of Rack apps, or start one.
pub(super) const SERVERS: [&str; 9] = [
    "puma",
    "rackup",
    "thin",
    "unicorn",
    "falcon",
    "passenger",
    "rails",
    "hanami",
    "pitchfork",
];
/// Words before a program that change nothing in a dyno.
const WRAPPERS: [&[&str]; 4] = [&["bundle", "exec"], &["exec"], &["env"], &["time"]];
/// Options of `ruby` whose value is the next word.
const RUBY_OPTIONS_WITH_VALUE: [&str; 4] = ["-I", "-r", "-C", "-E"];

/// What the component has to know about the app. It is stored as a file in the slug.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct RubyEntry {
    /// The rackup file, or the program that starts a server; `None` if the app has no process type `web`.
    pub(super) start: Option<String>,
    /// Folders that the program's options add to the load path, relative to the app's folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) paths: Vec<String>,
    /// Environment variables that the web process sets unless they are set already.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) env: BTreeMap<String, String>,
    /// The gems, in the order of the Gemfile's resolution.
    pub(super) gems: Vec<GemEntry>,
}

/// A gem in the slug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct GemEntry {
    pub(super) name: String,
    pub(super) version: String,
    /// The gem's folder, with its path in a dyno.
    pub(super) folder: String,
    /// The folders of its library, relative to its folder.
    pub(super) paths: Vec<String>,
    /// Its programs, each with its file relative to the gem's folder.
    pub(super) executables: BTreeMap<String, String>,
}

/// Finds the web process of an app. The gems are empty.
pub(super) fn find_entry(
    folder: &Path,
    procfile: Option<&Procfile>,
) -> Result<RubyEntry, BuilderError> {
    let Some(procfile) = procfile else {
        return find_usual_entry(folder);
    };
    let Some(web) = procfile.processes.get(&ProcessType::web()) else {
        return Ok(RubyEntry::default());
    };
    let entry = parse_web_command(&words_of(web))
        .map_err(|problem| BuilderError::Refused(format!("the Procfile's `web` {problem}")))?;
    let start = entry.start.as_deref().unwrap_or(RACKUP_FILE);
    if !folder.join(start).is_file() {
        return Err(BuilderError::Refused(format!(
            "the Procfile's `web` starts `{start}`, which is not in the app's folder: correct the name, or write the file"
        )));
    }
    Ok(entry)
}

fn find_usual_entry(folder: &Path) -> Result<RubyEntry, BuilderError> {
    let mut names = std::iter::once(RACKUP_FILE).chain(PROGRAMS);
    match names.find(|name| folder.join(name).is_file()) {
        Some(name) => Ok(RubyEntry {
            start: Some(name.to_owned()),
            ..RubyEntry::default()
        }),
        None => Err(BuilderError::Refused(format!(
            "{} has no Procfile, and neither {RACKUP_FILE} nor {}: write a {RACKUP_FILE} with `run App`, or a Procfile with \
             `web: ruby FILE.rb`",
            folder.display(),
            PROGRAMS.join(", ")
        ))),
    }
}

/// Parses the command line of a web process. The error completes the sentence "the Procfile's `web` …".
fn parse_web_command(words: &[String]) -> Result<RubyEntry, String> {
    let mut entry = RubyEntry::default();
    let words = take_settings(words, &mut entry.env);
    let Some((first, rest)) = words.split_first() else {
        return Err("runs nothing: write `web: bundle exec rackup`".to_owned());
    };
    let program = program_of(first);
    entry.start = Some(match program {
        "ruby" => parse_ruby_options(rest, &mut entry)?,
        program if SERVERS.contains(&program) => rackup_file(rest),
        program if program.ends_with(".rb") => plain_path(first),
        _ => {
            return Err(format!(
                "runs `{program}`, which starts no Rack app that dyno knows: write `web: bundle exec rackup` or `web: ruby \
                 FILE.rb`; known servers: {}",
                SERVERS.join(", ")
            ));
        }
    });
    Ok(entry)
}

/// Takes settings (`NAME=value`) and wrappers (`bundle exec`) from the beginning of a command line.
fn take_settings<'a>(words: &'a [String], env: &mut BTreeMap<String, String>) -> &'a [String] {
    let mut words = words;
    loop {
        let plain = skip_wrappers(words);
        match plain.first().and_then(|word| parse_setting(word)) {
            Some((name, value)) => {
                env.insert(name.to_owned(), value.to_owned());
                words = &plain[1..];
            }
            None => return plain,
        }
    }
}

/// The command line without the words before the program.
pub(super) fn skip_wrappers(words: &[String]) -> &[String] {
    command_line::skip_wrappers(words, &WRAPPERS)
}

/// A program's name, without its folder and without Ruby's version.
pub(super) fn program_of(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    let is_ruby = name.strip_prefix("ruby").is_some_and(|version| {
        version
            .chars()
            .all(|character| character.is_ascii_digit() || character == '.')
    });
    if is_ruby { "ruby" } else { name }
}

/// The rackup file among the arguments of a server.
fn rackup_file(arguments: &[String]) -> String {
    let named = arguments.iter().find(|argument| argument.ends_with(".ru"));
    let path = named.map(|argument| argument.rsplit('=').next().unwrap_or(argument));
    plain_path(path.unwrap_or(RACKUP_FILE))
}

/// The program among the arguments of `ruby`.
fn parse_ruby_options(arguments: &[String], entry: &mut RubyEntry) -> Result<String, String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if RUBY_OPTIONS_WITH_VALUE.contains(&argument.as_str()) {
            let value = arguments.next();
            entry.paths.extend(
                value
                    .filter(|_| argument == "-I")
                    .map(|path| plain_path(path)),
            );
        } else if let Some(path) = argument.strip_prefix("-I") {
            entry.paths.push(plain_path(path));
        } else if argument == "-S" {
            return match arguments.next() {
                Some(name) if SERVERS.contains(&name.as_str()) => {
                    Ok(rackup_file(arguments.as_slice()))
                }
                _ => Err(
                    "runs `ruby -S` without a server: write `web: bundle exec rackup`".to_owned(),
                ),
            };
        } else if !argument.starts_with('-') {
            return Ok(plain_path(argument));
        }
    }
    Err("runs `ruby` without a program: write `web: ruby FILE.rb`".to_owned())
}

/// A path without `./` before it.
pub(super) fn plain_path(path: &str) -> String {
    path.trim_start_matches("./").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(command: &str) -> Result<RubyEntry, String> {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        parse_web_command(&words)
    }

    #[test]
    fn web_commands_of_all_servers_mean_the_rackup_file() {
        for command in [
            "bundle exec puma -C config/puma.rb",
            "bundle exec puma -t 5:5 -p $PORT -e production",
            "bundle exec rackup config.ru -p $PORT",
            "rackup -o 0.0.0.0 -p $PORT",
            "bundle exec thin start -p $PORT",
            "RACK_ENV=production bundle exec unicorn -p $PORT -c ./config/unicorn.rb",
            "env RACK_ENV=production bundle exec falcon serve",
            "bin/rails server -p $PORT",
            "ruby -S rackup -p $PORT",
        ] {
            let entry = parse(command).expect(command);
            assert_eq!(entry.start.as_deref(), Some("config.ru"), "{command}");
        }
    }

    #[test]
    fn a_named_rackup_file_and_a_program_are_found() {
        for (command, start) in [
            ("bundle exec thin -R web.ru start", "web.ru"),
            ("bundle exec puma ./web.ru", "web.ru"),
            ("thin --rackup=web.ru start", "web.ru"),
            ("bundle exec ruby app.rb -p $PORT", "app.rb"),
            ("ruby -Ilib -r bundler/setup ./bin/web.rb", "bin/web.rb"),
            ("ruby3.2 -I lib web.rb", "web.rb"),
            ("./app.rb", "app.rb"),
        ] {
            let entry = parse(command).expect(command);
            assert_eq!(entry.start.as_deref(), Some(start), "{command}");
        }
        assert_eq!(
            parse("ruby -Ilib -I ./more web.rb")
                .expect("a program")
                .paths,
            ["lib", "more"]
        );
    }

    #[test]
    fn settings_before_the_program_are_kept() {
        let entry = parse("RACK_ENV=production A=b bundle exec rackup").expect("a server");
        let set: Vec<(&str, &str)> = entry
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(set, [("A", "b"), ("RACK_ENV", "production")]);
    }

    #[test]
    fn commands_that_start_no_rack_app_are_refused() {
        for (command, problem) in [
            (
                "bundle exec sidekiq",
                "runs `sidekiq`, which starts no Rack app",
            ),
            ("ruby", "runs `ruby` without a program"),
            ("ruby -S rake", "runs `ruby -S` without a server"),
        ] {
            let error = parse(command).expect_err(command);
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
