//! Programs of a Go module as process types and one-off dynos.

use std::process::Output;

use serde_json::json;
use testkit::dyno_command;

use crate::app_folder::App;

const WEB: &str = r#"package main

import (
	"fmt"
	"net/http"
	"os"

	"example.com/shop/words"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, words.Greeting, os.Args[1:])
	})
	http.ListenAndServe(":"+os.Getenv("PORT"), nil)
}
"#;
const TOOL: &str = r#"package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"time"

	"example.com/shop/words"
)

func main() {
	switch os.Args[1] {
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "panic":
		panic("nothing of tool")
	case "copy":
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(words.Greeting, lines.Text())
		}
	case "migrate":
		fmt.Println("migrated by", os.Getenv("DYNO"))
	case "work":
		for n := 0; ; n++ {
			fmt.Println(os.Getenv("DYNO"), "works", n, os.Args[2:])
			time.Sleep(20 * time.Millisecond)
		}
	}
}
"#;

fn shop() -> App {
    App::new(&[
        ("go.mod", "module example.com/shop\n\ngo 1.22\n"),
        ("main.go", WEB),
        (
            "words/words.go",
            "package words\n\nconst Greeting = \"hello\"\n",
        ),
        ("cmd/tool/main.go", TOOL),
        (
            "cmd/unused/main.go",
            "package main\n\nfunc main() { broken() }\n",
        ),
        (".env", "KIND=hard\n"),
        (
            "Procfile",
            "web: bin/shop -v $KIND\nworker: ./bin/tool work $KIND\nrelease: go run ./cmd/tool migrate\n",
        ),
    ])
}

/// `dyno local run WORDS` in the app's folder.
fn run(app: &App, words: &[&str]) -> Output {
    let mut command = dyno_command();
    command.args(["local", "run", "--"]).args(words);
    command.current_dir(app.folder()).output().unwrap()
}

#[test]
fn a_procfile_names_programs_of_the_module() {
    let app = shop();
    let (_, slug) = app.build();
    let (web, worker) = (&slug["processes"]["web"], &slug["processes"]["worker"]);
    assert_eq!(
        (&web["kind"], &web["component"], &web["args"]),
        (
            &json!("server"),
            &json!("bin/shop.wasm"),
            &json!(["-v", "$KIND"])
        )
    );
    assert_eq!(
        (&worker["kind"], &worker["component"], &worker["world"]),
        (&json!("process"), &json!("bin/tool.wasm"), &json!("wasip1"))
    );
    assert_eq!(slug["builder"]["name"], "go");
    let local = app.run(&["worker=2"]);
    assert_eq!(local.get("/").text(), "hello[-v hard]");
    for dyno in ["worker.1 works 3 [hard]", "worker.2 works 3 [hard]"] {
        local.wait_for_line(dyno, |line| line.ends_with(dyno));
    }
    assert!(local.stop().success());
}

#[test]
fn programs_run_as_one_off_dynos_with_exact_exit_codes() {
    let app = shop();
    app.build();
    for code in ["0", "1", "44"] {
        let output = run(&app, &["tool", "exit", code]);
        assert_eq!(output.status.code(), code.parse().ok(), "{output:?}");
    }
    let output = run(&app, &["tool", "panic"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("panic: nothing of tool") && told.contains("main.go:"),
        "{told}"
    );
    let output = run(&app, &["release"]);
    assert!(output.stdout.starts_with(b"migrated by run."), "{output:?}");
}

#[test]
fn a_changed_line_is_compiled_without_network_and_the_folder_stays_as_it_is() {
    let app = shop();
    let (told, first) = app.build();
    assert!(told.contains("go build ./cmd/tool"), "{told}");
    let (_, second) = app.build_offline();
    assert_eq!(first["id"], second["id"], "the same bytes");
    app.write(
        "words/words.go",
        "package words\n\nconst Greeting = \"servus\"\n",
    );
    let (_, third) = app.build_offline();
    assert_ne!(first["id"], third["id"]);
    let names = testkit::file_names(app.folder());
    let mut expected = vec![
        "cmd", "go.mod", "main.go", "words", "Procfile", ".env", "app.slug",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
}
