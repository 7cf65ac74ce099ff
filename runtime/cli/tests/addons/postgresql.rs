//! PostgreSQL add-ons: created, used, shared, kept through a rollback, destroyed.

use serde_json::json;
use testkit::http::json_text;
use testkit::servers::Postgres;
use testkit::{Server, ServerRig};

use crate::offering::{Offer, addons, destroy, new_app, var, vars};

/// Roles and databases of add-ons.
fn left(postgres: &Postgres) -> String {
    let count = "select (select count(*) from pg_roles where rolname like 'dyno%') \
                 + (select count(*) from pg_database where datname like 'dyno%')";
    postgres.run_sql(count).unwrap()
}

#[test]
fn a_database_is_created_used_and_private_to_its_app() {
    let postgres = Postgres::start();
    let rig = ServerRig::new();
    let server = Offer::default()
        .with("POSTGRESQL", postgres.url())
        .start(&rig);
    server.create_app("shop", &rig.build_slug("good", "one"));

    let made = server.run(&["addons", "create", "postgresql", "-a", "shop"]);
    assert!(
        made.stderr.contains("DATABASE_URL, which makes v2"),
        "{made:?}"
    );
    made.success();
    let url = var(&server, "shop", "DATABASE_URL");
    assert_eq!(server.app_variable("shop", "DATABASE_URL"), url);
    let release = server.get_json("/v1/apps/shop/releases/v2");
    assert_eq!(
        json_text(&release, "description"),
        "Attach postgresql as DATABASE"
    );
    let used = "create table visits (n int); insert into visits values (7); select n from visits";
    assert_eq!(Postgres::run_sql_as(&url, used), Ok("7".into()));
    let place = format!("@127.0.0.1:{}/", postgres.port());
    assert!(url.contains(&place), "{url}");
    // The database server gets only the SCRAM verifier, never the password.
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(!postgres.log().contains(password));

    // Two apps cannot see each other's data.
    new_app(&server, "other");
    server
        .run(&["addons", "create", "postgresql", "-a", "other"])
        .success();
    let others = var(&server, "other", "DATABASE_URL");
    let (own, theirs) = (
        url.rsplit_once('/').unwrap(),
        others.rsplit_once('/').unwrap(),
    );
    let strange = format!("{}/{}", own.0, theirs.1);
    let refused = Postgres::run_sql_as(&strange, "select 1").unwrap_err();
    assert!(
        refused.contains("permission denied for database"),
        "{refused}"
    );
    for grab in [
        "create role more",
        "create database more",
        "alter role admin nologin",
    ] {
        assert!(Postgres::run_sql_as(&url, grab).is_err(), "{grab}");
    }
    assert!(server.stop().success());
}

/// Attaches the database of `shop` to the app `other` under another name, and detaches it again.
#[track_caller]
fn share_under_another_name_and_take_back(server: &Server<'_>, url: &str) {
    let name = json_text(&addons(server, "shop")[0], "name").to_owned();
    server
        .run(&["addons", "attach", &name, "-a", "other", "--as", "SHOP"])
        .success();
    assert_eq!(var(server, "other", "SHOP_URL"), url);
    let list = server.run(&["addons", "-a", "shop"]);
    assert!(
        list.success().contains(&name) && list.stdout.contains("other"),
        "{list:?}"
    );
    let twice = server.run(&["addons", "attach", &name, "-a", "other", "--as", "AGAIN"]);
    assert!(twice.failure().contains("already, as SHOP"), "{twice:?}");
    let kept = server.run(&["apps", "destroy", "-a", "shop", "--confirm", "shop"]);
    assert!(
        kept.failure().contains("attached to another app"),
        "{kept:?}"
    );
    server
        .run(&["addons", "detach", "SHOP", "-a", "other"])
        .success();
    assert!(vars(server, "other")["SHOP_URL"].is_null());
    assert_eq!(
        Postgres::run_sql_as(url, "select count(*) from visits"),
        Ok("1".into())
    );
}

