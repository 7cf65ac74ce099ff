//! Python versions that projects require.

use super::*;

#[test]
fn specifiers_are_compared_with_the_python_of_dynos() {
    for allowed in [
        ">=3.9",
        ">=3.9,<4",
        "~=3.11",
        "==3.*",
        "!=3.13.1",
        "3.14",
        ">3.9,!=3.10.*",
    ] {
        assert!(allows(allowed), "{allowed}");
    }
    for refused in [
        "<3.13",
        ">=3.9,<3.14",
        "==3.11.*",
        "~=3.11.2",
        "3.12",
        "<=3.13",
    ] {
        assert!(!allows(refused), "{refused}");
    }
}

#[test]
fn files_that_require_another_python_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let of = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
        let found = find_warnings(folder.path()).expect("readable");
        std::fs::remove_file(folder.path().join(name)).expect("it was there");
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let warned = of("runtime.txt", "python-3.11.4\n");
    assert!(
        warned.contains("runtime.txt") && warned.contains("3.11.4") && warned.contains("3.14"),
        "{warned}"
    );
    assert!(of(".python-version", "# mine\n3.12\n").contains(".python-version"));
    assert!(of("Pipfile", "[requires]\npython_version = '3.9'\n").contains("Pipfile"));
    assert!(of("pyproject.toml", "[project]\nrequires-python = '<3.13'\n").contains("<3.13"));
    for fine in ["3.14.0\n", "3\n", "my-environment\n"] {
        assert_eq!(of(".python-version", fine), "");
    }
}
