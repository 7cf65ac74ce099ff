//! Owns the question what of a Python app answers requests, by the Procfile or by the usual names and shapes of
//! projects. Must not know how it is loaded; nothing is run.

mod django;
pub(super) mod servers;

use std::collections::BTreeMap;
use std::path::Path;

use grid::name::ProcessType;
use serde::Serialize;

use super::facts::{ModuleFacts, Serves, SourceFacts, join};
use crate::build::BuildError;
use crate::build::toolbox::sources;
use crate::manifest::{Command, Procfile};
use servers::{ServeCommand, Target, is_dotted};

/// Modules that are looked at without a Procfile, in this order.
const USUAL: [&str; 5] = ["wsgi", "app", "main", "application", "server"];
/// Modules of a package that are looked at, in this order; the package itself first.
const USUAL_IN_PACKAGE: [&str; 7] = [
    "",
    "wsgi",
    "app",
    "main",
    "application",
    "factory",
    "server",
];
/// Names of WSGI callables.
const CALLABLES: [&str; 2] = ["app", "application"];
/// Names of plain functions that answer a request.
const HANDLERS: [&str; 2] = ["handler", "handle"];
/// Names of functions that make a WSGI callable.
const FACTORIES: [&str; 2] = ["create_app", "make_app"];
/// What makes a WSGI app, by its last name.
const FRAMEWORKS: [&str; 8] = [
    "Flask",
    "APIFlask",
    "OpenAPI",
    "Bottle",
    "default_app",
    "Falcon",
    "get_wsgi_application",
    "make_wsgi_app",
];
/// What makes an app that does not speak WSGI.
const ASYNC: [&str; 9] = [
    "FastAPI",
    "Starlette",
    "Quart",
    "Litestar",
    "Sanic",
    "BlackSheep",
    "Robyn",
    "get_asgi_application",
    "ProtocolTypeRouter",
];
/// Folders at the top that hold other things than the app.
const ASIDE: [&str; 8] = [
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "migrations",
    "scripts",
    "bin",
];

/// What the component is told of its app: a file in the slug.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// The module of the app; empty if a program starts the server.
    pub(super) module: String,
    /// What of it is the app: a name, or a call with literal arguments. Empty for the usual names.
    pub(super) app: String,
    /// A program that starts the server itself: a file of the app.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) script: String,
    /// The same, by the name of a module.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) script_module: String,
    /// Its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<String>,
    /// The folder that the server changes to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) chdir: String,
    /// Folders that modules are imported from, within the app's folder, which itself is an empty name.
    pub(super) path: Vec<String>,
    /// Variables that the server sets unless they are set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) env: BTreeMap<String, String>,
    /// Whether Django serves static files while its DEBUG is on, as `runserver` does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) static_files: bool,
    /// Files that are loaded first.
    #[serde(skip)]
    pub(super) starts: Vec<String>,
    /// A module that is not the app's own, and so has to be in one of its packages.
    #[serde(skip)]
    pub(super) foreign: Option<String>,
}

impl Entry {
    /// Fails if the module to load is neither the app's own nor in a package.
    pub(super) fn check_foreign(&self, has: impl Fn(&str) -> bool) -> Result<(), BuildError> {
        match &self.foreign {
            Some(module) if !has(module) => refused(format!(
                "the web process is `{}`, and neither the app's folder nor its packages have a module `{module}`: correct \
                 the name",
                if self.app.is_empty() {
                    module.clone()
                } else {
                    format!("{module}:{}", self.app)
                }
            )),
            _ => Ok(()),
        }
    }

    /// The text of the file that the component reads.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of them")
    }
}

/// The words of a Procfile's command, as they are typed.
pub(super) fn words_of(command: &Command) -> Vec<String> {
    let first = std::iter::once(command.component.as_str());
    let words = first.chain(command.args.iter().map(String::as_str));
    words.map(|word| word.replace("$$", "$")).collect()
}

/// What answers requests; none if a Procfile has no `web`. Folders that the server imports from are added to `facts`.
pub(super) fn find(
    folder: &Path,
    facts: &mut SourceFacts,
    procfile: Option<&Procfile>,
) -> Result<Option<Entry>, BuildError> {
    let entry = match procfile.map(|procfile| procfile.processes.get(&ProcessType::web())) {
        Some(Some(command)) => named(folder, facts, &words_of(command))?,
        Some(None) => return Ok(None),
        None => usual(folder, facts)?,
    };
    Ok(Some(entry))
}

