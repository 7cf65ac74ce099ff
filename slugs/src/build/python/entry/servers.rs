//! Owns the command lines of Python's web servers: which app each of them names. Must not know whether it exists.

use std::collections::BTreeMap;

/// What a command line serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServeCommand {
    pub(crate) target: Target,
    /// The folder that the server changes to.
    pub(crate) chdir: Option<String>,
    /// Folders that it imports from, besides.
    pub(crate) paths: Vec<String>,
    /// Variables that it sets.
    pub(crate) env: BTreeMap<String, String>,
}

/// How the app is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Target {
    /// Not at all: the usual names are looked for.
    #[default]
    Usual,
    /// `MODULE`, `MODULE:NAME`, `MODULE:FUNCTION(ARGUMENTS)`.
    Module(String),
    /// A file, and the name of the app in it.
    File(String, String),
    /// As Flask is told: a module or a file, perhaps with a name; none where FLASK_APP has it.
    Flask(Option<String>),
    /// A program that starts the server itself, and its arguments.
    Script(String, Vec<String>),
    /// The same, by the name of a module.
    ScriptModule(String, Vec<String>),
    /// `python manage.py runserver`, by the place of manage.py.
    Django(String),
    /// gunicorn's configuration file, which may name the app.
    GunicornConfig(String),
    /// A file with options for uWSGI.
    UwsgiFile(String),
}

/// A server's options.
struct Options {
    /// Those that take no value.
    flags: &'static [&'static str],
    /// One-letter options that take a value.
    letters: &'static str,
}

const GUNICORN: Options = Options {
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
const WAITRESS: Options = Options {
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
const UWSGI: Options = Options {
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
const FLASK: Options = Options {
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

/// Programs that only start another one.
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
/// Servers of ASGI apps.
const ASGI_SERVERS: [&str; 4] = ["uvicorn", "hypercorn", "daphne", "granian"];

/// The words after programs that only start another one.
pub(crate) fn unwrapped(words: &[String]) -> &[String] {
    let is_it = |wrapper: &&&[&str]| {
        words.len() > wrapper.len() && wrapper.iter().zip(words).all(|(own, word)| own == word)
    };
    match WRAPPERS.iter().find(is_it) {
        Some(wrapper) => unwrapped(&words[wrapper.len()..]),
        None => words,
    }
}

/// A program's name, without its folder and without Python's version.
pub(crate) fn program_of(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    match is_python(name) {
        true => "python",
        false => name,
    }
}

fn is_python(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|version| {
        version
            .chars()
            .all(|character| character.is_ascii_digit() || character == '.')
    })
}

/// Reads the command line of a web process. The error says what was found and what works.
pub(crate) fn parse(words: &[String]) -> Result<ServeCommand, String> {
    let settings = words.iter().map_while(|word| assignment(word));
    let settings: Vec<(&str, &str)> = settings.collect();
    let mut command = parse_program(unwrapped(&words[settings.len()..]))?;
    for (name, value) in settings {
        match name {
            "PYTHONPATH" => command.paths.extend(split_paths(value, ':')),
            name => drop(command.env.insert(name.to_owned(), value.to_owned())),
        }
    }
    Ok(command)
}

/// `NAME=value` before a program, as shells take it.
pub(crate) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    crate::manifest::is_env_name(name).then_some((name, value))
}

fn parse_program(words: &[String]) -> Result<ServeCommand, String> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(ServeCommand::default());
    };
    let program = program_of(first);
    match program {
        "python" => python(rest),
        "gunicorn" => gunicorn(rest),
        "waitress-serve" => waitress(rest),
        "uwsgi" => uwsgi(rest),
        "flask" => flask(rest),
        "django-admin" => Ok(of(Target::Django(String::new()))),
        _ if ASGI_SERVERS.contains(&program) => Err(asgi(program)),
        "manage.py" => script(first, rest),
        _ if program.ends_with(".py") => script(first, rest),
        _ if is_app_name(first) => Ok(of(Target::Module(first.clone()))),
        _ => match words.iter().find(|word| is_app_name(word)) {
            Some(app) => Ok(of(Target::Module(app.clone()))),
            None => Err(format!(
                "the Procfile's web process runs `{first}`, which is not known as a server of WSGI apps: name the app, as \
                 in `web: gunicorn module:name`, or only `web: module:name`"
            )),
        },
    }
}

