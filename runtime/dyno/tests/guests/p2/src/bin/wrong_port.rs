//! A server that listens at 127.0.0.1:8080, or at the address in its argument, and ignores `$PORT`. The host must log
//! where the server should listen.

use std::net::TcpListener;

fn main() {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        drop(stream.unwrap());
    }
}
