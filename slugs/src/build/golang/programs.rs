//! Owns the programs of a Go module, and which of them each process type runs. Must not know how they are compiled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use grid::name::ProcessType;
use serde::Deserialize;

use super::toolchain::{CgoFiles, GoToolchain};
use crate::build::output::command_without_args;
use crate::build::toolbox::command_line::{parse_setting, skip_wrappers, words_of};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::tools::Tools;
use crate::manifest::command::ProcessCommand;
use crate::manifest::procfile::Procfile;
use crate::path::SlugPath;

/// Words before a program that change nothing in a dyno.
const WRAPPERS: &[&[&str]] = &[&["exec"], &["env"]];
/// The folder of programs without a Procfile, besides the module's own.
const COMMANDS: &str = "cmd";
/// The largest number of programs that an error lists.
const NAMES_SHOWN_MAX: usize = 10;

/// A main package of the module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GoProgram {
    /// The name that `go build` gives the program.
    pub(super) name: String,
    import_path: String,
    /// The folder of the package, relative to the app's; empty for the app's own.
    folder: PathBuf,
}

impl GoProgram {
    /// The package as an argument of `go build`.
    pub(super) fn package(&self) -> String {
        match self.folder.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => format!("./{}", self.folder.display()),
        }
    }

    /// The path of the program in the app.
    pub(super) fn component(&self) -> String {
        format!("bin/{}.wasm", self.name)
    }
}

/// The programs to build, and the commands of the process types.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProgramChoice {
    pub(super) programs: Vec<GoProgram>,
    pub(super) commands: BTreeMap<ProcessType, ProcessCommand>,
}

/// A package, as `go list -json` describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedPackage {
    dir: PathBuf,
    import_path: String,
    #[serde(default)]
    name: String,
}

