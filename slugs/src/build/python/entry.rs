//! Owns the question what of a Python app answers requests: what the Procfile names, or what has a usual name and shape.
//! Must not know how the app is loaded; nothing is run.

pub(super) mod description;
mod django;
pub(super) mod servers;
mod shapes;

use std::path::Path;

use grid::name::ProcessType;

use super::facts::{SourceFacts, join_path};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::read_text_lossy;
use crate::manifest::command::ProcessCommand;
use crate::manifest::dotenv;
use crate::manifest::procfile::Procfile;
use description::PythonEntry;
use servers::{AppReference, ServeCommand, is_dotted};
use shapes::{USUAL_MODULES, find_app_name, find_in_module, find_in_other_files, find_in_packages};

/// The words of a Procfile's command, as typed.
fn words_of(command: &ProcessCommand) -> Vec<String> {
    let first = std::iter::once(command.component.as_str());
    let words = first.chain(command.args.iter().map(String::as_str));
    words.map(|word| word.replace("$$", "$")).collect()
}

/// Finds what answers requests; `None` if a Procfile has no `web`. Adds the folders that the server imports from to `facts`.
pub(super) fn find_entry(
    folder: &Path,
    facts: &mut SourceFacts,
    procfile: Option<&Procfile>,
) -> Result<Option<PythonEntry>, BuilderError> {
    let entry = match procfile.map(|procfile| procfile.processes.get(&ProcessType::web())) {
        Some(Some(command)) => entry_of_command(folder, facts, &words_of(command))?,
        Some(None) => return Ok(None),
        None => find_usual(folder, facts)?,
    };
    Ok(Some(entry))
}

/// An error that says what is wrong, where, and what to do.
fn refused<T>(text: impl Into<String>) -> Result<T, BuilderError> {
    Err(BuilderError::Refused(text.into()))
}

/// The entry that the Procfile's web process names.
fn entry_of_command(
    folder: &Path,
    facts: &mut SourceFacts,
    words: &[String],
) -> Result<PythonEntry, BuilderError> {
    let mut command = servers::parse_command(words).map_err(BuilderError::Refused)?;
    if let AppReference::UwsgiFile(file) = &command.app {
        command = match facts.uwsgi.get(file) {
            Some(options) => {
                servers::parse_uwsgi_options(&|name| options.get(name).map(String::as_str))
            }
            None => {
                return refused(format!(
                    "the Procfile's web process names `{file}`, which has no section [uwsgi] or is not in the app's folder: correct the name"
                ));
            }
        };
    }
    if let AppReference::GunicornConfig(file) = &command.app {
        let texts = facts.file(file).map(|config| config.texts.clone());
        let texts = texts.unwrap_or_default();
        let Some(app) = texts.get("wsgi_app") else {
            return refused(
                "the Procfile's web process runs gunicorn without an app: name it, as in `web: gunicorn module:name`",
            );
        };
        command.chdir = command.chdir.or(texts.get("chdir").cloned());
        command.app = AppReference::Module(app.clone());
    }
    let ServeCommand {
        app,
        chdir,
        paths,
        env,
        root_path,
    } = command;
    for path in paths.iter().rev().chain(&chdir) {
        facts.add_root(path, true);
    }
    let mut entry = entry_of_reference(folder, facts, app)?;
    entry.chdir = chdir.unwrap_or_default();
    entry.root_path = root_path;
    entry.env.extend(env);
    Ok(entry)
}

fn entry_of_reference(
    folder: &Path,
    facts: &mut SourceFacts,
    app: AppReference,
) -> Result<PythonEntry, BuilderError> {
    match app {
        AppReference::Usual | AppReference::UwsgiFile(_) | AppReference::GunicornConfig(_) => {
            find_usual(folder, facts)
        }
        AppReference::Module(text) => entry_of_module(facts, &text),
        AppReference::File(file, name) => entry_of_file(facts, &file, &name),
        AppReference::Flask(app) => entry_of_flask(folder, facts, app),
        AppReference::Script(file, args) => entry_of_script(facts, &file, args),
        AppReference::ScriptModule(module, args) => entry_of_script_module(facts, &module, args),
        AppReference::Django(manage) => django::entry_of_project(facts, &manage),
    }
}

/// The entry for `MODULE` or `MODULE:EXPRESSION`.
fn entry_of_module(facts: &SourceFacts, text: &str) -> Result<PythonEntry, BuilderError> {
    let (module, app) = text.split_once(':').unwrap_or((text, ""));
    let is_file = module.ends_with(".py") && facts.module(module).is_none();
    if is_file || !is_dotted(module) {
        return refused(format!(
            "the web process is `{text}`, and `{module}` is no module's name: write it with dots and without `.py`, as in \
             `web: gunicorn package.module:name`"
        ));
    }
    let mut entry = PythonEntry {
        module: module.to_owned(),
        app: app.to_owned(),
        ..PythonEntry::default()
    };
    match facts.module(module) {
        Some(file) => {
            entry.starts.push(file.file.clone());
            if app.is_empty() {
                entry.app = find_app_name(file).unwrap_or_default();
            }
        }
        None => entry.package_module = Some(module.to_owned()),
    }
    Ok(entry)
}

