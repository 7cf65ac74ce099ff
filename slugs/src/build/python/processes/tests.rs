//! Command lines of process types and of one-offs.

use super::*;

fn scripts() -> Scripts {
    let pairs = [
        ("flask", "flask.cli:main"),
        ("alembic", "alembic.config:main"),
        ("shop-import", "shop.tools:Importer.run"),
        ("gunicorn", "gunicorn.app.wsgiapp:run"),
    ];
    pairs
        .map(|(name, place)| (name.to_owned(), place.to_owned()))
        .into()
}

fn of(line: &str) -> Result<Vec<String>, String> {
    let text = format!("worker: {line}\n");
    let procfile = crate::manifest::procfile::parse_for_builder(&text).expect("sound");
    let facts = SourceFacts::of_files(&[("manage.py", "")]);
    let found = other_commands(Some(&procfile.value), &scripts(), &facts);
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.into_values().next().expect("one").args)
}

#[test]
fn command_lines_become_arguments_of_python() {
    for (line, args) in [
        ("python manage.py migrate", &["manage.py", "migrate"][..]),
        (
            "python3.12 -m tasks --every $SECONDS",
            &["-m", "tasks", "--every", "$SECONDS"],
        ),
        ("./manage.py migrate", &["manage.py", "migrate"]),
        ("flask db upgrade", &["-m", "flask", "db", "upgrade"]),
        (
            "poetry run flask db upgrade",
            &["-m", "flask", "db", "upgrade"],
        ),
        ("python -c 'print(\"$HOME\")'", &["-c", "print(\"$$HOME\")"]),
    ] {
        assert_eq!(of(line).expect(line), args, "{line}");
    }
    let alembic = of("alembic upgrade head").expect("a package's program");
    assert_eq!(alembic[0], "-c");
    assert!(
        alembic[1].contains("from alembic.config import main")
            && alembic[1].ends_with("sys.exit(main())")
    );
    assert_eq!(alembic[2..], ["upgrade", "head"]);
    let own = of("shop-import x").expect("the project's program");
    assert!(own[1].contains("import Importer;") && own[1].ends_with("sys.exit(Importer.run())"));
}

#[test]
fn commands_that_no_dyno_can_run_are_named() {
    let absent = of("python jobs/work.py").expect_err("not there");
    assert!(
        absent.contains("`jobs/work.py`, which is not in"),
        "{absent}"
    );
    let shell = of("STAGE=prod python work.py").expect_err("a shell's");
    assert!(shell.contains("dyno config set STAGE=prod"), "{shell}");
    let error = of("celery -A shop worker").expect_err("not installed");
    assert!(
        error.contains("`worker`") && error.contains("`celery`"),
        "{error}"
    );
    assert!(
        error.contains("python, alembic, flask, shop-import"),
        "{error}"
    );
    assert!(
        of("gunicorn app:app")
            .expect_err("a server")
            .contains("only the process type `web`")
    );
}

#[test]
fn command_words_include_python_and_programs_of_packages() {
    let words = command_words(&scripts());
    let names: Vec<&str> = words.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["alembic", "flask", "python", "python3", "shop-import"]
    );
    assert_eq!(words["flask"].args, ["-m", "flask"]);
    assert!(words["python"].args.is_empty());
}
