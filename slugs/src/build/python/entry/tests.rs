//! Detection of the app in projects of every usual layout.

use super::*;

/// The entry that is found in `files`, which may include a Procfile or `.flaskenv`.
fn found(files: &[(&str, &str)]) -> Result<PythonEntry, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flask_env = files.iter().find(|(file, _)| *file == ".flaskenv");
    if let Some((name, text)) = flask_env {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let is_source = |(name, _): &&(&str, &str)| name.ends_with(".py") || name.ends_with(".ini");
    let sources: Vec<(&str, &str)> = files.iter().filter(is_source).copied().collect();
    let mut facts = SourceFacts::of_files(&sources);
    if sources.iter().any(|(name, _)| name.starts_with("src/")) {
        facts.add_root("src", false);
    }
    let procfile = files.iter().find(|(name, _)| *name == "Procfile");
    let procfile = procfile.map(|(_, text)| {
        crate::manifest::procfile::parse_for_builder(text)
            .expect("sound")
            .value
    });
    let entry = find_entry(folder.path(), &mut facts, procfile.as_ref());
    let mut entry = entry
        .map_err(|error| error.to_string())?
        .expect("a web process");
    entry.path = facts.roots.clone();
    Ok(entry)
}

/// `MODULE:APP` with the folders that it is imported from.
#[track_caller]
fn app(files: &[(&str, &str)]) -> (String, Vec<String>) {
    let entry = found(files).expect("an app");
    assert_eq!(
        (entry.script.as_str(), entry.script_module.as_str()),
        ("", "")
    );
    (format!("{}:{}", entry.module, entry.app), entry.path)
}

#[track_caller]
fn is_app(files: &[(&str, &str)], app_name: &str, path: &[&str]) {
    let (found, folders) = app(files);
    assert_eq!(found, app_name, "{files:?}");
    assert_eq!(folders, path, "{files:?}");
}

const FLASK: &str = "from flask import Flask\napp = Flask(__name__)\n";
const STARLETTE: &str =
    "from starlette.applications import Starlette\nsite = Starlette(routes=[])\n";
const FACTORY: &str =
    "from flask import Flask\ndef create_app(name='x'):\n    return Flask(name)\n";
const MANAGE: &str = "import os, sys\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n    from django.core.management import execute_from_command_line\n    execute_from_command_line(sys.argv)\nif __name__ == '__main__':\n    main()\n";
const WSGI: &str = "import os\nfrom django.core.wsgi import get_wsgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\napplication = get_wsgi_application()\n";

#[test]
fn a_server_command_in_the_procfile_names_the_app() {
    let shop = [
        ("shop/__init__.py", FACTORY),
        ("shop/wsgi.py", "application = 1\n"),
    ];
    let with = |line: &'static str| [&shop[..], &[("Procfile", line)]].concat();
    is_app(&with("web: gunicorn shop.wsgi"), "shop.wsgi:", &[""]);
    is_app(
        &with("web: gunicorn shop.wsgi:application --bind :$PORT"),
        "shop.wsgi:application",
        &[""],
    );
    is_app(
        &with("web: gunicorn 'shop:create_app()'"),
        "shop:create_app()",
        &[""],
    );
    is_app(
        &with("web: gunicorn \"shop:create_app('prod')\""),
        "shop:create_app('prod')",
        &[""],
    );
    is_app(
        &with("web: waitress-serve --call shop:create_app"),
        "shop:create_app()",
        &[""],
    );
    is_app(
        &with("web: flask --app shop run"),
        "shop:create_app()",
        &[""],
    );
    is_app(
        &with("web: flask --app shop/wsgi.py run"),
        "shop.wsgi:",
        &[""],
    );
    is_app(
        &with("web: uwsgi --http :$PORT --wsgi-file shop/wsgi.py"),
        "shop.wsgi:",
        &[""],
    );
    is_app(
        &with("web: shop.wsgi:application"),
        "shop.wsgi:application",
        &[""],
    );
}

#[test]
fn server_options_and_settings_name_the_app() {
    let shop = [
        ("shop/__init__.py", FACTORY),
        ("shop/wsgi.py", "application = 1\n"),
    ];
    let src = [
        ("src/app.py", FLASK),
        ("Procfile", "web: gunicorn --chdir src app:app\n"),
    ];
    is_app(&src, "app:app", &["src", ""]);
    assert_eq!(found(&src).expect("an app").chdir, "src");
    let ini = [
        (
            "uwsgi.ini",
            "[uwsgi]\nmodule = shop.wsgi\ncallable = application\n",
        ),
        ("Procfile", "web: uwsgi uwsgi.ini\n"),
    ];
    is_app(&[&shop[..], &ini].concat(), "shop.wsgi:application", &[""]);
    let config = [
        ("gunicorn.conf.py", "wsgi_app = 'shop:create_app()'\n"),
        ("Procfile", "web: gunicorn\n"),
    ];
    is_app(&[&shop[..], &config].concat(), "shop:create_app()", &[""]);
    let other_name = [
        (
            "site.py",
            "server = Dash(__name__).server\nweb_app = Flask('x')\n",
        ),
        ("Procfile", "web: gunicorn site\n"),
    ];
    is_app(&other_name, "site:web_app", &[""]);
}

