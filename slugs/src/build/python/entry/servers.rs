//! Owns the command lines of Python's web servers: which app each of them names. Must not know whether the app exists.

mod asgi;

use std::collections::BTreeMap;

use crate::build::toolbox::command_line::{self, parse_setting};

/// The app that a server's command line serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServeCommand {
    pub(crate) app: AppReference,
    /// The folder that the server changes to.
    pub(crate) chdir: Option<String>,
    /// Further folders that the server imports from.
    pub(crate) paths: Vec<String>,
    /// Environment variables that the server sets.
    pub(crate) env: BTreeMap<String, String>,
    /// The path that the app is mounted at; empty for the root.
    pub(crate) root_path: String,
}

/// How a command line names the app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum AppReference {
    /// The command line names no app: the app has a usual name.
    #[default]
    Usual,
    /// `MODULE`, `MODULE:NAME`, `MODULE:FUNCTION(ARGUMENTS)`.
    Module(String),
    /// A file, and the name of the app in it.
    File(String, String),
    /// For `flask` and `quart`: a module or a file, perhaps with the name of the app; `None` where FLASK_APP says it.
    Flask(Option<String>),
    /// A program that starts the server itself, and its arguments.
    Script(String, Vec<String>),
    /// Such a program, by the name of its module.
    ScriptModule(String, Vec<String>),
    /// `python manage.py runserver`, with the path of manage.py (empty if unknown).
    Django(String),
    /// gunicorn's configuration file, which may name the app.
    GunicornConfig(String),
    /// A file with options for uWSGI.
    UwsgiFile(String),
}

/// The options of a server's command.
struct ServerOptions {
    /// Options that take no value.
    flags: &'static [&'static str],
    /// One-letter options that take a value.
    letters: &'static str,
}

const GUNICORN: ServerOptions = ServerOptions {
    flags: &[
        "reload",
        "spew",
        "check-config",
        "print-config",
        "preload",
        "no-sendfile",
        "reuse-port",
        "daemon",
        "initgroups",
        "capture-output",
        "log-syslog",
        "enable-stdio-inheritance",
        "disable-redirect-access-to-syslog",
        "proxy-protocol",
        "suppress-ragged-eofs",
        "do-handshake-on-connect",
        "strip-header-spaces",
        "permit-unconventional-http-method",
        "permit-unconventional-http-version",
        "permit-obsolete-folding",
        "casefold-http-method",
        "version",
        "help",
    ],
    letters: "cbwkntugmpe",
};
const WAITRESS: ServerOptions = ServerOptions {
    flags: &[
        "call",
        "ipv4",
        "ipv6",
        "no-ipv4",
        "no-ipv6",
        "expose-tracebacks",
        "no-expose-tracebacks",
        "log-untrusted-proxy-headers",
        "clear-untrusted-proxy-headers",
        "no-clear-untrusted-proxy-headers",
        "log-socket-errors",
        "no-log-socket-errors",
        "asyncore-use-poll",
        "help",
    ],
    letters: "",
};
const UWSGI: ServerOptions = ServerOptions {
    flags: &[
        "master",
        "need-app",
        "enable-threads",
        "lazy-apps",
        "lazy",
        "vacuum",
        "die-on-term",
        "single-interpreter",
        "no-site",
        "strict",
        "thunder-lock",
        "disable-logging",
        "harakiri-verbose",
        "memory-report",
        "no-orphans",
        "log-x-forwarded-for",
        "log-master",
        "ignore-sigpipe",
        "ignore-write-errors",
        "disable-write-exception",
        "manage-script-name",
        "offload-threads-auto",
    ],
    letters: "HspwtCz",
};
const FLASK: ServerOptions = ServerOptions {
    flags: &[
        "debug",
        "no-debug",
        "version",
        "help",
        "reload",
        "no-reload",
        "debugger",
        "no-debugger",
        "with-threads",
        "without-threads",
    ],
    letters: "Aehp",
};

/// Programs that only start the program which follows.
const WRAPPERS: &[&[&str]] = &[
    &["exec"],
    &["poetry", "run"],
    &["pipenv", "run"],
    &["pdm", "run"],
    &["uv", "run"],
    &["newrelic-admin", "run-program"],
    &["ddtrace-run"],
    &["opentelemetry-instrument"],
];

/// The command line without the words before the program.
pub(crate) fn skip_wrappers(words: &[String]) -> &[String] {
    command_line::skip_wrappers(words, WRAPPERS)
}

/// A program's name, without its folder and without Python's version.
pub(crate) fn program_of(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    match is_python_program(name) {
        true => "python",
        false => name,
    }
}

fn is_python_program(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|version| {
        version
            .chars()
            .all(|character| character.is_ascii_digit() || character == '.')
    })
}

/// Parses the command line of a web process. The error says what was found and what works.
pub(super) fn parse_command(words: &[String]) -> Result<ServeCommand, String> {
    let settings = words.iter().map_while(|word| parse_setting(word));
    let settings: Vec<(&str, &str)> = settings.collect();
    let mut command = parse_program(skip_wrappers(&words[settings.len()..]))?;
    for (name, value) in settings {
        match name {
            "PYTHONPATH" => command.paths.extend(split_paths(value, ':')),
            name => drop(command.env.insert(name.to_owned(), value.to_owned())),
        }
    }
    Ok(command)
}

