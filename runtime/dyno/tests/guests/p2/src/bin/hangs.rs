//! A program that hangs: prints `begun`, and then, by its first argument, computes (`spin`), sleeps (`sleep`), or reads
//! stdin (`stdin`) until its end, and prints `stdin closed`. The host must be able to
//! kill it at any time.

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
