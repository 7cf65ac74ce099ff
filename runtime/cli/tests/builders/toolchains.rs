//! Toolchains that cannot be installed, are installed by two builds at once, or are half installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::app_folder::{App, offline, steps};

const JAVASCRIPT: [(&str, &str); 2] = [
    ("package.json", "{}"),
    (
        "index.js",
        "export default { fetch: () => new Response('hi') };",
    ),
];

fn cache(command: &mut Command, place: &Path) {
    command.env("XDG_CACHE_HOME", place);
}

#[test]
fn a_failed_installation_names_a_remedy_and_leaves_no_files() {
    let app = App::new(&JAVASCRIPT);
    let place = tempfile::tempdir().unwrap();
    let failed = app.try_build(|command| {
        offline(command);
        cache(command, place.path());
    });
    assert!(failed.slug.is_none());
    assert!(
        failed.told.contains("JavaScript toolchain")
            && failed.told.contains("connect to the network"),
        "{}",
        failed.told
    );
    let left = fs::read_dir(place.path().join("dyno/toolchains/javascript")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
    for (files, tool) in [
        (&JAVASCRIPT[..], "node"),
        (
            &[("requirements.txt", ""), ("app.py", "app = 1\n")][..],
            "python3",
        ),
    ] {
        let app = App::new(files);
        let failed = app.try_build(|command| {
            command.env("PATH", "/no/such/folder");
            cache(command, place.path());
        });
        let told = failed.told;
        assert!(
            failed.slug.is_none() && told.contains(&format!("`{tool}` is not installed")),
            "{told}"
        );
        assert!(told.contains("get "), "{told}");
    }
}

#[test]
fn leftovers_of_a_killed_installation_are_not_used_as_a_toolchain() {
    // The Python toolchain, which is installed fastest.
    let app = App::new(&[("requirements.txt", ""), ("app.py", "app = 1\n")]);
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let home = place.path().join("dyno/toolchains/python");
    fs::create_dir_all(home.join(".new-killed/venv/bin")).unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let other = App::new(&[("requirements.txt", ""), ("app.py", "app = 2\n")]);
        let place = place.path();
        let second = scope.spawn(move || other.try_build(|command| cache(command, place)));
        let first = app.try_build(|command| cache(command, place));
        (first, second.join().unwrap())
    });
    assert!(
        first.slug.is_some() && second.slug.is_some(),
        "{first:?} {second:?}"
    );
    let installed = [&first.told, &second.told].map(|told| {
        steps(told)
            .iter()
            .any(|step| step.starts_with("installing the Python toolchain"))
    });
    assert_ne!(
        installed[0], installed[1],
        "one installed it, the other waited: {first:?} {second:?}"
    );
    let names: Vec<String> = fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
