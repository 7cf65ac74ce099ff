//! The output of an attached one-off dyno, as sent to its client.
//!
//! Owns the format of a frame: one byte for the kind, the length in four bytes with the most significant first, and
//! that number of bytes. Must not know connections.

use grid::protocol::ProcessExit;
use std::io::{self, Read};

/// The media type of a stream of frames.
pub const MEDIA_TYPE: &str = "application/vnd.dyno.frames";
/// Maximum number of bytes in the body of a frame.
pub const BYTES_MAX: usize = 64 * 1024;
/// Length of a frame's head in bytes.
pub const HEAD_BYTES: usize = 5;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputFrame {
    /// No content: shows that the connection is alive.
    Alive,
    /// Output.
    Stdout(Vec<u8>),
    /// Errors.
    Stderr(Vec<u8>),
    /// The last frame: the exit status.
    Exit(ProcessExit),
}

const ALIVE: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const CODE: u8 = 3;
const FAILED: u8 = 4;

/// Encodes the head of a frame with this number of bytes of output or errors.
pub fn encode_head(is_stderr: bool, bytes: usize) -> [u8; HEAD_BYTES] {
    framed(if is_stderr { STDERR } else { STDOUT }, bytes)
}

fn framed(kind: u8, bytes: usize) -> [u8; HEAD_BYTES] {
    let [a, b, c, d] = u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    [kind, a, b, c, d]
}

/// Encodes a frame without content.
pub fn encode_alive() -> Vec<u8> {
    framed(ALIVE, 0).to_vec()
}

/// Encodes the last frame.
pub fn encode_exit(exit: &ProcessExit) -> Vec<u8> {
    let (kind, text) = match exit {
        ProcessExit::Code(code) => (CODE, vec![*code]),
        ProcessExit::Failed(reason) => (FAILED, reason.bytes().take(BYTES_MAX).collect()),
    };
    let mut frame = framed(kind, text.len()).to_vec();
    frame.extend(text);
    frame
}

/// Reads the next frame; `None` at the end of the stream, also if the connection was lost between two frames.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<OutputFrame>> {
    let mut head = [0; HEAD_BYTES];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let [kind, a, b, c, d] = head;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "what came is no frame");
    let bytes = u32::from_be_bytes([a, b, c, d]) as usize;
    if bytes > BYTES_MAX {
        return Err(odd());
    }
    let mut body = vec![0; bytes];
    from.read_exact(&mut body)?;
    Ok(Some(match (kind, body.as_slice()) {
        (ALIVE, []) => OutputFrame::Alive,
        (STDOUT, _) => OutputFrame::Stdout(body),
        (STDERR, _) => OutputFrame::Stderr(body),
        (CODE, [code]) => OutputFrame::Exit(ProcessExit::Code(*code)),
        (FAILED, reason) => {
            let reason = String::from_utf8_lossy(reason).into_owned();
            OutputFrame::Exit(ProcessExit::Failed(reason))
        }
        _ => return Err(odd()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_frames_are_read_back() {
        let mut bytes = encode_alive();
        bytes.extend(encode_head(false, 3));
        bytes.extend(b"out");
        bytes.extend(encode_head(true, 0));
        bytes.extend(encode_exit(&ProcessExit::Code(255)));
        bytes.extend(encode_exit(&ProcessExit::Failed("it trapped".into())));
        let mut from = bytes.as_slice();
        let mut next = || read_frame(&mut from).expect("sound");
        assert_eq!(next(), Some(OutputFrame::Alive));
        assert_eq!(next(), Some(OutputFrame::Stdout(b"out".to_vec())));
        assert_eq!(next(), Some(OutputFrame::Stderr(Vec::new())));
        assert_eq!(next(), Some(OutputFrame::Exit(ProcessExit::Code(255))));
        assert_eq!(
            next(),
            Some(OutputFrame::Exit(ProcessExit::Failed("it trapped".into())))
        );
        assert_eq!(next(), None);
    }

    #[test]
    fn truncated_and_malformed_frames_are_errors() {
        for bad in [
            &[STDOUT, 0, 0, 0, 2, b'x'][..],
            &[STDOUT, 0, 0],
            &[9, 0, 0, 0, 0],
            &[CODE, 0, 0, 0, 0],
            &[STDOUT, 0xff, 0, 0, 0],
        ] {
            read_frame(&mut &*bad).expect_err("no frame");
        }
    }
}
