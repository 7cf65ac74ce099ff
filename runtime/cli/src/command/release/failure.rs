//! The output for a failed release: the log lines about it, and the release that serves instead.
//!
//! Must not know how the failure was noticed.

use std::io::Read;
use std::time::Duration;

use api::resource::{AppResource, ReleaseResource};
use grid::name::DynoId;

use super::live;
use crate::client::RemoteApp;
use crate::terminal::{self, clean};

/// Most lines that are shown: enough for the traceback of a deep framework.
const LINES_SHOWN_MAX: usize = 100;
/// Most lines of the log that are searched: the serving release writes lines at the same time.
const LINES_READ_MAX: usize = 1_000;
/// Most reads of the log, and the pause before each: lines reach the log a moment after the failure is known.
const READS_MAX: usize = 10;
const READ_PAUSE: Duration = Duration::from_millis(50);

/// Prints the lines of the log that explain a failure. Prints nothing if the log cannot be read. With `is_shown`, the
/// lines of the release process are on the terminal already and are left out.
pub(super) fn show_log(app: &RemoteApp, release: &ReleaseResource, is_shown: bool) {
    let failed_dyno = release.reason.as_deref().and_then(failed_dyno);
    let of_dyno = failed_dyno.map(|dyno| (format!("&dyno={dyno}"), FailurePart::OfDyno(dyno)));
    let (query, part) = of_dyno.unwrap_or_else(|| {
        let until = format!("Release {} failed", release.version);
        (String::new(), FailurePart::OfRelease { until, is_shown })
    });
    let mut lines = Vec::new();
    for _ in 0..READS_MAX {
        std::thread::sleep(READ_PAUSE);
        let Some(text) = read_log(app, &query) else {
            break;
        };
        let complete;
        (lines, complete) = part.select_lines(&text, &release.created_at);
        if complete {
            break;
        }
    }
    let first = lines.len().saturating_sub(LINES_SHOWN_MAX);
    if !lines.is_empty() {
        terminal::print_lines(&clean(&lines[first..].join("\n")));
    }
}

/// Names the release that serves in place of the failed one, as the end of a sentence.
pub(super) fn describe_serving_release(app: &RemoteApp) -> String {
    let known = app.client().get(&app.path(""));
    let known = known.and_then(|answer| answer.read::<AppResource>());
    match known.map(|known| known.release) {
        Ok(Some(version)) => format!("{} goes on serving", clean(&version)),
        Ok(None) => "no release serves yet: correct this and deploy again".to_owned(),
        Err(_) => "what served before goes on serving".to_owned(),
    }
}

/// The dyno at the start of a reason, such as `web.1 did not start: …`.
fn failed_dyno(reason: &str) -> Option<DynoId> {
    reason.split_once(' ')?.0.parse().ok()
}

fn read_log(app: &RemoteApp, query: &str) -> Option<String> {
    let path = app.path(&format!("/logs?n={LINES_READ_MAX}{query}"));
    let mut text = String::new();
    let mut stream = app.client().open_stream(&path).ok()?;
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The lines of a log that explain why a release failed.
enum FailurePart {
    /// From the start of this dyno to its crash. A dyno of the same name in the serving release may write lines at the
    /// same time; nothing tells those lines apart.
    OfDyno(DynoId),
    /// All lines but those of requests, up to the line about the failure.
    OfRelease { until: String, is_shown: bool },
}

impl FailurePart {
    /// The lines of the log since the release was made, and whether they are complete.
    fn select_lines(&self, log: &str, created_at: &str) -> (Vec<String>, bool) {
        let lines = log
            .lines()
            .filter(|line| !live::is_before(line, created_at));
        match self {
            FailurePart::OfDyno(dyno) => lines_of_dyno(lines, dyno),
            FailurePart::OfRelease { until, is_shown } => {
                let lines = lines
                    .filter(|line| !line.contains(" dyno[router]: "))
                    .filter(|line| !is_shown || !line.contains(live::APP_LINE_MARK));
                let lines: Vec<String> = lines.map(str::to_owned).collect();
                let complete = lines.iter().any(|line| line.contains(until));
                (lines, complete)
            }
        }
    }
}

fn lines_of_dyno<'a>(lines: impl Iterator<Item = &'a str>, dyno: &DynoId) -> (Vec<String>, bool) {
    let (own, about) = (format!(" app[{dyno}]: "), format!(" dyno[{dyno}]: "));
    let changed = format!("{about}State changed from ");
    let mut shown = Vec::new();
    let started =
        lines.skip_while(|line| !(line.contains(&changed) && line.ends_with(" to starting")));
    for line in started {
        if let Some((_, said)) = line.split_once(&own) {
            shown.push(format!("  {dyno} | {said}"));
        } else if line.contains(&about) {
            shown.push(line.to_owned());
        }
        if line.contains(&changed) && line.ends_with(" to crashed") {
            return (shown, true);
        }
    }
    (shown, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-22T08:00:00.000000+00:00 dyno[web.1]: State changed from down to starting
2026-11-22T08:00:00.100000+00:00 dyno[web.1]: State changed from starting to up
2026-11-22T08:00:02.000000+00:00 app[web.1]: what serves says this
2026-11-22T08:00:02.100000+00:00 dyno[web.1]: State changed from down to starting
2026-11-22T08:00:02.200000+00:00 app[web.1]: Traceback (most recent call last):
2026-11-22T08:00:02.200001+00:00 app[web.1]:   File \"/app.py\", line 3, in <module>
2026-11-22T08:00:02.200002+00:00 app[web.1]: NameError: name 'shop' is not defined
2026-11-22T08:00:02.300000+00:00 dyno[web.1]: Crashed: NameError: name 'shop' is not defined
2026-11-22T08:00:02.300001+00:00 dyno[web.1]: State changed from starting to crashed
2026-11-22T08:00:03.000000+00:00 app[web.1]: what serves says this
";

    #[test]
    fn the_log_of_the_failed_dyno_is_shown() {
        let part = FailurePart::OfDyno("web.1".parse().expect("a dyno"));
        let (lines, complete) = part.select_lines(LOG, "2026-11-22T08:00:01.500Z");
        assert!(complete);
        let own = [
            "  web.1 | Traceback (most recent call last):",
            "  web.1 |   File \"/app.py\", line 3, in <module>",
            "  web.1 | NameError: name 'shop' is not defined",
        ];
        assert_eq!(lines[1..4], own);
        assert!(lines[0].ends_with(" to starting") && lines[5].ends_with(" to crashed"));
        assert_eq!(lines.len(), 6);
        // The line is not in the log yet.
        let early = LOG.split_once("2026-11-22T08:00:02.3").expect("there").0;
        let (lines, complete) = part.select_lines(early, "2026-11-22T08:00:01.500Z");
        assert_eq!((lines.len(), complete), (4, false));
    }

    #[test]
    fn a_failure_reason_names_its_dyno() {
        let of = |reason| failed_dyno(reason).map(|dyno| dyno.to_string());
        assert_eq!(of("web.12 did not start: x").as_deref(), Some("web.12"));
        for reason in ["release command failed", "no such slug", "web.1"] {
            assert_eq!(of(reason), None);
        }
    }
}
