//! A server on `$PORT` with the sockets of WASI 0.3. Answers each request on a persistent connection with its number
//! (`requests=N`); `/close` closes the connection after the answer. The host must treat it like a WASI 0.2 server.

use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};
use wasip3::wit_stream;

wasip3::cli::command::export!(Server);

struct Server;

impl wasip3::exports::cli::run::Guest for Server {
    async fn run() -> Result<(), ()> {
        let port = std::env::var("PORT")
            .ok()
            .and_then(|port| port.parse().ok());
        let port = port.expect("a server is told its port");
        let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(drop)?;
        let elsewhere = TcpSocket::create(IpAddressFamily::Ipv4).map_err(drop)?;
        let refused = elsewhere.bind(at(port + 1)).is_err();
        println!("other_port: {}", if refused { "refused" } else { "ok" });
        socket.bind(at(port)).map_err(drop)?;
        let mut incoming = socket.listen().map_err(drop)?;
        let mut requests = 0;
        while let Some(connection) = incoming.next().await {
            serve(&connection, &mut requests).await;
        }
        println!("listened to the end");
        Ok(())
    }
}

fn at(port: u16) -> IpSocketAddress {
    let address = (0, 0, 0, 0);
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address })
}

async fn serve(connection: &TcpSocket, requests: &mut u32) {
    let (mut from, _) = connection.receive();
    let (mut to, out) = wit_stream::new();
    let _sent = connection.send(out);
    let mut head = Vec::new();
    while let Some(byte) = from.next().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        *requests += 1;
        let body = format!("requests={requests}\n");
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let left = to.write_all(answer.into_bytes()).await;
        if !left.is_empty() || head.starts_with(b"GET /close ") {
            return;
        }
        head.clear();
    }
}

fn main() {}
