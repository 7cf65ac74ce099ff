//! Owns the use of this machine's Ruby and Bundler: which gems the Gemfile means, and their installation into the cache.
//! Must not know what a dyno can use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::FoundGem;
use crate::build::toolbox::build_folder::{self, BuildFolder};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::sources::read_text_lossy;
use crate::build::toolbox::tools::Tools;

/// The program that prints the gems.
const LIST_GEMS: &str = include_str!("../host/gems.rb");
const GET_RUBY: &str = "a Gemfile needs Ruby and Bundler on this machine (on Debian: ruby ruby-bundler), or the gems in \
     vendor/bundle: run `bundle config set --local path vendor/bundle && bundle install` where Ruby is, and deploy that folder";
/// Groups of a Gemfile that a deployed app does not have, as on Heroku.
const WITHOUT: &str = "development:test";

/// What `LIST_GEMS` prints.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum GemListing {
    Gems(Vec<ListedGem>),
    /// Gems are not installed.
    Missing(String),
    /// Bundler refuses the Gemfile.
    Refused(String),
}

#[derive(Deserialize)]
struct ListedGem {
    name: String,
    version: String,
    folder: PathBuf,
    paths: Vec<String>,
    shared: Vec<(PathBuf, String)>,
    executables: Vec<(String, String)>,
    native: bool,
    needs: Vec<String>,
}

/// Where Bundler works: with the app's Gemfile, without a change in the app's folder.
struct Bundle<'a> {
    folder: &'a Path,
    gemfile: PathBuf,
    /// Bundler's own settings and installed gems.
    home: PathBuf,
    is_locked: bool,
    tools: &'a Tools,
}

/// Finds the gems of the app's Gemfile, and installs them if some are missing.
pub(super) fn find_gems(
    folder: &Path,
    gemfile: &str,
    outputs: &BuildFolder,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<Vec<FoundGem>, BuilderError> {
    let bundle = Bundle::prepare(folder, gemfile, outputs, tools)?;
    let installed = bundle.home.join("gems");
    if installed.is_dir()
        && let GemListing::Gems(gems) = bundle.list_gems(Some(&installed), progress)?
    {
        return Ok(to_found(gems));
    }
    let missing = match bundle.list_gems(None, progress)? {
        GemListing::Gems(gems) => return Ok(to_found(gems)),
        GemListing::Refused(problem) => return Err(refused(gemfile, &problem)),
        GemListing::Missing(missing) => missing,
    };
    progress(BuildProgress::Step(format!("bundle install ({gemfile})")));
    bundle.install(progress).map_err(|error| match error {
        BuilderError::Failed { .. } => BuilderError::Refused(format!(
            "the gems of {gemfile} could not be installed; Bundler's messages above say why ({missing}). Connect to the \
             network, or correct the Gemfile; as long as it does not change, later builds work without a network"
        )),
        error => error,
    })?;
    match bundle.list_gems(Some(&installed), progress)? {
        GemListing::Gems(gems) => Ok(to_found(gems)),
        GemListing::Missing(problem) | GemListing::Refused(problem) => {
            Err(refused(gemfile, &problem))
        }
    }
}

fn refused(gemfile: &str, problem: &str) -> BuilderError {
    BuilderError::Refused(format!("Bundler refuses the {gemfile}: {}", problem.trim()))
}

fn to_found(gems: Vec<ListedGem>) -> Vec<FoundGem> {
    gems.into_iter()
        .map(|gem| FoundGem {
            name: gem.name,
            version: gem.version,
            folder: gem.folder,
            paths: gem.paths,
            shared: gem.shared,
            executables: gem.executables.into_iter().collect(),
            has_native_code: gem.native,
            needs: gem.needs,
        })
        .collect()
}

impl<'a> Bundle<'a> {
    /// With a lockfile, Bundler reads the app's files and changes nothing. Without one it would write one: it gets a copy,
    /// which gems of the app's own folder do not allow.
    fn prepare(
        folder: &'a Path,
        gemfile: &str,
        outputs: &BuildFolder,
        tools: &'a Tools,
    ) -> Result<Self, BuilderError> {
        let folder_gemfile = folder.join(gemfile);
        let is_locked = ["Gemfile.lock", "gems.locked"]
            .iter()
            .any(|name| folder.join(name).is_file());
        let home = outputs.path_of("bundle");
        fs::create_dir_all(&home).map_err(build_folder::write_error(&home))?;
        let used = match is_locked {
            true => folder_gemfile,
            false if names_paths(&folder_gemfile)? => {
                return Err(BuilderError::Refused(format!(
                    "{gemfile} names gems by their folders, and there is no lockfile: run `bundle lock` in the app's folder"
                )));
            }
            false => {
                let copy = home.join(gemfile);
                fs::copy(&folder_gemfile, &copy).map_err(build_folder::write_error(&copy))?;
                copy
            }
        };
        Ok(Self {
            folder,
            gemfile: used,
            home,
            is_locked,
            tools,
        })
    }

    fn with_settings(&self, mut command: Command, gems: Option<&Path>) -> Command {
        command
            .current_dir(self.folder)
            .env("BUNDLE_GEMFILE", &self.gemfile)
            .env("BUNDLE_APP_CONFIG", self.home.join("config"))
            .env("BUNDLE_WITHOUT", WITHOUT)
            .env("BUNDLE_FROZEN", self.is_locked.to_string())
            .env_remove("RUBYOPT")
            .env_remove("RUBYLIB");
        if let Some(gems) = gems {
            command.env("BUNDLE_PATH", gems);
        }
        command
    }

    /// Lists the gems that are installed in `gems`, or on this machine.
    fn list_gems(
        &self,
        gems: Option<&Path>,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<GemListing, BuilderError> {
        let mut ruby = Command::new("ruby");
        ruby.args(["-e", LIST_GEMS]);
        let ruby = self.with_settings(ruby, gems);
        let text =
            run::run_for_output(ruby, "ruby", self.tools, progress).map_err(explain_absent)?;
        // Gemfiles may print.
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| BuilderError::Output {
            tool: "ruby",
            problem: error.to_string(),
        })
    }

    fn install(&self, progress: &mut dyn FnMut(BuildProgress)) -> Result<(), BuilderError> {
        let mut bundle = Command::new("bundle");
        bundle.args(["install", "--quiet", "--retry", "2"]);
        let bundle = self.with_settings(bundle, Some(&self.home.join("gems")));
        run::run_streaming(bundle, "bundle install", self.tools, &mut |_, line| {
            progress(BuildProgress::Line(line));
        })
        .map_err(explain_absent)
    }
}

/// Whether a Gemfile names gems by folders, relative to its own.
fn names_paths(gemfile: &Path) -> Result<bool, BuilderError> {
    let text = read_text_lossy(gemfile)?.unwrap_or_default();
    let lines = text.lines().map(str::trim);
    let mut code = lines.filter(|line| !line.starts_with('#'));
    Ok(code.any(|line| {
        line.starts_with("path ")
            || line.starts_with("gemspec")
            || [" path:", " :path", "eval_gemfile"]
                .iter()
                .any(|sign| line.contains(sign))
    }))
}

fn explain_absent(error: BuilderError) -> BuilderError {
    match run::is_absent(&error) {
        true => BuilderError::NoTool {
            tool: "ruby",
            remedy: GET_RUBY,
        },
        false => error,
    }
}
