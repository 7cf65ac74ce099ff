//! The slugs that were uploaded with tokens for one app.
//!
//! Owns how long an upload is remembered. The uploader of a slug has its bytes, so the slug is no secret for the
//! app's tokens. Must not know which slugs are on the disk.

use grid::name::{AppName, SlugId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum number of remembered uploads of an app. A slug that no release uses is removed after about an hour, and
/// nobody uploads more than this within that time.
const UPLOADS_MAX: usize = 100;

/// The uploaded slugs by app. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct SlugUploads {
    /// Oldest first.
    by_app: Arc<BTreeMap<AppName, Vec<SlugId>>>,
}

impl SlugUploads {
    /// Whether a token for this app uploaded the slug.
    pub fn contains(&self, app: &AppName, slug: SlugId) -> bool {
        let uploaded = self.by_app.get(app);
        uploaded.is_some_and(|uploaded| uploaded.contains(&slug))
    }

    /// Remembers an upload, and forgets the oldest uploads beyond the limit.
    pub(crate) fn record_upload(&mut self, app: &AppName, slug: SlugId) {
        let uploaded = Arc::make_mut(&mut self.by_app)
            .entry(app.clone())
            .or_default();
        uploaded.retain(|known| *known != slug);
        uploaded.push(slug);
        let too_many = uploaded.len().saturating_sub(UPLOADS_MAX);
        uploaded.drain(..too_many);
    }

    /// Forgets the uploads for a destroyed app: the next app of this name may belong to another user.
    pub(crate) fn forget_app(&mut self, app: &AppName) {
        if self.by_app.contains_key(app) {
            Arc::make_mut(&mut self.by_app).remove(app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_uploads_of_an_app_are_remembered_until_the_app_is_destroyed() {
        let (mine, theirs): (AppName, AppName) = (
            "mine".parse().expect("a name"),
            "theirs".parse().expect("a name"),
        );
        let slug = |number: u8| SlugId::new([number; 32]);
        let mut uploads = SlugUploads::default();
        for number in 0..=100 {
            uploads.record_upload(&mine, slug(number));
        }
        assert!(!uploads.contains(&mine, slug(0)), "beyond the bound");
        assert!(uploads.contains(&mine, slug(1)) && uploads.contains(&mine, slug(100)));
        assert!(!uploads.contains(&theirs, slug(1)));
        uploads.record_upload(&mine, slug(1));
        uploads.record_upload(&mine, slug(101));
        assert!(uploads.contains(&mine, slug(1)), "it was uploaded again");
        uploads.forget_app(&mine);
        assert!(!uploads.contains(&mine, slug(101)));
    }
}
