//! A server that first tries forbidden calls, with one line each (`NAME: ok` or `NAME: refused`): binds another port,
//! an address that is not loopback, its own port twice, and UDP; and connects to the addresses in its arguments. Then
//! it listens on `$PORT`, so that it is up after the last line. The host must refuse every call.

use std::net::{TcpListener, TcpStream, UdpSocket};

fn main() {
    let port: u16 = std::env::var("PORT")
        .ok()
        .and_then(|p| p.parse().ok())
        .expect("a port");
    let bind = |host: &str, port| TcpListener::bind((host, port)).map(drop);
    say("other_port", bind("127.0.0.1", port + 1));
    say("low_port", bind("0.0.0.0", 80));
    say("any_port", bind("0.0.0.0", 0));
    say("other_address", bind("10.0.0.1", port));
    say("other_port_v6", bind("::1", port + 1));
    say("udp", UdpSocket::bind(("127.0.0.1", port)).map(drop));
    for target in std::env::args().skip(1) {
        say(
            &format!("dial {target}"),
            TcpStream::connect(&target).map(drop),
        );
    }
    say(
        "dial own",
        TcpStream::connect(("127.0.0.1", port)).map(drop),
    );
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("its own port is free");
    say("own_port_again", bind("0.0.0.0", port));
    for stream in listener.incoming() {
        drop(stream);
    }
}

fn say(name: &str, tried: std::io::Result<()>) {
    match tried {
        Ok(()) => println!("{name}: ok"),
        Err(_) => println!("{name}: refused"),
    }
}
