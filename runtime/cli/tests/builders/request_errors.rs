//! Errors of apps in requests, which each end their own request and nothing else.
//!
//! Must not know any language.

use testkit::DynoProcess;

/// A path, and a part of the log line that a request for it causes.
pub(crate) type FaultyPath = (&'static str, &'static str);

/// Requests each path of an app with one dyno, whose `/` answers with the number of requests until then and `web.1`. A path
/// of `after_head` answers with `half` and breaks off, one of `before_head` with status 500; both log their error once, and
/// the instance goes on. `check` gets what was logged for each path.
#[track_caller]
pub(crate) fn assert_errors_end_their_requests(
    local: &DynoProcess,
    after_head: &[FaultyPath],
    before_head: &[FaultyPath],
    check: impl Fn(&str),
) {
    for (served, (path, told)) in after_head.iter().chain(before_head).enumerate() {
        let mark = local.line_count();
        let reply = local.get(path);
        if served < after_head.len() {
            let half = (reply.status, reply.text(), reply.complete);
            assert_eq!(half, (200, "half".to_owned(), false), "{path}");
        } else {
            assert_eq!((reply.status, reply.complete), (500, true), "{path}");
            assert_eq!(reply.text(), "Internal Server Error\n", "{path}");
        }
        local.wait_for_line_after(mark, path, |line| line.contains(told));
        // Each earlier path was followed by a request for `/`.
        let next = format!("{} web.1", 2 * served + 2);
        assert_eq!(local.get("/").text(), next, "{path}");
        let lines = local.lines()[mark..].join("\n");
        assert_eq!(lines.matches(told).count(), 1, "{lines}");
        check(&lines);
    }
}
