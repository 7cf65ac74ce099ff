//! Writes `?mb=N` (100) megabytes of log lines of 100 bytes, half to each standard stream, then answers; with
//! `?how=line` as one single line. The host must keep its log bounds, count dropped lines, and stay fast for others.

use std::io::Write;

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let lines = raw::number(&request, "mb", 100) * 10_000;
    let end = match raw::param(&request, "how").as_deref() {
        Some("line") => '.',
        _ => '\n',
    };
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    for i in 0..lines / 2 {
        let line = format!("{i:099}{end}");
        let _ = stdout.write_all(line.as_bytes());
        let _ = stderr.write_all(line.as_bytes());
    }
    let _ = stdout.flush();
    drop((stdout, stderr));
    raw::reply(out, 200, &format!("lines={lines}\n"));
}
