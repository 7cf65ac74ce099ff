//! The input of `dyno local`: a folder, a slug or a component. Each is turned into a slug.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use grid::name::{AppName, ProcessType};
use slugs::Manifest;
use slugs::build::{BuiltApp, Tools, build_project, ready_made};
use slugs::manifest::{decode_text, dotenv};
use slugs::project::Project;
use slugs::store::Store;

use super::absolute;
use crate::args::LocalArgs;
use crate::dirs;
use crate::terminal::{self, ProgressLine};

/// The app's name, if the name of its folder or file is no valid app name.
const NAME_FALLBACK: &str = "app";

/// Most dynos of one process type: as many as a release may have.
const DYNOS_MAX: u32 = 1_000;

/// The arguments, checked.
pub(super) struct LocalTarget {
    path: PathBuf,
    pub(super) formation: BTreeMap<ProcessType, u32>,
    env: Option<PathBuf>,
    procfile: Option<PathBuf>,
}

impl LocalTarget {
    /// The app in a folder, with the environment of this file if there is one.
    pub(super) fn in_folder(folder: &Path, env: Option<PathBuf>) -> Result<LocalTarget> {
        Ok(LocalTarget {
            path: absolute(folder)?,
            formation: BTreeMap::new(),
            env,
            procfile: None,
        })
    }

    pub(super) fn parse(words: &[String], args: &LocalArgs) -> Result<LocalTarget> {
        let mut path = None;
        let mut formation = BTreeMap::new();
        for word in words {
            if word.contains('=') && !Path::new(word).exists() {
                formation.extend(parse_formation(word)?);
            } else if path.replace(PathBuf::from(word)).is_some() {
                bail!("{word:?} is neither a formation such as web=2 nor the only app given");
            }
        }
        Ok(LocalTarget {
            path: absolute(&path.unwrap_or_else(|| ".".into()))?,
            formation,
            env: args.env.clone(),
            procfile: args.procfile.as_deref().map(absolute).transpose()?,
        })
    }
}

/// `web=2,worker=1`
fn parse_formation(text: &str) -> Result<BTreeMap<ProcessType, u32>> {
    let mut formation = BTreeMap::new();
    for part in text.split(',') {
        let (process, count) = part
            .split_once('=')
            .with_context(|| format!("{part:?} is no part of a formation: write web=2"))?;
        let process: ProcessType = process.parse()?;
        let count = count.parse().ok().filter(|count| *count <= DYNOS_MAX);
        let count = count.with_context(|| {
            format!("{part:?} does not say how many: a number from 0 to {DYNOS_MAX}")
        })?;
        if formation.insert(process.clone(), count).is_some() {
            bail!("the formation names {process} twice");
        }
    }
    Ok(formation)
}

/// A slug in the store, and its config vars.
pub(super) struct BuiltSlug {
    pub(super) name: AppName,
    pub(super) id: grid::name::SlugId,
    pub(super) manifest: Manifest,
    /// Config vars: the app's defaults, with those of `.env` over them.
    pub(super) config: BTreeMap<String, String>,
}

/// Builds the target, again for each change.
pub(super) struct LocalSource<'a> {
    target: &'a LocalTarget,
    store: Arc<Store>,
    work: &'a Path,
}

impl<'a> LocalSource<'a> {
    /// `work` is a folder for the slug while it is packed.
    pub(super) fn new(
        target: &'a LocalTarget,
        store: Arc<Store>,
        work: &'a Path,
    ) -> LocalSource<'a> {
        LocalSource {
            target,
            store,
            work,
        }
    }

    /// The folder to watch, if the target is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        Some(&*self.target.path).filter(|path| path.is_dir())
    }

    /// Builds, packs and stores the target, on a thread of its own, since tools block. If the future is dropped early, the
    /// tools are stopped.
    pub(super) async fn build(&self) -> Result<BuiltSlug> {
        let (path, procfile) = (self.target.path.clone(), self.target.procfile.clone());
        let (store, file) = (Arc::clone(&self.store), self.work.join("app.slug"));
        let stop = StopTools(Tools::stoppable(dirs::cache()?));
        let tools = stop.0.clone();
        let stored = tokio::task::spawn_blocking(move || {
            let progress = ProgressLine::start("Building");
            let built = || build(&path, procfile.as_deref(), &tools, &progress);
            make(&path, built, &store, &file)
        });
        let (name, slug) = stored.await.context("the build broke off")??;
        let config = self.config(slug.manifest())?;
        Ok(BuiltSlug {
            name,
            id: slug.id(),
            manifest: slug.manifest().clone(),
            config,
        })
    }

    fn config(&self, manifest: &Manifest) -> Result<BTreeMap<String, String>> {
        let defaults = manifest.env.iter();
        let mut config: BTreeMap<_, _> = defaults
            .filter_map(|(name, var)| Some((name.clone(), var.value.clone()?)))
            .collect();
        config.extend(self.dotenv()?);
        let required = manifest.env.iter().filter(|(_, var)| var.required);
        for (name, _) in required.filter(|(name, _)| !config.contains_key(*name)) {
            terminal::print_warning(&format!(
                "the app needs {name}, which is not set: add it to .env"
            ));
        }
        Ok(config)
    }

    fn dotenv(&self) -> Result<BTreeMap<String, String>> {
        let folder = self.folder().or_else(|| self.target.path.parent());
        dotenv(self.target.env.as_deref(), folder)
    }
}

