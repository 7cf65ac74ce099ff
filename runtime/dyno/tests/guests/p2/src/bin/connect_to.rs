//! Connects to one address and reports the result: `?tcp=HOST:PORT`, `?udp=HOST:PORT` (one byte), `?udpto=` (with an
//! unconnected socket), `?dns=NAME`, or `?url=URL` through `wasi:http` with `wait=MS` as each time limit. Before that,
//! opens `sockets=N` connections to `at=HOST:PORT` and `requests=N` to `from=URL`, and keeps them without reading the
//! bodies. The host must apply its egress rules to every interface, and must limit sockets and requests together.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};

use guests_p2::web::{Answer, Incoming, number, param, text};
use wstd::http::{Body, Client, Request, Response, Uri};
use wstd::time::Duration;

#[wstd::http_server]
async fn main(request: Incoming) -> Answer {
    let call = guests_p2::count_call();
    let uri = request.uri();
    if uri.path() == "/ok" {
        return text(200, format!("ok {call}\n"));
    }
    let _kept = match keep(uri).await {
        Ok(kept) => kept,
        Err(why) => return text(200, format!("kept: {}\n", why.replace('\n', " "))),
    };
    let result = if let Some(addr) = param(uri, "tcp") {
        tcp(&addr)
    } else if let Some(addr) = param(uri, "udp") {
        udp(&addr)
    } else if let Some(addr) = param(uri, "udpto") {
        udp_to(&addr)
    } else if let Some(name) = param(uri, "dns") {
        dns(&name)
    } else if let Some(url) = param(uri, "url") {
        http(&url, number(uri, "wait", 0))
            .await
            .map_err(|error| format!("{error:?}"))
    } else {
        Err("no target".to_owned())
    };
    match result {
        Ok(what) => text(200, format!("allowed: {what}\n")),
        Err(why) => text(200, format!("refused: {}\n", why.replace('\n', " "))),
    }
}

/// Connections and responses that are kept open.
async fn keep(uri: &Uri) -> Result<(Vec<TcpStream>, Vec<Response<Body>>), String> {
    let (mut sockets, mut responses) = (Vec::new(), Vec::new());
    for _ in 0..number(uri, "sockets", 0) {
        let at = param(uri, "at").ok_or("no address to connect to")?;
        sockets.push(TcpStream::connect(at).map_err(named)?);
    }
    for _ in 0..number(uri, "requests", 0) {
        let from = param(uri, "from").ok_or("no URL to ask")?;
        let request = Request::get(from).body(Body::empty());
        let request = request.map_err(|error| error.to_string())?;
        let response = Client::new().send(request).await;
        responses.push(response.map_err(|error| format!("{error:?}"))?);
    }
    Ok((sockets, responses))
}

fn tcp(addr: &str) -> Result<String, String> {
    TcpStream::connect(addr)
        .map(|_| "connected".to_owned())
        .map_err(named)
}

fn bound(addr: &str) -> Result<(UdpSocket, SocketAddr), String> {
    let target = addr.to_socket_addrs().map_err(named)?.next();
    let target = target.ok_or("no address")?;
    let local = if target.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    Ok((UdpSocket::bind(local).map_err(named)?, target))
}

fn udp_to(addr: &str) -> Result<String, String> {
    let (socket, target) = bound(addr)?;
    let sent = socket.send_to(b"x", target);
    sent.map(|_| "sent".to_owned()).map_err(named)
}

fn udp(addr: &str) -> Result<String, String> {
    let (socket, target) = bound(addr)?;
    socket.connect(target).map_err(named)?;
    socket.send(b"x").map(|_| "sent".to_owned()).map_err(named)
}

fn dns(name: &str) -> Result<String, String> {
    let found = (name, 80).to_socket_addrs().map_err(named)?;
    let found: Vec<_> = found.map(|addr| addr.ip().to_string()).collect();
    Ok(found.join(" "))
}

async fn http(url: &str, wait_ms: u64) -> Result<String, wstd::http::Error> {
    let request = Request::get(url).body(Body::empty())?;
    let mut client = Client::new();
    if wait_ms > 0 {
        let wait = Duration::from_millis(wait_ms);
        client.set_connect_timeout(wait);
        client.set_first_byte_timeout(wait);
        client.set_between_bytes_timeout(wait);
    }
    let mut response = client.send(request).await?;
    let status = response.status().as_u16();
    let bytes = response.body_mut().contents().await?.len();
    Ok(format!("status={status} bytes={bytes}"))
}

fn named(error: io::Error) -> String {
    format!("{:?}: {error}", error.kind())
}
