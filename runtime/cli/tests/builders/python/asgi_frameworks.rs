//! Frameworks of ASGI: Starlette, Quart, FastAPI and Django's asgi.py.

use std::io::{Read, Write};

use serde_json::json;
use testkit::{DynoProcess, HttpReply};

use crate::app_folder::App;

const BYTES: usize = 5_000_000;
const STARLETTE: [(&str, &str); 5] = [
    (
        "requirements.txt",
        "starlette==1.10.0\njinja2==3.1.6\nitsdangerous==2.2.0\npython-multipart==0.0.34\nuvicorn==0.54.0\n",
    ),
    ("app.py", include_str!("asgi/starlette_site.py")),
    (
        "templates/page.html",
        "<p>{{ name }}, visit {{ visits }}, by {{ by }}</p>\n",
    ),
    ("static/style.css", "body { margin: 0 }\n"),
    ("Procfile", "web: python app.py\n"),
];

/// Bytes of every value, which no part of the way may change.
fn all_bytes() -> Vec<u8> {
    (0..BYTES).map(|at| (at % 251) as u8).collect()
}

/// The cookie that a response sets, as a header line of the next request.
#[track_caller]
fn cookie_of(reply: &HttpReply) -> String {
    let set = reply.header("set-cookie").expect("a session");
    format!("Cookie: {}", set.split(';').next().unwrap_or_default())
}

/// Checks that an error before the head gives a 500, and one after the head breaks the response off; each is logged, and
/// the instance goes on.
#[track_caller]
fn check_errors(local: &DynoProcess) {
    let mark = local.line_count();
    assert_eq!(local.get("/raises").status, 500);
    let reply = local.get("/fails-later");
    assert_eq!((reply.text(), reply.complete), ("half".to_owned(), false));
    for error in [
        "LookupError: nothing of raises",
        "ValueError: no more of fails_later",
    ] {
        local.wait_for_line_after(mark, error, |line| line.contains(error));
    }
    let told = local.lines()[mark..].join("\n");
    for engine in ["backtrace", "panicked", "dyno_", "rashed"] {
        assert!(!told.contains(engine), "{engine} in {told}");
    }
}

#[test]
fn starlette_has_sessions_forms_files_and_streams() {
    let local = App::new(&STARLETTE).run(&[]);
    let first = local.get("/?name=%3Ci%3E");
    assert_eq!(first.text(), "<p>&lt;i&gt;, visit 1, by web.1</p>");
    let second = local.request("GET", "/?name=a", &[&cookie_of(&first)], b"");
    assert_eq!(second.text(), "<p>a, visit 2, by web.1</p>");
    let body = "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ngrüße\r\n--b\r\n\
                Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\
                \u{0}12345\u{7f}\r\n--b--\r\n";
    let multipart = ["Content-Type: multipart/form-data; boundary=b"];
    let form = local.request("POST", "/form", &multipart, body.as_bytes());
    assert_eq!(form.json(), json!(["grüße", "a.bin", 7]));
    for path in ["/static/style.css", "/file"] {
        let file = local.get(path);
        assert_eq!(
            (file.status, file.text().as_str()),
            (200, STARLETTE[3].1),
            "{path}"
        );
    }
    let etag = local
        .get("/static/style.css")
        .header("etag")
        .unwrap()
        .to_owned();
    let known = format!("If-None-Match: {etag}");
    let cached = local.request("GET", "/static/style.css", &[&known], b"");
    assert_eq!((cached.status, cached.body.len()), (304, 0));
    let part = local.request("GET", "/file", &["Range: bytes=0-3"], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "body"));
    let head = local.request("HEAD", "/file", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("19"));
    let stream = local.get("/stream");
    assert_eq!(
        (stream.text(), stream.complete),
        ("0\n1\n2\n".to_owned(), true)
    );
    for path in ["/echo", "/streamed-echo"] {
        let echo = local.post(path, &all_bytes());
        assert!(
            echo.body == all_bytes() && echo.complete,
            "{path}: {}",
            echo.body.len()
        );
    }
    assert_eq!(local.get("/refuses").status, 418);
    assert!(local.stop().success());
}

#[test]
fn starlette_outlives_errors_and_clients_that_leave() {
    let app = App::new(&STARLETTE);
    let local = app.run(&["--watch"]);
    local.wait_for_line("watching", |line| line.contains("Watching"));
    check_errors(&local);
    assert_eq!(local.get("/later").text(), "begun");
    assert_eq!(local.get("/log").json(), json!(["noted"]));
    let mut stream = local.connect();
    let head = "GET /ticks HTTP/1.1\r\nHost: demo.localhost\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 500]).unwrap();
    drop(stream);
    assert_eq!(local.get("/refuses").status, 418);
    let upgrade = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
    ];
    let refused = local.request("GET", "/socket", &upgrade, b"");
    assert!(refused.status >= 400, "{refused:?}");
    // A lifespan that fails never replaces what works.
    let mark = local.line_count();
    app.write(".env", "STAGE=broken\n");
    local.wait_for_line_after(mark, "the app's traceback", |line| {
        line.contains("File \"/app.py\"") && line.contains("in lifespan")
    });
    local.wait_for_line_after(mark, "why", |line| {
        line.contains("ConnectionError: no database") && !line.contains(" app[")
    });
    assert_eq!(local.get("/refuses").status, 418);
    assert!(local.stop().success());
}

