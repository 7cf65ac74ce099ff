//! A server that listens at 127.0.0.1:8080, whatever `$PORT` is, or at the address of its argument. The host must tell its log
//! where it should have listened.

use std::net::TcpListener;

fn main() {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        drop(stream.unwrap());
    }
}
