//! Python projects that are more than an `app.py`: packages, programs that start a server, process types.

use testkit::{dyno_command, run_command};

use crate::app_folder::{App, steps};

/// One list of packages for all projects, so that they share one component.
const PACKAGES: &str = "bottle==0.13.4\nflask==3.1.3\n";

/// The imports of packages in these projects.
const IMPORTS: &str = "import bottle\nimport flask\n";

/// `dyno local run` in the app's folder: exit code, stdout and stderr.
fn run_once(app: &App, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = dyno_command();
    let command = command.args(["local", "run", "--"]).args(words);
    let output = run_command(command.current_dir(app.folder()));
    (output.code, output.stdout, output.stderr)
}

#[test]
fn a_package_in_src_with_a_factory_is_an_app_with_process_types() {
    let package = format!(
        "\"\"\"A shop.\n\nfrom markupsafe import nothing\n\"\"\"\n{IMPORTS}import os; MORE = [1, 2]\ntry:\n    import numpy\nexcept ImportError:\n    numpy = None\n\n\
         def create_app(stage, debug=True):\n    app = flask.Flask(__name__, instance_relative_config=True)\n    os.makedirs(app.instance_path, exist_ok=True)\n    \
         @app.get('/')\n    def index():\n        from .stock import count\n        return f'{{stage}} {{debug}} {{count()}} {{flask.request.args.get(\"q\")}}'\n    \
         @app.cli.command('fill')\n    def fill():\n        print('filled', stage)\n    return app\n"
    );
    let app = App::new(&[
        (
            "requirements.txt",
            "-r requirements/base.txt\n-e .\nuwsgi==2.0.30\n",
        ),
        ("requirements/base.txt", PACKAGES),
        (
            "pyproject.toml",
            "[project]\nname = 'shop'\nversion = '1'\ndependencies = []\n[project.scripts]\nshop-report = 'shop.stock:report'\n",
        ),
        ("src/shop/__init__.py", &package),
        (
            "src/shop/stock.py",
            "import sys\n\ndef count():\n    return 3\n\ndef report():\n    print(count(), sys.argv)\n    return 4\n",
        ),
        ("scripts/train.py", "import numpy, nowhere\n"),
        (
            "Procfile",
            "web: gunicorn \"shop:create_app('prod', debug=False)\" --bind 0.0.0.0:$PORT\n\
             release: flask --app \"shop:create_app('release')\" fill\nclock: python -m shop.stock $HOME\nreport: shop-report --all\n",
        ),
    ]);
    let (told, slug) = app.build();
    assert!(!told.contains("warning"), "{told}");
    let args = |process: &str| slug["processes"][process]["args"].clone();
    assert_eq!(args("web"), serde_json::json!([]));
    assert_eq!(
        args("clock"),
        serde_json::json!(["-m", "shop.stock", "$HOME"])
    );
    let local = app.run(&[]);
    local.wait_for_line("the release process", |line| {
        line.contains("app[release.1]: filled release")
    });
    assert_eq!(local.get("/?q=1").text(), "prod False 3 1");
    assert!(local.stop().success());
    let run = |words: &[&str]| run_once(&app, words);
    let (code, out, err) = run(&["report", "x"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(4), "3 ['shop-report', '--all', 'x']\n"),
        "{err}"
    );
    let (code, out, err) = run(&["python", "-c", "import shop.stock as s; print(s.count())"]);
    assert_eq!((code, out.as_str()), (Some(0), "3\n"), "{err}");
    let (code, out, err) = run(&["flask", "--app", "shop:create_app('x')", "routes"]);
    assert!(code == Some(0) && out.contains("index"), "{out}{err}");
    let (code, _, err) = run(&["nothing"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("can run clock, release, report, ")
            && err.contains("python, python3, shop-report"),
        "{err}"
    );
}

#[test]
fn a_program_that_starts_its_server_is_served_without_changing_its_folder() {
    let bottle = format!(
        "{IMPORTS}\n@bottle.route('/<name>')\ndef index(name):\n    return f'{{name}} by {{__name__}}'\n\nbottle.run(host='localhost', port=8080)\n"
    );
    let app = App::new(&[("requirements.txt", PACKAGES), ("main.py", &bottle)]);
    let local = app.run(&[]);
    assert_eq!(local.get("/ada").text(), "ada by __main__");
    assert!(local.stop().success());
    let flask = format!(
        "{IMPORTS}app = flask.Flask(__name__)\nGREETING = 'imported'\n\n@app.get('/')\ndef index():\n    return GREETING\n\nif __name__ == '__main__':\n    GREETING = 'run'\n    app.run(debug=True)\n"
    );
    app.write("main.py", &flask);
    app.write("Procfile", "web: python main.py\n");
    let (told, _) = app.build();
    assert!(
        steps(&told).is_empty(),
        "the same imports make the same component: {told}"
    );
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "run");
    assert!(local.stop().success());
    let names = std::fs::read_dir(app.folder()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["Procfile", "app.slug", "main.py", "requirements.txt"]
    );
}

#[test]
fn failed_imports_are_warnings_with_their_position() {
    let text = format!(
        "{IMPORTS}from flask import no_such_name\nimport cgi\nimport yaml\n\ndef app(environ, start_response):\n    pass\n"
    );
    let app = App::new(&[("requirements.txt", PACKAGES), ("app.py", &text)]);
    let (told, _) = app.build();
    for warning in [
        "warning: app.py line 3: this import fails while building: ImportError: cannot import name 'no_such_name' from 'flask'",
        "warning: app.py line 4: `cgi` was removed from Python's library in 3.13",
        "warning: app.py line 5: no package in requirements.txt has a module `yaml`",
    ] {
        assert!(told.contains(warning), "{told}");
    }
}
