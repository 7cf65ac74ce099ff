//! Command lines of servers, as their own documentation writes them.

use super::*;

fn parsed(line: &str) -> Result<ServeCommand, String> {
    let line = format!("web: {line}");
    let procfile = crate::manifest::procfile::parse_for_builder(&line).expect("sound");
    let command = procfile.value.processes.into_values().next().expect("web");
    let words = [command.component.as_str().to_owned()];
    parse_command(&[&words[..], &command.args].concat())
}

fn target(line: &str) -> AppReference {
    parsed(line).expect("a server").app
}

fn module(text: &str) -> AppReference {
    AppReference::Module(text.to_owned())
}

#[test]
fn the_app_is_found_among_the_options_of_gunicorn() {
    for (line, app) in [
        ("gunicorn package.wsgi", "package.wsgi"),
        (
            "gunicorn package.wsgi:application --bind 0.0.0.0:$PORT",
            "package.wsgi:application",
        ),
        (
            "gunicorn --bind :$PORT -w 4 --log-file - shop:app",
            "shop:app",
        ),
        ("gunicorn -w4 -k gevent --preload shop.app", "shop.app"),
        (
            "gunicorn --forwarded-allow-ips=* shop.app # as the proxy is trusted",
            "shop.app",
        ),
        ("gunicorn 'shop:create_app()'", "shop:create_app()"),
        (
            "gunicorn \"shop:create_app('prod', debug=False)\"",
            "shop:create_app('prod', debug=False)",
        ),
        (
            "gunicorn --timeout=90 mysite.wsgi --log-level debug",
            "mysite.wsgi",
        ),
        ("venv/bin/gunicorn app:app", "app:app"),
        ("poetry run gunicorn app:app", "app:app"),
        ("newrelic-admin run-program gunicorn app:app", "app:app"),
        ("python -m gunicorn app:app", "app:app"),
    ] {
        assert_eq!(target(line), module(app), "{line}");
    }
    let command = parsed("gunicorn --chdir src -e STAGE=prod --pythonpath a,b app:app");
    let command = command.expect("a server");
    assert_eq!(command.chdir.as_deref(), Some("src"));
    assert_eq!(command.paths, ["a", "b"]);
    assert_eq!(command.env["STAGE"], "prod");
    let command = parsed("PYTHONPATH=src:lib STAGE=prod gunicorn app:app").expect("a server");
    assert_eq!(
        (command.app, command.paths),
        (module("app:app"), vec!["src".to_owned(), "lib".to_owned()])
    );
    assert_eq!(command.env["STAGE"], "prod");
    let config = AppReference::GunicornConfig("conf/gunicorn.py".to_owned());
    assert_eq!(target("gunicorn -c conf/gunicorn.py"), config);
}

#[test]
fn command_lines_of_other_servers_are_parsed_as_documented() {
    for (line, found) in [
        ("app:app", module("app:app")),
        (
            "waitress-serve --port=$PORT shop.wsgi:app",
            module("shop.wsgi:app"),
        ),
        (
            "waitress-serve --call shop:create_app",
            module("shop:create_app()"),
        ),
        (
            "waitress-serve --listen=*:$PORT --call 'shop:create_app'",
            module("shop:create_app()"),
        ),
        (
            "uwsgi --http :$PORT --master -p 4 -w shop:app",
            module("shop:app"),
        ),
        (
            "uwsgi --module shop.wsgi --callable app",
            module("shop.wsgi:app"),
        ),
        ("uwsgi --mount /=shop:app", module("shop:app")),
        (
            "uwsgi --wsgi-file app.py --callable app",
            AppReference::File("app.py".into(), "app".into()),
        ),
        (
            "uwsgi uwsgi.ini",
            AppReference::UwsgiFile("uwsgi.ini".into()),
        ),
        (
            "flask --app shop run --host=0.0.0.0 --port=$PORT",
            AppReference::Flask(Some("shop".into())),
        ),
        ("flask run -h 0.0.0.0 -p $PORT", AppReference::Flask(None)),
        (
            "python -m flask -A shop:make run",
            AppReference::Flask(Some("shop:make".into())),
        ),
        (
            "python3 -u app.py --debug",
            AppReference::Script("app.py".into(), vec!["--debug".into()]),
        ),
        (
            "python3.12 -m shop serve",
            AppReference::ScriptModule("shop".into(), vec!["serve".into()]),
        ),
        (
            "python manage.py runserver 0.0.0.0:$PORT",
            AppReference::Django("manage.py".into()),
        ),
        (
            "python mysite/manage.py runserver",
            AppReference::Django("mysite/manage.py".into()),
        ),
    ] {
        assert_eq!(target(line), found, "{line}");
    }
}

#[test]
fn asgi_servers_are_parsed_as_documented() {
    for (line, found) in [
        ("uvicorn main:app --host 0.0.0.0 --port $PORT", "main:app"),
        ("uvicorn --reload --workers 4 main:app", "main:app"),
        ("uvicorn main:create_app --factory", "main:create_app()"),
        ("hypercorn -b :$PORT shop:app", "shop:app"),
        ("hypercorn --bind 0.0.0.0:8000 asgi:shop:app", "shop:app"),
        (
            "daphne -b 0.0.0.0 -p $PORT mysite.asgi:application",
            "mysite.asgi:application",
        ),
        (
            "granian --interface asgi --host 0.0.0.0 shop:app",
            "shop:app",
        ),
        ("python -m uvicorn main:app", "main:app"),
        (
            "gunicorn -k uvicorn.workers.UvicornWorker main:app",
            "main:app",
        ),
        (
            "gunicorn -w 4 --worker-class uvicorn_worker.UvicornWorker main:app",
            "main:app",
        ),
        ("fastapi run --entrypoint main:app", "main:app"),
    ] {
        assert_eq!(target(line), module(found), "{line}");
    }
    assert_eq!(target("fastapi run"), AppReference::Usual);
    let file = AppReference::File("api/main.py".into(), "api".into());
    assert_eq!(
        target("python -m fastapi run api/main.py --app api --port 80"),
        file
    );
    let quart = AppReference::Flask(Some("shop:app".into()));
    assert_eq!(target("quart --app shop:app run --host 0.0.0.0"), quart);
    let command = parsed("uvicorn --app-dir src --root-path /api main:app").expect("a server");
    assert_eq!(
        (command.paths, command.root_path.as_str()),
        (vec!["src".to_owned()], "/api")
    );
}

#[test]
fn commands_that_serve_nothing_get_the_line_that_does() {
    for (line, says) in [
        ("uvicorn --reload", "web: uvicorn module:name"),
        ("fastapi deploy", "web: fastapi run"),
        ("quart init-db", "web: quart run"),
    ] {
        let error = parsed(line).expect_err(line);
        assert!(
            error.contains(says) && !error.contains('\n'),
            "{line}: {error}"
        );
    }
    let error = parsed("celery -A shop worker").expect_err("no server");
    assert!(
        error.contains("`celery`") && error.contains("web: module:name"),
        "{error}"
    );
    assert!(
        parsed("flask init-db")
            .expect_err("no server")
            .contains("web: flask run")
    );
}
