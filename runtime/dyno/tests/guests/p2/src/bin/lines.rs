//! A program that prints so many lines (`line N`) as its first argument says (3), and `done` on stderr without an end
//! of the line. The host must pass all of them on, in order, and the last one too.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let lines: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(3);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for n in 0..lines {
        writeln!(out, "line {n}")?;
    }
    out.flush()?;
    eprint!("done");
    Ok(())
}
