//! The Django project of the tutorial: polls with an admin site, migrations in a release process, and commands of
//! `manage.py` as one-off dynos.

use testkit::{HttpReply, Server, ServerRig, http};

use crate::app_folder::App;

const APP: &str = "polls";
const PASSWORD: &str = "a-long-pass-word";

const MANAGE: &str = r#"
import os
import sys

def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)

if __name__ == "__main__":
    main()
"#;

/// The settings that `startproject` writes, with the database in ./tmp.
const SETTINGS: &str = r#"
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of a test"
DEBUG = True
ALLOWED_HOSTS = [".localhost"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "polls.apps.PollsConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "mysite.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
WSGI_APPLICATION = "mysite.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "tmp/db.sqlite3"}}
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
TIME_ZONE = "Europe/Berlin"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"#;

/// `./tmp` is private to each dyno and empty at its start, so the app migrates its database while it loads.
const WSGI: &str = r#"
import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, verbosity=0)
"#;

const URLS: &str = r#"
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("polls/", include("polls.urls")), path("admin/", admin.site.urls)]
"#;

const MODELS: &str = r#"
from django.db import models

class Question(models.Model):
    text = models.CharField(max_length=200)
    published = models.DateTimeField("date published", auto_now_add=True)

    def __str__(self):
        return self.text

class Choice(models.Model):
    question = models.ForeignKey(Question, on_delete=models.CASCADE)
    text = models.CharField(max_length=200)
    votes = models.IntegerField(default=0)
"#;

const MIGRATION: &str = r#"
import django.db.models.deletion
from django.db import migrations, models

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")
OF_QUESTION = models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="polls.question")

class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Question",
            fields=[
                ("id", ID),
                ("text", models.CharField(max_length=200)),
                ("published", models.DateTimeField(auto_now_add=True, verbose_name="date published")),
            ],
        ),
        migrations.CreateModel(
            name="Choice",
            fields=[
                ("id", ID),
                ("text", models.CharField(max_length=200)),
                ("votes", models.IntegerField(default=0)),
                ("question", OF_QUESTION),
            ],
        ),
    ]
"#;

const VIEWS: &str = r#"
from django.shortcuts import render

from .models import Question

def index(request):
    return render(request, "polls/index.html", {"questions": Question.objects.order_by("-published")[:5]})
"#;

const TEMPLATE: &str = "<ul>{% for question in questions %}<li>{{ question }}{% empty %}<li>No polls yet{% endfor %}</ul>";

fn project() -> App {
    App::new(&[
        ("requirements.txt", "Django>=5.2,<5.3\n"),
        (
            "Procfile",
            "release: python manage.py migrate\nweb: gunicorn mysite.wsgi --log-file -\nworker: python manage.py check --deploy\n",
        ),
        ("runtime.txt", "python-3.12.3\n"),
        ("manage.py", MANAGE),
        ("mysite/__init__.py", ""),
        ("mysite/settings.py", SETTINGS),
        ("mysite/urls.py", URLS),
        ("mysite/wsgi.py", WSGI),
        ("polls/__init__.py", ""),
        (
            "polls/apps.py",
            "from django.apps import AppConfig\n\n\nclass PollsConfig(AppConfig):\n    name = 'polls'\n",
        ),
        (
            "polls/admin.py",
            "from django.contrib import admin\n\nfrom .models import Question\n\nadmin.site.register(Question)\n",
        ),
        ("polls/models.py", MODELS),
        ("polls/views.py", VIEWS),
        (
            "polls/urls.py",
            "from django.urls import path\n\nfrom . import views\n\nurlpatterns = [path('', views.index)]\n",
        ),
        ("polls/migrations/__init__.py", ""),
        ("polls/migrations/0001_initial.py", MIGRATION),
        ("polls/templates/polls/index.html", TEMPLATE),
    ])
}

/// An HTTP client that keeps cookies, like a browser.
struct Browser<'a> {
    server: &'a Server<'a>,
    cookies: Vec<(String, String)>,
}

