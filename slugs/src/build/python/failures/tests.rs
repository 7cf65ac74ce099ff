//! How failed imports are reported.

use super::*;

fn judged(app: &str, failures: &str) -> Result<Vec<String>, String> {
    let facts = SourceFacts::of_files(&[("app.py", app)]);
    let imports = super::super::imports::find_imports(&facts, &["app.py".to_owned()]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for package in ["numpy", "click", "markupsafe"] {
        std::fs::create_dir(folder.path().join(package)).expect("a folder");
    }
    let packages = InstalledPackages {
        folder: folder.path().to_owned(),
        key: String::new(),
        native: "numpy\tnumpy/core.so\n_cffi\t_cffi.so\n".to_owned(),
    };
    let warnings = judge_failures(failures, &imports, (&facts, &packages), "requirements.txt");
    let warnings = warnings.map_err(|error| error.to_string())?;
    Ok(warnings.iter().map(ToString::to_string).collect())
}

const NUMPY: &str =
    "numpy\t\tnative\tnumpy/core.so\tModuleNotFoundError: No module named 'numpy.core'\n";

#[test]
fn native_code_fails_a_build_only_where_the_app_needs_it() {
    let error = judged("import os\nimport numpy\n", NUMPY).expect_err("needed");
    assert!(
        error.starts_with("app.py:2: numpy is native code (numpy/core.so)"),
        "{error}"
    );
    assert!(error.contains("Use another package"), "{error}");
    let caught = "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n";
    assert_eq!(judged(caught, NUMPY), Ok(vec![]));
    let later = judged("def f():\n    import numpy\n", NUMPY).expect("a warning");
    assert!(later[0].contains("numpy is native code"), "{later:?}");
    assert!(
        judged("import _cffi\n", "")
            .expect_err("needed")
            .contains("_cffi.so")
    );
}

#[test]
fn fastapi_is_told_which_versions_work() {
    let native = "fastapi\tFastAPI\tnative\tpydantic_core/_pydantic_core.so\tModuleNotFoundError: No module named 'x'\n";
    let error = judged("from fastapi import FastAPI\n", native).expect_err("needed");
    assert!(
        error.starts_with("app.py:1: `fastapi` needs pydantic 2") && !error.contains('\n'),
        "{error}"
    );
    assert!(
        error.contains("`fastapi<0.119` and `pydantic<2`") && error.contains("Starlette or Quart"),
        "{error}"
    );
}

#[test]
fn other_failures_are_warnings_at_most() {
    let name = "click\tnothing\tabsent\t\tImportError: cannot import name 'nothing' from 'click'\n";
    let warned = judged("from click import nothing\n", name).expect("a warning");
    assert!(
        warned[0].contains("app.py") && warned[0].contains("cannot import name 'nothing'"),
        "{warned:?}"
    );
    let other = "click\t\tother\t\tRuntimeError: set STAGE first\n";
    assert_eq!(judged("import click\n", other), Ok(vec![]));
    let absent = judged("import os\nimport yaml\n", "").expect("a warning");
    assert!(
        absent[0].contains("`yaml`") && absent[0].contains("requirements.txt"),
        "{absent:?}"
    );
    let removed = judged("import cgi\n", "").expect("a warning");
    assert!(removed[0].contains("3.13"), "{removed:?}");
    let lacking = judged("import os\nimport ssl\n", "").expect("a warning");
    assert!(
        lacking[0].contains("app.py") && lacking[0].contains("no OpenSSL"),
        "{lacking:?}"
    );
    let caught = "try:\n    import ssl\nexcept ImportError:\n    ssl = None\n";
    assert_eq!(judged(caught, ""), Ok(vec![]));
    assert_eq!(judged("if DEBUG:\n    import yaml\n", ""), Ok(vec![]));
}
