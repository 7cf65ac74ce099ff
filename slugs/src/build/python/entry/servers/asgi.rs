//! Owns the command lines of servers of ASGI apps. Must not know whether the app exists, nor what ASGI is.

use super::{AppReference, ParsedOptions, ServeCommand, ServerOptions, command_of, parse_options};

/// Servers of ASGI apps, by the names of their programs and modules.
pub(super) const SERVERS: [&str; 4] = ["uvicorn", "hypercorn", "daphne", "granian"];

const UVICORN: ServerOptions = ServerOptions {
    flags: &[
        "reload",
        "access-log",
        "no-access-log",
        "use-colors",
        "no-use-colors",
        "proxy-headers",
        "no-proxy-headers",
        "server-header",
        "no-server-header",
        "date-header",
        "no-date-header",
        "reset-contextvars",
        "factory",
        "version",
        "help",
    ],
    letters: "",
};
const HYPERCORN: ServerOptions = ServerOptions {
    flags: &["debug", "reload", "help"],
    letters: "bckwpgmu",
};
const DAPHNE: ServerOptions = ServerOptions {
    flags: &["proxy-headers", "no-server-name", "help"],
    letters: "pbuevts",
};
const GRANIAN: ServerOptions = ServerOptions {
    flags: &[
        "factory",
        "no-factory",
        "reload",
        "no-reload",
        "access-log",
        "no-access-log",
        "ws",
        "no-ws",
        "log",
        "no-log",
        "respawn-failed-workers",
        "no-respawn-failed-workers",
        "help",
        "version",
    ],
    letters: "",
};
const FASTAPI: ServerOptions = ServerOptions {
    flags: &[
        "reload",
        "no-reload",
        "proxy-headers",
        "no-proxy-headers",
        "help",
    ],
    letters: "e",
};

/// Parses the options of one of `SERVERS`.
pub(super) fn parse_server(program: &str, words: &[String]) -> Result<ServeCommand, String> {
    let options = match program {
        "hypercorn" => &HYPERCORN,
        "daphne" => &DAPHNE,
        "granian" => &GRANIAN,
        _ => &UVICORN,
    };
    let parsed = parse_options(words, options);
    let Some(app) = parsed.others.first() else {
        return Err(format!(
            "the Procfile's web process runs {program} without an app: name it, as in `web: {program} module:name`"
        ));
    };
    // hypercorn's prefix says what kind of app it is.
    let kinds = ["asgi:", "wsgi:"];
    let app = kinds
        .iter()
        .find_map(|kind| app.strip_prefix(kind))
        .unwrap_or(app);
    let is_factory = parsed.flags.contains(&"factory") && !app.ends_with(')');
    let app = format!("{app}{}", if is_factory { "()" } else { "" });
    let folder = parsed.value(&["app-dir"]).filter(|folder| *folder != ".");
    Ok(ServeCommand {
        paths: folder.map(str::to_owned).into_iter().collect(),
        root_path: root_path_of(&parsed),
        ..command_of(AppReference::Module(app))
    })
}

/// Parses the words after `fastapi`.
pub(super) fn parse_fastapi(words: &[String]) -> Result<ServeCommand, String> {
    let parsed = parse_options(words, &FASTAPI);
    let app = parsed.value(&["app"]).unwrap_or_default().to_owned();
    let reference = match (parsed.others.as_slice(), parsed.value(&["entrypoint", "e"])) {
        (["run" | "dev", ..], Some(entry)) => AppReference::Module(entry.to_owned()),
        (["run" | "dev", file, ..], None) => AppReference::File((*file).to_owned(), app),
        (["run" | "dev"], None) => AppReference::Usual,
        (other, _) => {
            return Err(format!(
                "the Procfile's web process runs `fastapi {}`, which serves nothing: write `web: fastapi run`",
                other.first().unwrap_or(&"")
            ));
        }
    };
    Ok(ServeCommand {
        root_path: root_path_of(&parsed),
        ..command_of(reference)
    })
}

fn root_path_of(parsed: &ParsedOptions<'_>) -> String {
    parsed.value(&["root-path"]).unwrap_or_default().to_owned()
}