fn refused<T>(text: impl Into<String>) -> Result<T, BuildError> {
    Err(BuildError::Refused(text.into()))
}

/// What the Procfile's web process names.
fn named(folder: &Path, facts: &mut SourceFacts, words: &[String]) -> Result<Entry, BuildError> {
    let mut command =
        servers::parse(words).map_err(|text| BuildError::Refused(with_wsgi(facts, text)))?;
    if let Target::UwsgiFile(file) = &command.target {
        command = match facts.uwsgi.get(file) {
            Some(options) => servers::uwsgi_command(&|name| options.get(name).map(String::as_str)),
            None => {
                return refused(format!(
                    "the Procfile's web process names `{file}`, which has no section [uwsgi] or is not in the app's folder: correct the name"
                ));
            }
        };
    }
    if let Target::GunicornConfig(file) = &command.target {
        let texts = facts.file(file).map(|config| config.texts.clone());
        let texts = texts.unwrap_or_default();
        let Some(app) = texts.get("wsgi_app") else {
            return refused(
                "the Procfile's web process runs gunicorn without an app: name it, as in `web: gunicorn module:name`",
            );
        };
        command.chdir = command.chdir.or(texts.get("chdir").cloned());
        command.target = Target::Module(app.clone());
    }
    let ServeCommand {
        target,
        chdir,
        paths,
        env,
    } = command;
    for path in paths.iter().rev().chain(&chdir) {
        facts.add_root(path, true);
    }
    let mut entry = of_target(folder, facts, target)?;
    entry.chdir = chdir.unwrap_or_default();
    entry.env.extend(env);
    Ok(entry)
}

/// A Django project has a wsgi.py beside its asgi.py: the one to name.
fn with_wsgi(facts: &SourceFacts, text: String) -> String {
    let mut wsgi = facts
        .modules()
        .filter(|module| module.file.ends_with("/wsgi.py"));
    match wsgi.next() {
        Some(module) if text.contains("ASGI") => {
            let name = module.file.trim_end_matches(".py").replace('/', ".");
            format!(
                "{text}. {} is there: write `web: gunicorn {name}`",
                module.file
            )
        }
        _ => text,
    }
}

fn of_target(folder: &Path, facts: &mut SourceFacts, target: Target) -> Result<Entry, BuildError> {
    match target {
        Target::Usual | Target::UwsgiFile(_) | Target::GunicornConfig(_) => usual(folder, facts),
        Target::Module(text) => of_module(facts, &text),
        Target::File(file, name) => of_file(facts, &file, &name),
        Target::Flask(app) => of_flask(folder, facts, app),
        Target::Script(file, args) => of_script(facts, &file, args),
        Target::ScriptModule(module, args) => of_script_module(facts, &module, args),
        Target::Django(manage) => django::project(facts, &manage),
    }
}

/// `MODULE`, or `MODULE:EXPRESSION`.
fn of_module(facts: &SourceFacts, text: &str) -> Result<Entry, BuildError> {
    let (module, app) = text.split_once(':').unwrap_or((text, ""));
    let is_file = module.ends_with(".py") && facts.module(module).is_none();
    if is_file || !is_dotted(module) {
        return refused(format!(
            "the web process is `{text}`, and `{module}` is no module's name: write it with dots and without `.py`, as in \
             `web: gunicorn package.module:name`"
        ));
    }
    let mut entry = Entry {
        module: module.to_owned(),
        app: app.to_owned(),
        ..Entry::default()
    };
    match facts.module(module) {
        Some(file) => {
            refuse_async(file, app)?;
            entry.starts.push(file.file.clone());
            if app.is_empty() {
                entry.app = app_in(file).unwrap_or_default();
            }
        }
        None => entry.foreign = Some(module.to_owned()),
    }
    Ok(entry)
}

/// A file by its path: its folder is imported from.
fn of_file(facts: &mut SourceFacts, file: &str, name: &str) -> Result<Entry, BuildError> {
    let module = at_path(facts, file)?;
    of_module(facts, format!("{module}:{name}").trim_end_matches(':'))
}

