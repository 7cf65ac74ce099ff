//! What a token may see: one rule for apps, slugs, add-ons and tokens, for all routes.
//!
//! A token for all apps sees everything. A token for one app sees that app and what belongs to it: its releases, dynos,
//! log, host names and dyno time, the add-ons that were made for it or are attached to it, and the slugs that its
//! releases have or that such a token uploaded. **Whatever a token may not see is answered as if it did not exist**:
//! the same status, the same id, the same words.
//!
//! Names that are unique on a server are the one exception: a host name, or a name for a new add-on, that another app
//! has is refused as taken, without saying whose it is.
//!
//! Owns that rule. Must not know routes, nor what a role allows: see `caller`.

use crate::failure::Failure;
use crate::request::caller::Caller;
use control::access::TokenId;
use grid::desired::{Addon, App};
use grid::name::{AddonName, AppName, SlugId};
use std::sync::Arc;

impl Caller {
    /// Whether the caller may see what belongs to an app of this name, which need not exist.
    pub(crate) fn sees_app(&self, name: &AppName) -> bool {
        self.token.app.as_ref().is_none_or(|own| own == name)
    }

    /// Whether the caller may know that a slug is on this server.
    pub(crate) fn sees_slug(&self, slug: SlugId) -> bool {
        let Some(name) = &self.token.app else {
            return true;
        };
        let app = self.view.desired.apps.get(name);
        let released = app.is_some_and(|app| {
            let mut releases = app.releases.values();
            releases.any(|release| release.slug == slug)
        });
        released || self.view.uploads.contains(name, slug)
    }

    /// Whether the caller may know of an add-on.
    fn sees_addon(&self, name: &AddonName, addon: &Addon) -> bool {
        self.sees_app(&addon.request.owner)
            || self
                .apps()
                .any(|app| app.attachments.name_of(name).is_some())
    }

    /// Whether the caller may know of a token, which need not exist.
    pub(crate) fn sees_token(&self, id: &TokenId) -> bool {
        self.token.app.is_none() || self.token.id == *id
    }

    /// An app that the caller may see.
    pub(crate) fn app(&self, name: &AppName) -> Result<&App, Failure> {
        let app = self.view.desired.apps.get(name);
        let app = app.filter(|_| self.sees_app(name)).map(Arc::as_ref);
        app.ok_or_else(|| Failure::not_found(format!("there is no app {name}")))
    }

    /// The apps that the caller may see, by name.
    pub(crate) fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        let apps = self.view.desired.apps.values();
        apps.filter(|app| self.sees_app(&app.name))
    }

    /// An add-on that the caller may see, of whichever app.
    pub(crate) fn addon(&self, name: &AddonName) -> Result<&Addon, Failure> {
        let addon = self.view.desired.addons.get(name);
        let addon = addon.filter(|addon| self.sees_addon(name, addon));
        addon.ok_or_else(|| Failure::missing("no_such_addon", format!("there is no add-on {name}")))
    }
}
