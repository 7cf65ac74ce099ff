//! Programs in C: builds, and messages of the compiler.

use crate::app_folder::{App, steps};

const MAIN: &str =
    "#include <stdio.h>\n#include \"words.h\"\nint main(void) { return puts(WORD) < 0; }\n";

#[test]
fn a_folder_of_sources_becomes_a_command() {
    let app = App::new(&[
        ("src/main.c", MAIN),
        ("include/words.h", "#define WORD \"hi\"\n"),
    ]);
    let (_, slug) = app.build();
    let main = &slug["processes"]["main"];
    assert_eq!(
        (&main["world"], &main["kind"]),
        (&"wasip1".into(), &"process".into())
    );
    assert_eq!(
        (&slug["builder"]["name"], &main["component"]),
        (&"c".into(), &"main.wasm".into())
    );
    let (told, second) = app.build_offline();
    assert_eq!(
        (steps(&told), &second["id"]),
        (vec![], &slug["id"]),
        "{told}"
    );
    app.write("include/words.h", "#define WORD \"ho\"\n");
    app.write("Procfile", "worker: main.wasm --fast\n");
    let (told, third) = app.build_offline();
    assert_eq!(steps(&told), ["zig cc (1 files)"]);
    assert_eq!(third["processes"]["worker"]["args"][0], "--fast");
}

#[test]
fn compiler_messages_are_printed() {
    let text = App::new(&[("main.c", "int main(void) { return missing(); }\n")]).refused();
    assert!(
        text.contains("main.c:1:") && text.contains("missing"),
        "{text}"
    );
    let text = App::new(&[
        ("main.c", "int main(void) { return 0; }\n"),
        ("Makefile", "all:\n"),
    ])
    .refused();
    assert!(
        text.contains("Makefile") && text.contains("command"),
        "{text}"
    );
}
