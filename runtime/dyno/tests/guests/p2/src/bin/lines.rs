//! A program that prints a number of lines (first argument, 3; `line N`), and `done` on stderr without a line end. The
//! host must pass on all lines in order, including the last one.

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
