//! Owns the languages and platforms that have no builder: the files and commands by which they are known.
//! Must not know how a builder is chosen, nor how a Procfile is parsed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most entries of a folder that are searched for file names.
const ENTRIES_SEARCHED_MAX: usize = 10_000;

/// The signs of a language, or a platform, without a builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LanguageSigns {
    /// As in "a Ruby app".
    name: &'static str,
    /// Files by which it is known; `*.x` is any file with that ending.
    files: &'static [&'static str],
    /// Files by which it is known even beside the files of a language with a builder, as in a Rails app with `package.json`.
    sure_files: &'static [&'static str],
    /// First words of commands in a Procfile by which it is known.
    words: &'static [&'static str],
    /// An alternative that is possible; the end of the error text.
    hint: &'static str,
}

/// The hint for languages whose tools make no program that runs here.
const NO_HINT: &str = "";

const LANGUAGES: &[LanguageSigns] = &[
    LanguageSigns {
        name: "a site for a generator",
        files: &[
            "_config.yml",
            "hugo.toml",
            "hugo.yaml",
            "hugo.json",
            "mkdocs.yml",
            "book.toml",
        ],
        sure_files: &[],
        words: &["jekyll", "hugo"],
        hint: "; `command` may also be the generator, and `root` in dyno.toml the folder of pages that it makes",
    },
    LanguageSigns {
        name: "a Ruby program",
        files: &["Rakefile", "*.gemspec", "*.rb"],
        sure_files: &[],
        words: &[
            "bundle", "ruby", "rails", "rake", "puma", "unicorn", "rackup", "sidekiq",
        ],
        hint: "; a Ruby app has a Gemfile",
    },
    LanguageSigns {
        name: "a PHP app",
        files: &["composer.json", "index.php", "*.php", "public/index.php"],
        sure_files: &["artisan", "index.php", "public/index.php"],
        words: &[
            "php",
            "heroku-php-apache2",
            "heroku-php-nginx",
            "vendor/bin/heroku-php-apache2",
            "vendor/bin/heroku-php-nginx",
        ],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Go program",
        files: &["*.go"],
        sure_files: &[],
        words: &["go"],
        hint: "; a Go app has a go.mod, which `go mod init NAME` writes",
    },
    LanguageSigns {
        name: "a Java or Kotlin app",
        files: &[
            "pom.xml",
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
            "*.java",
            "*.kt",
        ],
        sure_files: &["pom.xml", "build.gradle", "build.gradle.kts"],
        words: &["java", "mvn", "gradle", "mvnw", "gradlew"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Scala app",
        files: &["build.sbt", "*.scala"],
        sure_files: &["build.sbt"],
        words: &["sbt"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Clojure app",
        files: &["deps.edn", "project.clj", "*.clj"],
        sure_files: &["deps.edn", "project.clj"],
        words: &["lein", "clojure", "clj"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "an Elixir app",
        files: &["mix.exs", "*.ex", "*.exs"],
        sure_files: &["mix.exs"],
        words: &["mix", "elixir"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "an Erlang app",
        files: &["rebar.config", "*.erl"],
        sure_files: &["rebar.config"],
        words: &["rebar3", "erl"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a .NET app",
        files: &[
            "*.csproj",
            "*.fsproj",
            "*.vbproj",
            "*.sln",
            "*.slnx",
            "global.json",
            "*.cs",
        ],
        // A solution may hold projects of Python or Node.js.
        sure_files: &["*.csproj", "*.fsproj", "*.vbproj"],
        words: &["dotnet"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Swift app",
        files: &["Package.swift", "*.swift"],
        sure_files: &["Package.swift"],
        words: &["swift"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Dart app",
        files: &["pubspec.yaml", "*.dart"],
        sure_files: &["pubspec.yaml"],
        words: &["dart"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Haskell app",
        files: &["stack.yaml", "cabal.project", "*.cabal", "*.hs"],
        sure_files: &["stack.yaml", "*.cabal"],
        words: &["stack", "cabal"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Crystal app",
        files: &["shard.yml", "*.cr"],
        sure_files: &["shard.yml"],
        words: &["crystal"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Nim app",
        files: &["*.nimble", "*.nim"],
        sure_files: &["*.nimble"],
        words: &["nim"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Zig app",
        files: &["build.zig", "*.zig"],
        sure_files: &["build.zig"],
        words: &["zig"],
        hint: "; `zig build -Dtarget=wasm32-wasi` makes programs that can run as workers",
    },
    LanguageSigns {
        name: "a Gleam app",
        files: &["gleam.toml"],
        sure_files: &["gleam.toml"],
        words: &["gleam"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "an OCaml app",
        files: &["dune-project", "*.opam", "*.ml"],
        sure_files: &["dune-project"],
        words: &["dune"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a D app",
        files: &["dub.json", "dub.sdl"],
        sure_files: &["dub.json", "dub.sdl"],
        words: &["dub"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Perl app",
        files: &["cpanfile", "app.psgi", "Makefile.PL", "*.pl"],
        sure_files: &["cpanfile", "app.psgi"],
        words: &["perl", "plackup", "starman", "hypnotoad"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "an R app",
        files: &["renv.lock", "app.R", "plumber.R", "*.R"],
        sure_files: &["app.R", "plumber.R"],
        words: &["R", "Rscript"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a Julia app",
        files: &["Project.toml", "*.jl"],
        sure_files: &[],
        words: &["julia"],
        hint: NO_HINT,
    },
    LanguageSigns {
        name: "a C++ app",
        files: &["CMakeLists.txt", "meson.build", "*.cpp", "*.cc", "*.cxx"],
        sure_files: &[],
        words: &[],
        hint: "; C alone is built without a Makefile",
    },
];

/// Makefiles and containers. They are checked last, since apps of all languages may have them.
const PLATFORMS: &[LanguageSigns] = &[
    LanguageSigns {
        name: "an app with a Makefile",
        files: &["Makefile", "makefile", "GNUmakefile"],
        sure_files: &[],
        words: &["make"],
        hint: "; C alone is built without a Makefile",
    },
    LanguageSigns {
        name: "an app in a container",
        files: &[
            "Dockerfile",
            "Containerfile",
            "heroku.yml",
            "docker-compose.yml",
            "docker-compose.yaml",
            "compose.yaml",
            "compose.yml",
            "*.dockerfile",
        ],
        sure_files: &[],
        words: &["docker"],
        hint: "; dyno runs no containers",
    },
];

/// Why a folder is not built: its language has no builder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is {name} ({sign}), which dyno cannot build: it builds {SUPPORTED}, and runs any `.wasm` file that `command` under \
     [build] in dyno.toml makes and `output` names{hint}", folder.display()
)]
pub struct UnsupportedLanguage {
    folder: PathBuf,
    name: &'static str,
    /// The file, or the word in the Procfile, by which it is known.
    sign: String,
    hint: &'static str,
}

/// The languages that have a builder, for people.
pub(crate) const SUPPORTED: &str =
    "Rust, JavaScript, TypeScript, Python, Ruby, Go, C and static sites";

/// Finds the language of a folder that no builder fits, by its files, or by the first words of a Procfile's commands.
pub(crate) fn find_language(folder: &Path, words: &[&str]) -> Option<UnsupportedLanguage> {
    let names = FileNames::read(folder);
    let by_file = |language: &&LanguageSigns| names.find(language.files).is_some();
    let found = LANGUAGES.iter().find(by_file);
    let found = found.or_else(|| {
        LANGUAGES
            .iter()
            .find(|language| find_word(language, words).is_some())
    });
    found.and_then(|language| explain_sign(folder, &names, language.files, language, words))
}

/// Finds a Makefile, or the description of a container.
pub(crate) fn find_platform(folder: &Path) -> Option<UnsupportedLanguage> {
    let names = FileNames::read(folder);
    let mut found = PLATFORMS.iter();
    found.find_map(|language| explain_sign(folder, &names, language.files, language, &[]))
}

/// Finds the language of an app that also has files of a supported language: by the command of its Procfile, or, without a
/// Procfile, by files that only whole apps of the language have.
pub(crate) fn find_sure_language(folder: &Path, words: &[&str]) -> Option<UnsupportedLanguage> {
    let names = FileNames::read(folder);
    if !words.is_empty() {
        let said = LANGUAGES
            .iter()
            .find(|language| find_word(language, words).is_some())?;
        let is_there = names.find(said.files).is_some();
        return is_there.then(|| explain_sign(folder, &names, said.files, said, words))?;
    }
    let mut found = LANGUAGES.iter();
    found.find_map(|language| explain_sign(folder, &names, language.sure_files, language, &[]))
}

/// The error about a language, if the folder or the Procfile has a sign of it.
fn explain_sign(
    folder: &Path,
    names: &FileNames,
    files: &[&str],
    language: &LanguageSigns,
    words: &[&str],
) -> Option<UnsupportedLanguage> {
    let by_word = || find_word(language, words).map(|word| format!("`{word}` in the Procfile"));
    let sign = names.find(files).or_else(by_word)?;
    Some(UnsupportedLanguage {
        folder: folder.to_owned(),
        name: language.name,
        sign,
        hint: language.hint,
    })
}

/// The first of the words that is a sign of the language.
fn find_word<'a>(language: &LanguageSigns, words: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.trim_start_matches("./").to_owned();
    let mut words = words.iter();
    words
        .find(|word| language.words.contains(&plain(word).as_str()))
        .copied()
}

/// The first words of a Procfile's commands. Lines that are not valid are skipped.
pub(crate) fn command_words(procfile: &str) -> Vec<&str> {
    let lines = procfile
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let commands = lines.filter_map(|line| line.split_once(':'));
    let is_setting = |word: &&str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(crate::manifest::env_name::is_env_name)
    };
    commands
        .filter_map(|(_, command)| command.split_whitespace().find(|word| !is_setting(word)))
        .collect()
}

/// The names of the files in a folder.
struct FileNames {
    folder: PathBuf,
    names: BTreeSet<String>,
}

impl FileNames {
    fn read(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries
            .take(ENTRIES_SEARCHED_MAX)
            .filter(|entry| entry.path().is_file());
        Self {
            folder: folder.to_owned(),
            names: files
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect(),
        }
    }

    /// The first file that matches one of the patterns.
    fn find(&self, patterns: &[&str]) -> Option<String> {
        patterns
            .iter()
            .find_map(|pattern| match pattern.strip_prefix('*') {
                Some(end) => self.names.iter().find(|name| name.ends_with(end)).cloned(),
                None if pattern.contains('/') => self
                    .folder
                    .join(pattern)
                    .is_file()
                    .then(|| (*pattern).to_owned()),
                None => self.names.get(*pattern).cloned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        folder
    }

    #[test]
    fn files_and_commands_tell_the_language() {
        for (file, says) in [
            ("worker.rb", "a Ruby program (worker.rb)"),
            ("public/index.php", "a PHP app (public/index.php)"),
            ("Shop.csproj", "a .NET app (Shop.csproj)"),
            ("mix.exs", "an Elixir app (mix.exs)"),
            ("main.go", "a Go program (main.go)"),
        ] {
            let place = folder(&[file]);
            let found = find_language(place.path(), &[]).expect(file).to_string();
            assert!(found.contains(says) && found.contains("Python"), "{found}");
            assert!(!found.contains('\n'), "{found}");
        }
        let place = folder(&[]);
        let found = find_language(place.path(), &["./mvnw"]).expect("by its command");
        assert!(
            found
                .to_string()
                .contains("a Java or Kotlin app (`./mvnw` in the Procfile)")
        );
        assert_eq!(find_language(place.path(), &["app.wasm"]), None);
    }

    #[test]
    fn language_beside_javascript_needs_a_sure_sign() {
        let laravel = folder(&["composer.json", "package.json"]);
        assert_eq!(find_sure_language(laravel.path(), &["node"]), None);
        assert!(find_sure_language(laravel.path(), &["php"]).is_some());
        assert_eq!(
            find_sure_language(laravel.path(), &[]),
            None,
            "a composer.json alone may be a tool's"
        );
        let laravel = folder(&["artisan", "package.json"]);
        assert!(find_sure_language(laravel.path(), &[]).is_some());
    }

    #[test]
    fn commands_are_found_in_any_procfile() {
        let text = "# x: y\nweb: RACK_ENV=production bundle exec puma -C *.rb\nno line\nworker:java -jar 'x\nempty:\n";
        assert_eq!(command_words(text), ["bundle", "java"]);
    }
}