/// The variables of this file, or of `.env` in the folder if there is one.
pub(super) fn dotenv(
    file: Option<&Path>,
    folder: Option<&Path>,
) -> Result<BTreeMap<String, String>> {
    let default = folder.map(|folder| folder.join(".env"));
    let file = match (file, default.filter(|file| file.is_file())) {
        (Some(file), _) => file.to_owned(),
        (None, Some(file)) => file,
        (None, None) => return Ok(BTreeMap::new()),
    };
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = decode_text(bytes).map_err(|problem| {
        anyhow::anyhow!("{} is {problem}: save it as text in UTF-8", file.display())
    })?;
    let parsed = dotenv::parse(&text).with_context(|| format!("in {}", file.display()))?;
    for warning in &parsed.warnings {
        terminal::print_warning(&warning.to_string());
    }
    Ok(parsed.value)
}

/// Stops the tools of a build when dropped.
struct StopTools(Tools);

impl Drop for StopTools {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn make(
    path: &Path,
    build: impl FnOnce() -> Result<BuiltApp>,
    store: &Store,
    file: &Path,
) -> Result<(AppName, slugs::Slug)> {
    if path
        .extension()
        .is_some_and(|extension| extension == slugs::EXTENSION)
    {
        return Ok((name(path, None), put(store, path)?));
    }
    let built = build()?;
    for warning in built.warnings() {
        terminal::print_warning(&warning.to_string());
    }
    let name = name(path, built.project.settings.name.as_ref());
    slugs::pack::pack(&built, file)?;
    Ok((name, put(store, file)?))
}

fn build(
    path: &Path,
    procfile: Option<&Path>,
    tools: &Tools,
    progress: &ProgressLine,
) -> Result<BuiltApp> {
    if !path.is_dir() {
        return Ok(ready_made(path)?);
    }
    let project = match procfile {
        Some(procfile) => Project::load_with(path, procfile)?,
        None => Project::load(path)?,
    };
    Ok(build_project(project, tools, &mut |event| {
        progress.show_build_event(event)
    })?)
}

fn put(store: &Store, file: &Path) -> Result<slugs::Slug> {
    let read =
        std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(store.put(read)?)
}

/// The app's name: its own, else the folder's or the file's.
fn name(path: &Path, own: Option<&AppName>) -> AppName {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem: Result<AppName, _> = stem.to_lowercase().replace(['_', '.', ' '], "-").parse();
    let fallback = || NAME_FALLBACK.parse().expect("a valid name");
    own.cloned().or(stem.ok()).unwrap_or_else(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_formations_are_refused() {
        let formation = parse_formation("web=2,worker=0").expect("sound");
        let web: ProcessType = "web".parse().expect("a type");
        assert_eq!(formation.get(&web), Some(&2));
        for bad in [
            "web",
            "web=",
            "web=-1",
            "web=1001",
            "web=1,web=2",
            "Web=1",
            "=1",
        ] {
            assert!(parse_formation(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_path_gives_an_app_name() {
        let of = |path: &str| name(Path::new(path), None).to_string();
        assert_eq!(of("/x/hello"), "hello");
        assert_eq!(of("/x/My_App.wasm"), "my-app");
        assert_eq!(of("/"), "app");
        assert_eq!(of("/x/1"), "app");
    }
}
