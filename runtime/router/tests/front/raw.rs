//! An HTTP/1 client that sends raw bytes, and checks all that it reads.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A response as the client read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The body ended as its framing says.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection, and the bytes read beyond the last response.
pub(crate) struct Raw<S> {
    pub(crate) io: S,
    pub(crate) ahead: Vec<u8>,
}

/// The longest that a client waits: only reached when a test fails.
const PATIENCE: Duration = Duration::from_secs(300);

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) fn new(io: S) -> Self {
        Raw {
            io,
            ahead: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends bytes that the router may not read to their end.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.io.write_all(bytes.as_ref()).await;
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(format!(
            "GET {path} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n"
        ))
        .await
    }

    /// The next answer, to a request that was no `HEAD`.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to(false).await
    }

    pub(crate) async fn answer_to(&mut self, head_only: bool) -> Answer {
        self.try_answer(head_only).await.expect("no answer came")
    }

    /// The next response; `None` if the connection ends without one.
    pub(crate) async fn try_answer(&mut self, head_only: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let text: Vec<u8> = self.ahead.drain(..end).collect();
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_lowercase(), value.trim().to_owned())
        });
        let mut answer = Answer {
            status,
            headers: headers.collect(),
            body: String::new(),
            complete: true,
        };
        if !head_only && !matches!(status, 100..200 | 204 | 304) {
            self.body(&mut answer).await;
        }
        Some(answer)
    }

    async fn body(&mut self, answer: &mut Answer) {
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.chunks(answer).await;
        }
        match answer.header("content-length") {
            Some(length) => {
                let length: usize = length.parse().unwrap();
                while self.ahead.len() < length && self.more().await {}
                answer.complete = self.ahead.len() >= length;
                let take = length.min(self.ahead.len());
                answer.body = text(self.ahead.drain(..take).collect());
            }
            None => {
                while self.more().await {}
                answer.body = text(std::mem::take(&mut self.ahead));
            }
        }
    }

    async fn chunks(&mut self, answer: &mut Answer) {
        let mut body = Vec::new();
        answer.complete = loop {
            let Some(line) = find(&self.ahead, b"\r\n") else {
                if self.more().await {
                    continue;
                }
                break false;
            };
            let size = std::str::from_utf8(&self.ahead[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let end = line + 2 + size + 2;
            while self.ahead.len() < end && self.more().await {}
            if self.ahead.len() < end {
                break false;
            }
            body.extend_from_slice(&self.ahead[line + 2..line + 2 + size]);
            self.ahead.drain(..end);
            if size == 0 {
                break true;
            }
        };
        answer.body = text(body);
    }

    /// Whether more bytes arrive before the end.
    async fn more(&mut self) -> bool {
        let mut buf = [0; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.io.read(&mut buf));
        match read.await.expect("nothing came, and no end either") {
            Ok(0) | Err(_) => false,
            Ok(size) => {
                self.ahead.extend_from_slice(&buf[..size]);
                true
            }
        }
    }

    /// Whether the other end closes without a further byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && !self.more().await
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