/// The name of the module in a file, as Flask finds it: from the first folder above that is no package.
fn at_path(facts: &mut SourceFacts, file: &str) -> Result<String, BuildError> {
    let path = file.trim_start_matches("./").trim_end_matches('/');
    let path = path.strip_suffix(".py").unwrap_or(path);
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    let is_there = |path: &str| {
        facts.file(&format!("{path}.py")).is_some()
            || facts.file(&format!("{path}/__init__.py")).is_some()
    };
    if !is_there(path) {
        return refused(format!(
            "`{file}`, which the web process names, is no Python file in the app's folder: correct the name"
        ));
    }
    let (mut root, mut name) = path.rsplit_once('/').unwrap_or(("", path));
    while !root.is_empty() && facts.file(&format!("{root}/__init__.py")).is_some() {
        root = root.rsplit_once('/').map_or("", |(outer, _)| outer);
        name = path[root.len()..].trim_start_matches('/');
    }
    let name = name.replace('/', ".");
    facts.add_root(root, true);
    Ok(name)
}

/// As `flask --app`, or FLASK_APP in `.flaskenv`.
fn of_flask(
    folder: &Path,
    facts: &mut SourceFacts,
    app: Option<String>,
) -> Result<Entry, BuildError> {
    let Some(app) = app.map_or_else(|| flask_env(folder), |app| Ok(Some(app)))? else {
        return usual(folder, facts);
    };
    // A colon parts the name; one within quotes of a call comes later.
    let (module, name) = app.split_once(':').unwrap_or((&app, ""));
    if is_dotted(module) && !module.ends_with(".py") {
        return of_module(facts, &app);
    }
    of_file(facts, module, name)
}

/// FLASK_APP of `.flaskenv`, which Flask's own command reads.
fn flask_env(folder: &Path) -> Result<Option<String>, BuildError> {
    let text = sources::text(&folder.join(".flaskenv"))?.unwrap_or_default();
    let parsed = crate::manifest::dotenv::parse(&text);
    Ok(parsed
        .ok()
        .and_then(|mut parsed| parsed.value.remove("FLASK_APP"))
        .filter(|app| !app.is_empty()))
}

fn of_script(facts: &mut SourceFacts, file: &str, args: Vec<String>) -> Result<Entry, BuildError> {
    let Some(module) = facts.file(file) else {
        return refused(format!(
            "the Procfile's web process runs `{file}`, which is not in the app's folder: correct the name"
        ));
    };
    refuse_async(module, "")?;
    let entry = Entry {
        script: file.to_owned(),
        args,
        starts: vec![file.to_owned()],
        ..Entry::default()
    };
    let root = file
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
        .to_owned();
    facts.add_root(&root, true);
    Ok(entry)
}

fn of_script_module(
    facts: &SourceFacts,
    module: &str,
    args: Vec<String>,
) -> Result<Entry, BuildError> {
    let package = format!("{module}.__main__");
    let file = facts.module(&package).or_else(|| facts.module(module));
    if let Some(file) = file {
        refuse_async(file, "")?;
    }
    Ok(Entry {
        script_module: module.to_owned(),
        args,
        starts: file.map(|file| file.file.clone()).into_iter().collect(),
        foreign: file.is_none().then(|| module.to_owned()),
        ..Entry::default()
    })
}

/// Without a Procfile: by what the folder looks like.
fn usual(folder: &Path, facts: &mut SourceFacts) -> Result<Entry, BuildError> {
    if let Some(app) = flask_env(folder)? {
        return of_flask(folder, facts, Some(app));
    }
    if let Some(app) = facts
        .file("gunicorn.conf.py")
        .and_then(|config| config.texts.get("wsgi_app"))
    {
        return of_module(facts, app);
    }
    if let Some(manage) = django::manage_file(facts) {
        return django::project(facts, &manage);
    }
    let mut without = None;
    for root in facts.roots.clone() {
        for name in USUAL {
            let Some(module) = facts.file(&format!("{}.py", join(&root, name))) else {
                continue;
            };
            if let Some(entry) = in_module(module, name, true)? {
                return Ok(entry);
            }
            without.get_or_insert_with(|| module.file.clone());
        }
    }
    if let Some(entry) = in_packages(facts)? {
        return Ok(entry);
    }
    if let Some(entry) = in_other_files(facts)? {
        return Ok(entry);
    }
    nothing(without)
}

fn nothing(without: Option<String>) -> Result<Entry, BuildError> {
    refused(match without {
        Some(name) => format!(
            "{name} has no WSGI app: define `app` (as in `app = Flask(__name__)`) or `application`, or a function \
             `handler(request)`, or name yours in a Procfile, as in `web: module:name`"
        ),
        None => "there is no app.py, main.py or wsgi.py, no manage.py, and no package with `app` or `create_app`: name the \
                 module and its WSGI app in a Procfile, as in `web: gunicorn module:name`"
            .to_owned(),
    })
}

