//! Reaches out to one address and says what came of it: `?tcp=HOST:PORT`, `?udp=HOST:PORT` (one byte),
//! `?dns=NAME`, or `?url=URL` through `wasi:http`. The host must refuse what its egress rules refuse, on every way.

use std::io;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use guests_p2::web::{Answer, Incoming, param, text};
use wstd::http::{Body, Client, Request};

#[wstd::http_server]
async fn main(request: Incoming) -> Answer {
    let call = guests_p2::count_call();
    let uri = request.uri();
    if uri.path() == "/ok" {
        return text(200, format!("ok {call}\n"));
    }
    let result = if let Some(addr) = param(uri, "tcp") {
        tcp(&addr)
    } else if let Some(addr) = param(uri, "udp") {
        udp(&addr)
    } else if let Some(name) = param(uri, "dns") {
        dns(&name)
    } else if let Some(url) = param(uri, "url") {
        http(&url).await.map_err(|error| format!("{error:?}"))
    } else {
        Err("no target".to_owned())
    };
    match result {
        Ok(what) => text(200, format!("allowed: {what}\n")),
        Err(why) => text(200, format!("refused: {}\n", why.replace('\n', " "))),
    }
}

fn tcp(addr: &str) -> Result<String, String> {
    TcpStream::connect(addr)
        .map(|_| "connected".to_owned())
        .map_err(named)
}

fn udp(addr: &str) -> Result<String, String> {
    let target = addr.to_socket_addrs().map_err(named)?.next();
    let target = target.ok_or("no address")?;
    let local = if target.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(local).map_err(named)?;
    socket.connect(target).map_err(named)?;
    socket.send(b"x").map(|_| "sent".to_owned()).map_err(named)
}

fn dns(name: &str) -> Result<String, String> {
    let found = (name, 80).to_socket_addrs().map_err(named)?;
    let found: Vec<_> = found.map(|addr| addr.ip().to_string()).collect();
    Ok(found.join(" "))
}

async fn http(url: &str) -> Result<String, wstd::http::Error> {
    let request = Request::get(url).body(Body::empty())?;
    let mut response = Client::new().send(request).await?;
    let status = response.status().as_u16();
    let bytes = response.body_mut().contents().await?.len();
    Ok(format!("status={status} bytes={bytes}"))
}

fn named(error: io::Error) -> String {
    format!("{:?}: {error}", error.kind())
}
