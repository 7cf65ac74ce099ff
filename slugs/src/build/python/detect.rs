//! Owns the files and commands by which a Python project is known. Must not know how it is built.

use std::path::Path;

/// Files by which a Python project is known.
const PROJECT_FILES: [&str; 7] = [
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "setup.py",
    "setup.cfg",
    "poetry.lock",
    "uv.lock",
];
/// Names of programs that mark a Python project even if there is no list of packages.
const PROGRAMS: [&str; 5] = ["app.py", "main.py", "wsgi.py", "asgi.py", "manage.py"];
/// First words of commands of Python apps, where another language's files are there as well.
const SERVER_COMMANDS: [&str; 14] = [
    "python",
    "python3",
    "gunicorn",
    "waitress-serve",
    "flask",
    "uwsgi",
    "uvicorn",
    "hypercorn",
    "daphne",
    "granian",
    "fastapi",
    "quart",
    "django-admin",
    "manage.py",
];

/// Whether a folder holds a Python project.
pub(in crate::build) fn is_project(folder: &Path) -> bool {
    let mut names = PROJECT_FILES.iter().chain(&PROGRAMS);
    names.any(|name| folder.join(name).is_file())
}

/// Whether a program's name is one that starts Python apps.
pub(in crate::build) fn is_server_command(program: &str) -> bool {
    SERVER_COMMANDS.contains(&program)
}