/// Lists the main packages of the module.
pub(super) fn list_programs(
    toolchain: &GoToolchain,
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<Vec<GoProgram>, BuilderError> {
    let mut go = toolchain.command(folder, CgoFiles::LeftOut);
    go.args(["list", "-find", "-e", "-json=Dir,ImportPath,Name", "./..."]);
    let text = run::run_for_output(go, "go list", tools, progress)?;
    let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    parse_programs(&text, &root)
}

fn parse_programs(text: &str, root: &Path) -> Result<Vec<GoProgram>, BuilderError> {
    let packages = serde_json::Deserializer::from_str(text).into_iter::<ListedPackage>();
    let mut programs = Vec::new();
    for package in packages {
        let package = package.map_err(|error| BuilderError::Output {
            tool: "go list",
            problem: error.to_string(),
        })?;
        if package.name == "main" {
            let folder = package.dir.strip_prefix(root).unwrap_or(&package.dir);
            programs.push(GoProgram {
                name: program_name(&package.import_path).to_owned(),
                folder: folder.to_owned(),
                import_path: package.import_path,
            });
        }
    }
    programs.sort();
    Ok(programs)
}

/// The name that Go gives a program: the last part of its path that is no major version.
fn program_name(import_path: &str) -> &str {
    let is_version = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = import_path.rsplit('/');
    let last = parts.next().unwrap_or_default();
    match parts.next() {
        Some(before) if is_version(last) => before,
        _ => last,
    }
}

/// Chooses the programs of the process types: those that the Procfile names, or the only one.
pub(super) fn choose_programs(
    programs: &[GoProgram],
    procfile: Option<&Procfile>,
) -> Result<ProgramChoice, BuilderError> {
    let Some(procfile) = procfile else {
        let only = find_default(programs).map_err(BuilderError::Refused)?;
        let command = command_of(only, Vec::new())?;
        return Ok(ProgramChoice {
            programs: vec![only.clone()],
            commands: BTreeMap::from([(ProcessType::web(), command)]),
        });
    };
    let mut choice = ProgramChoice {
        programs: Vec::new(),
        commands: BTreeMap::new(),
    };
    for (process, command) in &procfile.processes {
        let words = words_of(command);
        let (program, args) = find_named(programs, &words).map_err(|problem| {
            BuilderError::Refused(format!("the Procfile's `{process}` runs {problem}"))
        })?;
        if !choice.programs.contains(program) {
            choice.programs.push(program.clone());
        }
        let command = command_of(program, args.to_vec())?;
        choice.commands.insert(process.clone(), command);
    }
    choice.programs.sort();
    check_names(&choice.programs)?;
    Ok(choice)
}

fn command_of(program: &GoProgram, args: Vec<String>) -> Result<ProcessCommand, BuilderError> {
    let name = program.component();
    let component = SlugPath::new(&name).map_err(|source| BuilderError::Name { name, source })?;
    let command = command_without_args(component.as_str());
    Ok(ProcessCommand { args, ..command })
}

/// The program of an app without a Procfile: the module's own package, or the only one in `cmd` or anywhere.
fn find_default(programs: &[GoProgram]) -> Result<&GoProgram, String> {
    let own = programs
        .iter()
        .find(|one| one.folder.as_os_str().is_empty());
    if let Some(own) = own {
        return Ok(own);
    }
    let is_command = |one: &&GoProgram| one.folder.starts_with(COMMANDS);
    let commands: Vec<&GoProgram> = programs.iter().filter(is_command).collect();
    match (&commands[..], programs) {
        ([only], _) => Ok(*only),
        ([], [only]) => Ok(only),
        ([], []) => Err(
            "the module has no program: a program is a `package main` with a `func main()`, in the app's folder or in \
             cmd/NAME"
                .to_owned(),
        ),
        _ => Err(format!(
            "the module has several programs ({}): name the one that answers requests in a Procfile, as in `web: bin/{}`",
            list_names(programs),
            programs[0].name
        )),
    }
}

/// The program and the arguments of a command line. The error completes the sentence "the Procfile's … runs …".
fn find_named<'a, 'w>(
    programs: &'a [GoProgram],
    words: &'w [String],
) -> Result<(&'a GoProgram, &'w [String]), String> {
    let Some((first, rest)) = skip_wrappers(words, WRAPPERS).split_first() else {
        return Err("nothing: name a program of the module".to_owned());
    };
    if parse_setting(first).is_some() {
        return Err(format!(
            "`{first}`, which sets a variable; only a shell can do that: use a config var (`dyno config set {first}`)"
        ));
    }
    if first == "go" {
        return find_run(programs, rest);
    }
    let name = first.rsplit('/').next().unwrap_or(first);
    match programs.iter().find(|one| one.name == name) {
        Some(program) => Ok((program, rest)),
        None => Err(explain_unknown(programs, first)),
    }
}

/// The program and the arguments of `go run`.
fn find_run<'a, 'w>(
    programs: &'a [GoProgram],
    words: &'w [String],
) -> Result<(&'a GoProgram, &'w [String]), String> {
    let Some((package, args)) = words.split_first().and_then(|(verb, rest)| {
        let begin = rest.iter().position(|word| !word.starts_with('-'))?;
        (verb == "run").then(|| rest[begin..].split_first())?
    }) else {
        return Err("`go`, but not `go run PACKAGE`: name a program of the module".to_owned());
    };
    let files = args.iter().take_while(|word| word.ends_with(".go")).count();
    let (folder, args) = match package.ends_with(".go") {
        true => (
            Path::new(package).parent().unwrap_or(Path::new("")),
            &args[files..],
        ),
        false => (Path::new(package), args),
    };
    let folder: PathBuf = folder
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect();
    let found = programs
        .iter()
        .find(|one| one.folder == folder || one.import_path == *package);
    match found {
        Some(program) => Ok((program, args)),
        None => Err(explain_unknown(programs, package)),
    }
}

fn explain_unknown(programs: &[GoProgram], word: &str) -> String {
    let known = match programs.is_empty() {
        true => "the module has none".to_owned(),
        false => format!("known programs: {}", list_names(programs)),
    };
    format!("`{word}`, which is no program of the module: write `bin/NAME`; {known}")
}

/// Refuses two programs of the same name: their files would be the same.
fn check_names(programs: &[GoProgram]) -> Result<(), BuilderError> {
    let pairs = programs.windows(2);
    let same = pairs.into_iter().find(|pair| pair[0].name == pair[1].name);
    same.map_or(Ok(()), |pair| {
        Err(BuilderError::Refused(format!(
            "the Procfile names two programs that are both called `{}` ({} and {}): rename the folder of one",
            pair[0].name,
            pair[0].package(),
            pair[1].package()
        )))
    })
}

fn list_names(programs: &[GoProgram]) -> String {
    let names = programs.iter().map(|one| format!("bin/{}", one.name));
    let mut shown: Vec<String> = names.take(NAMES_SHOWN_MAX).collect();
    if programs.len() > NAMES_SHOWN_MAX {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::procfile::parse_for_builder;

    fn programs(folders: &[&str]) -> Vec<GoProgram> {
        let one = |folder: &&str| {
            let path = format!("example.com/shop/{folder}");
            let path = path.trim_end_matches('/');
            format!(
                "{{\"Dir\": \"/app/{folder}\", \"ImportPath\": \"{path}\", \"Name\": \"main\"}}\n"
            )
        };
        let listed: String = folders.iter().map(one).collect();
        let library =
            "{\"Dir\": \"/app/db\", \"ImportPath\": \"example.com/shop/db\", \"Name\": \"db\"}";
        parse_programs(&(listed + library), Path::new("/app")).expect("packages")
    }

    fn choose(folders: &[&str], procfile: Option<&str>) -> Result<ProgramChoice, String> {
        let procfile = procfile.map(|text| parse_for_builder(text).expect("a Procfile").value);
        choose_programs(&programs(folders), procfile.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn programs_have_the_names_that_go_gives_them() {
        for (path, name) in [
            ("example.com/shop", "shop"),
            ("example.com/shop/v2", "shop"),
            ("example.com/shop/cmd/worker", "worker"),
            ("hello", "hello"),
            ("v2", "v2"),
        ] {
            assert_eq!(program_name(path), name);
        }
    }

    #[test]
    fn without_a_procfile_the_only_program_is_web() {
        for (folders, package) in [
            (&["", "cmd/a", "cmd/b"][..], "."),
            (&["cmd/a", "tools/gen"], "./cmd/a"),
            (&["server"], "./server"),
        ] {
            let chosen = choose(folders, None).expect("a program");
            let packages: Vec<String> = chosen.programs.iter().map(GoProgram::package).collect();
            assert_eq!(packages, [package]);
            assert!(chosen.commands.contains_key(&ProcessType::web()));
        }
        let text = choose(&["cmd/a", "cmd/b"], None).expect_err("two programs");
        assert!(
            text.contains("(bin/a, bin/b)") && text.contains("`web: bin/a`"),
            "{text}"
        );
        assert!(
            choose(&[], None)
                .expect_err("none")
                .contains("package main")
        );
    }

    #[test]
    fn a_procfile_names_programs_in_several_ways() {
        for (line, component, args) in [
            ("bin/shop -v $PORT", "bin/shop.wasm", &["-v", "$PORT"][..]),
            ("./shop", "bin/shop.wasm", &[]),
            ("exec shop", "bin/shop.wasm", &[]),
            ("go run . x", "bin/shop.wasm", &["x"]),
            ("go run main.go util.go x", "bin/shop.wasm", &["x"]),
            ("go run -tags a ./cmd/tool", "", &[]),
            ("go run -v ./cmd/tool y", "bin/tool.wasm", &["y"]),
            ("go run example.com/shop/cmd/tool", "bin/tool.wasm", &[]),
            ("go run ./cmd/tool/main.go", "bin/tool.wasm", &[]),
            ("go build", "", &[]),
            ("PORT=1 shop", "", &[]),
            ("python app.py", "", &[]),
        ] {
            match choose(&["", "cmd/tool"], Some(&format!("web: {line}"))) {
                Ok(chosen) => {
                    let web = &chosen.commands[&ProcessType::web()];
                    assert_eq!(
                        (web.component.as_str(), &web.args[..]),
                        (
                            component,
                            &args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()[..]
                        ),
                        "{line}"
                    );
                }
                Err(text) => {
                    assert_eq!(component, "", "{line}: {text}");
                    assert!(text.contains("the Procfile's `web` runs `"), "{text}");
                }
            }
        }
    }

    #[test]
    fn only_programs_that_process_types_run_are_built() {
        let procfile = "web: bin/shop\nworker: bin/work -n 2\nrelease: bin/work migrate\n";
        let chosen = choose(&["", "cmd/work", "cmd/other"], Some(procfile)).expect("programs");
        let names: Vec<&str> = chosen.programs.iter().map(|one| &*one.name).collect();
        assert_eq!((names, chosen.commands.len()), (vec!["shop", "work"], 3));
        let text = choose(
            &["a/x", "b/x"],
            Some("web: go run ./a/x\nw: go run ./b/x\n"),
        );
        assert!(text.expect_err("one name").contains("./a/x and ./b/x"));
    }
}