/// The app of a file, if it has one.
fn in_module(
    module: &ModuleFacts,
    name: &str,
    takes_handlers: bool,
) -> Result<Option<Entry>, BuildError> {
    refuse_async(module, "")?;
    if module.error.is_some() {
        // Nothing is known of it; the component's own Python says what is wrong.
        return Ok(Some(Entry {
            module: name.to_owned(),
            starts: vec![module.file.clone()],
            ..Entry::default()
        }));
    }
    let handles = takes_handlers && HANDLERS.iter().any(|handler| module.defines(handler));
    let entry = Entry {
        starts: vec![module.file.clone()],
        ..Entry::default()
    };
    // Its import would not end: it is a program.
    if module.serves == Some(Serves::Import) {
        return Ok(Some(Entry {
            script: module.file.clone(),
            ..entry
        }));
    }
    if let Some(app) = app_in(module).or(handles.then(String::new)) {
        return Ok(Some(Entry {
            module: name.to_owned(),
            app,
            ..entry
        }));
    }
    Ok((module.serves == Some(Serves::Script)).then(|| Entry {
        script: module.file.clone(),
        ..entry
    }))
}

/// What of a module is its app: empty for the usual names.
pub(super) fn app_in(module: &ModuleFacts) -> Option<String> {
    if CALLABLES.iter().any(|name| module.defines(name)) {
        return Some(String::new());
    }
    let mut made = module.made.iter();
    let made = made.find(|(_, maker)| FRAMEWORKS.contains(&maker.as_str()));
    if let Some((name, _)) = made {
        return Some(name.clone());
    }
    let factory = FACTORIES.iter().find(|name| module.defines(name))?;
    Some(format!("{factory}()"))
}

/// The one package at the top with an app in it.
fn in_packages(facts: &SourceFacts) -> Result<Option<Entry>, BuildError> {
    let mut found: Vec<Entry> = Vec::new();
    for (_, package) in facts.packages() {
        if ASIDE.contains(&package) {
            continue;
        }
        for inner in USUAL_IN_PACKAGE {
            let name = format!("{package}.{inner}");
            let name = name.trim_end_matches('.');
            let Some(module) = facts.module(name) else {
                continue;
            };
            if let Some(entry) = in_module(module, name, false)? {
                found.push(entry);
                break;
            }
        }
    }
    one_of(found)
}

/// The one file at the top, of any name, that makes an app.
fn in_other_files(facts: &SourceFacts) -> Result<Option<Entry>, BuildError> {
    let mut found = Vec::new();
    for module in facts.modules() {
        let name = module.file.strip_suffix(".py").unwrap_or_default();
        if name.contains('/') || name.is_empty() || USUAL.contains(&name) || !is_dotted(name) {
            continue;
        }
        let makes = module
            .made
            .values()
            .any(|maker| FRAMEWORKS.contains(&maker.as_str()));
        if makes || module.defines("application") || module.serves.is_some() {
            found.extend(in_module(module, name, false)?);
        }
    }
    one_of(found)
}

fn one_of(mut found: Vec<Entry>) -> Result<Option<Entry>, BuildError> {
    if found.len() > 1 {
        let files = found.iter().map(|entry| entry.starts.join(", "));
        let files: Vec<String> = files.collect();
        let first = found[0].starts[0].trim_end_matches(".py").replace('/', ".");
        let first = first.trim_end_matches(".__init__");
        return refused(format!(
            "there are several apps ({}): say in a Procfile which one is meant, as in `web: gunicorn {first}`",
            files.join(", ")
        ));
    }
    Ok(found.pop())
}

/// Refuses an app of a framework that speaks ASGI, where the file shows it.
fn refuse_async(module: &ModuleFacts, app: &str) -> Result<(), BuildError> {
    let mut made = module.made.iter();
    let found = made.find(|(name, maker)| {
        let is_meant = match app {
            "" => CALLABLES.contains(&name.as_str()),
            app => app == name.as_str(),
        };
        is_meant && ASYNC.contains(&maker.as_str())
    });
    match found {
        Some((_, maker)) => refused(
            servers::asgi(&format!("{} is an app of {maker}, which", module.file))
                .replace("which serves ASGI apps, and", "which speaks ASGI, and"),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
