//! The example `blog-py`, used as described in its README.

use std::path::Path;

use testkit::{DynoProcess, ExampleApp};

use crate::app_folder::{App, steps};

#[test]
fn the_blog_serves_its_pages() {
    let local = ExampleApp::copy_from_repository("blog-py").build_and_start();
    let page = local.get("/");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let text = page.text();
    let order = ["Trust nobody", "Files go along", "One request at a time"];
    let at: Vec<_> = order.iter().map(|title| text.find(title)).collect();
    assert!(
        at.iter().all(Option::is_some) && at.is_sorted(),
        "{at:?} {text}"
    );
    assert!(
        text.contains("<time datetime=\"2026-11-08\">8 November 2026</time>"),
        "{text}"
    );
    assert!(text.contains("Served by web.1"), "{text}");
    let post = local.get("/posts/files-go-along").text();
    assert!(
        post.contains("<table>") && post.contains("<code>posts</code>"),
        "{post}"
    );
    let style = local.get("/static/style.css");
    assert!(style.text().contains("color-scheme") && style.complete);
    assert!(
        style
            .header("content-type")
            .unwrap()
            .starts_with("text/css")
    );
    let head = local.request("HEAD", "/static/style.css", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let nothing = local.get("/posts/elsewhere");
    assert!(
        nothing.status == 404 && nothing.text().contains("no such page"),
        "{nothing:?}"
    );
    assert!(local.stop().success());
}

#[test]
fn comments_of_readers_are_escaped() {
    let local = ExampleApp::copy_from_repository("blog-py").build_and_start();
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    let place = "/posts/trust-nobody";
    let body = b"name=Ada+%3Ci%3E&text=%3Cscript%3Ealert(1)%3C%2Fscript%3E+%26+caf%C3%A9";
    let sent = local.request("POST", place, &form, body);
    assert_eq!(sent.status, 303, "{sent:?}");
    assert_eq!(
        sent.header("location"),
        Some("/posts/trust-nobody#comments")
    );
    let page = local.get(place).text();
    assert!(page.contains("<h3>Ada &lt;i&gt;</h3>"), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; café"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
    let empty = local.request("POST", place, &form, b"name=&text=x%3Cb%3E");
    assert_eq!(empty.status, 422);
    let text = empty.text();
    assert!(
        text.contains("role=\"alert\"") && text.contains(">x&lt;b&gt;</textarea>"),
        "{text}"
    );
    let found = local.get("/?q=ROUTER%20line").text();
    assert!(
        found.contains("1 post with") && found.contains("One request at a time"),
        "{found}"
    );
    let none = local.get("/?q=%22%3E%3Cscript%3E").text();
    assert!(
        none.contains("0 posts") && none.contains("&#34;&gt;&lt;script&gt;"),
        "{none}"
    );
    assert!(local.stop().success());
}

#[test]
fn a_changed_page_or_line_needs_no_compilation_and_no_network() {
    let app = App::example("blog-py");
    let (_, first) = app.build();
    let (told, second) = app.build_offline();
    assert_eq!(
        (steps(&told), &first["id"]),
        (vec![], &second["id"]),
        "{told}"
    );
    app.write(
        "posts/new.md",
        "title: A new one\ndate: 2026-11-20\n\nJust *written*.\n",
    );
    let text = app
        .read("app.py")
        .replace("Notes on small machines", "Another name");
    app.write("app.py", &text);
    let (told, third) = app.build_offline();
    assert!(steps(&told).is_empty(), "{told}");
    let component = |slug: &serde_json::Value| slug["files"][".dyno/python.wasm"].clone();
    assert!(component(&first) == component(&third) && first["id"] != third["id"]);
    let local = DynoProcess::start_local(Path::new(app.folder()), &[]);
    let page = local.get("/").text();
    assert!(
        page.contains("A new one") && page.contains("Just <em>written</em>"),
        "{page}"
    );
    assert!(page.contains("Another name"), "{page}");
    assert!(local.stop().success());
}
