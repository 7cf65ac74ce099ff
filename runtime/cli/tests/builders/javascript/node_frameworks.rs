//! Apps of the frameworks of Node.js, as their documents write them: Express 5, Fastify 5, Koa 3.

use testkit::{DynoProcess, HttpReply};

use crate::app_folder::App;

const SHOP: [(&str, &str); 6] = [
    (
        "package.json",
        r#"{"name":"shop","private":true,"main":"index.js","scripts":{"start":"node index.js"},
            "dependencies":{"cookie-parser":"1.4.7","ejs":"3.1.10","express":"5.1.0","express-session":"1.18.2"}}"#,
    ),
    ("index.js", include_str!("node/shop.js")),
    ("public/logo.txt", "a logo\n"),
    ("views/partials/head.ejs", "<title><%= title %></title>"),
    (
        "views/pages/index.ejs",
        "<%- include('../partials/head') %><% for (const item of items) { %><li><%= item %></li><% } %>",
    ),
    ("views/pages/failed.ejs", "failed: <%= message %>"),
];

fn send_json(local: &DynoProcess, path: &str, body: &str) -> HttpReply {
    let headers = ["Content-Type: application/json"];
    local.request("POST", path, &headers, body.as_bytes())
}

fn parse(reply: &HttpReply) -> serde_json::Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

/// The cookies that a response sets, in the form in which a client sends them back.
fn cookies_of(reply: &HttpReply) -> String {
    let set = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let pairs: Vec<&str> = set
        .filter_map(|(_, value)| value.split(';').next())
        .collect();
    format!("Cookie: {}", pairs.join("; "))
}

