//! Ruby projects: what starts the app, where its gems come from, and apps that are refused or do not load.

use testkit::DynoProcess;

use super::gems::{lock_gems, only_programs, rack_source, vendor_gem, vendor_rack};
use crate::app_folder::{App, offline, steps};

const GEMFILE: (&str, &str) = ("Gemfile", "gem \"rack\"\n");
const RACKUP: (&str, &str) = ("config.ru", "run ->(_) { [200, {}, [\"hello\"]] }\n");

/// Runs an app that must not come up: its log, and the error that ends the command.
#[track_caller]
fn fails_to_load(files: &[(&str, &str)], shown: &[&str], error: &str) {
    let app = App::new(files);
    app.build();
    let local = DynoProcess::spawn_local(app.folder(), &[]);
    for part in shown {
        local.wait_for_line(part, |line| {
            line.contains(" app[web.1]: ") && line.contains(part)
        });
    }
    local.wait_for_line("the error", |line| {
        line.starts_with("error: ") && line.contains(error)
    });
    let told = local.lines().join("\n");
    for engine in ["wasm backtrace", "panicked"] {
        assert!(!told.contains(engine), "{engine} in {told}");
    }
    assert!(!local.wait_for_exit().success());
}

#[test]
fn an_app_that_cannot_be_loaded_fails_with_the_error_of_ruby() {
    // The component is compiled before, since that takes longer than a test waits for a line.
    App::new(&[GEMFILE, RACKUP]).build_and_compile();
    let files = |text| [GEMFILE, ("config.ru", text)];
    fails_to_load(
        &files("require_relative \"app\"\n\nrun ->(_) {\n"),
        &["/config.ru:3", "unexpected end-of-input"],
        "(SyntaxError)",
    );
    fails_to_load(
        &files("require \"no_such_gem\"\n\nrun 1\n"),
        &[
            "/config.ru:1",
            "cannot load such file -- no_such_gem (LoadError)",
        ],
        "cannot load such file -- no_such_gem (LoadError)",
    );
    fails_to_load(
        &files("SETTING = ENV.fetch(\"NO_SUCH_SETTING\")\nrun 1\n"),
        &[
            "/config.ru:1:in ",
            "key not found: \"NO_SUCH_SETTING\" (KeyError)",
        ],
        "key not found: \"NO_SUCH_SETTING\" (KeyError)",
    );
    fails_to_load(
        &files("exit 3\n"),
        &["exit (SystemExit)"],
        "exit (SystemExit)",
    );
    fails_to_load(
        &[GEMFILE, ("app.rb", "puts \"nothing more\"\n")],
        &["nothing more"],
        "app.rb starts no Rack app: write a config.ru with `run App`",
    );
}

#[test]
fn the_procfile_or_a_usual_name_tells_what_starts_the_app() {
    let app = App::new(&[GEMFILE, RACKUP]);
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "hello");
    assert!(local.stop().success());
    app.write(
        "web.ru",
        "run ->(_) { [200, {}, [ENV.values_at(\"A\", \"RACK_ENV\").join(\" \")]] }\n",
    );
    app.write(
        "Procfile",
        "web: A=b RACK_ENV=staging bundle exec puma -p $PORT web.ru\n",
    );
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "b staging");
    assert!(local.stop().success());
    app.write(
        "bin/serve.rb",
        "require \"greeting\"\nrequire \"rack\"\napp = ->(_) { [200, {}, [GREETING]] }\n\
         Rack::Handler.get(\"thin\").run(app, Port: ENV[\"PORT\"])\n",
    );
    app.write("lib/greeting.rb", "GREETING = \"by a program\"\n");
    app.write("Procfile", "web: bundle exec ruby -Ilib bin/serve.rb\n");
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "by a program");
    assert!(local.stop().success());
}

