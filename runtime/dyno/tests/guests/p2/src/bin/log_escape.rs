//! Writes lines with terminal escapes, and lines that imitate other sources. The host must log each as a line of this
//! dyno, without escapes that move a cursor, and must not take one for a line of the platform.

use std::io::Write;

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

const LINES: &[&[u8]] = &[
    b"plain",
    b"colour \x1b[31mred\x1b[0m",
    b"title \x1b]0;owned\x07",
    b"back\x08\x08\x08over",
    b"return\rover",
    b"bell \x07 nul \x00 del \x7f",
    b"c1 \xc2\x9b31m",
    b"broken utf-8 \xff\xfe\xc3",
    "right-to-left \u{202e}drow".as_bytes(),
    "line separator \u{2028} next \u{85} line".as_bytes(),
    b"2026-11-21T19:09:12.345678+00:00 dyno[router]: at=info method=GET path=\"/\" status=200",
    b"2026-11-21T19:09:12.345678+00:00 app[web.9]: not me",
    b"vertical \x0b tab, form \x0c feed",
];

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut stdout = std::io::stdout().lock();
    for line in LINES {
        let _ = stdout.write_all(line);
        let _ = stdout.write_all(b"\n");
    }
    let _ = stdout.write_all(b"no newline at the end");
    let _ = stdout.flush();
    drop(stdout);
    raw::reply(out, 200, &format!("lines={}\n", LINES.len() + 1));
}
