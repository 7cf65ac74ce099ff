//! Owns the shape of a Django project: `manage.py`, its settings module, and the `wsgi.py` or `asgi.py` of its package.
//! Must not know Django itself.

use super::description::PythonEntry;
use crate::build::python::facts::SourceFacts;
use crate::build::toolbox::error::BuilderError;

const SETTINGS: &str = "DJANGO_SETTINGS_MODULE";

/// Finds `manage.py`: the one at the top, or the only one in a folder at the top.
pub(super) fn find_manage_file(facts: &SourceFacts) -> Option<String> {
    let is_manage =
        |file: &str| file.rsplit('/').next() == Some("manage.py") && file.matches('/').count() <= 1;
    let found = facts
        .modules()
        .filter(|module| is_manage(&module.file) && module.settings.is_some());
    let found: Vec<&str> = found.map(|module| module.file.as_str()).collect();
    match found.as_slice() {
        [only] => Some((*only).to_owned()),
        several => several
            .iter()
            .find(|file| **file == "manage.py")
            .map(|file| (*file).to_owned()),
    }
}

/// The entry for `manage.py runserver`: the project's app (of WSGI, if it has both kinds), and static files while DEBUG is on.
pub(super) fn entry_of_project(
    facts: &mut SourceFacts,
    manage: &str,
) -> Result<PythonEntry, BuilderError> {
    let manage = match manage {
        "" => find_manage_file(facts).unwrap_or_else(|| "manage.py".to_owned()),
        manage => manage.to_owned(),
    };
    let Some(file) = facts.file(&manage) else {
        return Err(BuilderError::Refused(format!(
            "the Procfile's web process runs `{manage}`, which is not in the app's folder: correct the name"
        )));
    };
    let settings = file.settings.clone();
    let root = manage.rsplit_once('/').map_or("", |(folder, _)| folder);
    facts.add_root(root, true);
    let Some(settings) = settings else {
        return Err(BuilderError::Refused(format!(
            "{manage} sets no {SETTINGS}: name the project's WSGI app in a Procfile, as in `web: gunicorn mysite.wsgi`"
        )));
    };
    Ok(entry_of_settings(facts, manage, settings))
}

fn entry_of_settings(facts: &SourceFacts, manage: String, settings: String) -> PythonEntry {
    let mut entry = PythonEntry {
        static_files: true,
        starts: vec![manage],
        ..PythonEntry::default()
    };
    let named = find_wsgi_application(facts, &settings);
    let package = settings.split('.').next().unwrap_or_default();
    let beside = ["wsgi", "asgi"].map(|name| format!("{package}.{name}"));
    let mut modules = named.into_iter().chain(beside);
    let module = modules.find(|name| facts.module(name).is_some());
    match module.and_then(|name| Some((facts.module(&name)?.file.clone(), name))) {
        Some((file, name)) => {
            entry.module = name;
            entry.app = "application".to_owned();
            entry.starts.push(file);
        }
        None => {
            entry.module = "django.core.wsgi".to_owned();
            entry.app = "get_wsgi_application()".to_owned();
        }
    }
    entry
        .starts
        .extend(facts.module(&settings).map(|file| file.file.clone()));
    entry.env.insert(SETTINGS.to_owned(), settings);
    entry
}

/// Finds the module in `WSGI_APPLICATION = "module.application"` of the settings, or of a file beside them.
fn find_wsgi_application(facts: &SourceFacts, settings: &str) -> Option<String> {
    let file = &facts.module(settings)?.file;
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = facts.modules().filter(|module| {
        module
            .file
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            == folder
    });
    let own = facts.file(file).into_iter();
    let text = own
        .chain(beside)
        .find_map(|module| module.texts.get("WSGI_APPLICATION"))?;
    text.rsplit_once('.').map(|(module, _)| module.to_owned())
}
