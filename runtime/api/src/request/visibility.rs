//! What a token may see: one rule for apps, slugs, add-ons and tokens, in all routes.
//!
//! A token for all apps sees everything. A token for one app sees that app and what belongs to it: its releases, dynos,
//! log, hostnames and dyno time, the add-ons that were made for it or are attached to it, and the slugs of its releases
//! or that a token for this app uploaded. **A thing that a token may not see is answered as if it did not exist**: with
//! the same status, id and message.
//!
//! Names that are unique on a server are the one exception: a hostname, or the name of a new add-on, that another app
//! has is refused as taken. The message does not name the other app.
//!
//! Owns this rule. Must not know routes, nor what a role allows: see `caller`.

use super::caller::Caller;
use crate::failure::ApiFailure;
use control::access::TokenId;
use grid::desired::{Addon, App};
use grid::name::{AddonName, AppName, SlugId};
use std::sync::Arc;

impl Caller {
    /// Whether the caller may see what belongs to the app of this name, which need not exist.
    pub(crate) fn can_see_app(&self, name: &AppName) -> bool {
        self.token.app.as_ref().is_none_or(|own| own == name)
    }

    /// Whether the caller may know that a slug is on this server.
    pub(crate) fn can_see_slug(&self, slug: SlugId) -> bool {
        let Some(name) = &self.token.app else {
            return true;
        };
        let app = self.view.desired.apps.get(name);
        let is_released = app.is_some_and(|app| {
            let mut releases = app.releases.values();
            releases.any(|release| release.slug == slug)
        });
        is_released || self.view.uploads.contains(name, slug)
    }

    /// Whether the caller may know of an add-on.
    fn can_see_addon(&self, name: &AddonName, addon: &Addon) -> bool {
        self.can_see_app(&addon.request.owner)
            || self
                .visible_apps()
                .any(|app| app.attachments.name_of(name).is_some())
    }

    /// Whether the caller may know of a token, which need not exist.
    pub(crate) fn can_see_token(&self, id: &TokenId) -> bool {
        self.token.app.is_none() || self.token.id == *id
    }

    /// An app, if the caller may see it.
    pub(crate) fn visible_app(&self, name: &AppName) -> Result<&App, ApiFailure> {
        let app = self.view.desired.apps.get(name);
        let app = app.filter(|_| self.can_see_app(name)).map(Arc::as_ref);
        app.ok_or_else(|| ApiFailure::not_found(format!("there is no app {name}")))
    }

    /// The apps that the caller may see, by name.
    pub(crate) fn visible_apps(&self) -> impl Iterator<Item = &Arc<App>> {
        let apps = self.view.desired.apps.values();
        apps.filter(|app| self.can_see_app(&app.name))
    }

    /// An add-on of any app, if the caller may see it.
    pub(crate) fn visible_addon(&self, name: &AddonName) -> Result<&Addon, ApiFailure> {
        let addon = self.view.desired.addons.get(name);
        let addon = addon.filter(|addon| self.can_see_addon(name, addon));
        addon.ok_or_else(|| {
            ApiFailure::not_found_with_id("no_such_addon", format!("there is no add-on {name}"))
        })
    }
}
