//! Which apps' tokens brought which slugs.
//!
//! Owns how long that is remembered. Whoever uploads a slug has its bytes, so the slug is no secret to that token any
//! more. Must not know which slugs are on the disk.

use grid::name::{AppName, SlugId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Uploads that are remembered for an app, the newest ones. A slug that no release uses is removed after an hour or so,
/// and nobody uploads more than this within that time.
const UPLOADS_MAX: usize = 100;

/// The slugs that were uploaded with a token for one app, by app. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub struct SlugUploads {
    /// The oldest first.
    by_app: Arc<BTreeMap<AppName, Vec<SlugId>>>,
}

impl SlugUploads {
    /// Whether a token for this app uploaded the slug.
    pub fn contains(&self, app: &AppName, slug: SlugId) -> bool {
        let uploaded = self.by_app.get(app);
        uploaded.is_some_and(|uploaded| uploaded.contains(&slug))
    }

    /// Remembers an upload, and forgets the oldest ones beyond the bound.
    pub(crate) fn note(&mut self, app: &AppName, slug: SlugId) {
        let uploaded = Arc::make_mut(&mut self.by_app)
            .entry(app.clone())
            .or_default();
        uploaded.retain(|known| *known != slug);
        uploaded.push(slug);
        let too_many = uploaded.len().saturating_sub(UPLOADS_MAX);
        uploaded.drain(..too_many);
    }

    /// Forgets the uploads for an app that is destroyed: the next app of that name may be somebody else's.
    pub(crate) fn forget(&mut self, app: &AppName) {
        if self.by_app.contains_key(app) {
            Arc::make_mut(&mut self.by_app).remove(app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_uploads_of_an_app_are_remembered_until_it_is_destroyed() {
        let (mine, theirs): (AppName, AppName) = (
            "mine".parse().expect("a name"),
            "theirs".parse().expect("a name"),
        );
        let slug = |number: u8| SlugId::new([number; 32]);
        let mut uploads = SlugUploads::default();
        for number in 0..=100 {
            uploads.note(&mine, slug(number));
        }
        assert!(!uploads.contains(&mine, slug(0)), "beyond the bound");
        assert!(uploads.contains(&mine, slug(1)) && uploads.contains(&mine, slug(100)));
        assert!(!uploads.contains(&theirs, slug(1)));
        uploads.note(&mine, slug(1));
        uploads.note(&mine, slug(101));
        assert!(uploads.contains(&mine, slug(1)), "it was uploaded again");
        uploads.forget(&mine);
        assert!(!uploads.contains(&mine, slug(101)));
    }
}
