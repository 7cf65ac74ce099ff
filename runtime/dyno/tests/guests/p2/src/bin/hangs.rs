//! A program that never ends: it says `begun`, and then, as its first argument says, computes (`spin`), sleeps
//! (`sleep`), or waits on stdin (`stdin`), until that is at its end, and says `stdin closed`. The host must be able to
//! end it at any time.

use std::time::Duration;

fn main() {
    println!("begun");
    match std::env::args().nth(1).as_deref() {
        Some("spin") => loop {
            std::hint::black_box(0);
        },
        Some("stdin") => {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            println!("stdin closed");
        }
        _ => std::thread::sleep(Duration::from_secs(1 << 30)),
    }
}
