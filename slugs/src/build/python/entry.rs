//! Owns the question what of a Python app answers requests: `MODULE:NAME`, by the Procfile or by the usual names.
//! Must not know Python beyond what a definition looks like; nothing is run.

use std::path::Path;

use grid::name::ProcessType;

use super::super::{BuildError, sources};
use crate::manifest::Procfile;

/// Files that are looked at without a Procfile, in this order.
const USUAL: [&str; 5] = ["wsgi", "app", "main", "application", "server"];
/// Names of what answers: WSGI callables, then plain functions, then a function that makes a callable.
const CALLABLES: [&str; 5] = ["app", "application", "handler", "handle", "create_app"];
/// Frameworks that do not speak WSGI.
const ASYNC: [&str; 4] = ["FastAPI(", "Starlette(", "Quart(", "Litestar("];

/// `MODULE:NAME`, or `MODULE:` where the name is one of the usual ones.
pub(super) fn find(folder: &Path, procfile: Option<&Procfile>) -> Result<String, BuildError> {
    if let Some(procfile) = procfile {
        others(procfile)?;
        if let Some(named) = in_procfile(procfile) {
            return check_named(folder, named);
        }
    }
    let mut without = None;
    for module in USUAL {
        let name = format!("{module}.py");
        let Some(text) = sources::text(&folder.join(&name))? else {
            continue;
        };
        if let Some(framework) = ASYNC.iter().find(|framework| text.contains(*framework)) {
            let framework = framework.trim_end_matches('(');
            return Err(BuildError::Refused(format!(
                "{name} is an app of {framework}, which speaks ASGI: a dyno of this kind speaks WSGI, so use Flask, Bottle \
                 or another framework of that kind"
            )));
        }
        if defines_app(&text) {
            return Ok(format!("{module}:"));
        }
        without.get_or_insert(name);
    }
    Err(BuildError::Refused(match without {
        Some(name) => format!(
            "{name} has no WSGI app: define `app` (as in `app = Flask(__name__)`) or `application`, or a function \
             `handler(request)`, or name yours in a Procfile, as in `web: module:name`"
        ),
        None => "there is no app.py, main.py or wsgi.py: name the module and its WSGI app in a Procfile, as in \
                 `web: module:name`"
            .to_owned(),
    }))
}

/// Other process types would be programs that run by themselves.
fn others(procfile: &Procfile) -> Result<(), BuildError> {
    let other = procfile.processes.keys().find(|process| !process.is_web());
    other.map_or(Ok(()), |process| {
        Err(BuildError::Refused(format!(
            "the Procfile has the process type `{process}`: of a Python app only `web` can be built; remove it, or run that \
             work as an app of its own in another language"
        )))
    })
}

/// The first word of the form `module:name`: of `web: gunicorn --workers 4 app:app` the last one.
fn in_procfile(procfile: &Procfile) -> Option<&str> {
    let web = procfile.processes.get(&ProcessType::web())?;
    let words = std::iter::once(web.component.as_str()).chain(web.args.iter().map(String::as_str));
    words.into_iter().find(|word| {
        word.split_once(':').is_some_and(|(module, name)| {
            is_dotted(module) && is_dotted(name.strip_suffix("()").unwrap_or(name))
        })
    })
}

fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        let begins = part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        begins && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

fn check_named(folder: &Path, named: &str) -> Result<String, BuildError> {
    let module = named.split(':').next().unwrap_or_default();
    let place = folder.join(module.replace('.', "/"));
    if place.with_extension("py").is_file() || place.join("__init__.py").is_file() {
        return Ok(named.to_owned());
    }
    Err(BuildError::Refused(format!(
        "the Procfile's web process is `{named}`, and the app's folder has no module `{module}`: correct the name"
    )))
}

/// Whether a line at the left edge defines or imports one of the names.
fn defines_app(text: &str) -> bool {
    text.lines().any(|line| {
        let is_import = line.starts_with("from ") || line.starts_with("import ");
        let words = |line: &str| {
            let parts = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            parts
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let named = if is_import {
            let names = line.split_once("import ").map_or("", |(_, names)| names);
            words(names)
        } else if let Some(rest) = line.strip_prefix("def ") {
            words(rest).into_iter().take(1).collect()
        } else if let Some((before, _)) = line
            .split_once('=')
            .filter(|(_, rest)| !rest.starts_with('='))
        {
            let target = before.split(':').next().unwrap_or_default().trim_end();
            vec![target.to_owned()]
        } else {
            Vec::new()
        };
        named.iter().any(|name| CALLABLES.contains(&name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_seen_and_uses_are_not() {
        for text in [
            "app = Flask(__name__)",
            "app: Flask = make()",
            "application = app = 1",
            "def application(environ, start_response):",
            "def handler(request):",
            "from site_of_mine import app",
            "from x import (app)",
            "def create_app():",
        ] {
            assert!(defines_app(text), "{text}");
        }
        for text in [
            "print(app)",
            "    app = 1",
            "my_app = 1",
            "site.app = 1",
            "app += 1",
            "# app = 1",
            "from app import x",
            "if app == 1:",
            "app == 1",
            "assert app != 1",
        ] {
            assert!(!defines_app(text), "{text}");
        }
    }

    #[test]
    fn the_procfile_names_it_as_other_servers_are_told() {
        let found = |text: &str| {
            let procfile = crate::manifest::procfile::parse_for_builder(text)
                .expect("sound")
                .value;
            in_procfile(&procfile).map(str::to_owned)
        };
        assert_eq!(found("web: app:app").as_deref(), Some("app:app"));
        let gunicorn = "web: gunicorn --bind 0.0.0.0:$PORT -w 4 site.wsgi:application";
        assert_eq!(found(gunicorn).as_deref(), Some("site.wsgi:application"));
        assert_eq!(
            found("web: gunicorn 'app:create_app()'").as_deref(),
            Some("app:create_app()")
        );
        assert_eq!(found("web: python app.py"), None);
    }
}
