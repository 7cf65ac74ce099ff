//! The configuration files of an app: Procfile, dyno.toml, app.json and .env, and their errors.

use std::collections::BTreeMap;

use proptest::prelude::*;
use slugs::manifest::{ProcessCommand, app_json, dotenv, expand, procfile, settings};

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The words of a command line, with variables of the given environment.
fn words(line: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let command = ProcessCommand::parse(&format!("a.wasm {line}"))
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    expand(&command.args, &env(pairs)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn commands_are_split_and_expanded_without_a_shell() {
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
        (
            "'--glob=*' \"~\" a~ '#x' a#b",
            vec!["--glob=*", "~", "a~", "#x", "a#b"],
        ),
        ("--all # a comment; with 'signs", vec!["--all"]),
        ("--allow=* -x[1]", vec!["--allow=*", "-x[1]"]),
        ("'a?' \\[b] {} {a}", vec!["a?", "[b]", "{}", "{a}"]),
        ("\"a\\b\\\\\\\"\"", vec!["a\\b\\\""]),
    ] {
        assert_eq!(words(line, &all), expected, "{line}");
    }
}

#[test]
fn shell_syntax_is_refused() {
    for (line, says) in [
        ("a.wasm | tee x", "`|` needs a shell"),
        ("a.wasm && b", "`&` needs a shell"),
        ("a.wasm > log", "`>` needs a shell"),
        ("a.wasm $(date)", "`$(…)` needs a shell"),
        ("a.wasm `date`", "`` ` `` needs a shell"),
        ("a.wasm ${X:-y}", "`${NAME:-x}` need a shell"),
        ("a.wasm *.csv", "`*` needs a shell"),
        ("a.wasm --files *.csv", "`*` needs a shell"),
        ("a.wasm a*b", "`*` needs a shell"),
        ("a.wasm file?.txt", "`?` needs a shell"),
        ("a.wasm [ab].txt", "`[` needs a shell"),
        ("a.wasm ~/data", "`~` needs a shell"),
        ("a.wasm {a,b}.txt", "`{…}` needs a shell"),
        ("a.wasm {1..9}", "`{…}` needs a shell"),
        ("# a.wasm", "there is no command"),
        ("PORT=1 a.wasm", "sets a variable"),
        ("node server.js", "`node` is not a component"),
        ("$BIN/a.wasm", "works only in arguments"),
        ("/a.wasm", "absolute"),
        ("../a.wasm", "`..`"),
        ("a.wasm 'x", "not closed"),
        ("a.wasm \"x", "not closed"),
        ("a.wasm \\", "ends with"),
        ("", "there is no command"),
    ] {
        let error = ProcessCommand::parse(line).expect_err(line);
        let says = says.replace("`` ` ``", "```");
        assert!(error.contains(&says), "{line}: {error}");
    }
    let command = ProcessCommand::parse("a.wasm $NOT_THERE").expect("a command");
    let error = expand(&command.args, &BTreeMap::new())
        .expect_err("unset")
        .to_string();
    assert!(
        error.contains("$NOT_THERE") && error.contains("dyno config set"),
        "{error}"
    );
}

#[test]
fn procfiles_are_parsed_and_errors_name_the_line() {
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
        ("# x\nweb: a.wasm *.csv # all", "line 2: `*` needs a shell"),
    ] {
        let error = procfile::parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with("Procfile ") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn dyno_toml_is_parsed() {
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
        settings::ProjectSettings::default()
    );
}

#[test]
fn dyno_toml_errors_name_the_line_and_the_remedy() {
    for (text, says) in [
        (
            "nmae = \"x\"",
            "line 1: unknown key `nmae`: did you mean `name`?",
        ),
        (
            "[build]\ncomand = \"x\"",
            "line 2: unknown key `build.comand`: did you mean `command`?",
        ),
        (
            "\n[limits]\nmem = \"1\"",
            "line 3: unknown key `limits.mem`: did you mean `memory`?",
        ),
        ("zzz = 1", "line 1: unknown key `zzz`: known here: name"),
        ("name = \"Not A Name\"", "line 1: "),
        ("name = 3", "line 1: "),
        ("name = ", "line 1: "),
        ("build = \"make\"", "line 1: `build` is a section"),
        (
            "[limits]\nmemory = \"lots\"",
            "line 2: `lots` is not a size",
        ),
        (
            "[limits]\nmemory = \"1KiB\"",
            "line 2: `memory` is 1KiB, but it must be from 1MiB to 4GiB",
        ),
        (
            "[limits]\nmemory = \"99999999999999999999GiB\"",
            "is not a size",
        ),
        ("[limits]\ntimeout = \"30\"", "line 2: `30` is not a time"),
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
fn app_json_files_are_parsed() {
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
        (
            "{\n\"env\": {\n\"1A\": \"x\"}}",
            "line 3: `env.1A` is not a name",
        ),
        (
            "{\"env\": {\"A\": \"1\",\n\"PORT\": 5000}}",
            "line 2: `env.PORT` is a number: write a text in quotes",
        ),
        (
            "{\"env\": {\"A\": {\"required\":\n \"yes\"}}}",
            "line 1: `env.A.required` is a text: write true or false",
        ),
        (
            "{\"env\": {\"A\": {\n\"value\": true}}}",
            "line 2: `env.A.value` is true or false: write a text",
        ),
        ("{\"env\": [\"A\"]}", "line 1: `env` is a list"),
        ("{\"env\": {\"A\": null}}", "`env.A` is null"),
        (
            "{\"formation\": {\"web\": {\"quantity\": 5000}}}",
            "`formation.web.quantity` is 5000 dynos",
        ),
        (
            "{\"formation\": {\"web\": {\n\"quantity\": \"2\"}}}",
            "line 2: `formation.web.quantity` is a text",
        ),
        (
            "{\"formation\": {\"web\": 2}}",
            "`formation.web` is a number",
        ),
        ("[]", "it is not an object"),
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
fn env_files_are_parsed_and_errors_name_the_line() {
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
        ("\n1A=x", "line 2: `1A` is not a name"),
        ("A='x", "line 1: a `'` is not closed"),
        ("A=1\nB=\"x\n\n", "line 2: a `\"` is not closed"),
        ("A=\"x\" y", "line 1: there is text after the closing quote"),
        ("A B=1", "line 1: `A B` is not a name"),
    ] {
        let error = dotenv::parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with(".env ") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn env_files_from_windows_keep_line_ends_within_values() {
    let parsed = |text: &str| dotenv::parse(text).expect(text).value;
    let windows = parsed("A=1\r\nB=\"two\r\nlines\"\r\nC='x'\r\n");
    assert_eq!(windows, env(&[("A", "1"), ("B", "two\nlines"), ("C", "x")]));
    // As written by `dyno config --shell`: the value contains CRLF line ends.
    assert_eq!(parsed("A='x\r\ny'\n"), env(&[("A", "x\r\ny")]));
}

#[test]
fn quoted_parts_in_a_row_are_one_value() {
    for (text, expected) in [
        (r"A='it'\''s'", "it's"),
        (r#"A="a"'b'"c" # d"#, "abc"),
        (r"A=''\'''", "'"),
        (r#"A="a"\""#, "a\""),
    ] {
        let parsed = dotenv::parse(text).expect(text);
        assert_eq!(parsed.value["A"], expected, "{text}");
    }
}

/// The value that a POSIX shell reads from the same lines.
fn by_shell(script: &str) -> String {
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{script}\nprintf '%s|%s' \"$A\" \"$B\"")])
        .output()
        .expect("a shell");
    String::from_utf8(output.stdout).expect("UTF-8")
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
        if let Ok(command) = ProcessCommand::parse(&text) {
            // Parsed commands are valid: expansion fails only for unset names.
            let broken = matches!(
                expand(&command.args, &BTreeMap::new()),
                Err(slugs::manifest::ExpandError::Form { .. })
            );
            prop_assert!(!broken, "not in stored form");
        }
    }

    #[test]
    fn quoted_arguments_are_parsed_back(args in prop::collection::vec("[ -~]{0,12}", 0..6)) {
        let line: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
        let command = ProcessCommand::parse(&format!("a.wasm {}", line.join(" "))).expect("quoted");
        prop_assert_eq!(expand(&command.args, &BTreeMap::new()).expect("nothing to replace"), args);
    }

    #[test]
    fn quoted_env_values_are_parsed_back(value in "[^'\0\r]{0,40}") {
        let parsed = dotenv::parse(&format!("A='{value}'\nB=1\n")).expect("quoted");
        prop_assert_eq!(&parsed.value["A"], &value);
        prop_assert_eq!(&parsed.value["B"], "1");
    }

    /// The output of `dyno config --shell` is a valid env file.
    #[test]
    fn any_value_survives_an_env_file(
        values in prop::collection::vec("[^\0]{0,40}|[ '\"\\\\$#\r\n\t=`é]{0,12}", 1..4)
    ) {
        let names: Vec<String> = (0..values.len()).map(|at| format!("V{at}")).collect();
        let lines: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| dotenv::format_entry(name, value)).collect();
        let parsed = dotenv::parse(&(lines.join("\n") + "\n")).expect("its own text");
        prop_assert!(parsed.warnings.is_empty());
        prop_assert_eq!(parsed.value.into_values().collect::<Vec<_>>(), values);
    }

    #[test]
    fn a_posix_shell_reads_the_same_env_values(a in "[^\0]{0,20}", b in "[ '\"\\\\$#\n\t=`*~é]{0,12}") {
        let script = [dotenv::format_entry("A", &a), dotenv::format_entry("B", &b)].join("\n");
        prop_assert_eq!(by_shell(&script), format!("{a}|{b}"));
    }

    #[test]
    fn limits_within_range_are_accepted(mib in 1_u64..=4096, seconds in 1_u64..=600) {
        let text = format!("[limits]\nmemory = \"{mib}MiB\"\ntimeout = \"{seconds}s\"\n");
        let limits = settings::parse(&text).expect("within range").value.limits;
        prop_assert_eq!(limits.memory_bytes, Some(mib << 20));
        prop_assert_eq!(limits.timeout_ms, Some(seconds * 1_000));
    }
}
