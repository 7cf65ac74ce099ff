//! What a release process prints, while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc;
use std::time::Duration;

use api::resource::ReleaseResource;

use crate::client::TargetApp;
use crate::terminal::{ProgressLine, clean};

/// How a log line of the release process's own begins, after its time.
pub(super) const OF_APP: &str = " app[release.1]: ";
/// How a line begins that tells of its state.
const OF_DYNO: &str = " dyno[release.1]: State changed from ";
/// Lines of the log that may have come before we looked.
const LINES: usize = 1_000;
/// Its last lines are in the log a moment after what became of it is known.
const REST_MAX: Duration = Duration::from_secs(2);
/// What of a time all its forms have: down to milliseconds.
const TIME_CHARS: usize = 23;

/// Prints the lines of a release process as they come, on a thread that ends with the log or with this program.
pub(super) struct LiveReleaseLog {
    ended: mpsc::Receiver<()>,
}

impl LiveReleaseLog {
    /// Of a release that has a release process.
    pub(super) fn begin(
        app: &TargetApp,
        release: &ReleaseResource,
        working: &ProgressLine,
    ) -> Option<LiveReleaseLog> {
        if !release.processes.contains_key("release") {
            return None;
        }
        let path = app.path(&format!("/logs?tail=true&n={LINES}&dyno=release.1"));
        let stream = app.client().open_stream(&path).ok()?;
        let (since, tell) = (release.created_at.clone(), working.teller());
        let (end, ended) = mpsc::channel();
        let pass_on = move || {
            pass_on(stream, &since, tell);
            let _ = end.send(());
        };
        let thread = std::thread::Builder::new().name("release".into());
        thread.spawn(pass_on).ok()?;
        Some(LiveReleaseLog { ended })
    }

    /// Waits for what it printed last.
    pub(super) fn finish(self) {
        let _ = self.ended.recv_timeout(REST_MAX);
    }
}

/// Passes on lines from `since` on, until it has ended.
fn pass_on(stream: impl Read, since: &str, tell: impl Fn(&str)) {
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
        if let Some((_, said)) = text.split_once(OF_APP) {
            tell(&format!("  release.1 | {}", clean(said)));
        }
        if let Some((_, change)) = text.split_once(OF_DYNO)
            && (change.ends_with(" to down") || change.ends_with(" to crashed"))
        {
            return;
        }
    }
}

/// Whether a line's time is before another one. All times are of the server's clock, and UTC.
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
    fn lines_of_this_release_are_told_until_it_has_ended() {
        let log = "\
2026-11-22T08:00:00.000100+00:00 app[release.1]: of another release
2026-11-22T08:00:00.500000+00:00 dyno[release.1]: State changed from up to down
2026-11-22T08:00:01.123456+00:00 dyno[release.1]: State changed from starting to up
2026-11-22T08:00:02.000000+00:00 app[release.1]: step 1
2026-11-22T08:00:03.000000+00:00 dyno[release.1]: State changed from up to down
2026-11-22T08:00:04.000000+00:00 app[release.1]: of a later one
";
        let told = RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        pass_on(log.as_bytes(), "2026-11-22T08:00:01.123Z", tell);
        assert_eq!(told.into_inner(), ["  release.1 | step 1"]);
    }
}
