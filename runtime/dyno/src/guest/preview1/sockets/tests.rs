//! The sockets of a core module, without a module.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::*;
use crate::guest::network::egress::EgressPolicy;
use crate::guest::network::gate::EgressGate;
use crate::guest::network::port::{NotListening, PortNumbers};
use crate::guest::network::shared::NodeNetwork;
use crate::guest::stdio::logs::DynoLog;

const LIMIT: Duration = Duration::from_secs(10);

fn fd(number: u32) -> Fd {
    Fd::from(number)
}

/// A network in which loopback is open, with at most three connections at a time.
fn network() -> ModuleNetwork {
    let app = "demo".parse().expect("a name");
    let egress = EgressPolicy::default();
    let app = NodeNetwork::new(egress).for_app(&app);
    let dyno_log = DynoLog {
        app: "demo".parse().expect("a name"),
        dyno: "web.1".parse().expect("a dyno"),
        sink: Arc::new(|_| ()),
    };
    let open = ["127.0.0.1:1".parse().expect("an endpoint")];
    let reach = Arc::new(open.into_iter().collect());
    let gate = EgressGate::new(app, reach, Arc::new(dyno_log), None);
    ModuleNetwork::new(gate, 3)
}

fn serving() -> (Arc<ServerPort>, ModuleSockets) {
    let port = Arc::new(PortNumbers::default()).take_port();
    let sockets = ModuleSockets::new(Some(&port), network());
    (port, sockets)
}

async fn wait(sockets: &mut ModuleSockets, at: Fd, operation: SocketOperation) {
    let ready = poll_fn(|cx| sockets.poll_operation(at, operation, cx));
    let ready = timeout(LIMIT, ready).await.expect("it gets ready");
    assert_eq!(ready, Ok(()));
}

/// Connects to the port. Returns both ends.
async fn connect(
    port: &Arc<ServerPort>,
    sockets: &mut ModuleSockets,
) -> (Result<DuplexStream, NotListening>, Result<Fd, Errno>) {
    let port = Arc::clone(port);
    let near = tokio::spawn(async move { port.connect().await });
    wait(sockets, fd(LISTENER_FD), SocketOperation::Read).await;
    let accepted = sockets.accept(fd(LISTENER_FD));
    if accepted.is_err() {
        near.abort();
        let _ = near.await;
        return (Err(NotListening), accepted);
    }
    (near.await.expect("no panic"), accepted)
}

#[tokio::test]
async fn an_accepted_connection_reads_and_writes_without_blocking() {
    let (port, mut sockets) = serving();
    assert_eq!(sockets.accept(fd(LISTENER_FD)).err(), Some(Errno::Again));
    let (near, accepted) = connect(&port, &mut sockets).await;
    let (mut near, at) = (near.expect("accepted"), accepted.expect("a descriptor"));
    let mut buffer = [0; 8];
    assert_eq!(sockets.read(at, &mut buffer), Err(Errno::Again));
    near.write_all(b"hello, module").await.expect("written");
    wait(&mut sockets, at, SocketOperation::Read).await;
    assert_eq!(sockets.read(at, &mut buffer), Ok(8));
    assert_eq!(&buffer, b"hello, m");
    assert_eq!(sockets.read(at, &mut buffer), Ok(5));
    // More than all buffers on the way.
    let big = vec![7; 1024 * 1024];
    let mut sent = 0;
    let took = loop {
        match sockets.write(at, &big[sent..]) {
            Ok(len) => sent += len,
            Err(error) => break error,
        }
    };
    assert!(took == Errno::Again && sent < big.len(), "{sent}");
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        near.read_to_end(&mut all).await.expect("read");
        all
    });
    while sent < big.len() {
        wait(&mut sockets, at, SocketOperation::Write).await;
        sent += sockets.write(at, &big[sent..]).expect("room");
    }
    assert_eq!(sockets.close(at), Ok(()));
    let all = timeout(LIMIT, reader).await.expect("it ends");
    assert!(
        all.expect("no panic") == big,
        "all of it arrives after the close"
    );
}

#[tokio::test]
async fn the_end_of_a_connection_is_read_as_zero_and_written_as_a_broken_pipe() {
    let (port, mut sockets) = serving();
    let (near, accepted) = connect(&port, &mut sockets).await;
    let at = accepted.expect("a descriptor");
    drop(near);
    wait(&mut sockets, at, SocketOperation::Read).await;
    assert_eq!(sockets.read(at, &mut [0; 8]), Ok(0));
    let written = (0..4).map(|_| sockets.write(at, b"x")).find(Result::is_err);
    assert_eq!(written, Some(Err(Errno::Pipe)));
}

#[tokio::test]
async fn connections_are_limited_and_their_numbers_used_again() {
    let (port, mut sockets) = serving();
    let mut ends = Vec::new();
    for index in 0..ACCEPTED_MAX as u32 {
        let (near, accepted) = connect(&port, &mut sockets).await;
        assert_eq!(
            accepted.map(u32::from).ok(),
            Some(FIRST_CONNECTION_FD + index)
        );
        ends.push(near);
    }
    let (_, accepted) = connect(&port, &mut sockets).await;
    assert_eq!(accepted.err(), Some(Errno::Mfile));
    let freed = fd(FIRST_CONNECTION_FD + 3);
    assert_eq!(sockets.close(freed), Ok(()));
    let (_, accepted) = connect(&port, &mut sockets).await;
    assert_eq!(accepted.map(u32::from).ok(), Some(u32::from(freed)));
}

