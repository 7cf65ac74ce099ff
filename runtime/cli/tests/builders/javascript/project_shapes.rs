//! The shapes of JavaScript projects: single files, Workers with `wrangler.toml`, Deno, Bun, workspaces, projects with
//! a build step, servers of `@hono/node-server`; and projects that cannot run, each with a message of one line.
//!
//! A build changes nothing in the folder of the app.

use std::collections::BTreeMap;
use std::path::Path;

use testkit::DynoProcess;

use crate::app_folder::App;

/// The files of an app: names and contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(name, std::fs::read(&path).unwrap())),
            }
        }
    }
    found.remove("app.slug");
    found
}

/// Runs an app and checks the responses of paths.
#[track_caller]
fn serves(app: &[(&str, &str)], answers: &[(&str, &str)]) {
    let app = App::new(app);
    let before = files(app.folder());
    let local = app.run(&[]);
    for (path, text) in answers {
        assert_eq!(local.get(path).text(), *text, "{path}");
    }
    assert!(local.stop().success());
    let after = files(app.folder());
    assert_eq!(before, after, "a build changes nothing of the app");
}

#[test]
fn a_single_file_is_an_app() {
    let hello = "export default { fetch: () => new Response('hello') };";
    for name in ["worker.js", "index.js", "index.ts", "server.ts"] {
        serves(&[(name, hello)], &[("/", "hello")]);
    }
    let bun = "Bun.serve({ port: 3000, routes: { '/r/:id': (r) => new Response('id ' + r.params.id) },\n\
               fetch: () => new Response('bun') });";
    serves(&[("server.ts", bun)], &[("/", "bun"), ("/r/7", "id 7")]);
}

/// Projects like those of `npm create cloudflare`: hello world, routes, static files beside a worker.
#[test]
fn workers_have_their_variables_and_static_files() {
    let toml = "name = \"w\"\nmain = \"src/worker.ts\"\ncompatibility_date = \"2025-01-01\"\n\n\
                [vars]\nGREETING = \"hi\"\nLIMITS = { most = 3 }\n\n\
                [assets]\ndirectory = \"./public/\"\nbinding = \"FILES\"\nnot_found_handling = \"none\"\n";
    let worker = "interface Env { GREETING: string; LIMITS: { most: number }; FILES: { fetch: typeof fetch } }\n\
                  export default { async fetch(request, env): Promise<Response> {\n\
                  if (new URL(request.url).pathname === '/asked') return env.FILES.fetch(new Request('http://x/about'));\n\
                  return new Response(`${env.GREETING} ${env.LIMITS.most} ${process.env.GREETING}`);\n\
                  } } satisfies { fetch(request: Request, env: Env): Promise<Response> };\n";
    let app = App::new(&[
        ("wrangler.toml", toml),
        ("src/worker.ts", worker),
        ("public/index.html", "<h1>home</h1>"),
        ("public/about.html", "<h1>about</h1>"),
        ("public/css/page.css", "a {}"),
        ("public/.secret", "no"),
    ]);
    app.write(".env", "GREETING=config vars come first\n");
    let local = app.run(&[]);
    for (path, text, kind) in [
        ("/", "<h1>home</h1>", "text/html; charset=utf-8"),
        ("/about", "<h1>about</h1>", "text/html; charset=utf-8"),
        ("/asked", "<h1>about</h1>", "text/html; charset=utf-8"),
        ("/css/page.css", "a {}", "text/css; charset=utf-8"),
        (
            "/other",
            "config vars come first 3 config vars come first",
            "text/plain;charset=UTF-8",
        ),
    ] {
        let reply = local.get(path);
        assert_eq!(
            (reply.text().as_str(), reply.header("content-type")),
            (text, Some(kind)),
            "{path}"
        );
    }
    for path in ["/.secret", "/../wrangler.toml", "/%2e%2e/wrangler.toml"] {
        let text = local.get(path).text();
        assert!(
            !text.contains("GREETING =") && text != "no",
            "{path}: {text}"
        );
    }
    let etag = local.get("/about").header("etag").unwrap().to_owned();
    let known = format!("If-None-Match: {etag}");
    assert_eq!(local.request("GET", "/about", &[&known], b"").status, 304);
    assert!(local.stop().success());
    let site = r#"{ "name": "s", // no main
        "assets": { "directory": "dist", "not_found_handling": "single-page-application" }, }"#;
    let page = ("dist/index.html", "<p>one page</p>");
    serves(
        &[("wrangler.jsonc", site), page],
        &[("/", "<p>one page</p>"), ("/deep/link", "<p>one page</p>")],
    );
}

