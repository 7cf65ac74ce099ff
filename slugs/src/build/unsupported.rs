//! Owns the languages and platforms that have no builder: the files and commands by which they are known.
//! Must not know how a builder is chosen, nor how the Procfile is read in full.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most entries of a folder that are looked at for file names.
const ENTRIES_LOOKED_AT_MAX: usize = 10_000;

/// A language, or a platform, without a builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LanguageSigns {
    /// As in "a Ruby app".
    name: &'static str,
    /// Files by which it is known; `*.x` is any file of that kind.
    files: &'static [&'static str],
    /// Files that say so even beside the files of a language that has a builder, as in a Rails app with `package.json`.
    sure_files: &'static [&'static str],
    /// First words of commands in a Procfile that say so, too.
    words: &'static [&'static str],
    /// What is possible all the same.
    hint: &'static str,
}

/// Of languages whose tools make nothing that runs here.
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
        name: "a Ruby app",
        files: &["Gemfile", "config.ru", "Rakefile", "*.gemspec", "*.rb"],
        sure_files: &["config.ru", "bin/rails"],
        words: &[
            "bundle",
            "ruby",
            "rails",
            "rake",
            "puma",
            "unicorn",
            "rackup",
            "bin/rails",
            "sidekiq",
        ],
        hint: NO_HINT,
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
        name: "a Go app",
        files: &["go.mod", "*.go"],
        sure_files: &["go.mod"],
        words: &["go"],
        hint: "; `GOOS=wasip1 go build` makes programs that can run as workers",
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

/// Makefiles and containers: the last thing to look at, since they stand beside apps of all languages.
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
        hint: "; it runs no containers",
    },
];

/// Why a folder is not built: its language has no builder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is {name} ({sign}), for which there is no builder: dyno builds {SUPPORTED}, and runs any `.wasm` file that `command` under \
     [build] in dyno.toml makes and `output` names{hint}", folder.display()
)]
pub struct UnsupportedLanguage {
    folder: PathBuf,
    name: &'static str,
    /// The file, or the Procfile's word, by which it is known.
    sign: String,
    hint: &'static str,
}

/// What has a builder, for people.
pub(crate) const SUPPORTED: &str = "Rust, JavaScript, TypeScript, Python, C and static sites";

/// The language of a folder that no builder claims, by its files, or by the first words of a Procfile's commands.
pub(crate) fn find_language(folder: &Path, words: &[&str]) -> Option<UnsupportedLanguage> {
    let names = FileNames::of(folder);
    let by_file = |foreign: &&LanguageSigns| names.find(foreign.files).is_some();
    let found = LANGUAGES.iter().find(by_file);
    let found = found.or_else(|| {
        LANGUAGES
            .iter()
            .find(|foreign| said_by(foreign, words).is_some())
    });
    found.and_then(|foreign| unsupported(folder, &names, foreign.files, foreign, words))
}

/// The Makefile or the container that a folder describes.
pub(crate) fn find_platform(folder: &Path) -> Option<UnsupportedLanguage> {
    let names = FileNames::of(folder);
    let mut found = PLATFORMS.iter();
    found.find_map(|foreign| unsupported(folder, &names, foreign.files, foreign, &[]))
}

/// The language of an app that has the files of a supported language as well, but is certainly not of that: by
/// what its Procfile runs, or, without a Procfile, by files that only whole apps have.
pub(crate) fn find_sure_language(folder: &Path, words: &[&str]) -> Option<UnsupportedLanguage> {
    let names = FileNames::of(folder);
    if !words.is_empty() {
        let said = LANGUAGES
            .iter()
            .find(|foreign| said_by(foreign, words).is_some())?;
        let is_there = names.find(said.files).is_some();
        return is_there.then(|| unsupported(folder, &names, said.files, said, words))?;
    }
    let mut found = LANGUAGES.iter();
    found.find_map(|foreign| unsupported(folder, &names, foreign.sure_files, foreign, &[]))
}

fn unsupported(
    folder: &Path,
    names: &FileNames,
    files: &[&str],
    foreign: &LanguageSigns,
    words: &[&str],
) -> Option<UnsupportedLanguage> {
    let by_word = || said_by(foreign, words).map(|word| format!("`{word}` in the Procfile"));
    let sign = names.find(files).or_else(by_word)?;
    Some(UnsupportedLanguage {
        folder: folder.to_owned(),
        name: foreign.name,
        sign,
        hint: foreign.hint,
    })
}

fn said_by<'a>(foreign: &LanguageSigns, words: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.trim_start_matches("./").to_owned();
    let mut words = words.iter();
    words
        .find(|word| foreign.words.contains(&plain(word).as_str()))
        .copied()
}

/// The first words of a Procfile's commands, whatever else is wrong with it.
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
    fn of(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries
            .take(ENTRIES_LOOKED_AT_MAX)
            .filter(|entry| entry.path().is_file());
        Self {
            folder: folder.to_owned(),
            names: files
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect(),
        }
    }

    /// The first file that one of the patterns names.
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
    fn languages_are_known_by_their_files_or_commands() {
        for (file, says) in [
            ("Gemfile", "a Ruby app (Gemfile)"),
            ("public/index.php", "a PHP app (public/index.php)"),
            ("Shop.csproj", "a .NET app (Shop.csproj)"),
            ("mix.exs", "an Elixir app (mix.exs)"),
            ("main.go", "a Go app (main.go)"),
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
    fn a_language_beside_javascript_must_be_sure() {
        let rails = folder(&["Gemfile", "package.json"]);
        assert_eq!(find_sure_language(rails.path(), &["node"]), None);
        assert!(find_sure_language(rails.path(), &["bundle"]).is_some());
        assert_eq!(
            find_sure_language(rails.path(), &[]),
            None,
            "a Gemfile alone may be a tool's"
        );
        let rails = folder(&["config.ru", "package.json"]);
        assert!(find_sure_language(rails.path(), &[]).is_some());
    }

    #[test]
    fn commands_are_found_in_any_procfile() {
        let text = "# x: y\nweb: RACK_ENV=production bundle exec puma -C *.rb\nno line\nworker:java -jar 'x\nempty:\n";
        assert_eq!(command_words(text), ["bundle", "java"]);
    }
}
