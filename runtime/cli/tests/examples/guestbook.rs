//! `guestbook`: PostgreSQL and memcached, either of which may be restarted, and tables made by a release process.

use testkit::servers::{Memcached, Postgres};
use testkit::{ExampleApp, ServerRig, wait_until};

use crate::site::{Site, environment, local, run_once, settings, word};

/// The first visitor sees an empty page, writes an entry, and reads it.
fn visit(site: &Site) {
    let empty = site.page("/");
    assert!(empty.contains("Nobody has written yet"), "{empty}");
    let written = site.form("/", "name=Ada+%3Cb%3E&message=Hello+%26+{entries}");
    assert_eq!(written.status, 303, "{}", written.text());
    assert_eq!(written.header("location"), Some("/"));
    let page = site.page("/");
    assert!(page.contains("Hello &amp; {entries}"), "{page}");
    assert!(page.contains("Ada &lt;b&gt;"), "{page}");
    assert!(!page.contains("Nobody has written yet"), "{page}");
    let refused = site.form("/", "name=&message=who+am+I");
    assert_eq!(refused.status, 422);
    let page = refused.text();
    assert!(page.contains("Please write your name"), "{page}");
    assert!(page.contains(">who am I</textarea>"), "{page}");
}

fn cache(site: &Site) -> Option<String> {
    site.get("/").header("x-cache").map(str::to_owned)
}

/// A forged page in the cache is not shown.
fn is_not_fooled(site: &Site, memcached: &Memcached) {
    site.page("/");
    // `replace` stores a value only if the key exists.
    let other = "replace guestbook:guestbook:page:2 0 10 9\n<b>not us\n";
    let answer = Memcached::send_lines(&memcached.address(), other, "\r\n");
    assert_eq!(answer, "STORED\r\n");
    assert!(!site.page("/").contains("not us"));
    assert_eq!(cache(site).as_deref(), Some("hit"));
}

/// Restarts each database server. No entry is lost, and new entries can be written.
fn survives(site: &Site, postgres: &mut Postgres, memcached: &mut Memcached) {
    memcached.stop();
    assert!(site.page("/").contains("Ada"), "the cache is only a cache");
    assert_eq!(site.form("/", "name=Bob&message=one").status, 303);
    memcached.restart();
    assert_eq!(cache(site).as_deref(), Some("miss"));
    assert_eq!(cache(site).as_deref(), Some("hit"));

    postgres.stop();
    assert!(site.page("/").contains("Bob"), "the page is in the cache");
    let refused = site.form("/", "name=Cleo&message=two");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("try again"), "{}", refused.text());
    postgres.restart();
    assert_eq!(site.form("/", "name=Dora&message=three").status, 303);
    let page = site.page("/");
    for name in ["Ada", "Bob", "Dora"] {
        assert!(page.contains(name), "{name} is missing: {page}");
    }
    assert!(!page.contains("Cleo"), "that was refused: {page}");
}

#[test]
fn guestbook_runs_on_this_machine() {
    let (mut postgres, mut memcached) = (Postgres::start(), Memcached::start());
    let example = ExampleApp::copy_from_repository("guestbook");
    let variables = format!(
        "DATABASE_URL={}\nMEMCACHED_SERVERS={}\n",
        postgres.url(),
        memcached.address()
    );
    environment(&example, &variables);
    run_once(&example, "release");
    // The release process can be repeated.
    run_once(&example, "release");
    let local = local(&example, &[]);
    drop(example);
    let site = Site::local(&local);
    visit(&site);
    is_not_fooled(&site, &memcached);
    survives(&site, &mut postgres, &mut memcached);
    assert!(local.stop().success());
}

#[test]
fn guestbook_runs_deployed() {
    let (mut postgres, mut memcached) = (Postgres::start(), Memcached::start());
    let example = ExampleApp::copy_from_repository("guestbook");
    let rig = ServerRig::new();
    let text = format!(
        "[services.postgresql]\nurl = \"{}\"\n[services.memcached]\nservers = [\"{}\"]\n",
        postgres.url(),
        memcached.address()
    );
    let settings = settings(&rig, &text);
    let server = rig.start_with_flags(&["--config", word(&settings)]);
    server.run(&["apps", "create", "guestbook"]).success();
    for service in ["postgresql", "memcached"] {
        let words = ["addons", "create", service, "-a", "guestbook"];
        server.run(&words).success();
    }
    let said = server.run(&["deploy", word(&example.folder), "-a", "guestbook"]);
    drop(example);
    assert!(said.success().contains("is up"), "{}", said.stdout);
    server.wait_for_log("guestbook", &["app[release.1]", "The tables are there."]);
    let site = Site::deployed(&server, "guestbook");
    visit(&site);
    is_not_fooled(&site, &memcached);
    survives(&site, &mut postgres, &mut memcached);

    server
        .run(&["ps", "scale", "web=3", "-a", "guestbook"])
        .success();
    server.wait_for_dynos("guestbook", 3);
    wait_until("another dyno answers as well", || {
        site.page("/").contains("Dora")
    });
    assert!(server.stop().success());
    rig.home().assert_no_process();
}
