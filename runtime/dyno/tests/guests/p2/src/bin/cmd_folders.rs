//! A program that says which folders it is handed, what stands in `/`, and what `./tmp/x` is, a line each; then it makes
//! a file in each of two of them. With a folder in place of its root it must have no other folders than those given.

use std::fs;
use std::io;

use wasip2::filesystem::preopens::get_directories;

fn main() -> io::Result<()> {
    let folders: Vec<String> = get_directories().into_iter().map(|(_, path)| path).collect();
    println!("{}", folders.join(" "));
    let names = fs::read_dir("/")?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    println!("{}", names.join(" "));
    println!("{}", fs::read_to_string("./tmp/x")?);
    fs::write("below/new", "made")?;
    fs::write("./more/new", "made")
}