#[tokio::test]
async fn descriptors_that_are_not_open_are_refused_by_every_function() {
    let (port, mut sockets) = serving();
    let (_near, accepted) = connect(&port, &mut sockets).await;
    let closed = accepted.expect("a descriptor");
    sockets.close(closed).expect("closed once");
    for at in [closed, fd(FIRST_CONNECTION_FD + 999), fd(u32::MAX)] {
        assert!(ModuleSockets::owns(at));
        let mut cx = Context::from_waker(Waker::noop());
        let polled = sockets.poll_operation(at, SocketOperation::Write, &mut cx);
        let refused = Some(Errno::Badf);
        assert_eq!(polled, Poll::Ready(Err(Errno::Badf)));
        assert_eq!(sockets.accept(at).err(), refused);
        assert_eq!(sockets.read(at, &mut [0]).err(), refused);
        assert_eq!(sockets.write(at, b"x").err(), refused);
        assert_eq!(sockets.shut_down(at, Sdflags::RD).err(), refused);
        assert_eq!(sockets.close(at).err(), refused);
        assert!(sockets.describe(at).is_err() && sockets.describe_file(at).is_err());
        assert_eq!(sockets.check_flags(at, Fdflags::NONBLOCK).err(), refused);
    }
}

#[tokio::test]
async fn the_listener_is_no_connection_and_can_be_closed_once() {
    let (port, mut sockets) = serving();
    let listener = fd(LISTENER_FD);
    assert_eq!(sockets.read(listener, &mut [0]), Err(Errno::Notconn));
    assert_eq!(sockets.write(listener, b"x"), Err(Errno::Notconn));
    assert_eq!(sockets.check_flags(listener, Fdflags::NONBLOCK), Ok(()));
    assert_eq!(
        sockets.check_flags(listener, Fdflags::empty()),
        Err(Errno::Notsup)
    );
    assert_eq!(sockets.close(listener), Ok(()));
    assert_eq!(sockets.close(listener), Err(Errno::Badf));
    assert_eq!(sockets.accept(listener).err(), Some(Errno::Badf));
    assert!(matches!(port.connect().await, Err(NotListening)));
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_gives_the_reason_at_each_operation() {
    let mut sockets = ModuleSockets::new(None, network());
    let network = fd(NETWORK_FD);
    for (path, reason) in [
        ("tcp/127.0.0.1:1", Errno::Connrefused),
        ("tcp/10.1.2.3:80", Errno::Acces),
    ] {
        let at = sockets.open(network, path).expect("a descriptor");
        assert_eq!(sockets.write(at, b""), Err(Errno::Again));
        wait(&mut sockets, at, SocketOperation::Write).await;
        assert_eq!(sockets.write(at, b""), Err(reason), "{path}");
        assert_eq!(sockets.read(at, &mut [0]), Err(reason), "{path}");
        assert_eq!(sockets.close(at), Ok(()));
    }
}

#[tokio::test]
async fn a_lookup_is_read_as_lines() {
    let mut sockets = ModuleSockets::new(None, network());
    let at = sockets
        .open(fd(NETWORK_FD), "name/127.1")
        .expect("a descriptor");
    wait(&mut sockets, at, SocketOperation::Read).await;
    let mut text = [0; 64];
    assert_eq!(sockets.read(at, &mut text), Ok(10));
    assert_eq!(&text[..10], b"127.0.0.1\n");
    assert_eq!(sockets.read(at, &mut text), Ok(0));
}

#[tokio::test]
async fn outgoing_connections_are_limited_apart_from_accepted_ones() {
    let (port, mut sockets) = serving();
    let network = fd(NETWORK_FD);
    for path in ["", "tcp/", "tcp/localhost:1", "udp/127.0.0.1:1", "name/a b"] {
        assert!(sockets.open(network, path).is_err(), "{path}");
    }
    for _ in 0..3 {
        sockets
            .open(network, "name/127.0.0.1")
            .expect("a descriptor");
    }
    let refused = sockets.open(network, "name/127.0.0.1");
    assert_eq!(refused.err(), Some(Errno::Mfile));
    let (_, accepted) = connect(&port, &mut sockets).await;
    assert!(accepted.is_ok());
    assert_eq!(
        sockets.open(fd(LISTENER_FD), "name/x").err(),
        Some(Errno::Notdir)
    );
}

#[tokio::test]
async fn a_module_without_a_port_has_no_socket() {
    let mut sockets = ModuleSockets::new(None, network());
    assert_eq!(sockets.accept(fd(LISTENER_FD)).err(), Some(Errno::Badf));
    assert!(sockets.describe(fd(LISTENER_FD)).is_err());
}

#[tokio::test]
async fn nothing_is_ready_after_the_port_was_closed() {
    let (port, mut sockets) = serving();
    port.close();
    let mut cx = Context::from_waker(Waker::noop());
    let listener = fd(LISTENER_FD);
    let polled = sockets.poll_operation(listener, SocketOperation::Read, &mut cx);
    assert_eq!(polled, Poll::Pending);
    assert_eq!(sockets.accept(listener).err(), Some(Errno::Again));
}
