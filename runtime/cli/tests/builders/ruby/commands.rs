//! Ruby command lines: one-off dynos, tasks of Rake, and process types other than `web`.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::json;
use testkit::{DynoProcess, dyno_command};

use crate::app_folder::App;

const RAKEFILE: &str = r##"
require_relative "lib/shop"

desc "Prints words"
task :say, [:word] do |task, arguments|
  puts "#{task.name} #{arguments[:word]} #{ENV["LOUD"]} #{Shop.name}"
end

desc "Makes the tables"
task migrate: :say do
  abort "the database refuses" if ENV["REFUSES"]
  puts "migrated by #{ENV["DYNO"]}"
end

namespace :all do
  task(:fails) { raise KeyError, "nothing of fails" }
end
"##;

const SCRIPT: &str = r##"
require_relative "lib/shop"
at_exit { puts "last" }
at_exit { puts "first" }
puts [ARGV, File.basename($0), File.basename(__FILE__), __FILE__ == $0, Shop.name, Dir.pwd, defined?(Rack)].inspect
exit Integer(ARGV[0]) if ARGV[0]&.match?(/\A\d+\z/)
"##;

const WORKER: &str = r##"
$stdout.puts "works as #{ENV["DYNO"]} on #{ARGV.inspect}"
loop { sleep 0.05 }
"##;

fn shop() -> App {
    App::new(&[
        ("Gemfile", "gem \"rack\"\ngem \"rake\"\n"),
        ("config.ru", "run ->(_) { [200, {}, [\"shop\"]] }\n"),
        ("Rakefile", RAKEFILE),
        ("script.rb", SCRIPT),
        ("worker.rb", WORKER),
        (".env", "KIND=hard\n"),
        ("lib/shop.rb", "module Shop; end\n"),
        (
            "Procfile",
            "web: bundle exec rackup\nworker: ruby worker.rb one $KIND\nrelease: bundle exec rake migrate\n\
             clock: bundle exec ruby -Ilib -rshop -e 'puts Shop.name'\n",
        ),
    ])
}

