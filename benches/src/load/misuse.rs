//! Clients of a soak: one request each time, well or badly behaved.
//!
//! Owns one connection for each request that is cut off. Returns whether the server behaved as it should; a client that
//! hangs up expects nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use crate::load::client::{BenchClient, request};

/// Requests of a client that work are at least so far apart: the load is to be mixed, not to fill the machine.
const PACE: Duration = Duration::from_millis(5);
/// The same of clients whose requests fail; a dyno that crashes again and again is held back anyway.
const SLOW_PACE: Duration = Duration::from_millis(50);
/// How long a client waits before it leaves.
const BEFORE_LEAVING: Duration = Duration::from_millis(20);
/// Bytes of a body that comes back.
const ECHO_BYTES: usize = 1024;
/// A client that is to leave in the middle of an answer waits so long for its beginning: longer than any app may take.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// Bytes of a response that a client reads before it leaves in the middle of it.
const TASTE_BYTES: usize = 1024;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misbehaviour {
    /// Pages, bodies, waits; all are answered.
    Mixed,
    /// Makes the guest trap.
    Traps,
    /// Requests work that takes longer than the app's time limit.
    TooSlow,
    /// Leaves before the answer.
    HangsUp,
    /// Leaves in the middle of its request, or of the answer.
    StopsHalfway,
}

/// One request, the `step`th of its client. Whether it went as it should.
pub(crate) fn once(address: SocketAddr, host: &str, habit: Misbehaviour, step: usize) -> bool {
    let fine = ask(address, host, habit, step);
    std::thread::sleep(if habit == Misbehaviour::Mixed {
        PACE
    } else {
        SLOW_PACE
    });
    fine.unwrap_or(false)
}

/// The same without a rest. An error is a request that was not answered.
pub(crate) fn ask(
    address: SocketAddr,
    host: &str,
    habit: Misbehaviour,
    step: usize,
) -> Result<bool> {
    match habit {
        Misbehaviour::Mixed => send_mixed_request(address, host, step),
        // H13, or H10 while the dynos wait to be started again.
        Misbehaviour::Traps => status(address, host, "/trap").map(|status| status == 503),
        // H12, or H10 as above.
        Misbehaviour::TooSlow => {
            status(address, host, "/sleep?ms=3000").map(|status| status == 503)
        }
        Misbehaviour::HangsUp => hang_up(address, host, step),
        Misbehaviour::StopsHalfway => stop_halfway(address, host, step),
    }
}

fn send_mixed_request(address: SocketAddr, host: &str, step: usize) -> Result<bool> {
    let body = vec![b'x'; ECHO_BYTES];
    let (path, body) = match step % 4 {
        0 => ("/", &[][..]),
        1 => ("/body", &[][..]),
        2 => ("/echo", &*body),
        _ => ("/sleep?ms=20", &[][..]),
    };
    let method = if body.is_empty() { "GET" } else { "POST" };
    let answer = BenchClient::new(address).ask(&request(method, host, path, &[], body))?;
    Ok(answer.status == 200 && (body.is_empty() || answer.body == body))
}

fn status(address: SocketAddr, host: &str, path: &str) -> Result<u16> {
    let request = request("GET", host, path, &[], b"");
    Ok(BenchClient::new(address).ask(&request)?.status)
}

/// Leaves while the guest works: within the grace that it has after that, or beyond it.
fn hang_up(address: SocketAddr, host: &str, step: usize) -> Result<bool> {
    let path = if step.is_multiple_of(2) {
        "/sleep?ms=200"
    } else {
        "/sleep?ms=2500"
    };
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&request("GET", host, path, &[], b""))?;
    std::thread::sleep(BEFORE_LEAVING);
    drop(stream);
    Ok(true)
}

fn stop_halfway(address: SocketAddr, host: &str, step: usize) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    let whole = match step % 3 {
        0 => request("GET", host, "/body", &[], b""),
        _ => request("POST", host, "/echo", &[], &[b'x'; ECHO_BYTES]),
    };
    match step % 3 {
        0 => {
            stream.write_all(&whole)?;
            stream.read_exact(&mut [0; TASTE_BYTES])?;
        }
        // In the middle of the body, and of the head.
        1 => stream.write_all(&whole[..whole.len() - ECHO_BYTES / 2])?,
        _ => stream.write_all(&whole[..16])?,
    }
    std::thread::sleep(BEFORE_LEAVING);
    // The other side may have closed it already.
    let _ = stream.shutdown(Shutdown::Both);
    Ok(true)
}
