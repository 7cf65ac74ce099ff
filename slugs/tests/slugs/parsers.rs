//! The files that people write: what each form means, and what an error says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use slugs::manifest::{Command, app_json, dotenv, expand, procfile, settings};

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The words that a command line makes in an environment.
fn words(line: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let command =
        Command::parse(&format!("a.wasm {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
    expand(&command.args, &env(pairs)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn commands_are_split_and_replaced_without_a_shell() {
    let all = [("PORT", "5000"), ("X", "a b"), ("Y", "$PORT")];
    for (line, expected) in [
        ("--port $PORT", vec!["--port", "5000"]),
        ("--port=${PORT}0", vec!["--port=50000"]),
        ("$X", vec!["a b"]),
        ("$Y", vec!["$PORT"]),
        ("'$PORT' \"$PORT\"", vec!["$PORT", "5000"]),
        ("'a b' c\\ d \"e f\"", vec!["a b", "c d", "e f"]),
        ("a'b'\"c\"d", vec!["abcd"]),
        ("'' \"\"", vec!["", ""]),
        (
            "\\$PORT \"\\$PORT\" $$PORT",
            vec!["$PORT", "$PORT", "$PORT"],
        ),
        ("costs 5$ $5", vec!["costs", "5$", "$5"]),
        ("'a|b' \\; \"<\"", vec!["a|b", ";", "<"]),
        ("--glob=* ~ #x", vec!["--glob=*", "~", "#x"]),
        ("\"a\\b\\\\\\\"\"", vec!["a\\b\\\""]),
    ] {
        assert_eq!(words(line, &all), expected, "{line}");
    }
}

#[test]
fn what_only_a_shell_can_do_is_refused() {
    for (line, says) in [
        ("a.wasm | tee x", "`|` needs a shell"),
        ("a.wasm && b", "`&` needs a shell"),
        ("a.wasm > log", "`>` needs a shell"),
        ("a.wasm $(date)", "`$(…)` needs a shell"),
        ("a.wasm `date`", "`` ` `` needs a shell"),
        ("a.wasm ${X:-y}", "`${NAME:-x}` need a shell"),
        ("PORT=1 a.wasm", "sets a variable"),
        ("node server.js", "`node` is not a component"),
        ("$BIN/a.wasm", "must be written out"),
        ("/a.wasm", "absolute"),
        ("../a.wasm", "`..`"),
        ("a.wasm 'x", "not closed"),
        ("a.wasm \"x", "not closed"),
        ("a.wasm \\", "ends with"),
        ("", "there is no command"),
    ] {
        let error = Command::parse(line).expect_err(line);
        let says = says.replace("`` ` ``", "```");
        assert!(error.contains(&says), "{line}: {error}");
    }
    let command = Command::parse("a.wasm $NOT_THERE").expect("a command");
    let error = expand(&command.args, &BTreeMap::new())
        .expect_err("unset")
        .to_string();
    assert!(
        error.contains("$NOT_THERE") && error.contains("dyno config set"),
        "{error}"
    );
}

#[test]
fn procfiles() {
    let parsed =
        procfile::parse("\u{feff}# types\n\nweb: ./web.wasm --port $PORT\r\nworker-2 :jobs.wasm\n")
            .expect("good");
    let names: Vec<String> = parsed
        .value
        .processes
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["web", "worker-2"]);
    assert!(parsed.warnings.is_empty());
    assert_eq!(
        procfile::parse("# nothing\n")
            .expect("empty")
            .warnings
            .len(),
        1
    );
    for (text, says) in [
        ("web web.wasm", "line 1: there is no `:`"),
        ("\nweb: a.wasm\nweb: b.wasm", "line 3: `web` is there twice"),
        ("Web: a.wasm", "line 1: "),
        (
            "web: a.wasm\nworker: python x.py",
            "line 2: `python` is not a component",
        ),
        ("web:", "line 1: there is no command"),
    ] {
        let error = procfile::parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with("Procfile ") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn dyno_toml() {
    let text = r#"
name = "hello"
include = "target/x/**"
[build]
command = "make"
output = ["a.wasm", "out"]
exclude = ["*.psd"]
[limits]
memory = "256MiB"
timeout = "90s"
disk = "1 GiB"
connections = 8
[formation]
web = 2
worker = 0
"#;
    let value = settings::parse(text).expect("good").value;
    assert_eq!(value.name.as_ref().map(|name| name.as_str()), Some("hello"));
    assert_eq!(value.build_command.as_deref(), Some("make"));
    assert_eq!(value.output, ["a.wasm", "out"]);
    assert_eq!(
        (value.include, value.exclude),
        (vec!["target/x/**".to_owned()], vec!["*.psd".to_owned()])
    );
    assert_eq!(value.limits.memory_bytes, Some(256 << 20));
    assert_eq!(value.limits.timeout_ms, Some(90_000));
    assert_eq!(value.limits.disk_bytes, Some(1 << 30));
    assert_eq!(value.limits.connections, Some(8));
    assert_eq!(
        value.formation.values().copied().collect::<Vec<_>>(),
        [2, 0]
    );
    assert_eq!(
        settings::parse("").expect("empty").value,
        settings::Settings::default()
    );
}

#[test]
fn dyno_toml_errors_name_the_line_and_the_remedy() {
    for (text, says) in [
        (
            "nmae = \"x\"",
            "line 1: unknown key `nmae`; did you mean `name`?",
        ),
        (
            "[build]\ncomand = \"x\"",
            "line 2: unknown key `build.comand`; did you mean `command`?",
        ),
        (
            "\n[limits]\nmem = \"1\"",
            "line 3: unknown key `limits.mem`; did you mean `memory`?",
        ),
        ("zzz = 1", "line 1: unknown key `zzz`; known here: name"),
        ("name = \"Not A Name\"", "line 1: "),
        ("name = 3", "line 1: "),
        ("name = ", "line 1: "),
        ("build = \"make\"", "line 1: `build` is a section"),
        ("[limits]\nmemory = \"lots\"", "line 2: `lots` is no size"),
        (
            "[limits]\nmemory = \"1KiB\"",
            "line 2: `memory` is 1KiB, and it must be from 1MiB to 4GiB",
        ),
        (
            "[limits]\nmemory = \"99999999999999999999GiB\"",
            "is no size",
        ),
        ("[limits]\ntimeout = \"30\"", "line 2: `30` is no time"),
        ("[limits]\ntimeout = \"11m\"", "from 1s to 10m"),
        ("[limits]\ndisk = \"1000GiB\"", "from 0 to 64GiB"),
        ("[limits]\nconnections = 65", "from 0 to 64"),
        ("[limits]\nconnections = -1", "`connections` is -1"),
        ("[formation]\nweb = -1", "line 2: -1 dynos"),
        ("[formation]\nweb = 1\n\"a b\" = 1", "line 3: "),
        ("output = \"a\"\n[build]\noutput = \"b\"", "remove one"),
    ] {
        let error = settings::parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with("dyno.toml line ") && error.contains(says),
            "{text}: {error}"
        );
    }
}

#[test]
fn app_json_files() {
    let text = r#"{"name": "x", "buildpacks": [], "env": {"A": "1", "B": {"description": "b", "value": "2"},
        "C": {"generator": "secret"}}, "formation": {"web": {"quantity": 2, "size": "eco"}, "worker": {}}}"#;
    let parsed = app_json::parse(text).expect("good");
    assert_eq!(parsed.value.env["B"].value.as_deref(), Some("2"));
    assert_eq!(
        parsed.value.formation.values().copied().collect::<Vec<_>>(),
        [2, 1]
    );
    assert!(parsed.warnings[0].text.contains("`C`"));
    for (text, says) in [
        ("{\n\"env\": {\n\"1A\": \"x\"}}", "line 3: env `1A`"),
        (
            "{\"formation\": {\"web\": {\"quantity\": 5000}}}",
            "5000 dynos",
        ),
        ("{\"formation\": {\"We b\": {}}}", "line 1: "),
        ("{\n", "line "),
    ] {
        let error = app_json::parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with("app.json ") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn env_files() {
    let text = "\u{feff}# comment\n\nA=1\nexport B = two words # comment\nC='lit $A #x'\nD=\"a\\nb \\\"q\\\" \\$A\\z\" # c\n\
                E=\nF=\"two\nlines\"\nG=a#b\r\nH= # empty\nA=again\nexport=1\n";
    let parsed = dotenv::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let expected = [
        ("A", "again"),
        ("B", "two words"),
        ("C", "lit $A #x"),
        ("D", "a\nb \"q\" $A\\z"),
        ("E", ""),
        ("F", "two\nlines"),
        ("G", "a#b"),
        ("H", ""),
        ("export", "1"),
    ];
    assert_eq!(parsed.value, env(&expected));
    assert_eq!(parsed.warnings.len(), 1);
    assert_eq!(parsed.warnings[0].line, Some(12));
    for (text, says) in [
        ("A=1\nnonsense\n", "line 2: there is no `=`"),
        ("\n1A=x", "line 2: `1A` is no name"),
        ("A='x", "line 1: a `'` is not closed"),
        ("A=1\nB=\"x\n\n", "line 2: a `\"` is not closed"),
        ("A=\"x\" y", "line 1: text after the closing quote"),
        ("A B=1", "line 1: `A B` is no name"),
    ] {
        let error = dotenv::parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with(".env ") && error.contains(says),
            "{error}"
        );
    }
}

/// A value in single quotes, as a shell would write it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*|[ -~\n\t]{0,80}") {
        let _ = procfile::parse(&text);
        let _ = settings::parse(&text);
        let _ = app_json::parse(&text);
        let _ = dotenv::parse(&text);
        if let Ok(command) = Command::parse(&text) {
            // What was parsed is in stored form: only unset names can fail.
            let broken = matches!(
                expand(&command.args, &BTreeMap::new()),
                Err(slugs::manifest::ExpandError::Form { .. })
            );
            prop_assert!(!broken, "not in stored form");
        }
    }

    #[test]
    fn quoted_arguments_come_through(args in prop::collection::vec("[ -~]{0,12}", 0..6)) {
        let line: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
        let command = Command::parse(&format!("a.wasm {}", line.join(" "))).expect("quoted");
        prop_assert_eq!(expand(&command.args, &BTreeMap::new()).expect("nothing to replace"), args);
    }

    #[test]
    fn env_values_come_through(value in "[^'\0\r]{0,40}") {
        let parsed = dotenv::parse(&format!("A='{value}'\nB=1\n")).expect("quoted");
        prop_assert_eq!(&parsed.value["A"], &value);
        prop_assert_eq!(&parsed.value["B"], "1");
    }

    #[test]
    fn limits_within_range_are_taken(mib in 1_u64..=4096, seconds in 1_u64..=600) {
        let text = format!("[limits]\nmemory = \"{mib}MiB\"\ntimeout = \"{seconds}s\"\n");
        let limits = settings::parse(&text).expect("within range").value.limits;
        prop_assert_eq!(limits.memory_bytes, Some(mib << 20));
        prop_assert_eq!(limits.timeout_ms, Some(seconds * 1_000));
    }
}
