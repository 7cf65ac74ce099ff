//! Which modules an app imports, and with which certainty.

use super::*;

fn when(files: &[(&str, &str)], module: &str) -> Option<Option<ImportCertainty>> {
    let facts = SourceFacts::of_files(files);
    let found = find_imports(&facts, &["app.py".to_owned()]);
    let mut places = found.iter().filter(|((name, _), _)| name == module);
    places.next().map(|(_, place)| place.certainty)
}

#[test]
fn only_imports_reachable_from_the_app_are_certain() {
    let files = [
        ("app.py", "from shop import views\n"),
        ("shop/__init__.py", "import a\n"),
        (
            "shop/views.py",
            "from .late import f\ndef g():\n    from . import lazy\n",
        ),
        (
            "shop/late.py",
            "import b\ntry:\n    import c\nexcept ImportError:\n    c = None\n",
        ),
        ("shop/lazy.py", "import d\n"),
        ("scripts/train.py", "import e\nimport b\n"),
    ];
    assert_eq!(
        when(&files, "a"),
        Some(Some(ImportCertainty::Always)),
        "by its package"
    );
    assert_eq!(
        when(&files, "b"),
        Some(Some(ImportCertainty::Always)),
        "the strongest"
    );
    assert_eq!(when(&files, "c"), Some(Some(ImportCertainty::Caught)));
    assert_eq!(when(&files, "d"), Some(Some(ImportCertainty::Later)));
    assert_eq!(when(&files, "e"), Some(None), "nobody loads it");
    assert_eq!(when(&files, "shop"), None, "the app's own");
}

#[test]
fn settings_that_name_modules_count_as_possible_imports() {
    let files = [
        (
            "app.py",
            "INSTALLED_APPS = ['polls.apps.PollsConfig', 'django.contrib.admin']\n",
        ),
        ("polls/__init__.py", ""),
        ("polls/apps.py", "import a\n"),
    ];
    assert_eq!(when(&files, "a"), Some(Some(ImportCertainty::Maybe)));
    assert_eq!(when(&files, "django.contrib"), Some(None));
}

#[test]
fn a_folder_of_other_files_does_not_hide_a_package() {
    let files = [("app.py", "import markdown\n"), ("markdown/x.py", "")];
    assert_eq!(
        when(&files, "markdown"),
        Some(Some(ImportCertainty::Always))
    );
    let own = [("app.py", "import markdown\n"), ("markdown.py", "")];
    assert_eq!(when(&own, "markdown"), None);
}