fn of(target: Target) -> ServeCommand {
    ServeCommand {
        target,
        ..ServeCommand::default()
    }
}

pub(crate) fn asgi(what: &str) -> String {
    format!(
        "{what} serves ASGI apps, and a dyno of this kind speaks WSGI: use Flask, Bottle, Django's `wsgi.py` or another WSGI \
         app, as in `web: gunicorn module:name`"
    )
}

fn python(words: &[String]) -> Result<ServeCommand, String> {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        match word.as_str() {
            "-m" => return python_module(after),
            "-c" => {
                return Err(
                    "the Procfile's web process runs `python -c`: put those lines in a file, as in `web: python app.py`"
                        .to_owned(),
                );
            }
            "-W" | "-X" => rest = after.get(1..).unwrap_or_default(),
            _ if word.starts_with('-') && word.len() > 1 => rest = after,
            _ => return script(word, after),
        }
    }
    Err("the Procfile's web process runs `python` alone: name the program, as in `web: python app.py`".to_owned())
}

fn python_module(words: &[String]) -> Result<ServeCommand, String> {
    let Some((module, rest)) = words.split_first() else {
        return Err(
            "the Procfile's web process has nothing after `python -m`: name a module".to_owned(),
        );
    };
    match module.as_str() {
        "flask" => flask(rest),
        "gunicorn" | "gunicorn.app.wsgiapp" => gunicorn(rest),
        "waitress" => waitress(rest),
        "django" => Ok(of(Target::Django(String::new()))),
        name if ASGI_SERVERS.contains(&name) => Err(asgi(name)),
        "bottle" => {
            let app = rest.iter().find(|word| is_app_name(word));
            Ok(of(
                app.map_or(Target::Usual, |app| Target::Module(app.clone()))
            ))
        }
        _ => Ok(of(Target::ScriptModule(module.clone(), rest.to_vec()))),
    }
}

fn script(file: &str, rest: &[String]) -> Result<ServeCommand, String> {
    let file = file.trim_start_matches("./");
    let serves = rest
        .first()
        .is_some_and(|word| word.starts_with("runserver"));
    let target = match file.rsplit('/').next() {
        Some("manage.py") if serves => Target::Django(file.to_owned()),
        _ => Target::Script(file.to_owned(), rest.to_vec()),
    };
    Ok(of(target))
}

/// Options with their values, and the other words.
struct Read<'a> {
    values: Vec<(&'a str, &'a str)>,
    flags: Vec<&'a str>,
    others: Vec<&'a str>,
}

impl<'a> Read<'a> {
    fn value(&self, names: &[&str]) -> Option<&'a str> {
        let mut found = self.values.iter().rev();
        found
            .find(|(name, _)| names.contains(name))
            .map(|(_, value)| *value)
    }
}

fn read<'a>(words: &'a [String], options: &Options) -> Read<'a> {
    let mut read = Read {
        values: Vec::new(),
        flags: Vec::new(),
        others: Vec::new(),
    };
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
            match long.split_once('=') {
                Some((name, value)) => read.values.push((name, value)),
                None if options.flags.contains(&long) => read.flags.push(long),
                None => read.values.push((long, words.next().unwrap_or_default())),
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let (letter, value) = short.split_at(short.chars().next().map_or(0, char::len_utf8));
            match (options.letters.contains(letter), value) {
                (true, "") => read.values.push((letter, words.next().unwrap_or_default())),
                (true, value) => read.values.push((letter, value.trim_start_matches('='))),
                (false, _) => read.flags.push(letter),
            }
        } else {
            read.others.push(word);
        }
    }
    read
}

