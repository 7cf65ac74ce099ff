//! Keeps the replacements of dynos that requests ended to one CPU core for each app.
//!
//! Such a dyno is replaced at once, however often, so requests that end dynos could keep all cores busy with boots.
//! Owns which dynos of a formation are to be replaced for this reason, and on which core they boot. Other boots, also
//! of the same app, are not affected. Must not know how a dyno boots, nor decide that a dyno is replaced.

use std::collections::{HashMap, HashSet};

use grid::name::{AppName, DynoId, DynoKey, Run};
use parking_lot::Mutex;

use crate::engine::shared_core::SharedCore;

/// The dynos of all apps that requests ended and that have not been started again.
#[derive(Default)]
pub(crate) struct Replacements(Mutex<HashMap<AppName, AppReplacements>>);

struct AppReplacements {
    /// At most as many as the app has dynos: a dyno is removed at its next start.
    dynos: HashSet<DynoId>,
    /// The run of the last replacement of each dyno.
    last: HashMap<DynoId, Run>,
    core: SharedCore,
}

impl Replacements {
    /// Notes that a request ended this dyno: the next start of the same dyno is a replacement.
    pub(crate) fn expect_replacement(&self, ended: &DynoKey) {
        let mut apps = self.0.lock();
        let app = apps
            .entry(ended.app.clone())
            .or_insert_with(|| AppReplacements {
                dynos: HashSet::new(),
                last: HashMap::new(),
                core: SharedCore::new(),
            });
        app.dynos.insert(ended.dyno.clone());
    }

    /// The core on which this dyno has to boot, if it is a replacement.
    pub(crate) fn take_core(&self, starting: &DynoKey) -> Option<SharedCore> {
        let mut apps = self.0.lock();
        let app = apps.get_mut(&starting.app)?;
        if !app.dynos.remove(&starting.dyno) {
            return None;
        }
        app.last.insert(starting.dyno.clone(), starting.run);
        Some(app.core.clone())
    }

    /// Notes that this dyno was not up in time. If it was a replacement, the next start is one too: it has no
    /// back-off, so it must not take more of the machine.
    pub(crate) fn note_boot_timeout(&self, late: &DynoKey) {
        let mut apps = self.0.lock();
        if let Some(app) = apps.get_mut(&late.app)
            && app.last.get(&late.dyno) == Some(&late.run)
        {
            app.dynos.insert(late.dyno.clone());
        }
    }

    /// Forgets an app of which nothing runs on this machine any more.
    pub(crate) fn forget_app(&self, app: &AppName) {
        drop(self.0.lock().remove(app));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dyno(text: &str, run: u64) -> DynoKey {
        DynoKey {
            app: "demo".parse().expect("a name"),
            dyno: text.parse().expect("a dyno"),
            run: Run(run),
        }
    }

    #[test]
    fn each_expected_replacement_is_used_by_one_start() {
        let replacements = Replacements::default();
        assert!(replacements.take_core(&dyno("web.1", 1)).is_none());
        replacements.expect_replacement(&dyno("web.1", 1));
        replacements.expect_replacement(&dyno("web.2", 2));
        assert!(
            replacements.take_core(&dyno("web.3", 3)).is_none(),
            "scaled up"
        );
        let first = replacements.take_core(&dyno("web.1", 4)).expect("replaces");
        let second = replacements.take_core(&dyno("web.2", 5)).expect("replaces");
        assert!(first.is_same(&second), "one core for the app");
        assert!(replacements.take_core(&dyno("web.1", 6)).is_none());
        replacements.note_boot_timeout(&dyno("web.1", 4));
        assert!(replacements.take_core(&dyno("web.1", 7)).is_some(), "late");
        replacements.note_boot_timeout(&dyno("web.1", 4));
        assert!(
            replacements.take_core(&dyno("web.1", 8)).is_none(),
            "told twice"
        );
        replacements.expect_replacement(&dyno("web.1", 8));
        replacements.forget_app(&dyno("web.1", 8).app);
        assert!(replacements.take_core(&dyno("web.1", 9)).is_none());
    }
}
