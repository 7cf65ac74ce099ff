//! The logs of apps: the newest lines of each app in memory, the readers that follow them, and files that survive a
//! restart of the server.
//!
//! Owns which lines are kept, and how long. Must not know the writers of lines, nor how lines are shown.
//!
//! Lines are stored once, in the app's ring buffer; a reader only holds its position in the ring. So the cost of
//! writing does not depend on the number of readers, and a writer never waits for a reader. With [`LogFiles`],
//! lines are also written to the disk, in batches by [`AppLogs::write_queued_lines`]. An app's ring starts with the
//! last lines of its files, so that readers also see lines from before a restart.
//!
//! | what | limit | beyond the limit |
//! |---|---|---|
//! | lines of an app | [`LINES_MAX`], [`BYTES_MAX`] | the oldest lines are dropped |
//! | bytes of all apps | [`ALL_BYTES_MAX`] | apps with more keep [`SHARE_BYTES`] |
//! | apps with lines | [`APPS_MAX`] | the app without new lines for the longest time is dropped |
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
