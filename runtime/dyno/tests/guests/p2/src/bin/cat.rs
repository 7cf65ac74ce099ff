//! A program that copies stdin to stdout, and prints the number of bytes on stderr. The host must pass on any number of
//! bytes, in little memory.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (mut chunk, mut bytes) = (vec![0; 64 * 1024], 0);
    loop {
        let len = from.read(&mut chunk)?;
        if len == 0 {
            break;
        }
        to.write_all(&chunk[..len])?;
        bytes += len;
    }
    to.flush()?;
    eprintln!("bytes={bytes}");
    Ok(())
}
