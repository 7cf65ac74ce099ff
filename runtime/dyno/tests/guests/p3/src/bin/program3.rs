//! A program of WASI 0.3. Its first argument says what it does: `exit CODE`, `fail` (its `run` returns an error), `cat`
//! (stdin to stdout, over streams of 0.3), `spin`, `sleep`, `lines N`. The host must treat it like a WASI 0.2 program.

use guests_p3::sleep_ms;
use wasip3::cli::{exit, stdin, stdout};
use wasip3::wit_stream;

wasip3::cli::command::export!(Program);

struct Program;

impl wasip3::exports::cli::run::Guest for Program {
    async fn run() -> Result<(), ()> {
        let mut args = std::env::args().skip(1);
        let (what, value) = (args.next().unwrap_or_default(), args.next());
        let value = value.and_then(|text| text.parse().ok()).unwrap_or(0);
        match what.as_str() {
            "exit" => exit::exit_with_code(value as u8),
            "fail" => return Err(()),
            "cat" => {
                let (from, _) = stdin::read_via_stream();
                return stdout::write_via_stream(from).await.map_err(drop);
            }
            "lines" => return lines(value).await,
            "spin" => loop {
                std::hint::black_box(0);
            },
            _ => sleep_ms(1 << 30).await,
        }
        Ok(())
    }
}

async fn lines(lines: u64) -> Result<(), ()> {
    let (mut to, from) = wit_stream::new();
    let written = stdout::write_via_stream(from);
    for n in 0..lines {
        if !to
            .write_all(format!("line {n}\n").into_bytes())
            .await
            .is_empty()
        {
            return Err(());
        }
    }
    drop(to);
    written.await.map_err(drop)
}

fn main() {}
