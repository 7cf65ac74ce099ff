//! The apps of the scenario, with their rows and bounds.
//!
//! Owns the list, and the copies of their sources. Must not know how they are measured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::peers::NativeServer;

/// The longest allowed CPU of a `hello` in JavaScript, in µs.
const JAVASCRIPT_HELLO_MICROS_MAX: f64 = 120.0;
/// CPU of a `hello` in Ruby, at most, in times of what thin takes.
const RUBY_HELLO_TIMES_MAX: f64 = 3.0;

/// An app in a language, and what is asked of it.
#[derive(Debug)]
pub(super) struct LanguageApp {
    /// As rows call it.
    pub(super) title: &'static str,
    /// From the repository's folder.
    pub(super) folder: &'static str,
    /// The server beside it. An app without one is an example: it has other paths than the apps of the benches.
    pub(super) native: Option<NativeServer>,
    /// A path with a page.
    pub(super) page: &'static str,
    /// The file in which a line is changed.
    pub(super) source: &'static str,
    pub(super) hello_micros_max: Option<f64>,
    pub(super) hello_times_max: Option<f64>,
}

/// An app of the benches: all have the same paths.
const fn app(
    title: &'static str,
    folder: &'static str,
    native: NativeServer,
    source: &'static str,
) -> LanguageApp {
    LanguageApp {
        title,
        folder,
        native: Some(native),
        page: "/page",
        source,
        hello_micros_max: None,
        hello_times_max: None,
    }
}

const fn example(
    title: &'static str,
    folder: &'static str,
    page: &'static str,
    source: &'static str,
) -> LanguageApp {
    LanguageApp {
        native: None,
        page,
        ..app(title, folder, NativeServer::Node, source)
    }
}

const APPS: [LanguageApp; 9] = [
    LanguageApp {
        hello_times_max: Some(RUBY_HELLO_TIMES_MAX),
        ..app(
            "Sinatra",
            "benches/apps/sinatra",
            NativeServer::Thin,
            "app.rb",
        )
    },
    app(
        "Express",
        "benches/apps/express",
        NativeServer::Node,
        "server.js",
    ),
    LanguageApp {
        hello_micros_max: Some(JAVASCRIPT_HELLO_MICROS_MAX),
        ..app(
            "node:http",
            "benches/apps/node",
            NativeServer::Node,
            "server.js",
        )
    },
    LanguageApp {
        hello_micros_max: Some(JAVASCRIPT_HELLO_MICROS_MAX),
        ..app(
            "fetch handler",
            "benches/apps/fetch",
            NativeServer::Node,
            "server.js",
        )
    },
    app(
        "Flask",
        "benches/apps/flask",
        NativeServer::Gunicorn,
        "app.py",
    ),
    app(
        "Starlette",
        "benches/apps/starlette",
        NativeServer::Uvicorn,
        "app.py",
    ),
    app("Go", "benches/apps/go", NativeServer::Go, "main.go"),
    example(
        "TypeScript (api-ts)",
        "examples/api-ts",
        "/tasks",
        "src/index.ts",
    ),
    example("Python (blog-py)", "examples/blog-py", "/", "app.py"),
];

/// The apps of these names, or all if none is named.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static LanguageApp>> {
    const ALL: &[LanguageApp] = &APPS;
    for name in names {
        if !ALL.iter().any(|app| app.name() == name) {
            let known: Vec<&str> = ALL.iter().map(LanguageApp::name).collect();
            bail!("there is no app {name}, but {}", known.join(", "));
        }
    }
    let is_chosen =
        |app: &&LanguageApp| names.is_empty() || names.iter().any(|name| name == app.name());
    Ok(ALL.iter().filter(is_chosen).collect())
}

impl LanguageApp {
    /// The name of its folder.
    pub(super) fn name(&self) -> &'static str {
        self.folder.rsplit('/').next().unwrap_or(self.folder)
    }

    /// Whether its dynos fall asleep: the router calls handlers, and only those sleep. A program in Go is a server.
    pub(super) fn sleeps(&self) -> bool {
        self.native != Some(NativeServer::Go)
    }

    /// The row of the app on dyno. Stable.
    pub(super) fn dyno_subject(&self) -> String {
        match self.native {
            Some(_) => format!("dyno, {}", self.title),
            None => self.title.to_owned(),
        }
    }

    /// The row of its native server. Stable.
    pub(super) fn native_subject(&self) -> Option<String> {
        let native = self.native?;
        Some(format!("{}, {}", native.called(), self.title))
    }
}

/// Copies the source files of an app, without build output. A file that is there with the same content keeps its time:
/// package managers compare times.
pub(super) fn copy_changed(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let made = ["target", "node_modules", "__pycache__"];
        if made.iter().any(|made| name == *made) {
            continue;
        }
        let copy = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_changed(&entry.path(), &copy)?;
            continue;
        }
        let content = fs::read(entry.path())?;
        if fs::read(&copy).is_ok_and(|old| old == content) {
            continue;
        }
        fs::write(&copy, content).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::repository;

    #[test]
    fn apps_are_chosen_by_the_names_of_their_folders() {
        let names = |chosen: &[&str]| {
            let chosen: Vec<String> = chosen.iter().map(|&name| name.to_owned()).collect();
            super::chosen(&chosen).map(|apps| apps.iter().map(|app| app.name()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["go", "sinatra"]).expect("some"), ["sinatra", "go"]);
        assert_eq!(names(&[]).expect("all").len(), APPS.len());
        assert!(names(&["cobol"]).is_err());
    }

    #[test]
    fn every_app_has_the_line_that_is_changed() {
        for app in &APPS {
            let file = repository().join(app.folder).join(app.source);
            let text = fs::read_to_string(&file).expect("a source");
            let marks = text.matches(super::super::changes::MARK).count();
            assert_eq!(marks, usize::from(app.native.is_some()), "{}", app.title);
        }
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("node_modules")).expect("a folder");
        fs::write(from.join("a"), "1").expect("a file");
        copy_changed(&from, &to).expect("a copy");
        let time = || fs::metadata(to.join("a")).and_then(|file| file.modified());
        let before = time().expect("a time");
        copy_changed(&from, &to).expect("a copy");
        assert_eq!(time().expect("a time"), before);
        assert!(!to.join("node_modules").exists());
    }
}
