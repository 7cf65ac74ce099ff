//! A program that tells what it was started with, a line each: arguments (`arg=`), environment (`env NAME=`), and how
//! it sees the app's file `victim.txt`. The host must show the app's alone.

fn main() {
    for arg in std::env::args() {
        println!("arg={arg}");
    }
    for (name, value) in std::env::vars() {
        println!("env {name}={value}");
    }
    let victim = std::fs::read_to_string("victim.txt");
    println!("victim={}", victim.unwrap_or_else(|e| e.to_string()).trim());
}
