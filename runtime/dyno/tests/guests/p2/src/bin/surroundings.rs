//! A program that prints how it was started, one line each: arguments (`arg=`), variables (`env NAME=`), and the result
//! of reading the app's file `victim.txt`. The host must show only values of the app.

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
