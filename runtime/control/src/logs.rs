//! The apps' logs: the newest lines of each, the readers that follow them, and the files that outlive the server.
//!
//! Owns what is kept and for how long. Must not know who writes lines, nor what shows them.
//!
//! Lines are kept once, in the app's ring; a reader holds its place in it and nothing else. So writing costs
//! the same for any number of readers, and never waits for one. With [`LogFiles`], lines are also written to the disk,
//! together by [`Logs::flush`]; an app's ring begins with the last lines of its files, so that readers read on from before
//! a restart.
//!
//! | what | bound | beyond |
//! |---|---|---|
//! | lines of an app | [`LINES_MAX`], [`BYTES_MAX`] | the oldest go |
//! | bytes of all apps | [`ALL_BYTES_MAX`] | apps with more than [`SHARE_BYTES`] keep that much |
//! | apps with lines | [`APPS_MAX`] | the one goes that has been silent longest |
//! | readers | [`TAILS_OF_APP_MAX`], [`TAILS_MAX`] | refused |

mod app_log;
mod files;
mod filter;
mod line;
mod registry;
mod ring;
mod store;
mod tail;
#[cfg(test)]
mod tests;
mod text_form;

pub use files::{
    DISK_BYTES_MAX, DISK_FILES_MAX, FILE_BYTES_MAX, FILES_OF_APP_MAX, LogFiles, LogFilesError,
    OPEN_MAX,
};
pub use filter::{DynoSelector, LogFilter, LogSide};
pub use line::{AppLogLine, AppLogSource, LINE_BYTES_MAX, timestamp};
pub use registry::{
    ALL_BYTES_MAX, APPS_MAX, LogTailError, SHARE_BYTES, TAILS_MAX, TAILS_OF_APP_MAX,
};
pub use ring::{BYTES_MAX, LINES_MAX};
pub use store::AppLogs;
pub use tail::{Follow, LogTail};
