//! Owns what a Django project looks like: manage.py, its settings module, and the `wsgi.py` of its package.
//! Must not know Django itself.

use super::Entry;
use crate::build::BuildError;
use crate::build::python::facts::SourceFacts;

const SETTINGS: &str = "DJANGO_SETTINGS_MODULE";

/// manage.py at the top, or the only one in a folder there.
pub(crate) fn manage_file(facts: &SourceFacts) -> Option<String> {
    let is_manage =
        |file: &str| file.rsplit('/').next() == Some("manage.py") && file.matches('/').count() <= 1;
    let found = facts
        .modules()
        .filter(|module| is_manage(&module.file) && module.settings.is_some());
    let found: Vec<&str> = found.map(|module| module.file.as_str()).collect();
    match found.as_slice() {
        [one] => Some((*one).to_owned()),
        several => several
            .iter()
            .find(|file| **file == "manage.py")
            .map(|file| (*file).to_owned()),
    }
}

/// What `manage.py runserver` serves: the project's WSGI app, and static files while DEBUG is on.
pub(crate) fn project(facts: &mut SourceFacts, manage: &str) -> Result<Entry, BuildError> {
    let manage = match manage {
        "" => manage_file(facts).unwrap_or_else(|| "manage.py".to_owned()),
        manage => manage.to_owned(),
    };
    let Some(file) = facts.file(&manage) else {
        return Err(BuildError::Refused(format!(
            "the Procfile's web process runs `{manage}`, which is not in the app's folder: correct the name"
        )));
    };
    let settings = file.settings.clone();
    let root = manage.rsplit_once('/').map_or("", |(folder, _)| folder);
    facts.add_root(root, true);
    let Some(settings) = settings else {
        return Err(BuildError::Refused(format!(
            "{manage} sets no {SETTINGS}: name the project's WSGI app in a Procfile, as in `web: gunicorn mysite.wsgi`"
        )));
    };
    Ok(of_settings(facts, manage, settings))
}

fn of_settings(facts: &SourceFacts, manage: String, settings: String) -> Entry {
    let mut entry = Entry {
        static_files: true,
        starts: vec![manage],
        ..Entry::default()
    };
    let named = wsgi_application(facts, &settings);
    let beside = settings
        .split('.')
        .next()
        .map(|package| format!("{package}.wsgi"));
    let module = named.or(beside).filter(|name| facts.module(name).is_some());
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

/// The module in `WSGI_APPLICATION = "module.application"` of the settings, or of a file beside them.
fn wsgi_application(facts: &SourceFacts, settings: &str) -> Option<String> {
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