#[test]
fn an_express_app_serves_pages_files_json_cookies_and_sessions() {
    let app = App::new(&SHOP);
    let local = app.run(&[]);
    local.wait_for_line("its own line", |line| line.contains("the shop is open"));
    let page = local.get("/");
    assert_eq!(
        page.text(),
        "<title>Shop</title><li>tea</li><li>&lt;b&gt;</li>"
    );
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let tag = format!("If-None-Match: {}", page.header("etag").unwrap());
    assert_eq!(local.request("GET", "/", &[&tag], b"").status, 304);
    let head = local.request("HEAD", "/", &[], b"");
    assert_eq!(head.header("content-length"), page.header("content-length"));
    assert!(head.body.is_empty());

    let file = local.get("/logo.txt");
    assert_eq!(file.text(), "a logo\n");
    let tag = format!("If-None-Match: {}", file.header("etag").unwrap());
    assert_eq!(local.request("GET", "/logo.txt", &[&tag], b"").status, 304);
    let part = local.request("GET", "/logo.txt", &["Range: bytes=2-3"], b"");
    assert_eq!((part.status, part.text()), (206, "lo".to_owned()));
    assert_eq!(local.get("/file").header("x-sent"), Some("yes"));
    assert_eq!(local.get("/nowhere").status, 404);
    assert_eq!(local.get("/old").header("location"), Some("/"));

    let facts = parse(&local.get("/facts?a=1&a=2"));
    assert_eq!(facts["query"]["a"], serde_json::json!(["1", "2"]));
    assert_eq!(
        (&facts["ip"], &facts["secure"]),
        (&"127.0.0.1".into(), &false.into())
    );
    assert_eq!(
        send_json(&local, "/echo", r#"{"a":["ü"]}"#).text(),
        r#"{"a":["ü"]}"#
    );
    assert_eq!(send_json(&local, "/echo", "{").status, 500);
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    let form = local.request("POST", "/echo", &form, b"a=1&b[c]=%C3%BC");
    assert_eq!(form.text(), r#"{"a":"1","b":{"c":"ü"}}"#);

    let cookies = cookies_of(&local.get("/cookies"));
    let seen = parse(&local.request("GET", "/cookies", &[&cookies], b""));
    assert_eq!(seen["plain"]["plain"], "a b");
    assert_eq!(seen["signed"]["signed"], "v");
    let first = local.get("/count");
    let cookies = cookies_of(&first);
    let second = local.request("GET", "/count", &[&cookies], b"");
    assert_eq!(
        (first.text(), second.text()),
        ("count 1".to_owned(), "count 2".to_owned())
    );
    assert!(local.stop().success());
}

#[test]
fn an_express_app_reports_its_errors_and_goes_on() {
    let local = App::new(&SHOP).run(&[]);
    for (path, message) in [
        ("/raises", "nothing of raises"),
        ("/rejects", "nothing of rejects"),
    ] {
        let mark = local.line_count();
        let reply = local.get(path);
        assert_eq!(
            (reply.status, reply.text()),
            (500, format!("failed: {message}"))
        );
        local.wait_for_line_after(mark, path, |line| line.contains("at index.js:"));
    }
    let body: Vec<u8> = (0..5_000_000u32).map(|at| (at % 253) as u8).collect();
    let back = local.request("POST", "/back", &[], &body);
    assert!(back.complete && back.body == body);
    let told = local.lines();
    let odd = |line: &&String| line.contains("Crashed") || line.contains("Started afresh");
    assert_eq!(told.iter().find(odd), None);
    assert!(local.stop().success());
}

/// The layout that Express's generator makes: the program is `bin/www`, and the app a module of its own.
#[test]
fn a_program_may_have_no_extension() {
    let www = "#!/usr/bin/env node\nvar app = require('../app');\nvar http = require('http');\n\
               var server = http.createServer(app);\nserver.listen(process.env.PORT || '3000');\n\
               server.on('listening', () => console.log('on ' + typeof server.address().port));\n";
    let app = "module.exports = (req, res) => res.end(require('path').basename(__filename) + __dirname);\n";
    let package =
        r#"{"name":"x","private":true,"scripts":{"start":"NODE_ENV=production node ./bin/www"}}"#;
    let files = [("package.json", package), ("bin/www", www), ("app.js", app)];
    let local = App::new(&files).run(&[]);
    local.wait_for_line("the event", |line| line.contains("on number"));
    assert_eq!(local.get("/").text(), "app.js/");
    assert!(local.stop().success());
}

#[test]
fn a_fastify_app_answers() {
    let package = r#"{"name":"x","private":true,"type":"module","scripts":{"start":"node src/server.js"},
        "dependencies":{"fastify":"5.6.1"}}"#;
    let text = "import Fastify from 'fastify'\nconst app = Fastify({ logger: true })\n\
        app.get('/', async () => ({ hello: 'world' }))\n\
        app.get('/raises', async () => { throw new Error('nothing of raises') })\n\
        const body = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } }\n\
        app.post('/n', { schema: { body } }, async (request) => ({ next: request.body.n + 1 }))\n\
        const start = async () => {\n  try { await app.listen({ port: process.env.PORT, host: '0.0.0.0' }) }\n\
        catch (error) { app.log.error(error); process.exit(1) }\n}\nstart()\n";
    let local = App::new(&[("package.json", package), ("src/server.js", text)]).run(&[]);
    assert_eq!(parse(&local.get("/"))["hello"], "world");
    assert_eq!(parse(&send_json(&local, "/n", r#"{"n":"41"}"#))["next"], 42);
    assert_eq!(send_json(&local, "/n", "{}").status, 400);
    assert_eq!(parse(&local.get("/raises"))["message"], "nothing of raises");
    local.wait_for_line("its log", |line| {
        line.contains(r#""msg":"request completed""#)
    });
    assert!(local.stop().success());
}

#[test]
fn a_koa_app_answers() {
    let package = r#"{"name":"x","private":true,"main":"app.js","dependencies":{"koa":"3.0.3"}}"#;
    let text = "const Koa = require('koa')\nconst { PassThrough } = require('stream')\nconst app = new Koa()\n\
        app.keys = ['key']\n\
        app.use(async (ctx, next) => { ctx.set('X-Way', 'in'); await next(); ctx.append('X-Way', 'out') })\n\
        app.use((ctx) => {\n  if (ctx.path === '/raises') throw new Error('nothing of raises')\n\
        if (ctx.path === '/stream') { ctx.body = new PassThrough(); ctx.body.end('streamed'); return }\n\
        ctx.cookies.set('n', '1', { signed: true })\n  ctx.body = { hello: ctx.query.name }\n})\napp.listen(process.env.PORT)\n";
    let local = App::new(&[("package.json", package), ("app.js", text)]).run(&[]);
    let reply = local.get("/?name=koa");
    assert_eq!(reply.text(), r#"{"hello":"koa"}"#);
    assert_eq!(reply.header("x-way"), Some("in"));
    assert!(cookies_of(&reply).contains("n.sig="), "{reply:?}");
    assert_eq!(local.get("/stream").text(), "streamed");
    assert_eq!(local.get("/raises").status, 500);
    local.wait_for_line("the error", |line| {
        line.contains("Error: nothing of raises")
    });
    assert!(local.stop().success());
}

/// Native code cannot run in a dyno; a package that needs sockets builds, with a warning.
#[test]
fn packages_that_cannot_work_are_named_while_building() {
    let app = App::new(&[
        (
            "package.json",
            r#"{"name":"x","private":true,"main":"index.js"}"#,
        ),
        (
            "index.js",
            "const bcrypt = require('bcrypt');\nrequire('http').createServer().listen(bcrypt.port);\n",
        ),
        (
            "node_modules/bcrypt/package.json",
            r#"{"name":"bcrypt","version":"5.1.1"}"#,
        ),
        ("node_modules/bcrypt/binding.gyp", "{}"),
        (
            "node_modules/lister/package.json",
            r#"{"name":"lister","version":"1.0.0"}"#,
        ),
        (
            "node_modules/lister/index.js",
            "require('child_process').exec('ls');\n",
        ),
        (
            "node_modules/pg/package.json",
            r#"{"name":"pg","version":"8.0.0"}"#,
        ),
        (
            "node_modules/pg/index.js",
            "exports.net = require('net');\nexports.tls = require('tls');\n",
        ),
    ]);
    let told = app.refused();
    assert!(
        told.contains("index.js:1:24: the package bcrypt is native code"),
        "{told}"
    );
    assert!(told.contains("use bcryptjs"), "{told}");
    app.write("index.js", "const pg = require('pg');\nrequire('http').createServer((q, r) => r.end(String(pg.net.isIP('::1')))).listen(80);\n");
    let (told, _) = app.build();
    assert!(
        told.contains("warning: index.js:1:20: the package pg opens sockets"),
        "{told}"
    );
    app.write(
        "index.js",
        "require('lister');\nrequire('http').createServer(() => {}).listen(80);\n",
    );
    app.build();
    let local = DynoProcess::spawn_local(app.folder(), &[]);
    let failed = local.wait_for_line("the failure", |line| line.contains("did not come up"));
    assert!(
        failed.contains(
            "child_process.exec of Node.js is absent in a dyno: a dyno starts no processes"
        ),
        "{failed}"
    );
}