fn parse_program(words: &[String]) -> Result<ServeCommand, String> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(ServeCommand::default());
    };
    let program = program_of(first);
    match program {
        "python" => parse_python(rest),
        "gunicorn" => parse_gunicorn(rest),
        "waitress-serve" => parse_waitress(rest),
        "uwsgi" => parse_uwsgi(rest),
        "flask" | "quart" => parse_flask(program, rest),
        "fastapi" => asgi::parse_fastapi(rest),
        "django-admin" => Ok(command_of(AppReference::Django(String::new()))),
        _ if asgi::SERVERS.contains(&program) => asgi::parse_server(program, rest),
        "manage.py" => parse_script(first, rest),
        _ if program.ends_with(".py") => parse_script(first, rest),
        _ if is_app_name(first) => Ok(command_of(AppReference::Module(first.clone()))),
        _ => match words.iter().find(|word| is_app_name(word)) {
            Some(app) => Ok(command_of(AppReference::Module(app.clone()))),
            None => Err(format!(
                "the Procfile's web process runs `{first}`, which is not known as a server of WSGI or ASGI apps: name the app, as \
                 in `web: gunicorn module:name`, or only `web: module:name`"
            )),
        },
    }
}

/// A command that names the app and sets nothing else.
fn command_of(app: AppReference) -> ServeCommand {
    ServeCommand {
        app,
        ..ServeCommand::default()
    }
}

fn parse_python(words: &[String]) -> Result<ServeCommand, String> {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        match word.as_str() {
            "-m" => return parse_python_module(after),
            "-c" => {
                return Err(
                    "the Procfile's web process runs `python -c`: put those lines in a file, as in `web: python app.py`"
                        .to_owned(),
                );
            }
            "-W" | "-X" => rest = after.get(1..).unwrap_or_default(),
            _ if word.starts_with('-') && word.len() > 1 => rest = after,
            _ => return parse_script(word, after),
        }
    }
    Err("the Procfile's web process runs `python` alone: name the program, as in `web: python app.py`".to_owned())
}

fn parse_python_module(words: &[String]) -> Result<ServeCommand, String> {
    let Some((module, rest)) = words.split_first() else {
        return Err(
            "the Procfile's web process has nothing after `python -m`: name a module".to_owned(),
        );
    };
    match module.as_str() {
        "flask" | "quart" => parse_flask(module, rest),
        "fastapi" => asgi::parse_fastapi(rest),
        "gunicorn" | "gunicorn.app.wsgiapp" => parse_gunicorn(rest),
        "waitress" => parse_waitress(rest),
        "django" => Ok(command_of(AppReference::Django(String::new()))),
        name if asgi::SERVERS.contains(&name) => asgi::parse_server(name, rest),
        "bottle" => {
            let app = rest.iter().find(|word| is_app_name(word));
            Ok(command_of(app.map_or(AppReference::Usual, |app| {
                AppReference::Module(app.clone())
            })))
        }
        _ => Ok(command_of(AppReference::ScriptModule(
            module.clone(),
            rest.to_vec(),
        ))),
    }
}

fn parse_script(file: &str, rest: &[String]) -> Result<ServeCommand, String> {
    let file = file.trim_start_matches("./");
    let serves = rest
        .first()
        .is_some_and(|word| word.starts_with("runserver"));
    let app = match file.rsplit('/').next() {
        Some("manage.py") if serves => AppReference::Django(file.to_owned()),
        _ => AppReference::Script(file.to_owned(), rest.to_vec()),
    };
    Ok(command_of(app))
}

/// The words of a command line: options with their values, flags, and all other words.
struct ParsedOptions<'a> {
    values: Vec<(&'a str, &'a str)>,
    flags: Vec<&'a str>,
    others: Vec<&'a str>,
}

impl<'a> ParsedOptions<'a> {
    fn value(&self, names: &[&str]) -> Option<&'a str> {
        let mut found = self.values.iter().rev();
        found
            .find(|(name, _)| names.contains(name))
            .map(|(_, value)| *value)
    }
}

fn parse_options<'a>(words: &'a [String], options: &ServerOptions) -> ParsedOptions<'a> {
    let mut parsed = ParsedOptions {
        values: Vec::new(),
        flags: Vec::new(),
        others: Vec::new(),
    };
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
            match long.split_once('=') {
                Some((name, value)) => parsed.values.push((name, value)),
                None if options.flags.contains(&long) => parsed.flags.push(long),
                None => parsed.values.push((long, words.next().unwrap_or_default())),
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let (letter, value) = short.split_at(short.chars().next().map_or(0, char::len_utf8));
            match (options.letters.contains(letter), value) {
                (true, "") => parsed
                    .values
                    .push((letter, words.next().unwrap_or_default())),
                (true, value) => parsed.values.push((letter, value.trim_start_matches('='))),
                (false, _) => parsed.flags.push(letter),
            }
        } else {
            parsed.others.push(word);
        }
    }
    parsed
}

