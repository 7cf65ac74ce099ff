//! Apps of Sinatra, in both of its forms.

use serde_json::json;
use testkit::{DynoProcess, HttpReply};

use crate::app_folder::App;

const GEMFILE: (&str, &str) = ("Gemfile", "gem \"sinatra\"\n");
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn classic() -> DynoProcess {
    let app = App::new(&[
        GEMFILE,
        ("app.rb", include_str!("sinatra/classic.rb")),
        ("public/style.css", "body { margin: 0 }\n"),
        ("Procfile", "web: bundle exec ruby app.rb -p $PORT\n"),
    ]);
    app.run(&[])
}

fn modular() -> App {
    let files = [
        GEMFILE,
        ("config.ru", "require \"./app/shop\"\n\nrun Shop\n"),
        ("app/shop.rb", include_str!("sinatra/modular.rb")),
        (
            "app/lib/shelf.rb",
            "module Shelf\n  def self.goods = [\"Tea & <milk>\", \"Brötchen\"]\nend\n",
        ),
        (
            "views/layout.erb",
            "<!doctype html>\n<title>Shop</title>\n<%= yield %>",
        ),
        (
            "views/index.erb",
            "<ul>\n<% goods.each do |good| %>\n  <li><%= ERB::Util.html_escape(good) %></li>\n<% end %>\n</ul>\n",
        ),
        ("public/style.css", "body { margin: 0 }\n"),
        (
            ".env",
            "SESSION_SECRET=fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210\n",
        ),
    ];
    App::new(&files)
}

/// The cookie that a response sets, as a header line of the next request.
#[track_caller]
fn cookie_of(reply: &HttpReply) -> String {
    let set = reply.header("set-cookie").expect("a session");
    format!("Cookie: {}", set.split(';').next().unwrap_or_default())
}

#[test]
fn the_classic_form_is_started_as_a_program() {
    let local = classic();
    let first = local.get("/?name=Ada+%3Ci%3E");
    let page = first.text();
    assert!(page.contains("<title>Classic</title>"), "{page}");
    assert!(
        page.contains("Hello Ada &lt;i&gt;, visit 1, by web.1 in production"),
        "{page}"
    );
    let second = local.request("GET", "/", &[&cookie_of(&first)], b"");
    assert!(
        second.text().contains("Hello nobody, visit 2,"),
        "{second:?}"
    );
    let mut forged = cookie_of(&second);
    forged.replace_range(40..43, "abc");
    let third = local.request("GET", "/", &[&forged], b"");
    assert!(third.text().contains("visit 1,"), "{third:?}");
    let style = local.get("/style.css");
    assert_eq!(
        (style.status, style.text().as_str()),
        (200, "body { margin: 0 }\n")
    );
    assert_eq!(style.header("content-type"), Some("text/css;charset=utf-8"));
    assert!(local.stop().success());
}

#[test]
fn routes_end_by_halt_pass_and_redirect() {
    let local = classic();
    let halted = local.get("/halts");
    assert_eq!((halted.status, halted.header("x-a")), (418, Some("b")));
    assert_eq!(halted.text(), "a teapot\n");
    let closed = local.get("/closed/door");
    assert_eq!((closed.status, closed.text().as_str()), (403, "closed\n"));
    assert_eq!(local.get("/passes/one").text(), "first\n");
    assert_eq!(local.get("/passes/b%20c").text(), "second b c\n");
    let redirected = local.get("/from");
    let place = Some("http://demo.localhost/to?a=b");
    assert_eq!(
        (redirected.status, redirected.header("location")),
        (303, place)
    );
    let nothing = local.get("/no/such/%3Cpage%3E");
    assert_eq!(nothing.status, 404);
    let page = nothing.text();
    assert!(
        page.contains("There is nothing at &#x2F;no&#x2F;such&#x2F;%3Cpage%3E"),
        "{page}"
    );
    let key = local.get("/key");
    assert_eq!(
        (key.status, key.text().as_str()),
        (422, "no such key: colour\n")
    );
    assert_eq!(local.get("/raises").status, 500);
    local.wait_for_line("the error", |line| {
        line.contains("RuntimeError - nothing of raises")
    });
    assert_eq!(local.get("/halts").status, 418);
    assert!(local.stop().success());
}

#[test]
fn json_forms_files_and_streams_work() {
    let local = classic();
    let sent = local.request(
        "POST",
        "/json",
        &["Content-Type: application/json"],
        b"{\"a\":[1,\"\xC3\xBC\"]}",
    );
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.json(), json!({"received": {"a": [1, "ü"]}}));
    let read = local.get("/to?a=b");
    assert_eq!(
        read.json(),
        json!({"a": "b", "url": "http://demo.localhost/x", "secure": false})
    );
    local.wait_for_line("the logger", |line| {
        line.contains("came to http://demo.localhost/to?a=b")
    });
    let form = local.request("POST", "/form", &[FORM], b"text=gr%C3%BC%C3%9Fe");
    assert_eq!(form.text(), "grüße  \n");
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\
                \u{0}12345\u{7f}\r\n--b--\r\n";
    let multipart = ["Content-Type: multipart/form-data; boundary=b"];
    let form = local.request("POST", "/form", &multipart, body.as_bytes());
    assert_eq!(form.text(), " a.bin 7\n");
    assert_eq!(local.get("/streams").text(), "one\ntwo\n");
    let part = local.request("GET", "/file", &["Range: bytes=0-3"], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "body"));
    let again = local.request("GET", "/cached", &["If-None-Match: \"first\""], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = local.request("HEAD", "/halts", &[], b"");
    assert_eq!((head.status, head.body.len()), (418, 0));
    assert!(local.stop().success());
}

#[test]
fn the_modular_form_has_views_sessions_and_static_files_in_folders() {
    let local = modular().run(&[]);
    let page = local.get("/").text();
    assert!(page.contains("<title>Shop</title>"), "{page}");
    assert!(
        page.contains("<li>Tea &amp; &lt;milk&gt;</li>") && page.contains("<li>Brötchen</li>"),
        "{page}"
    );
    assert_eq!(local.get("/style.css").text(), "body { margin: 0 }\n");
    let first = local.post("/basket/tea", b"");
    assert_eq!(
        (first.status, first.header("location")),
        (303, Some("http://demo.localhost/basket"))
    );
    let second = local.request("POST", "/basket/milk", &[&cookie_of(&first)], b"");
    let basket = local.request("GET", "/basket", &[&cookie_of(&second)], b"");
    assert_eq!(basket.json(), json!(["tea", "milk"]));
    let emptied = local.request("DELETE", "/basket", &[&cookie_of(&second)], b"");
    assert_eq!((emptied.status, emptied.body.len()), (204, 0));
    assert_eq!(local.get("/nowhere").text(), "no such shelf\n");
    assert_eq!(local.get("/stage").text(), "for all");
    assert!(local.stop().success());
}

#[test]
fn the_environment_of_rack_is_a_config_var() {
    let app = modular();
    let env = app.read(".env");
    app.write(".env", &format!("{env}RACK_ENV=development\n"));
    let local = app.run(&[]);
    assert_eq!(local.get("/stage").text(), "for me");
    assert!(local.stop().success());
}