/// Destroys the database while a session is open in it.
#[track_caller]
fn destroy_beside_an_open_session(server: &Server<'_>, postgres: &Postgres, url: &str) {
    let slow = url.to_owned();
    let sleeper = std::thread::spawn(move || Postgres::run_sql_as(&slow, "select pg_sleep(600)"));
    testkit::wait_until("it sleeps", || {
        let sleeps = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)'";
        postgres.run_sql(&format!("{sleeps} and pid <> pg_backend_pid()")) == Ok("1".into())
    });
    destroy(server, "shop", "DATABASE").success();
    assert!(sleeper.join().unwrap().is_err());
}

#[test]
fn a_database_is_shared_and_destroyed() {
    let postgres = Postgres::start();
    let rig = ServerRig::new();
    let server = Offer::default()
        .with("POSTGRESQL", postgres.url())
        .start(&rig);
    for app in ["shop", "other"] {
        new_app(&server, app);
        let words = ["addons", "create", "postgresql", "-a", app];
        server.run(&words).success();
    }
    let url = var(&server, "shop", "DATABASE_URL");
    Postgres::run_sql_as(
        &url,
        "create table visits (); insert into visits default values",
    )
    .unwrap();

    share_under_another_name_and_take_back(&server, &url);
    let wrong = server.run(&[
        "addons",
        "destroy",
        "DATABASE",
        "-a",
        "shop",
        "--confirm",
        "x",
    ]);
    assert!(
        wrong.failure().contains("nothing was destroyed"),
        "{wrong:?}"
    );
    destroy_beside_an_open_session(&server, &postgres, &url);
    assert!(vars(&server, "shop")["DATABASE_URL"].is_null());
    assert_eq!(addons(&server, "shop").len(), 0);
    assert!(Postgres::run_sql_as(&url, "select 1").is_err());
    assert_eq!(
        left(&postgres),
        "2",
        "the other app has a role and a database"
    );

    // Destroying an app destroys its add-ons.
    server
        .run(&["apps", "destroy", "-a", "other", "--confirm", "other"])
        .success();
    testkit::wait_until("nothing is left", || left(&postgres) == "0");
    let said = server.process.lines().join("\n");
    assert!(!said.contains("not destroyed yet"), "{said}");
    assert!(server.stop().success());
}

/// Neither a config change nor another add-on replaces the config var of the add-on `first`.
#[track_caller]
fn assert_variables_belong_to_the_addon(server: &Server<'_>, first: &str) {
    for change in [
        json!({ "DATABASE_URL": "x" }),
        json!({ "DATABASE_URL": null }),
    ] {
        let refused = server.request("PATCH", "/v1/apps/shop/config-vars", &change);
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(refused.text().contains("config_owned") && refused.text().contains("first"));
    }
    let version = server.set_config_vars("shop", &json!({ "OTHER": "1", "DATABASE_URL": first }));
    server.wait_until_serving("shop", &version);
    let taken = server.run(&["addons", "create", "postgresql", "-a", "shop"]);
    assert!(taken.failure().contains("--as"), "{taken:?}");
    let version = server.set_config_vars("shop", &json!({ "MORE_URL": "mine" }));
    server.wait_until_serving("shop", &version);
    let taken = server.run(&[
        "addons",
        "create",
        "postgresql",
        "-a",
        "shop",
        "--as",
        "MORE",
    ]);
    assert!(taken.failure().contains("MORE_URL already"), "{taken:?}");
    assert_eq!(addons(server, "shop").len(), 1);
}

/// A rollback keeps the current attachments: without detached ones, and with new ones. Returns the URL of the new
/// one.
#[track_caller]
fn roll_back_to_before_the_attachments(rig: &ServerRig, server: &Server<'_>) -> String {
    let words = [
        "addons",
        "destroy",
        "first",
        "-a",
        "shop",
        "--confirm",
        "first",
    ];
    server.run(&words).success();
    let words = [
        "addons",
        "create",
        "postgresql",
        "-a",
        "shop",
        "--as",
        "NEWER",
    ];
    server.run(&words).success();
    let newer = var(server, "shop", "NEWER_URL");
    let version = server.create_release("shop", &json!({ "rollback": "v1" }));
    server.wait_until_serving("shop", &version);
    assert_eq!(vars(server, "shop"), json!({ "NEWER_URL": newer }));
    assert_eq!(server.app_variable("shop", "NEWER_URL"), newer);
    let slug = rig.build_slug("good", "two");
    assert!(server.upload_slug(&slug).unwrap().status < 300);
    let version = server.create_release("shop", &json!({ "slug": slug.id }));
    server.wait_until_serving("shop", &version);
    assert_eq!(server.app_variable("shop", "NEWER_URL"), newer);
    newer
}

