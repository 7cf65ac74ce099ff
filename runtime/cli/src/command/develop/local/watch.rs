//! Notices changes of a source folder, for `--watch`.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Changes closer together than this count as one: editors write a file in several steps.
const SETTLE: Duration = Duration::from_millis(200);

/// Folders that hold no source, or that a build writes to.
const IGNORED: [&str; 6] = [
    "target",
    ".git",
    "node_modules",
    "tmp",
    "log",
    "__pycache__",
];

/// Notices changes in a folder.
pub(super) struct FolderChanges {
    events: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl FolderChanges {
    pub(super) fn of(folder: &Path) -> Result<FolderChanges> {
        // One place is enough: only that something changed matters.
        let (changed, events) = mpsc::channel(1);
        let root = folder.to_owned();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| matters(&root, &event.kind, &event.paths)) {
                    let _ = changed.try_send(());
                }
            })
            .context("cannot watch for changes")?;
        watcher
            .watch(folder, RecursiveMode::Recursive)
            .with_context(|| format!("cannot watch {}", folder.display()))?;
        Ok(FolderChanges {
            events,
            _watcher: watcher,
        })
    }

    /// Waits until something has changed, and nothing has changed since for a moment.
    pub(super) async fn next(&mut self) -> Result<()> {
        self.events.recv().await.context("watching has ended")?;
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.events.recv()).await {}
        Ok(())
    }
}

fn matters(root: &Path, kind: &EventKind, paths: &[PathBuf]) -> bool {
    !matches!(kind, EventKind::Access(_)) && paths.iter().any(|path| is_source(root, path))
}

fn is_source(root: &Path, path: &Path) -> bool {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let ignored = |part: Component<'_>| IGNORED.iter().any(|name| part.as_os_str() == *name);
    let slug = path
        .extension()
        .is_some_and(|extension| extension == slugs::EXTENSION);
    !slug && !inner.components().any(ignored) && inner.file_name().is_none_or(|n| n != "Cargo.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_do_not_trigger_builds() {
        let source = |path: &str| is_source(Path::new("/app/target"), Path::new(path));
        assert!(source("/app/target/src/main.rs") && source("/app/target/Procfile"));
        assert!(!source("/app/target/target/debug/x") && !source("/app/target/a.slug"));
        assert!(!source("/app/target/.git/index") && !source("/app/target/Cargo.lock"));
    }
}