#[test]
fn programs_that_start_a_server_are_run_until_the_server_starts() {
    let guarded = format!("{FLASK}if __name__ == '__main__':\n    app.run()\n");
    let entry = found(&[
        ("app.py", &guarded),
        ("Procfile", "web: python app.py --debug\n"),
    ]);
    let entry = entry.expect("a program");
    assert_eq!(
        (entry.script.as_str(), &entry.args[..]),
        ("app.py", &["--debug".to_owned()][..])
    );
    let inner = found(&[
        ("web/main.py", &guarded),
        ("Procfile", "web: python web/main.py\n"),
    ])
    .expect("a program");
    assert_eq!(
        (inner.script.as_str(), inner.path),
        ("web/main.py", vec!["web".to_owned(), String::new()])
    );
    let module = found(&[
        ("shop/__main__.py", &guarded),
        ("Procfile", "web: python -m shop\n"),
    ])
    .expect("a program");
    assert_eq!(
        (module.script_module.as_str(), module.starts),
        ("shop", vec!["shop/__main__.py".to_owned()])
    );
    // Importing a file that starts a server would never end.
    let bottle = "from bottle import route, run\n@route('/')\ndef index(): return 'x'\nrun(host='localhost', port=8080)\n";
    assert_eq!(
        found(&[("app.py", bottle)]).expect("a program").script,
        "app.py"
    );
    let guarded = "from bottle import route, run\nif __name__ == '__main__':\n    run()\n";
    assert_eq!(
        found(&[("main.py", guarded)]).expect("a program").script,
        "main.py"
    );
    is_app(
        &[(
            "main.py",
            "import bottle\nroute = bottle.route\napplication = bottle.default_app()\n",
        )],
        "main:",
        &[""],
    );
}

#[test]
fn without_a_procfile_the_app_is_found_by_usual_file_names() {
    is_app(&[("app.py", FLASK)], "app:", &[""]);
    is_app(
        &[("wsgi.py", "from shop import app\n"), ("app.py", FLASK)],
        "wsgi:",
        &[""],
    );
    is_app(
        &[("main.py", "def handler(request):\n    return 'x'\n")],
        "main:",
        &[""],
    );
    is_app(&[("app.py", FACTORY)], "app:create_app()", &[""]);
    is_app(&[("hello.py", FLASK), ("setup.py", "")], "hello:", &[""]);
    is_app(
        &[
            ("flaskr/__init__.py", FACTORY),
            ("flaskr/db.py", ""),
            ("tests/test_db.py", FLASK),
        ],
        "flaskr:create_app()",
        &[""],
    );
    is_app(&[("src/app.py", FLASK)], "app:", &["", "src"]);
    is_app(
        &[("src/shop/__init__.py", ""), ("src/shop/wsgi.py", FLASK)],
        "shop.wsgi:",
        &["", "src"],
    );
    is_app(
        &[
            (".flaskenv", "FLASK_APP=shop:make('x')\nFLASK_DEBUG=1\n"),
            ("shop.py", "def make(x): pass\n"),
        ],
        "shop:make('x')",
        &[""],
    );
    is_app(
        &[
            (".flaskenv", "FLASK_APP=web/shop.py\n"),
            ("web/shop.py", FLASK),
        ],
        "shop:",
        &["web", ""],
    );
}

#[test]
fn django_projects_are_recognized_by_manage_py() {
    let mysite = [
        ("manage.py", MANAGE),
        ("mysite/__init__.py", ""),
        (
            "mysite/settings.py",
            "ROOT_URLCONF = 'mysite.urls'\nWSGI_APPLICATION = 'mysite.wsgi.application'\n",
        ),
        ("mysite/wsgi.py", WSGI),
        (
            "mysite/asgi.py",
            "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
        ),
    ];
    for procfile in [
        None,
        Some("web: python manage.py runserver 0.0.0.0:$PORT\n"),
        Some("web: django-admin runserver\n"),
    ] {
        let files: Vec<_> = mysite
            .iter()
            .copied()
            .chain(procfile.map(|line| ("Procfile", line)))
            .collect();
        is_app(&files, "mysite.wsgi:application", &[""]);
        let entry = found(&files).expect("a project");
        assert!(entry.static_files && entry.env["DJANGO_SETTINGS_MODULE"] == "mysite.settings");
        assert!(
            entry.starts.contains(&"mysite/settings.py".to_owned()),
            "{:?}",
            entry.starts
        );
    }
    let gunicorn: Vec<_> = mysite
        .iter()
        .copied()
        .chain([("Procfile", "web: gunicorn mysite.wsgi\n")])
        .collect();
    is_app(&gunicorn, "mysite.wsgi:", &[""]);
    assert!(
        !found(&gunicorn).expect("a project").static_files,
        "gunicorn serves none"
    );
    let inner: Vec<_> = mysite
        .iter()
        .map(|(name, text)| (format!("web/{name}"), *text))
        .collect();
    let inner: Vec<_> = inner
        .iter()
        .map(|(name, text)| (name.as_str(), *text))
        .collect();
    is_app(&inner, "mysite.wsgi:application", &["web", ""]);
    let bare = [
        ("manage.py", MANAGE),
        ("mysite/settings.py", "DEBUG = True\n"),
    ];
    is_app(&bare, "django.core.wsgi:get_wsgi_application()", &[""]);
}

