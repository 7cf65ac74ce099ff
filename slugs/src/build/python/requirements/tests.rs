//! The packages that projects require, for every format of project files.

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        Self(folder)
    }

    fn read(&self) -> Result<RequestedPackages, BuilderError> {
        RequestedPackages::read(self.0.path(), &SetupFacts::default())
    }
}

fn read(files: &[(&str, &str)]) -> RequestedPackages {
    Folder::new(files).read().expect("sound")
}

#[test]
fn requirements_files_may_include_files_and_continue_lines() {
    let requested = read(&[
        (
            "requirements.txt",
            "-r requirements/prod.txt\n# a comment\nflask==3.1.3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nuWSGI==2.0.30\n",
        ),
        (
            "requirements/prod.txt",
            "-r base.txt\n-c limits.txt\nmarkdown ; python_version >= '3.8'  # why\n",
        ),
        (
            "requirements/base.txt",
            "jinja2[i18n]>=3\nx @ https://host.example/x.zip#sha256=1\n",
        ),
        ("requirements/limits.txt", "click<9\n"),
    ]);
    let (lines, constraints) = split_constraints(&requested.lines);
    assert!(
        lines.contains(&"flask==3.1.3     --hash=sha256:aa     --hash=sha256:bb"),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"markdown ; python_version >= '3.8'"),
        "{lines:?}"
    );
    assert!(lines.contains(&"jinja2[i18n]>=3"), "{lines:?}");
    assert!(
        lines.contains(&"x @ https://host.example/x.zip#sha256=1"),
        "{lines:?}"
    );
    assert_eq!(
        lines.len(),
        4,
        "a server that a dyno has no use for is left out: {lines:?}"
    );
    assert_eq!(constraints, ["click<9"]);
    let absent = Folder::new(&[("requirements.txt", "-r base.txt\n")])
        .read()
        .expect_err("absent");
    assert!(
        absent
            .to_string()
            .contains("requirements.txt names base.txt"),
        "{absent}"
    );
}

#[test]
fn a_requirements_file_from_windows_is_read() {
    let text = "flask==3.1.3\r\njinja2\r\n";
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    assert_eq!(text::decode(&utf16), text);
    assert_eq!(text::decode(b"\xef\xbb\xbfflask"), "flask");
}

#[test]
fn the_project_itself_is_an_import_root_and_not_installed() {
    let pyproject = "[project]\nname = 'shop'\ndependencies = ['flask>=3']\n[project.optional-dependencies]\nprod = ['redis']\n[project.scripts]\nshop-import = 'shop.tools:main'\n";
    for target in [".", "-e .", "--editable=.", "-e file:."] {
        let requested = read(&[
            ("requirements.txt", &format!("{target}\nmarkdown\n")),
            ("pyproject.toml", pyproject),
            ("src/shop/__init__.py", ""),
        ]);
        assert_eq!(requested.lines, ["markdown", "flask>=3"], "{target}");
        assert_eq!(requested.roots, ["src"]);
        assert_eq!(requested.scripts["shop-import"], "shop.tools:main");
    }
    let extras = read(&[
        ("requirements.txt", "-e .[prod]\n"),
        ("pyproject.toml", pyproject),
    ]);
    assert_eq!(extras.lines, ["flask>=3", "redis"]);
    assert!(extras.roots.is_empty());
    let beside = read(&[
        ("requirements.txt", "./libs/tools\n"),
        (
            "libs/tools/pyproject.toml",
            "[project]\nname = 'tools'\ndependencies = ['click']\n",
        ),
        ("libs/tools/src/tools/__init__.py", ""),
    ]);
    assert_eq!(
        (beside.lines, beside.roots),
        (vec!["click".to_owned()], vec!["libs/tools/src".to_owned()])
    );
}

#[test]
fn pep_621_and_uv_projects_give_their_locked_packages() {
    let uv = "[project]\nname = 'shop'\nversion = '1'\ndependencies = ['flask>=3', 'tools']\n[tool.uv.sources]\ntools = { path = 'libs/tools', editable = true }\n[dependency-groups]\ndev = ['pytest']\n";
    let lock = "version = 1\n[[package]]\nname = 'flask'\nversion = '3.1.3'\nsource = { registry = 'https://host.example/simple' }\n[[package]]\nname = 'shop'\nversion = '1'\nsource = { virtual = '.' }\n[[package]]\nname = 'numpy'\nversion = '1'\n[[package]]\nname = 'numpy'\nversion = '2'\n";
    let requested = read(&[
        ("pyproject.toml", uv),
        ("uv.lock", lock),
        (
            "libs/tools/pyproject.toml",
            "[project]\nname = 'tools'\ndependencies = ['click']\n",
        ),
    ]);
    assert_eq!(requested.lines, ["flask>=3", "click"]);
    assert_eq!(
        requested.constraints,
        ["flask==3.1.3"],
        "one version, from an index"
    );
    assert_eq!(requested.roots, ["libs/tools"]);
    assert_eq!(requested.file, "pyproject.toml");
}