#[test]
fn projects_without_a_rack_app_are_refused_with_a_remedy() {
    for (files, told) in [
        (
            &[GEMFILE, RACKUP, ("Procfile", "web: bundle exec sidekiq\n")][..],
            "the Procfile's `web` runs `sidekiq`, which starts no Rack app that dyno knows: write \
             `web: bundle exec rackup`",
        ),
        (
            &[GEMFILE, RACKUP, ("Procfile", "web: ruby nowhere.rb\n")],
            "the Procfile's `web` starts `nowhere.rb`, which is not in the app's folder",
        ),
        (
            &[
                GEMFILE,
                RACKUP,
                (
                    "Procfile",
                    "web: bundle exec rackup\nworker: node work.js\n",
                ),
            ],
            "the Procfile's `worker` runs `node`, which is neither Ruby nor a program of the app's gems",
        ),
        (
            &[
                GEMFILE,
                RACKUP,
                (
                    "Procfile",
                    "web: bundle exec rackup\nother: bundle exec puma\n",
                ),
            ],
            "the Procfile's `other` runs `puma`, a web server",
        ),
        (&[GEMFILE], "neither config.ru nor app.rb"),
        (
            &[RACKUP],
            "the app has no Gemfile: write one that names its gems, `gem \"rack\"` among them",
        ),
        (
            &[("Gemfile", "gem \"rake\"\n"), RACKUP],
            "Gemfile does not name the gem `rack`, which a rackup file needs: add `gem \"rack\"`",
        ),
        (
            &[("Gemfile", "gem \"rack\"\ngem (\n"), RACKUP],
            "Bundler refuses the Gemfile",
        ),
    ] {
        let text = App::new(files).refused();
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn gems_of_the_apps_own_folder_need_a_lockfile() {
    let gemfile = ("Gemfile", "gem \"rack\"\ngem \"own\", path: \"own\"\n");
    let told = App::new(&[gemfile, RACKUP]).refused();
    let says = "error: Gemfile names gems by their folders, and there is no lockfile: run `bundle lock` in the app's folder";
    assert!(told.contains(says), "{told}");
}

#[test]
fn gems_that_cannot_be_installed_are_named() {
    let gemfile = ("Gemfile", "gem \"rack\"\ngem \"no-such-gem-of-dyno\"\n");
    let failed = App::new(&[gemfile, RACKUP]).try_build(offline);
    assert!(failed.slug.is_none(), "{failed:?}");
    assert!(
        failed
            .told
            .contains("the gems of Gemfile could not be installed"),
        "{failed:?}"
    );
    assert!(failed.told.contains("no-such-gem-of-dyno"), "{failed:?}");
}

#[test]
fn missing_gems_are_installed_into_the_cache_once() {
    let source = rack_source();
    let place = source.path().display();
    let gemfile = format!("source \"file://{place}\"\ngem \"rack\", \"2.2.999\"\n");
    let rackup = "run ->(_) { [200, {}, [Gem.loaded_specs[\"rack\"].version.to_s]] }\n";
    let app = App::new(&[("Gemfile", &gemfile), ("config.ru", rackup)]);
    let (told, _) = app.build();
    assert!(steps(&told).contains(&"bundle install (Gemfile)"), "{told}");
    drop(source);
    app.write("config.ru", &format!("# changed\n{rackup}"));
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "2.2.999");
    assert!(local.stop().success());
    let names = testkit::file_names(app.folder());
    assert_eq!(names, ["Gemfile", "app.slug", "config.ru"]);
}

#[test]
fn gems_in_vendor_bundle_need_no_ruby_on_this_machine() {
    let gemfile = (
        "Gemfile",
        "gem \"rack\"\ngem \"greeter\", require: \"greeter\"\ngem \"fiddler\", group: :development\n",
    );
    let rackup = "Bundler.require(:default)\n\nrun ->(_) { [200, {}, [Greeter.greeting, Rack.release[0]]] }\n";
    let app = App::new(&[gemfile, ("config.ru", rackup)]);
    vendor_rack(&app, "    fiddler (1.0)\n    greeter (0.2.1)\n");
    vendor_gem(
        &app,
        "greeter",
        "0.2.1",
        "module Greeter\n  def self.greeting = \"greeted \"\nend\n",
        "",
    );
    let path = only_programs(&["node", "npm", "sh", "env"]);
    let built = app.try_build(|command| {
        command.env("PATH", path.path());
    });
    assert!(built.slug.is_some(), "{}", built.told);
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "greeted 2");
    assert!(local.stop().success());
}

#[test]
fn without_ruby_and_vendor_bundle_the_build_says_what_to_install() {
    let app = App::new(&[GEMFILE, RACKUP]);
    let path = only_programs(&["node", "npm", "sh", "env"]);
    let failed = app.try_build(|command| {
        command.env("PATH", path.path());
    });
    assert!(failed.slug.is_none(), "{failed:?}");
    let told = failed.told;
    assert!(told.contains("`ruby` is not installed"), "{told}");
    assert!(
        told.contains("on Debian: ruby ruby-bundler") && told.contains("vendor/bundle"),
        "{told}"
    );
}

#[test]
fn gems_with_native_code_are_refused_by_name() {
    let app = App::new(&[
        ("Gemfile", "gem \"rack\"\ngem \"swift\"\ngem \"pg\"\n"),
        RACKUP,
    ]);
    vendor_rack(&app, "    pg (1.5)\n    swift (2.0)\n      pg\n");
    let native = "  s.extensions = [\"ext/extconf.rb\".freeze]\n";
    vendor_gem(&app, "swift", "2.0", "", native);
    vendor_gem(&app, "pg", "1.5", "", native);
    let told = app.refused();
    assert!(
        told.contains("Gemfile names gems with native code, which cannot run in a dyno"),
        "{told}"
    );
    assert!(
        told.contains("swift 2.0 (use a gem that is written in Ruby alone)"),
        "{told}"
    );
    assert!(
        told.contains("pg 1.5, which swift needs (a dyno's Ruby has no sockets"),
        "{told}"
    );
    // Servers are left out, with what only they need.
    let app = App::new(&[("Gemfile", "gem \"rack\"\ngem \"puma\"\n"), RACKUP]);
    vendor_rack(&app, "    nio4r (2.7)\n    puma (6.4)\n      nio4r\n");
    vendor_gem(&app, "puma", "6.4", "", native);
    vendor_gem(&app, "nio4r", "2.7", "", native);
    let (_, slug) = app.build();
    let files = slug["files"].as_object().unwrap();
    let of = |name: &str| {
        files
            .keys()
            .any(|file| file.starts_with(&format!(".dyno/gems/{name}-")))
    };
    assert!(of("rack") && !of("puma") && !of("nio4r"), "{files:?}");
}

#[test]
fn a_changed_line_needs_no_compilation_and_no_network() {
    let app = App::new(&[GEMFILE, RACKUP]);
    lock_gems(&app);
    let (_, first) = app.build();
    let (told, second) = app.build_offline();
    let same = (steps(&told), &first["id"]);
    assert_eq!(same, (vec![], &second["id"]), "{told}");
    app.write("config.ru", "run ->(_) { [200, {}, [\"changed\"]] }\n");
    let (told, third) = app.build_offline();
    assert!(steps(&told).is_empty(), "{told}");
    let component = |slug: &serde_json::Value| slug["files"][".dyno/ruby.wasm"].clone();
    assert!(component(&first) == component(&third) && first["id"] != third["id"]);
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "changed");
    assert!(local.stop().success());
    let names = testkit::file_names(app.folder());
    assert_eq!(names, ["Gemfile", "Gemfile.lock", "app.slug", "config.ru"]);
}