/// `dyno local run WORDS` in the app's folder: exit code, stdout and stderr.
fn run(app: &App, words: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = dyno_command();
    command
        .args(["local", "run", "--"])
        .args(words)
        .current_dir(app.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not read stdin may have ended before this write.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn ruby_runs_as_a_command_with_exact_exit_codes() {
    let app = shop();
    app.build_and_compile();
    let runs = |words: &[&str], input: &str| run(&app, &[&["ruby"], words].concat(), input);
    let (code, out, told) = runs(&["script.rb", "a", "--b"], "");
    let expected = "[[\"a\", \"--b\"], \"script.rb\", \"script.rb\", true, \"Shop\", \"/\", nil]\nfirst\nlast\n";
    assert_eq!((code, out.as_str()), (Some(0), expected), "{told}");
    let (code, out, _) = runs(&["./script.rb", "7"], "");
    assert!(code == Some(7) && out.ends_with("first\nlast\n"), "{out}");
    for (code, text) in [
        (0, "exit"),
        (1, "exit false"),
        (44, "exit 300"),
        (3, "at_exit { exit 3 }; exit 4"),
        (5, "begin; exit 5; ensure; puts 1; end"),
    ] {
        assert_eq!(runs(&["-e", text], "").0, Some(code), "{text}");
    }
    let (code, _, told) = runs(&["-e", "abort 'words'"], "");
    assert_eq!((code, told.lines().last()), (Some(1), Some("words")));
    let words = [
        "-rset",
        "-Ilib",
        "-r",
        "shop",
        "-e",
        "x = 1",
        "-e",
        "p [x, Shop, ARGV]",
        "a b",
        "$HOME",
    ];
    assert_eq!(runs(&words, "").1, "[1, Shop, [\"a b\", \"$HOME\"]]\n");
    assert_eq!(
        runs(&["-", "a"], "puts 'from stdin', ARGV\n").1,
        "from stdin\na\n"
    );
    assert_eq!(runs(&[], "puts 'from stdin'\n").1, "from stdin\n");
    assert_eq!(
        runs(&["-e", "print gets.upcase, $stdin.read"], "typed\nmore").1,
        "TYPED\nmore"
    );
    assert!(runs(&["-v"], "").1.starts_with("ruby 3.4.1 "));
}

#[test]
fn errors_of_a_command_have_a_backtrace_and_its_exit_code() {
    let app = shop();
    app.write("broken.rb", "def f(\n");
    app.write(
        "raises.rb",
        "def deep = raise(KeyError, 'nothing here')\n\nputs 'out'\ndeep\n",
    );
    app.build_and_compile();
    let runs = |words: &[&str]| run(&app, words, "");
    let (code, out, told) = runs(&["ruby", "raises.rb"]);
    assert_eq!((code, out.as_str()), (Some(1), "out\n"), "{told}");
    let place = "/raises.rb:1:in 'Object#deep': nothing here (KeyError)";
    assert!(
        told.contains(place) && told.contains("/raises.rb:4:in "),
        "{told}"
    );
    let (code, _, told) = runs(&["ruby", "broken.rb"]);
    assert!(
        code == Some(1) && told.contains("/broken.rb:1: syntax errors found"),
        "{told}"
    );
    let (code, _, told) = runs(&["ruby", "nowhere.rb"]);
    assert!(
        code != Some(0) && told.contains("-- nowhere.rb (LoadError)"),
        "{code:?} {told}"
    );
    let (code, _, told) = runs(&["ruby", "--no-such-option"]);
    assert!(
        code != Some(0) && told.contains("invalid option --no-such-option"),
        "{code:?} {told}"
    );
    let (code, _, told) = runs(&["ruby", "-e", "Thread.new { 1 }"]);
    assert!(code == Some(1) && told.contains("has one thread"), "{told}");
    let (code, _, told) = runs(&["bundle", "install"]);
    assert!(
        code != Some(0) && told.contains("a dyno has only `bundle exec`"),
        "{told}"
    );
    let (code, _, told) = runs(&["nothing"]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("can run clock, release, worker, bundle, rake, ruby"),
        "{told}"
    );
}

#[test]
fn tasks_of_rake_run_with_their_arguments() {
    let app = shop();
    app.build_and_compile();
    let runs = |words: &[&str]| run(&app, words, "");
    for words in [
        &["rake", "say[tea]", "LOUD=yes"][..],
        &["bundle", "exec", "rake", "say[tea]", "LOUD=yes"],
        &["ruby", "-S", "rake", "say[tea]", "LOUD=yes"],
    ] {
        let (code, out, told) = runs(words);
        assert_eq!(
            (code, out.as_str()),
            (Some(0), "say tea yes Shop\n"),
            "{told}"
        );
    }
    let (_, out, _) = runs(&["rake", "-T"]);
    assert_eq!(
        out,
        "rake migrate    # Makes the tables\nrake say[word]  # Prints words\n"
    );
    let (code, _, told) = runs(&["rake", "all:fails"]);
    assert!(
        code == Some(1) && told.contains("nothing of fails"),
        "{told}"
    );
    assert!(told.contains("/Rakefile:16"), "{told}");
    let (code, _, told) = runs(&["rake", "no_such_task"]);
    assert!(
        code == Some(1) && told.contains("Don't know how to build task 'no_such_task'"),
        "{told}"
    );
}

#[test]
fn process_types_are_commands_of_ruby() {
    let app = shop();
    let (_, slug) = app.build();
    let args = |process: &str| slug["processes"][process]["args"].clone();
    assert_eq!(args("web"), json!([]));
    assert_eq!(args("worker"), json!(["worker.rb", "one", "$KIND"]));
    assert_eq!(args("release"), json!(["-S", "rake", "migrate"]));
    let local = app.run(&["worker=2"]);
    local.wait_for_line("the release process", |line| {
        line.ends_with("app[release.1]: migrated by release.1")
    });
    for dyno in ["worker.1", "worker.2"] {
        let line = format!("app[{dyno}]: works as {dyno} on [\"one\", \"hard\"]");
        local.wait_for_line(&line, |told| told.ends_with(&line));
    }
    assert_eq!(local.get("/").text(), "shop");
    assert!(local.stop().success());
    assert_eq!(run(&app, &["clock"], "").1, "Shop\n");
}

#[test]
fn a_failed_release_process_starts_nothing() {
    let app = shop();
    app.build_and_compile();
    app.write(".env", "KIND=hard\nREFUSES=1\n");
    let local = DynoProcess::spawn_local(app.folder(), &[]);
    local.wait_for_line("the reason", |line| {
        line.ends_with("app[release.1]: the database refuses")
    });
    assert!(!local.wait_for_exit().success());
}