#[test]
fn a_deno_project_can_use_its_imports() {
    let json = "{\n  // packages\n  \"imports\": { \"itty\": \"npm:itty-router@^5.0.0\", \"~/\": \"./lib/\", },\n\
                \"tasks\": { \"start\": \"deno run --allow-net main.ts\" },\n}\n";
    let main = "import { AutoRouter } from 'itty';\nimport { name } from '~/name.ts';\n\
                const router = AutoRouter();\n\
                router.get('/', () => `deno ${name}`).get('/env', () => Deno.env.get('HOME'));\n\
                Deno.serve({ port: 8000 }, router.fetch);\n";
    serves(
        &[
            ("deno.json", json),
            ("main.ts", main),
            ("lib/name.ts", "export const name: string = 'lib';"),
        ],
        // The router of itty sends texts as JSON.
        &[("/", "\"deno lib\""), ("/env", "\"/\"")],
    );
}

#[test]
fn hono_serves_on_node_server_with_static_files_and_etags() {
    let package = r#"{"name":"n","private":true,"type":"module","scripts":{"start":"node server.js"},
        "dependencies":{"hono":"^4.6.0","@hono/node-server":"^1.13.0"}}"#;
    let server = "import { serve } from '@hono/node-server';\n\
        import { serveStatic } from '@hono/node-server/serve-static';\n\
        import { Hono } from 'hono';\nimport { etag } from 'hono/etag';\n\
        const app = new Hono();\napp.use('/tagged', etag());\napp.use('/static/*', serveStatic({ root: './' }));\n\
        app.get('/', (c) => c.text('node server'));\napp.get('/tagged', (c) => c.text('tagged'));\n\
        serve({ fetch: app.fetch, port: 3000 }, (info) => console.log(`listening on ${info.port}`));\n";
    let app = App::new(&[
        ("package.json", package),
        ("server.js", server),
        ("static/a.txt", "a file"),
    ]);
    let before = files(app.folder());
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "node server");
    assert_eq!(local.get("/static/a.txt").text(), "a file");
    assert_eq!(local.get("/static/none").status, 404);
    let tag = local.get("/tagged").header("etag").unwrap().to_owned();
    let known = format!("If-None-Match: {tag}");
    assert_eq!(local.request("GET", "/tagged", &[&known], b"").status, 304);
    local.wait_for_line("its word", |line| {
        line.contains("app[web.1]: listening on ")
    });
    assert!(local.stop().success());
    assert_eq!(before, files(app.folder()), "npm installed elsewhere");
}

#[test]
fn the_build_script_runs_when_main_is_missing() {
    let package = r#"{"name":"b","private":true,"type":"module","main":"dist/index.js","scripts":{"build":"node build.mjs"}}"#;
    let build = "import { mkdirSync, writeFileSync } from 'node:fs';\nmkdirSync('dist/client', { recursive: true });\n\
                 writeFileSync('dist/client/a.txt', 'made');\n\
                 writeFileSync('dist/index.js', 'export default { fetch: () => new Response(`built ${import.meta.env.MODE}`) };');\n";
    let app = [
        ("package.json", package),
        ("build.mjs", build),
        ("src/index.js", "not this one"),
    ];
    serves(&app, &[("/", "built production")]);
    let app = App::new(&app);
    let (_, slug) = app.build();
    assert!(slug["files"]["dist/client/a.txt"].is_object(), "{slug}");
    app.write("build.mjs", "");
    assert!(app.refused().contains("did not write dist/index.js"));
}

#[test]
fn outdated_compiler_output_is_not_used_as_the_app() {
    let package = r#"{"main":"dist/index.js","scripts":{"build":"tsc"}}"#;
    let page = |text| format!("export default {{ fetch: () => new Response('{text}') }};");
    let app = [
        ("package.json", package),
        ("dist/index.js", &page("old")),
        ("src/index.ts", &page("new")),
    ];
    serves(&app, &[("/", "new")]);
}

#[test]
fn a_procfile_may_use_deno_and_node_commands() {
    let page = "export default { fetch: () => new Response('here') };";
    let deno = "web: deno run --allow-net main.ts\n";
    let app = [("deno.json", "{}"), ("main.ts", page), ("Procfile", deno)];
    serves(&app, &[("/", "here")]);
    let node = [("server.js", page), ("Procfile", "web: node server.js\n")];
    serves(&node, &[("/", "here")]);
}

