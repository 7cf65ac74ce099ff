//! Errors of pip, and programs that packages install.

use super::*;

#[test]
fn errors_of_pip_are_explained() {
    let lines = |text: &str| vec![text.to_owned()];
    let none = lines("ERROR: No matching distribution found for flsk==1");
    assert_eq!(missing_wheel(&none), Some("flsk==1"));
    let text = explain_failure(&none, REQUIREMENTS, Some(&"flsk".to_owned()));
    assert!(
        text.contains("flsk==1") && text.contains("requirements.txt"),
        "{text}"
    );
    let offline = lines("WARNING: Retrying (Retry(total=1…");
    let text = explain_failure(&offline, REQUIREMENTS, None);
    assert!(text.contains("connect to the network"), "{text}");
    let broken = lines("error: pg_config executable not found");
    let text = explain_failure(&broken, "Pipfile", Some(&"psycopg2".to_owned()));
    assert!(
        text.contains("no wheel of psycopg2") && text.contains("native code"),
        "{text}"
    );
}

#[test]
fn programs_of_packages_are_read_from_their_entry_points() {
    let text = "[flask.commands]\ndb = x:y\n[console_scripts]\nflask = flask.cli:main\nother = a.b:c [extra]\n\n[z]\nq = r:s\n";
    let found: Vec<_> = parse_console_scripts(text).collect();
    let pair = |name: &str, place: &str| (name.to_owned(), place.to_owned());
    assert_eq!(
        found,
        [pair("flask", "flask.cli:main"), pair("other", "a.b:c")]
    );
}
