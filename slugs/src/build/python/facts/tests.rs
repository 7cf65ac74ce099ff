//! Facts that Python's parser finds in files, and the mapping from module names to files.

use super::*;

/// The imports of a file, as `MODULE:NAME when`.
fn imports(text: &str) -> Vec<String> {
    let facts = SourceFacts::of_files(&[("app.py", text)]);
    let file = facts.file("app.py").expect("it was read");
    assert_eq!(file.error, None);
    let shown = |import: &ImportStatement| {
        let dots = ".".repeat(import.level);
        let (module, name) = (&import.module, &import.name);
        format!("{dots}{module}:{name} {:?}", import.when).to_lowercase()
    };
    file.imports.iter().map(shown).collect()
}

#[test]
fn imports_are_read_with_the_parser_of_python() {
    let text = "\"\"\"Words.\n\nfrom markupsafe import nothing\nimport this\n\"\"\"\n";
    assert!(imports(text).is_empty(), "a docstring imports nothing");
    assert_eq!(
        imports("from click import echo; X = [1, 2]\n"),
        ["click:echo always"]
    );
    assert_eq!(
        imports("from a.b import (c, # one\n  d as e,\n)\nimport f.g as h, i\n"),
        ["a.b:c always", "a.b:d always", "f.g: always", "i: always"]
    );
    assert_eq!(
        imports("from . import a\nfrom ..b import c\n"),
        [".:a always", "..b:c always"]
    );
    assert_eq!(
        imports("x = '''\nimport a\n'''\nif True: import b\n"),
        ["b: always"]
    );
}

#[test]
fn conditional_imports_are_distinguished() {
    let guarded = "try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\n";
    assert_eq!(imports(guarded), ["a: caught", "b: maybe", "c: maybe"]);
    let suppressed =
        "from contextlib import suppress\nwith suppress(ModuleNotFoundError):\n    import a\n";
    assert!(imports(suppressed).contains(&"a: caught".to_owned()));
    let typing =
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b\n";
    assert_eq!(
        imports(typing),
        ["typing:type_checking always", "b: always"]
    );
    let version =
        "import sys\nif sys.version_info >= (3, 11):\n    import a\nelse:\n    import b\n";
    assert_eq!(imports(version), ["sys: always", "a: always"]);
    assert_eq!(
        imports("def f():\n    import a\nclass C:\n    import b\n"),
        ["a: later", "b: always"]
    );
    assert_eq!(
        imports(
            "import importlib\nm = importlib.import_module('a.b')\nn = __import__('c')\nimport_module('.d', 'e')\n"
        ),
        ["importlib: always", "a.b: always", "c: always"]
    );
    let other_error = "try:\n    import a\nexcept ValueError:\n    pass\n";
    assert_eq!(imports(other_error), ["a: always"]);
}

#[test]
fn modules_are_found_in_every_root_folder() {
    let mut facts = SourceFacts::of_files(&[
        ("app.py", "import shop.views\nfrom lib import tools\n"),
        ("src/shop/__init__.py", ""),
        (
            "src/shop/views.py",
            "from . import models\nfrom .forms import F\n",
        ),
        ("src/shop/models.py", ""),
        ("src/shop/forms.py", ""),
        ("lib/tools.py", ""),
    ]);
    assert!(facts.module("shop").is_none());
    facts.add_root("src", false);
    let led = |from: &str, at: usize| -> Vec<String> {
        let import = &facts.file(from).expect("read").imports[at];
        let files = facts.imported_files(from, import).into_iter();
        files.map(|module| module.file.clone()).collect()
    };
    assert_eq!(
        led("app.py", 0),
        ["src/shop/__init__.py", "src/shop/views.py"]
    );
    assert_eq!(led("app.py", 1), ["lib/tools.py"], "a namespace package");
    assert_eq!(
        led("src/shop/views.py", 0),
        ["src/shop/models.py", "src/shop/__init__.py"]
    );
    assert_eq!(led("src/shop/views.py", 1), ["src/shop/forms.py"]);
    assert!(facts.is_own("lib") && facts.is_namespace("lib") && !facts.is_own("flask"));
}