#[test]
fn quart_is_started_as_a_program() {
    let app = App::new(&[
        ("requirements.txt", "quart==0.22.0\n"),
        ("app.py", include_str!("asgi/quart_site.py")),
        ("Procfile", "web: python app.py\n"),
    ]);
    let local = app.run(&[]);
    let first = local.get("/?name=%3Ci%3E");
    assert_eq!(first.text(), "&lt;i&gt; 1");
    let second = local.request("GET", "/?name=a", &[&cookie_of(&first)], b"");
    assert_eq!(second.text(), "a 2");
    check_errors(&local);
    let echo = local.post("/echo", &all_bytes());
    assert!(
        echo.body == all_bytes() && echo.complete,
        "{}",
        echo.body.len()
    );
    let json = local.request("POST", "/json", &["Content-Type: application/json"], b"[1]");
    assert_eq!(json.json(), json!({"received": [1]}));
    assert_eq!(local.get("/later").text(), "begun");
    assert_eq!(
        local.get("/plain").json(),
        json!({"dyno": "web.1", "log": ["before", "noted"]})
    );
    let head = local.request("HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        (local.get("/cached").status, local.get("/refuses").status),
        (304, 403)
    );
    assert!(local.stop().success());
}

const FASTAPI: &str = r#"
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()

class Item(BaseModel):
    name: str
    price: float
    tags: list[str] = []

def limits(limit: int = 10):
    return limit

@app.get("/items/{number}")
def read(number: int, limit: Annotated[int, Depends(limits)]):
    if number == 0:
        raise HTTPException(404, "none")
    return {"number": number, "limit": limit}

@app.post("/items", response_model=Item, status_code=201)
async def create(item: Item):
    return item
"#;

#[test]
fn fastapi_runs_with_pydantic_1_and_is_refused_with_pydantic_2() {
    let newest = App::new(&[
        ("requirements.txt", "fastapi==0.165.0\n"),
        ("main.py", FASTAPI),
    ]);
    let told = newest.refused();
    assert!(
        told.contains("main.py:4: `fastapi` needs pydantic 2, whose core is native code"),
        "{told}"
    );
    assert!(told.contains("`fastapi<0.119` and `pydantic<2`"), "{told}");
    let app = App::new(&[
        ("requirements.txt", "fastapi==0.118.3\npydantic==1.10.27\n"),
        ("main.py", FASTAPI),
        ("Procfile", "web: fastapi run main.py --port $PORT\n"),
    ]);
    let local = app.run(&[]);
    assert_eq!(
        local.get("/items/3?limit=4").json(),
        json!({"number": 3, "limit": 4})
    );
    assert_eq!(local.get("/items/0").status, 404);
    assert_eq!(local.get("/items/x").status, 422);
    let sent = r#"{"name": "tea", "price": "1.5"}"#;
    let made = local.request(
        "POST",
        "/items",
        &["Content-Type: application/json"],
        sent.as_bytes(),
    );
    assert_eq!(made.status, 201);
    assert_eq!(
        made.json(),
        json!({"name": "tea", "price": 1.5, "tags": []})
    );
    let schema = local.get("/openapi.json").json();
    assert!(
        schema["paths"]["/items/{number}"]["get"].is_object(),
        "{schema}"
    );
    assert!(local.stop().success());
}

const MANAGE: &str = "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n";
const ASGI: &str = "import os\nfrom django.core.asgi import get_asgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\napplication = get_asgi_application()\n";
const SETTINGS: &str = r#"
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
INSTALLED_APPS = []
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "mysite.urls.OnlySync"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/tmp/db"}}
LOGGING = {"version": 1, "disable_existing_loggers": False, "handlers": {"all": {"class": "logging.StreamHandler"}},
           "root": {"handlers": ["all"]}}
DATA_UPLOAD_MAX_MEMORY_SIZE = None
"#;
const URLS: &str = r#"
import asyncio

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

class OnlySync:
    """A middleware of the old kind: Django runs it in a thread, and what follows in another loop."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["x-kind"] = "sync"
        return response

async def index(request):
    await asyncio.sleep(0.01)
    return JsonResponse({"path": request.path, "q": request.GET.get("q")})

def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 + 1")
        return HttpResponse(str(cursor.fetchone()[0]))

def nested(request):
    async def twice():
        return await sync_to_async(lambda: 2)() * 2

    return HttpResponse(str(async_to_sync(twice)()))

@csrf_exempt
async def echo(request):
    return HttpResponse(request.body)

async def raises(request):
    raise LookupError("nothing of raises")

async def fails_later(request):
    async def parts():
        yield b"half"
        raise ValueError("no more of fails_later")

    return StreamingHttpResponse(parts())

urlpatterns = [
    path("", index), path("query", query), path("nested", nested), path("echo", echo), path("raises", raises),
    path("fails-later", fails_later),
]
"#;

#[test]
fn django_runs_by_its_asgi_file() {
    let app = App::new(&[
        ("requirements.txt", "django==5.2.19\n"),
        ("manage.py", MANAGE),
        ("mysite/__init__.py", ""),
        ("mysite/settings.py", SETTINGS),
        ("mysite/urls.py", URLS),
        ("mysite/asgi.py", ASGI),
        (
            "Procfile",
            "web: daphne -b 0.0.0.0 -p $PORT mysite.asgi:application\n",
        ),
    ]);
    let local = app.run(&[]);
    let index = local.get("/?q=gr%C3%BCn");
    assert_eq!(index.json(), json!({"path": "/", "q": "grün"}));
    assert_eq!(index.header("x-kind"), Some("sync"));
    assert_eq!(local.get("/query").text(), "2");
    assert_eq!(local.get("/nested").text(), "4");
    let echo = local.post("/echo", &all_bytes());
    assert!(
        echo.body == all_bytes() && echo.complete,
        "{}",
        echo.body.len()
    );
    check_errors(&local);
    let head = local.request("HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(local.stop().success());
}
