//! A program that prints the content of each file named by an argument, or the kind of the error, one line each; for
//! `PATH=TEXT` it writes the text into the file, and prints `written`.

use std::fs;

fn main() {
    for word in std::env::args().skip(1) {
        let tried = match word.split_once('=') {
            Some((path, text)) => fs::write(path, text).map(|()| "written".to_owned()),
            None => fs::read_to_string(&word),
        };
        match tried {
            Ok(text) => println!("{text}"),
            Err(error) => println!("{:?}", error.kind()),
        }
    }
}