fn gunicorn(words: &[String]) -> Result<ServeCommand, String> {
    let read = read(words, &GUNICORN);
    let worker = read.value(&["k", "worker-class"]).unwrap_or_default();
    if worker.contains("uvicorn") || worker.contains("asgi") {
        return Err(asgi(&format!("gunicorn with the worker class {worker}")));
    }
    let config = read.value(&["c", "config"]);
    let config = config.map_or("gunicorn.conf.py", |file| {
        file.trim_start_matches("file:").trim_start_matches("./")
    });
    let target = match read.others.first() {
        Some(app) => Target::Module((*app).to_owned()),
        None => Target::GunicornConfig(config.to_owned()),
    };
    let env = read
        .values
        .iter()
        .filter(|(name, _)| ["e", "env"].contains(name));
    let env = env.filter_map(|(_, pair)| pair.split_once('='));
    let paths = read
        .value(&["pythonpath"])
        .map_or_else(Vec::new, |paths| split_paths(paths, ','));
    Ok(ServeCommand {
        target,
        chdir: read.value(&["chdir"]).map(str::to_owned),
        paths,
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    })
}

fn split_paths(paths: &str, separator: char) -> Vec<String> {
    let paths = paths.split(separator).filter(|path| !path.is_empty());
    paths.map(str::to_owned).collect()
}

fn waitress(words: &[String]) -> Result<ServeCommand, String> {
    let read = read(words, &WAITRESS);
    let app = read.value(&["app"]).or(read.others.first().copied());
    let Some(app) = app else {
        return Err(
            "the Procfile's web process runs waitress-serve without an app: name it, as in `web: waitress-serve \
             module:name`"
                .to_owned(),
        );
    };
    let calls = read.flags.contains(&"call") && !app.ends_with(')');
    let app = format!("{app}{}", if calls { "()" } else { "" });
    Ok(of(Target::Module(app)))
}

fn uwsgi(words: &[String]) -> Result<ServeCommand, String> {
    let read = read(words, &UWSGI);
    let file = read.others.iter().find(|word| word.ends_with(".ini"));
    let named = read.value(&["ini"]).or(file.copied());
    let options: BTreeMap<&str, &str> = read.values.iter().copied().collect();
    let command = uwsgi_command(&|name| options.get(name).copied());
    match (command.target == Target::Usual, named) {
        (true, Some(file)) => Ok(of(Target::UwsgiFile(
            file.trim_start_matches("./").to_owned(),
        ))),
        _ => Ok(command),
    }
}

/// What uWSGI's options serve, of the command line or of a file.
pub(crate) fn uwsgi_command<'a>(option: &dyn Fn(&str) -> Option<&'a str>) -> ServeCommand {
    let callable = option("callable").unwrap_or_default();
    let mount = option("mount").and_then(|mount| mount.split_once('=').map(|(_, app)| app));
    let module = option("module")
        .or(option("w"))
        .or(option("wsgi"))
        .or(mount);
    let file = option("wsgi-file").or(option("file"));
    let target = match (module, file) {
        (Some(file), _) | (None, Some(file)) if file.ends_with(".py") => {
            Target::File(file.to_owned(), callable.to_owned())
        }
        (Some(module), _) if module.contains(':') || callable.is_empty() => {
            Target::Module(module.to_owned())
        }
        (Some(module), _) => Target::Module(format!("{module}:{callable}")),
        (None, Some(file)) => Target::File(file.to_owned(), callable.to_owned()),
        (None, None) => Target::Usual,
    };
    let paths = ["pythonpath", "python-path", "pp"];
    ServeCommand {
        target,
        chdir: option("chdir").map(str::to_owned),
        paths: paths
            .iter()
            .filter_map(|name| option(name))
            .map(str::to_owned)
            .collect(),
        env: BTreeMap::new(),
    }
}

fn flask(words: &[String]) -> Result<ServeCommand, String> {
    let read = read(words, &FLASK);
    let app = read.value(&["app", "A"]).map(str::to_owned);
    match read.others.first() {
        Some(&"run") => Ok(of(Target::Flask(app))),
        other => Err(format!(
            "the Procfile's web process runs `flask {}`, which serves nothing: write `web: flask run`, or give that work a \
             process type of its own",
            other.unwrap_or(&"")
        )),
    }
}

/// `module:name` or `module:function(…)`.
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

/// Whether a text is a module's name.
pub(crate) fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        let begins = part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        begins && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests;
