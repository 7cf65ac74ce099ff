//! Owns the search for the app in Python files by what they define. Must not know Procfiles or servers' options.

use super::description::PythonEntry;
use super::servers::is_dotted;
use crate::build::python::facts::{ModuleFacts, ServerStart, SourceFacts};
use crate::build::toolbox::error::BuilderError;

/// Modules that may hold the app where there is no Procfile, in order of preference.
pub(super) const USUAL_MODULES: [&str; 6] =
    ["wsgi", "asgi", "app", "main", "application", "server"];
/// Modules of a package that may hold the app, in order of preference; the package itself first.
const USUAL_IN_PACKAGE: [&str; 8] = [
    "",
    "wsgi",
    "asgi",
    "app",
    "main",
    "application",
    "factory",
    "server",
];
/// Names of WSGI and ASGI callables.
const CALLABLES: [&str; 2] = ["app", "application"];
/// Names of plain functions that answer a request.
const HANDLERS: [&str; 2] = ["handler", "handle"];
/// Names of functions that make such a callable.
const FACTORIES: [&str; 2] = ["create_app", "make_app"];
/// Callables that make an app, by the last part of their names.
const APP_MAKERS: [&str; 15] = [
    "Flask",
    "APIFlask",
    "OpenAPI",
    "Bottle",
    "default_app",
    "Falcon",
    "get_wsgi_application",
    "make_wsgi_app",
    "Starlette",
    "FastAPI",
    "Quart",
    "Litestar",
    "BlackSheep",
    "get_asgi_application",
    "ProtocolTypeRouter",
];
/// Folders at the top that do not hold the app.
const IGNORED_PACKAGES: [&str; 8] = [
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "migrations",
    "scripts",
    "bin",
];

/// Finds the app in a file.
pub(super) fn find_in_module(
    module: &ModuleFacts,
    name: &str,
    takes_handlers: bool,
) -> Option<PythonEntry> {
    if module.error.is_some() {
        // The file cannot be parsed here; the component's own Python tells what is wrong.
        return Some(PythonEntry {
            module: name.to_owned(),
            starts: vec![module.file.clone()],
            ..PythonEntry::default()
        });
    }
    let handles = takes_handlers && HANDLERS.iter().any(|handler| module.defines(handler));
    let entry = PythonEntry {
        starts: vec![module.file.clone()],
        ..PythonEntry::default()
    };
    // The file serves while it is imported, so the import would not end: it is run as a program.
    if module.serves == Some(ServerStart::Import) {
        return Some(PythonEntry {
            script: module.file.clone(),
            ..entry
        });
    }
    if let Some(app) = find_app_name(module).or(handles.then(String::new)) {
        return Some(PythonEntry {
            module: name.to_owned(),
            app,
            ..entry
        });
    }
    (module.serves == Some(ServerStart::Script)).then(|| PythonEntry {
        script: module.file.clone(),
        ..entry
    })
}

/// Finds the name of the app in a module: empty for a usual name.
pub(super) fn find_app_name(module: &ModuleFacts) -> Option<String> {
    if CALLABLES.iter().any(|name| module.defines(name)) {
        return Some(String::new());
    }
    let mut made = module.made_by.iter();
    let made = made.find(|(_, maker)| APP_MAKERS.contains(&maker.as_str()));
    if let Some((name, _)) = made {
        return Some(name.clone());
    }
    let factory = FACTORIES.iter().find(|name| module.defines(name))?;
    Some(format!("{factory}()"))
}

/// Finds the app in the packages at the top. Fails if several have one.
pub(super) fn find_in_packages(facts: &SourceFacts) -> Result<Option<PythonEntry>, BuilderError> {
    let mut found: Vec<PythonEntry> = Vec::new();
    for (_, package) in facts.packages() {
        if IGNORED_PACKAGES.contains(&package) {
            continue;
        }
        for inner in USUAL_IN_PACKAGE {
            let name = format!("{package}.{inner}");
            let name = name.trim_end_matches('.');
            let Some(module) = facts.module(name) else {
                continue;
            };
            if let Some(entry) = find_in_module(module, name, false) {
                found.push(entry);
                break;
            }
        }
    }
    only_one(found)
}

/// Finds the app in the files at the top that have no usual name. Fails if several have one.
pub(super) fn find_in_other_files(
    facts: &SourceFacts,
) -> Result<Option<PythonEntry>, BuilderError> {
    let mut found = Vec::new();
    for module in facts.modules() {
        let name = module.file.strip_suffix(".py").unwrap_or_default();
        if name.contains('/')
            || name.is_empty()
            || USUAL_MODULES.contains(&name)
            || !is_dotted(name)
        {
            continue;
        }
        let makes = module
            .made_by
            .values()
            .any(|maker| APP_MAKERS.contains(&maker.as_str()));
        if makes || module.defines("application") || module.serves.is_some() {
            found.extend(find_in_module(module, name, false));
        }
    }
    only_one(found)
}

/// The only entry, if there is one. Fails if there are several.
fn only_one(mut found: Vec<PythonEntry>) -> Result<Option<PythonEntry>, BuilderError> {
    if found.len() > 1 {
        let files = found.iter().map(|entry| entry.starts.join(", "));
        let files: Vec<String> = files.collect();
        let first = found[0].starts[0].trim_end_matches(".py").replace('/', ".");
        let first = first.trim_end_matches(".__init__");
        return Err(BuilderError::Refused(format!(
            "there are several apps ({}): say in a Procfile which one is meant, as in `web: gunicorn {first}`",
            files.join(", ")
        )));
    }
    Ok(found.pop())
}