impl Browser<'_> {
    fn ask(&mut self, method: &str, path: &str, body: &str) -> HttpReply {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let headers = [
            format!("Host: {APP}.localhost"),
            "Connection: close".to_owned(),
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            format!("Cookie: {}", cookies.join("; ")),
        ];
        let request = http::encode_request(method, path, &headers, body.as_bytes());
        let reply = http::send_request(self.server.apps, &request).unwrap();
        for (name, value) in &reply.headers {
            let pair = value
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='));
            if let Some((cookie, value)) = pair.filter(|_| name == "set-cookie") {
                self.cookies.retain(|(known, _)| known != cookie);
                self.cookies.push((cookie.to_owned(), value.to_owned()));
            }
        }
        reply
    }

    /// Sends a form with the CSRF token of its page.
    fn send(&mut self, path: &str, fields: &str) -> HttpReply {
        let page = self.ask("GET", path, "").text();
        let (_, token) = page
            .split_once("csrfmiddlewaretoken\" value=\"")
            .expect("a form");
        let token = token.split('"').next().unwrap();
        self.ask(
            "POST",
            path,
            &format!("csrfmiddlewaretoken={token}&{fields}"),
        )
    }
}

#[test]
fn the_django_polls_tutorial_runs_with_migrations_login_and_manage_commands() {
    let app = project();
    let (told, slug) = app.build();
    assert!(
        told.contains("runtime.txt: it asks for Python 3.12.3, but a dyno has 3.14"),
        "{told}"
    );
    assert!(!told.contains("fails while building"), "{told}");
    assert_eq!(slug["commands"]["python"]["args"], serde_json::json!([]));
    let rig = ServerRig::new();
    let server = rig.start();
    server.run(&["apps", "create", APP]).success();
    let user = [
        "DJANGO_SUPERUSER_USERNAME=ada",
        "DJANGO_SUPERUSER_EMAIL=ada@host.example",
    ];
    let password = format!("DJANGO_SUPERUSER_PASSWORD={PASSWORD}");
    let config = [&["config", "set", "-a", APP][..], &user, &[&password]].concat();
    server.run(&config).success();
    let file = app.path("app.slug");
    let said = server.run(&["deploy", file.to_str().unwrap(), "-a", APP]);
    said.success();
    let migrated = "release.1 |   Applying polls.0001_initial... OK";
    assert!(said.stderr.contains(migrated), "{}", said.stderr);
    assert!(server.app_page(APP, "/polls/").contains("No polls yet"));

    let mut browser = Browser {
        server: &server,
        cookies: Vec::new(),
    };
    let wrong = browser.send("/admin/login/?next=/admin/", "username=ada&password=wrong");
    assert!(
        wrong.status == 200 && wrong.text().contains("correct username"),
        "{wrong:?}"
    );
    let fields = format!("username=ada&password={PASSWORD}&next=/admin/");
    let right = browser.send("/admin/login/", &fields);
    assert_eq!(
        (right.status, right.header("location")),
        (302, Some("/admin/"))
    );
    let added = browser.send("/admin/polls/question/add/", "text=Tea+or+caf%C3%A9%3F");
    assert_eq!(added.status, 302, "{}", added.text());
    assert!(server.app_page(APP, "/polls/").contains("<li>Tea or café?"));

    one_offs(&server);
    assert!(server.stop().success());
}

/// Runs a Python command line with `dyno run`.
fn one_offs(server: &Server<'_>) {
    let run = |words: &[&str]| server.run(&[&["run", "-a", APP, "--"], words].concat());
    let plan = run(&["python", "manage.py", "migrate", "--plan"]);
    assert!(plan.success().contains("polls.0001_initial"), "{plan:?}");
    let version = run(&["django-admin", "version"]);
    assert!(version.success().starts_with("5.2."), "{version:?}");
    let code = run(&[
        "python3",
        "-c",
        "import sys; print(sys.argv); sys.exit(7)",
        "a b",
        "$HOME",
    ]);
    assert_eq!(
        (code.code, code.stdout.as_str()),
        (Some(7), "['-c', 'a b', '$HOME']\n")
    );
    let failed = run(&["python", "manage.py", "no_such_command"]);
    assert!(
        failed.code == Some(1) && failed.stderr.contains("Unknown command"),
        "{failed:?}"
    );
    let unknown = run(&["rake", "db:seed"]);
    let runnable = "can run release, worker, django-admin, python, python3, sqlformat";
    assert!(
        unknown.failure().contains("\"rake\"") && unknown.stderr.contains(runnable),
        "{unknown:?}"
    );
    assert!(
        server.read_log(APP).contains("(python), asked by"),
        "what was run, without its arguments"
    );
}
