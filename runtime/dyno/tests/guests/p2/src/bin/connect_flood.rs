//! Opens `?n=N` (5000) TCP connections to `?addr=IP:PORT`, keeps all of them, and counts the successes. The host must
//! limit the open connections, and get all descriptors back when the dyno ends.

use std::net::TcpStream;

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let addr = raw::param(&request, "addr").unwrap_or_else(|| "127.0.0.1:9".to_owned());
    let n = raw::number(&request, "n", 5000);
    let (mut open, mut failed, mut first) = (Vec::new(), 0u64, String::from("none"));
    for _ in 0..n {
        match TcpStream::connect(&addr) {
            Ok(stream) => open.push(stream),
            Err(error) if failed == 0 => (failed, first) = (1, format!("{error}")),
            Err(_) => failed += 1,
        }
    }
    let open = open.len();
    raw::reply(
        out,
        200,
        &format!("open={open} failed={failed} first={first}\n"),
    );
}