#[test]
fn poetry_projects_give_their_packages() {
    let poetry = "[tool.poetry]\nname = 'shop'\npackages = [{ include = 'shop', from = 'lib' }]\n[tool.poetry.dependencies]\npython = '^3.11'\nflask = '^3.0'\nredis = { version = '~5.0', extras = ['hiredis'], optional = true }\nrequests = { version = '^2.31', extras = ['socks'], markers = \"sys_platform != 'win32'\" }\ntools = { path = '../tools' }\n[tool.poetry.group.dev.dependencies]\npytest = '*'\n[tool.poetry.scripts]\nserve = 'shop.cli:main'\n";
    let lock = "[[package]]\nname = 'Flask'\nversion = '3.0.2'\n[[package]]\nname = 'forked'\nversion = '1'\n[package.source]\ntype = 'git'\nurl = 'https://host.example/x'\n";
    let requested = read(&[("pyproject.toml", poetry), ("poetry.lock", lock)]);
    assert_eq!(
        requested.lines,
        [
            "flask>=3.0,<4",
            "requests[socks]>=2.31,<3; sys_platform != 'win32'"
        ]
    );
    assert_eq!(requested.constraints, ["flask==3.0.2"]);
    assert!(
        requested.roots.contains(&"lib".to_owned()),
        "{:?}",
        requested.roots
    );
    assert_eq!(requested.scripts["serve"], "shop.cli:main");
}

#[test]
fn a_pipfile_gives_its_packages() {
    let pipfile = "[[source]]\nurl = 'https://host.example/simple'\nname = 'pypi'\n[[source]]\nurl = 'https://own.example/simple'\nname = 'own'\n[packages]\nflask = '*'\ngunicorn = '>=20'\nrequests = { version = '==2.31.0', extras = ['socks'] }\n[dev-packages]\npytest = '*'\n[requires]\npython_version = '3.11'\n";
    let lock = r#"{"_meta": {}, "default": {"flask": {"version": "==3.1.3", "hashes": ["sha256:aa"]}, "own": {"git": "x"}}, "develop": {"pytest": {"version": "==8.0"}}}"#;
    let requested = read(&[("Pipfile", pipfile), ("Pipfile.lock", lock)]);
    assert_eq!(
        requested.lines,
        [
            "flask",
            "gunicorn>=20",
            "requests[socks]==2.31.0",
            "--extra-index-url https://own.example/simple"
        ]
    );
    assert_eq!(requested.constraints, ["flask==3.1.3"]);
    assert_eq!(requested.file, "Pipfile");
}

#[test]
fn setuptools_files_are_read_without_running_them() {
    let folder = Folder::new(&[]);
    let setup = SetupFacts {
        requires: vec!["flask>=3".to_owned()],
        package_dir: Some("lib".to_owned()),
        scripts: [("serve".to_owned(), "shop:main".to_owned())].into(),
        computed: false,
    };
    let requested = RequestedPackages::read(folder.0.path(), &setup).expect("sound");
    assert_eq!(
        (requested.lines, requested.roots),
        (vec!["flask>=3".to_owned()], vec!["lib".to_owned()])
    );
    let computed = SetupFacts {
        computed: true,
        ..SetupFacts::default()
    };
    let warned = RequestedPackages::read(folder.0.path(), &computed)
        .expect("sound")
        .warnings;
    assert!(
        warned[0].to_string().contains("requirements.txt"),
        "{}",
        warned[0]
    );
    let dynamic = "[project]\nname = 'x'\ndynamic = ['dependencies']\n[tool.setuptools.dynamic]\ndependencies = { file = ['deps.txt'] }\n";
    let requested = read(&[("pyproject.toml", dynamic), ("deps.txt", "click\n")]);
    assert_eq!(requested.lines, ["click"]);
}
