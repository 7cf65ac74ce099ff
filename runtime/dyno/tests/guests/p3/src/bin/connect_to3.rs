//! On WASI 0.3: connects to one address and reports the result: `?tcp=HOST:PORT`, `?udp=HOST:PORT` (one byte, by a
//! connected socket), `?udpto=` (by an unconnected socket), `?dns=NAME`, or `?url=URL` through `wasi:http`. The host
//! must apply its egress rules to every interface.

use guests_p3::{Answer, fields, param, text};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Request, Response, Scheme};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket,
    UdpSocket,
};
use wasip3::wit_future;

guests_p3::guest!(handle);

async fn handle(request: Request) -> Answer {
    let result = if let Some(addr) = param(&request, "tcp") {
        tcp(&addr).await
    } else if let Some(addr) = param(&request, "udp") {
        udp(&addr, true).await
    } else if let Some(addr) = param(&request, "udpto") {
        udp(&addr, false).await
    } else if let Some(name) = param(&request, "dns") {
        lookup(&name).await.map(|found| format!("{found:?}"))
    } else if let Some(url) = param(&request, "url") {
        http(&url).await.map_err(|error| format!("{error:?}"))
    } else {
        Err("no target".to_owned())
    };
    match result {
        Ok(what) => text(200, format!("allowed: {what}\n")),
        Err(why) => text(200, format!("refused: {}\n", why.replace('\n', " "))),
    }
}

async fn lookup(name: &str) -> Result<Vec<IpAddress>, String> {
    let found = resolve_addresses(name.to_owned()).await;
    found.map_err(|error| format!("{error:?}"))
}

/// The first address of `HOST:PORT`, and its family.
async fn resolve(addr: &str) -> Result<(IpSocketAddress, IpAddressFamily), String> {
    let (host, port) = addr.rsplit_once(':').ok_or("no port")?;
    let port = port.parse().map_err(|_| "no port")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = lookup(host).await?;
    match found.first().ok_or("no address")? {
        IpAddress::Ipv4(address) => {
            let address = *address;
            let to = Ipv4SocketAddress { port, address };
            Ok((IpSocketAddress::Ipv4(to), IpAddressFamily::Ipv4))
        }
        IpAddress::Ipv6(address) => {
            let to = Ipv6SocketAddress {
                port,
                flow_info: 0,
                address: *address,
                scope_id: 0,
            };
            Ok((IpSocketAddress::Ipv6(to), IpAddressFamily::Ipv6))
        }
    }
}

async fn tcp(addr: &str) -> Result<String, String> {
    let (to, family) = resolve(addr).await?;
    let socket = TcpSocket::create(family).map_err(|error| format!("{error:?}"))?;
    let connected = socket.connect(to).await;
    connected.map_err(|error| format!("{error:?}"))?;
    Ok("connected".to_owned())
}

async fn udp(addr: &str, connect: bool) -> Result<String, String> {
    let (to, family) = resolve(addr).await?;
    let socket = UdpSocket::create(family).map_err(|error| format!("{error:?}"))?;
    let to = match connect {
        true => {
            socket.connect(to).map_err(|error| format!("{error:?}"))?;
            None
        }
        false => Some(to),
    };
    let sent = socket.send(b"x".to_vec(), to).await;
    sent.map_err(|error| format!("{error:?}"))?;
    Ok("sent".to_owned())
}

async fn http(url: &str) -> Result<String, ErrorCode> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(fields(&[]), None, trailers, None);
    let scheme = match scheme {
        "https" => Scheme::Https,
        _ => Scheme::Http,
    };
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(&path)).map_err(invalid)?;
    let response = client::send(request).await?;
    let status = response.get_status_code();
    let (_, done) = wit_future::new(|| Ok(()));
    let (contents, _trailers) = Response::consume_body(response, done);
    let bytes = contents.collect().await.len();
    Ok(format!("status={status} bytes={bytes}"))
}