/// The entry of a file, given by its path. Modules are imported from the file's folder.
fn entry_of_file(
    facts: &mut SourceFacts,
    file: &str,
    name: &str,
) -> Result<PythonEntry, BuilderError> {
    let module = module_at_path(facts, file)?;
    entry_of_module(facts, format!("{module}:{name}").trim_end_matches(':'))
}

/// The name of the module in a file, as Flask finds it: relative to the first folder above that is not a package.
fn module_at_path(facts: &mut SourceFacts, file: &str) -> Result<String, BuilderError> {
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

/// The entry for `flask --app`, or for FLASK_APP in `.flaskenv`.
fn entry_of_flask(
    folder: &Path,
    facts: &mut SourceFacts,
    app: Option<String>,
) -> Result<PythonEntry, BuilderError> {
    let Some(app) = app.map_or_else(|| read_flask_app(folder), |app| Ok(Some(app)))? else {
        return find_usual(folder, facts);
    };
    // The first colon separates the name; a colon within quotes of a call comes later.
    let (module, name) = app.split_once(':').unwrap_or((&app, ""));
    if is_dotted(module) && !module.ends_with(".py") {
        return entry_of_module(facts, &app);
    }
    entry_of_file(facts, module, name)
}

/// Reads FLASK_APP from `.flaskenv`, as Flask's own command does.
fn read_flask_app(folder: &Path) -> Result<Option<String>, BuilderError> {
    let text = read_text_lossy(&folder.join(".flaskenv"))?.unwrap_or_default();
    let parsed = dotenv::parse(&text);
    Ok(parsed
        .ok()
        .and_then(|mut parsed| parsed.value.remove("FLASK_APP"))
        .filter(|app| !app.is_empty()))
}

fn entry_of_script(
    facts: &mut SourceFacts,
    file: &str,
    args: Vec<String>,
) -> Result<PythonEntry, BuilderError> {
    let Some(_) = facts.file(file) else {
        return refused(format!(
            "the Procfile's web process runs `{file}`, which is not in the app's folder: correct the name"
        ));
    };
    let entry = PythonEntry {
        script: file.to_owned(),
        args,
        starts: vec![file.to_owned()],
        ..PythonEntry::default()
    };
    let root = file
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
        .to_owned();
    facts.add_root(&root, true);
    Ok(entry)
}

fn entry_of_script_module(
    facts: &SourceFacts,
    module: &str,
    args: Vec<String>,
) -> Result<PythonEntry, BuilderError> {
    let package = format!("{module}.__main__");
    let file = facts.module(&package).or_else(|| facts.module(module));
    Ok(PythonEntry {
        script_module: module.to_owned(),
        args,
        starts: file.map(|file| file.file.clone()).into_iter().collect(),
        package_module: file.is_none().then(|| module.to_owned()),
        ..PythonEntry::default()
    })
}

/// Finds the entry without a Procfile, by what the folder looks like.
fn find_usual(folder: &Path, facts: &mut SourceFacts) -> Result<PythonEntry, BuilderError> {
    if let Some(app) = read_flask_app(folder)? {
        return entry_of_flask(folder, facts, Some(app));
    }
    if let Some(app) = facts
        .file("gunicorn.conf.py")
        .and_then(|config| config.texts.get("wsgi_app"))
    {
        return entry_of_module(facts, app);
    }
    if let Some(manage) = django::find_manage_file(facts) {
        return django::entry_of_project(facts, &manage);
    }
    let mut file_without_app = None;
    for root in facts.roots.clone() {
        for name in USUAL_MODULES {
            let Some(module) = facts.file(&format!("{}.py", join_path(&root, name))) else {
                continue;
            };
            if let Some(entry) = find_in_module(module, name, true) {
                return Ok(entry);
            }
            file_without_app.get_or_insert_with(|| module.file.clone());
        }
    }
    if let Some(entry) = find_in_packages(facts)? {
        return Ok(entry);
    }
    if let Some(entry) = find_in_other_files(facts)? {
        return Ok(entry);
    }
    explain_nothing(file_without_app)
}

/// The error for a folder that holds no app. `file_without_app` is a file with a usual name.
fn explain_nothing(file_without_app: Option<String>) -> Result<PythonEntry, BuilderError> {
    refused(match file_without_app {
        Some(name) => format!(
            "{name} has no WSGI or ASGI app: define `app` (as in `app = Flask(__name__)`) or `application`, or a function \
             `handler(request)`, or name yours in a Procfile, as in `web: module:name`"
        ),
        None => "there is no app.py, main.py, wsgi.py or asgi.py, no manage.py, and no package with `app` or `create_app`: name the \
                 module and its app in a Procfile, as in `web: gunicorn module:name`"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests;