#[test]
fn attachments_survive_config_changes_deploys_and_rollbacks() {
    let postgres = Postgres::start();
    let rig = ServerRig::new();
    let server = Offer::default()
        .with("POSTGRESQL", postgres.url())
        .start(&rig);
    // Without a release, the attachment waits for the first release.
    new_app(&server, "shop");
    let words = [
        "addons",
        "create",
        "postgresql",
        "-a",
        "shop",
        "--name",
        "first",
    ];
    let made = server.run(&words);
    assert!(made.stderr.contains("for the first release"), "{made:?}");
    let slug = rig.build_slug("good", "one");
    assert!(server.upload_slug(&slug).unwrap().status < 300);
    let version = server.create_release("shop", &json!({ "slug": slug.id }));
    server.wait_until_serving("shop", &version);
    let first = server.app_variable("shop", "DATABASE_URL");
    assert!(first.contains("dyno_first"), "{first}");

    assert_variables_belong_to_the_addon(&server, &first);
    let newer = roll_back_to_before_the_attachments(&rig, &server);

    // All attachments are in the ledger.
    server.kill();
    let server = Offer::default()
        .with("POSTGRESQL", postgres.url())
        .start(&rig);
    server.wait_until_ready();
    assert_eq!(server.app_variable("shop", "NEWER_URL"), newer);
    assert_eq!(addons(&server, "shop")[0]["state"], "ready");
    assert!(server.stop().success());
}

#[test]
fn an_operator_without_superuser_rights_can_offer_postgresql() {
    let postgres = Postgres::start();
    let role = "create role operator login createdb createrole password 'operators-own-secret'";
    postgres.run_sql(role).unwrap();
    let rig = ServerRig::new();
    let url = postgres.url().replace("admin:", "operator:");
    let server = Offer::default().with("POSTGRESQL", url).start(&rig);
    new_app(&server, "shop");
    server
        .run(&["addons", "create", "postgresql", "-a", "shop"])
        .success();
    let url = var(&server, "shop", "DATABASE_URL");
    assert_eq!(
        Postgres::run_sql_as(&url, "create table t (); select 7"),
        Ok("7".into())
    );
    destroy(&server, "shop", "DATABASE").success();
    assert_eq!(addons(&server, "shop").len(), 0);
    assert_eq!(left(&postgres), "0");
    assert!(server.stop().success());
}

/// The operator's other databases allow connections of every user, which is the default of PostgreSQL.
#[test]
fn objects_in_other_databases_are_removed_with_the_add_on() {
    let postgres = Postgres::start();
    let rig = ServerRig::new();
    let server = Offer::default()
        .with("POSTGRESQL", postgres.url())
        .start(&rig);
    new_app(&server, "shop");
    let create = ["addons", "create", "postgresql", "-a", "shop"];
    server.run(&create).success();
    let url = var(&server, "shop", "DATABASE_URL");
    let elsewhere = |database: &str| format!("{}/{database}", url.rsplit_once('/').unwrap().0);
    Postgres::run_sql_as(&elsewhere("template1"), "select lo_create(0)").unwrap();
    // The default up to PostgreSQL 14.
    let admins = postgres.url().rsplit('/').next().unwrap().to_owned();
    postgres
        .run_sql("grant create on schema public to public")
        .unwrap();
    let plant = "create function public.shobj_description(oid, text) returns text language plpgsql \
                 as $$ begin execute 'create role planted'; return 'x'; end $$";
    Postgres::run_sql_as(&elsewhere(&admins), plant).unwrap();

    new_app(&server, "other");
    let words = ["addons", "create", "postgresql", "-a", "other"];
    server.run(&words).success();
    destroy(&server, "shop", "DATABASE").success();
    assert_eq!(addons(&server, "shop").len(), 0);
    assert_eq!(
        left(&postgres),
        "2",
        "the other app has a role and a database"
    );
    let planted = "select count(*) from pg_roles where rolname = 'planted'";
    assert_eq!(postgres.run_sql(planted), Ok("0".into()));
    assert!(server.stop().success());
}