fn parse_gunicorn(words: &[String]) -> Result<ServeCommand, String> {
    let parsed = parse_options(words, &GUNICORN);
    let config = parsed.value(&["c", "config"]);
    let config = config.map_or("gunicorn.conf.py", |file| {
        file.trim_start_matches("file:").trim_start_matches("./")
    });
    let app = match parsed.others.first() {
        Some(app) => AppReference::Module((*app).to_owned()),
        None => AppReference::GunicornConfig(config.to_owned()),
    };
    let env = parsed
        .values
        .iter()
        .filter(|(name, _)| ["e", "env"].contains(name));
    let env = env.filter_map(|(_, pair)| pair.split_once('='));
    let paths = parsed
        .value(&["pythonpath"])
        .map_or_else(Vec::new, |paths| split_paths(paths, ','));
    Ok(ServeCommand {
        app,
        chdir: parsed.value(&["chdir"]).map(str::to_owned),
        paths,
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        root_path: String::new(),
    })
}

fn split_paths(paths: &str, separator: char) -> Vec<String> {
    let paths = paths.split(separator).filter(|path| !path.is_empty());
    paths.map(str::to_owned).collect()
}

fn parse_waitress(words: &[String]) -> Result<ServeCommand, String> {
    let parsed = parse_options(words, &WAITRESS);
    let app = parsed.value(&["app"]).or(parsed.others.first().copied());
    let Some(app) = app else {
        return Err(
            "the Procfile's web process runs waitress-serve without an app: name it, as in `web: waitress-serve \
             module:name`"
                .to_owned(),
        );
    };
    let calls = parsed.flags.contains(&"call") && !app.ends_with(')');
    let app = format!("{app}{}", if calls { "()" } else { "" });
    Ok(command_of(AppReference::Module(app)))
}

fn parse_uwsgi(words: &[String]) -> Result<ServeCommand, String> {
    let parsed = parse_options(words, &UWSGI);
    let file = parsed.others.iter().find(|word| word.ends_with(".ini"));
    let named = parsed.value(&["ini"]).or(file.copied());
    let options: BTreeMap<&str, &str> = parsed.values.iter().copied().collect();
    let command = parse_uwsgi_options(&|name| options.get(name).copied());
    match (command.app == AppReference::Usual, named) {
        (true, Some(file)) => Ok(command_of(AppReference::UwsgiFile(
            file.trim_start_matches("./").to_owned(),
        ))),
        _ => Ok(command),
    }
}

/// The command that uWSGI's options describe, whether they are on the command line or in a file.
pub(super) fn parse_uwsgi_options<'a>(option: &dyn Fn(&str) -> Option<&'a str>) -> ServeCommand {
    let callable = option("callable").unwrap_or_default();
    let mount = option("mount").and_then(|mount| mount.split_once('=').map(|(_, app)| app));
    let module = option("module")
        .or(option("w"))
        .or(option("wsgi"))
        .or(mount);
    let file = option("wsgi-file").or(option("file"));
    let app = match (module, file) {
        (Some(file), _) | (None, Some(file)) if file.ends_with(".py") => {
            AppReference::File(file.to_owned(), callable.to_owned())
        }
        (Some(module), _) if module.contains(':') || callable.is_empty() => {
            AppReference::Module(module.to_owned())
        }
        (Some(module), _) => AppReference::Module(format!("{module}:{callable}")),
        (None, Some(file)) => AppReference::File(file.to_owned(), callable.to_owned()),
        (None, None) => AppReference::Usual,
    };
    let paths = ["pythonpath", "python-path", "pp"];
    ServeCommand {
        app,
        chdir: option("chdir").map(str::to_owned),
        paths: paths
            .iter()
            .filter_map(|name| option(name))
            .map(str::to_owned)
            .collect(),
        ..ServeCommand::default()
    }
}

/// Parses the words after `flask` or `quart`.
fn parse_flask(program: &str, words: &[String]) -> Result<ServeCommand, String> {
    let parsed = parse_options(words, &FLASK);
    let app = parsed.value(&["app", "A"]).map(str::to_owned);
    match parsed.others.first() {
        Some(&"run") => Ok(command_of(AppReference::Flask(app))),
        other => Err(format!(
            "the Procfile's web process runs `{program} {}`, which serves nothing: write `web: {program} run`, or give that \
             work a process type of its own",
            other.unwrap_or(&"")
        )),
    }
}

/// Whether a word is `module:name` or `module:function(…)`.
pub(crate) fn is_app_name(word: &str) -> bool {
    word.split_once(':').is_some_and(|(module, name)| {
        let name = name.split_once('(').map_or(
            name,
            |(name, rest)| {
                if rest.ends_with(')') { name } else { "" }
            },
        );
        is_dotted(module) && is_dotted(name)
    })
}

/// Whether a text is the name of a module.
pub(crate) fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        let begins = part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        begins && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests;