/// A repository with several apps and shared code.
#[test]
fn a_change_in_shared_code_outside_of_the_app_is_built() {
    let app = App::new(&[
        (
            "api/index.js",
            "import { text } from '../shared/text.js';\nexport default { fetch: () => new Response(text) };",
        ),
        ("shared/text.js", "export const text = 'one';"),
    ]);
    let bundle = || {
        let mut build = testkit::dyno_command();
        build.arg("build").arg(app.path("api")).arg("--json");
        let output = build.arg("-o").arg(app.path("api.slug")).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        let slug: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        slug["files"][".dyno/app.js"]["sha256"].to_string()
    };
    let first = bundle();
    assert_eq!(bundle(), first);
    app.write("shared/text.js", "export const text = 'two';");
    assert_ne!(bundle(), first);
}

#[test]
fn the_workspace_member_that_no_other_needs_is_the_app() {
    let app = [
        (
            "package.json",
            r#"{"name":"root","private":true,"workspaces":["packages/*"]}"#,
        ),
        (
            "packages/lib/package.json",
            r#"{"name":"@x/lib","version":"1.0.0","main":"index.js"}"#,
        ),
        ("packages/lib/index.js", "export const who = 'lib';"),
        (
            "packages/api/package.json",
            r#"{"name":"@x/api","version":"1.0.0","main":"src/index.js","dependencies":{"@x/lib":"*"}}"#,
        ),
        (
            "packages/api/src/index.js",
            "import { who } from '@x/lib';\nexport default { fetch: () => new Response(`from ${who}`) };",
        ),
    ];
    serves(&app, &[("/", "from lib")]);
}

#[test]
fn unsupported_services_and_servers_give_a_one_line_error() {
    let refused = |files: &[(&str, &str)]| {
        let told = App::new(files).refused();
        let lines = told.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("Building"));
        lines
            .filter(|line| !line.contains("messages above"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let socket = "export default {\n  fetch() {\n    const pair = new WebSocketPair();\n    return pair;\n  },\n};\n";
    let object = "import { DurableObject } from 'cloudflare:workers';\nexport class Counter extends DurableObject {}\n\
                  export default { fetch: () => new Response('x') };\n";
    let express = "import express from 'express';\nexpress().listen(3000);\n";
    let socket_server =
        "import { createServer } from 'node:net';\ncreateServer(() => {}).listen(3000);\n";
    for (files, place, advice) in [
        (
            &[("worker.js", socket)][..],
            "worker.js:3:",
            "a WebSocket needs a server dyno",
        ),
        (
            &[("worker.js", object)][..],
            "worker.js:2:",
            "Durable Object",
        ),
        (
            &[("package.json", "{}"), ("index.js", express)][..],
            "index.js:1:",
            "Could not resolve \"express\"",
        ),
        (
            &[("package.json", "{}"), ("index.js", socket_server)][..],
            "index.js:1:",
            "serve with `node:http`",
        ),
    ] {
        let lines = refused(files);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(place) && lines[0].contains(advice),
            "{lines:?}"
        );
    }
    let next =
        r#"{"scripts":{"build":"next build","start":"next start"},"dependencies":{"next":"15"}}"#;
    let told = App::new(&[
        ("package.json", next),
        ("app/page.tsx", "export default () => null;"),
    ])
    .refused();
    assert!(told.contains("this is an app of Next.js"), "{told}");
    let toml = "name = \"x\"\nmain = \"src/index.js\"\n\n[[kv_namespaces]]\nbinding = \"STORE\"\nid = \"1\"\n";
    let worker = (
        "src/index.js",
        "export default { fetch: () => new Response('x') };",
    );
    let told = App::new(&[("wrangler.toml", toml), worker]).refused();
    assert!(
        told.contains("wrangler.toml:4: `kv_namespaces` asks for Workers KV"),
        "{told}"
    );
}

#[test]
fn missing_modules_are_build_errors_with_their_position() {
    let text = "const number = new Intl.NumberFormat('de');\nexport default { fetch() {\n\
                if (typeof WebAssembly !== 'undefined') WebAssembly.compile();\n\
                return new Response(number.format(new SharedArrayBuffer(1)) + (1).toLocaleString('de'));\n} };\n";
    let (told, _) = App::new(&[("index.js", text)]).build();
    for part in [
        "warning: index.js:1:20: there is no Intl",
        "warning: index.js:4:",
        "there is no SharedArrayBuffer",
        "toLocaleString() writes American English",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(
        !told.contains("WebAssembly"),
        "a program that asks first knows what to do: {told}"
    );
}

#[test]
fn a_slug_serves_the_same_app_as_its_folder() {
    let app = App::new(&[(
        "worker.js",
        "export default { fetch: () => new Response('slug') };",
    )]);
    app.build();
    let local = DynoProcess::start_local(&app.path("app.slug"), &[]);
    assert_eq!(local.get("/").text(), "slug");
    assert!(local.stop().success());
}
