//! Ruby's library in a dyno, and what the component supplies in the place of OpenSSL.

use std::process::Command;

use testkit::{dyno_command, run_command};

use crate::app_folder::App;

/// An app with one more program.
fn build(script: (&str, &str)) -> App {
    let app = App::new(&[
        ("Gemfile", "gem \"rack\"\ngem \"rake\"\n"),
        ("config.ru", "run ->(_) { [200, {}, []] }\n"),
        script,
    ]);
    app.build_and_compile();
    app
}

fn run_in_dyno(app: &App, script: &str) -> String {
    let mut command = dyno_command();
    command.args(["local", "run", "--", "ruby", script]);
    let output = run_command(command.current_dir(app.folder()));
    output.success().to_owned()
}

#[test]
fn the_library_of_ruby_can_be_loaded_and_used() {
    let app = build(("library.rb", include_str!("library/library.rb")));
    assert_eq!(run_in_dyno(&app, "library.rb"), "68 loaded\n");
}

#[test]
fn digests_ciphers_and_derived_keys_are_those_of_openssl() {
    let app = build(("crypto.rb", include_str!("library/crypto.rb")));
    let mut ruby = Command::new("ruby");
    let expected = run_command(ruby.arg("crypto.rb").current_dir(app.folder()));
    let lines = expected.success().lines().count();
    assert!(lines > 100, "{expected:?}");
    assert_eq!(run_in_dyno(&app, "crypto.rb"), expected.stdout);
}
