//! The output of a release process, while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc;
use std::time::Duration;

use api::resource::ReleaseResource;

use crate::client::RemoteApp;
use crate::terminal::{ProgressLine, clean};

/// After its time, a line that the release process wrote starts like this.
pub(super) const APP_LINE_MARK: &str = " app[release.1]: ";
/// After its time, a line about the state of the release process starts like this.
const STATE_LINE_MARK: &str = " dyno[release.1]: State changed from ";
/// Lines of the log to read that were written before the connection was made.
const LINES_READ_MAX: usize = 1_000;
/// How long to wait for the last lines, which reach the log a moment after the outcome is known.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(2);
/// Characters that all forms of a time share: down to milliseconds.
const TIME_CHARS: usize = 23;

/// Prints the lines of a release process as they come, on a thread that ends with the log or with this program.
pub(super) struct LiveReleaseLog {
    ended: mpsc::Receiver<()>,
}

impl LiveReleaseLog {
    /// Starts to print, if the release has a release process.
    pub(super) fn start(
        app: &RemoteApp,
        release: &ReleaseResource,
        progress: &ProgressLine,
    ) -> Option<LiveReleaseLog> {
        if !release.processes.contains_key("release") {
            return None;
        }
        let path = app.path(&format!(
            "/logs?tail=true&n={LINES_READ_MAX}&dyno=release.1"
        ));
        let stream = app.client().open_stream(&path).ok()?;
        let (since, print_line) = (release.created_at.clone(), progress.line_printer());
        let (end, ended) = mpsc::channel();
        let forward_lines = move || {
            forward_lines(stream, &since, print_line);
            let _ = end.send(());
        };
        let thread = std::thread::Builder::new().name("release".into());
        thread.spawn(forward_lines).ok()?;
        Some(LiveReleaseLog { ended })
    }

    /// Waits for the last lines of the release process.
    pub(super) fn finish(self) {
        let _ = self.ended.recv_timeout(LAST_LINES_TIMEOUT);
    }
}

/// Prints the lines since the time `since`, until the release process has ended.
fn forward_lines(stream: impl Read, since: &str, print_line: impl Fn(&str)) {
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        if !matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        if is_before(text, since) {
            continue;
        }
        if let Some((_, said)) = text.split_once(APP_LINE_MARK) {
            print_line(&format!("  release.1 | {}", clean(said)));
        }
        if let Some((_, change)) = text.split_once(STATE_LINE_MARK)
            && (change.ends_with(" to down") || change.ends_with(" to crashed"))
        {
            return;
        }
    }
}

/// Whether a line is older than the time `since`. Both times are UTC, by the server's clock.
pub(super) fn is_before(line: &str, since: &str) -> bool {
    match (line.get(..TIME_CHARS), since.get(..TIME_CHARS)) {
        (Some(time), Some(since)) => time < since,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn output_of_the_release_process_is_shown_until_its_end() {
        let log = "\
2026-11-22T08:00:00.000100+00:00 app[release.1]: of another release
2026-11-22T08:00:00.500000+00:00 dyno[release.1]: State changed from up to down
2026-11-22T08:00:01.123456+00:00 dyno[release.1]: State changed from starting to up
2026-11-22T08:00:02.000000+00:00 app[release.1]: step 1
2026-11-22T08:00:03.000000+00:00 dyno[release.1]: State changed from up to down
2026-11-22T08:00:04.000000+00:00 app[release.1]: of a later one
";
        let told = RefCell::new(Vec::new());
        let print_line = |line: &str| told.borrow_mut().push(line.to_owned());
        forward_lines(log.as_bytes(), "2026-11-22T08:00:01.123Z", print_line);
        assert_eq!(told.into_inner(), ["  release.1 | step 1"]);
    }
}