#[test]
fn a_django_project_may_be_served_by_its_asgi_py() {
    let files = |procfile: &'static str, has_wsgi: bool| {
        let wsgi = [("mysite/wsgi.py", WSGI)];
        let all = [
            ("manage.py", MANAGE),
            ("mysite/__init__.py", ""),
            ("mysite/settings.py", "DEBUG = False\n"),
            ("mysite/asgi.py", "application = get_asgi_application()\n"),
        ];
        let line = [("Procfile", procfile)];
        let line = if procfile.is_empty() {
            &[][..]
        } else {
            &line[..]
        };
        [&all[..], &wsgi[..usize::from(has_wsgi)], line].concat()
    };
    let daphne = files("web: daphne mysite.asgi:application\n", true);
    is_app(&daphne, "mysite.asgi:application", &[""]);
    is_app(&files("", false), "mysite.asgi:application", &[""]);
    is_app(&files("", true), "mysite.wsgi:application", &[""]);
}

#[test]
fn asgi_apps_are_found_as_others_are() {
    is_app(&[("app.py", STARLETTE)], "app:site", &[""]);
    is_app(
        &[("asgi.py", STARLETTE), ("models.py", "")],
        "asgi:site",
        &[""],
    );
    is_app(&[("shop.py", STARLETTE)], "shop:site", &[""]);
    let uvicorn = [
        ("src/shop/__init__.py", FACTORY),
        (
            "Procfile",
            "web: uvicorn --factory shop:create_app --app-dir src --root-path /shop --port $PORT\n",
        ),
    ];
    is_app(&uvicorn, "shop:create_app()", &["src", ""]);
    assert_eq!(found(&uvicorn).expect("an app").root_path, "/shop");
    let fastapi = [
        (
            "api/main.py",
            "from fastapi import FastAPI\napi = FastAPI()\n",
        ),
        ("api/__init__.py", ""),
        ("Procfile", "web: fastapi run api/main.py --app api\n"),
    ];
    is_app(&fastapi, "api.main:api", &[""]);
    let quart = [
        ("site.py", "app = Quart(__name__)\n"),
        ("Procfile", "web: quart --app site run\n"),
    ];
    is_app(&quart, "site:", &[""]);
    let serving = format!("{STARLETTE}import uvicorn\nuvicorn.run(site)\n");
    assert_eq!(
        found(&[("main.py", &serving)]).expect("a program").script,
        "main.py"
    );
    let guarded = "import uvicorn\nif __name__ == '__main__':\n    uvicorn.run('shop.web:site')\n";
    assert_eq!(
        found(&[("main.py", guarded)]).expect("a program").script,
        "main.py"
    );
}

#[test]
fn apps_that_cannot_be_served_get_a_one_line_error() {
    for (files, says) in [
        (
            &[("app.py", "print('hello')\n")][..],
            "app.py has no WSGI or ASGI app",
        ),
        (&[], "there is no app.py"),
        (
            &[("app.py", STARLETTE), ("Procfile", "web: uvicorn\n")],
            "uvicorn without an app",
        ),
        (
            &[("a/__init__.py", FACTORY), ("b/__init__.py", FACTORY)],
            "there are several apps (a/__init__.py, b/__init__.py)",
        ),
        (
            &[("app.py", FLASK), ("Procfile", "web: python other.py\n")],
            "`other.py`, which is not in the app's folder",
        ),
        (
            &[
                ("app.py", FLASK),
                ("Procfile", "web: gunicorn --bind :80\n"),
            ],
            "gunicorn without an app",
        ),
        (
            &[
                ("app.py", FLASK),
                ("Procfile", "web: gunicorn app.py:app\n"),
            ],
            "without `.py`",
        ),
    ] {
        let error = found(files).expect_err(says);
        assert!(error.contains(says) && !error.contains('\n'), "{error}");
    }
    // Modules of packages are checked later, when the packages are installed.
    let foreign =
        found(&[("app.py", FLASK), ("Procfile", "web: gunicorn isso.run\n")]).expect("later");
    assert!(foreign.check_module(|module| module == "isso.run").is_ok());
    let error = foreign
        .check_module(|_| false)
        .expect_err("absent")
        .to_string();
    assert!(
        error.contains("`isso.run`") && error.contains("correct the name"),
        "{error}"
    );
}

#[test]
fn a_procfile_without_web_serves_nothing() {
    let mut facts = SourceFacts::of_files(&[("app.py", FLASK)]);
    let procfile =
        crate::manifest::procfile::parse_for_builder("worker: python work.py\n").expect("sound");
    let entry = find_entry(Path::new("/nowhere"), &mut facts, Some(&procfile.value));
    assert_eq!(entry.expect("sound"), None);
}
