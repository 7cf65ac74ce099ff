//! The entry file of an app, and the warning about output that is older than its source.

use std::time::Duration;

use super::*;

const BUNDLED: &str = r#"{"main":"dist/index.js","scripts":{"build":"tsup src/index.ts"}}"#;

/// An app with a source, and with output that is older than the source by this many seconds (newer if negative).
fn app_with_output(package: &str, output_age: i64) -> tempfile::TempDir {
    let app = tempfile::tempdir().expect("a folder");
    let now = SystemTime::now();
    for (name, text, age) in [
        (PACKAGE_JSON, package, 0),
        ("src/index.ts", "export default {};", 0),
        ("dist/index.js", "export default {};", output_age),
    ] {
        let path = app.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        let step = Duration::from_secs(age.unsigned_abs());
        let modified = if age < 0 { now + step } else { now - step };
        let file = fs::File::options().write(true).open(&path);
        file.and_then(|file| file.set_modified(modified))
            .expect("a modification time");
    }
    app
}

fn find_in(app: &tempfile::TempDir) -> FoundEntry {
    let project = JavascriptProject::read(app.path(), &[]).expect("a project");
    find_entry(app.path(), &project, None).expect("an entry point")
}

#[test]
fn output_of_a_bundler_older_than_its_source_gives_a_warning() {
    let found = find_in(&app_with_output(BUNDLED, 60));
    assert_eq!(found.point, EntryPoint::File("dist/index.js".to_owned()));
    let [warning] = found.warnings.as_slice() else {
        panic!("{:?}", found.warnings);
    };
    let text = warning.to_string();
    assert!(text.starts_with("package.json: the app begins in dist/index.js"));
    assert!(text.contains("older than src/index.ts"), "{text}");
    assert!(text.contains("npm run build"), "{text}");
}

#[test]
fn output_of_a_bundler_newer_than_its_source_gives_no_warning() {
    let found = find_in(&app_with_output(BUNDLED, -60));
    assert_eq!(found.point, EntryPoint::File("dist/index.js".to_owned()));
    assert_eq!(found.warnings, []);
}

#[test]
fn output_of_plain_tsc_gives_way_to_its_source() {
    let package = r#"{"main":"dist/index.js","scripts":{"build":"tsc"}}"#;
    let found = find_in(&app_with_output(package, 60));
    assert_eq!(found.point, EntryPoint::File("src/index.ts".to_owned()));
    assert_eq!(found.warnings, []);
}

#[test]
fn missing_output_of_a_bundler_is_built() {
    let app = app_with_output(BUNDLED, 60);
    fs::remove_file(app.path().join("dist/index.js")).expect("removed");
    let found = find_in(&app);
    assert_eq!(found.point, EntryPoint::Built("dist/index.js".to_owned()));
    assert_eq!(found.warnings, []);
}

/// The command lines of the documents of Node.js, Express and Heroku.
#[test]
fn the_module_after_node_is_found_as_node_finds_it() {
    let app = tempfile::tempdir().expect("a folder");
    for name in ["bin/www", "server.js", "web/index.mjs", "hook.js", ".env"] {
        let path = app.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "").expect("a file");
    }
    for (command, entry) in [
        ("node server.js", "server.js"),
        ("node server", "server.js"),
        ("node ./bin/www", "bin/www"),
        ("NODE_ENV=production node web", "web/index.mjs"),
        ("node -r dotenv/config server.js", "server.js"),
        ("node --require ./hook.js server", "server.js"),
        (
            "node --env-file .env --import ./hook.js ./server",
            "server.js",
        ),
        (
            "node --max-old-space-size=64 server.js --port 80",
            "server.js",
        ),
        ("nodemon server.js", "server.js"),
    ] {
        let found = first_program(app.path(), command.split_whitespace());
        assert_eq!(found.as_deref(), Some(entry), "{command}");
    }
    assert_eq!(
        first_program(app.path(), ["npm", "start"].into_iter()),
        None
    );
}
