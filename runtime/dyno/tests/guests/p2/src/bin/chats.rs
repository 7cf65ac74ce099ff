//! A server on `$PORT` with a WebSocket at every path except `/plain`: echoes each message; answers `close` with
//! `closing` and ends the connection. The host must pass on the switch of protocols, keep the dyno busy as long as the
//! connection lasts, and free it afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use tungstenite::Message;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").expect("a server is told its port");
    let listener = TcpListener::bind(("0.0.0.0", port.parse().expect("a number")))?;
    loop {
        let (stream, _) = listener.accept()?;
        if let Err(error) = serve(&stream) {
            println!("ended: {error}");
        }
    }
}

fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let mut from = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then(|| value.trim().to_owned())
        });
        let mut to = stream;
        match key {
            Some(key) if !head.starts_with("GET /plain ") => {
                let accept = derive_accept_key(key.as_bytes());
                let answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-accept: {accept}\r\n\r\n"
                );
                to.write_all(answer.as_bytes())?;
                return talk(Both(&mut from, stream));
            }
            _ => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nplain\n")?,
        }
    }
}

fn talk(stream: Both<'_, '_>) -> std::io::Result<()> {
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    loop {
        let message = socket.read().map_err(std::io::Error::other)?;
        let answer = match &message {
            Message::Text(text) if text.as_str() == "close" => Message::text("closing"),
            Message::Text(_) | Message::Binary(_) => message.clone(),
            Message::Close(_) => return Ok(()),
            _ => continue,
        };
        socket.send(answer).map_err(std::io::Error::other)?;
        if message.to_text().is_ok_and(|text| text == "close") {
            return Ok(());
        }
    }
}

/// Reads from the buffer that has read the head, and writes to the connection.
struct Both<'a, 'b>(&'a mut BufReader<&'b TcpStream>, &'b TcpStream);

impl Read for Both<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(to)
    }
}

impl Write for Both<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut to = self.1;
        to.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
