//! A program that prints its preopened folders, the entries of `/`, and the content of `./tmp/x`, one line each; then
//! it creates a file in each of two folders. With a folder mounted as the root, it must have only the given folders.

use std::fs;
use std::io;

use wasip2::filesystem::preopens::get_directories;

fn main() -> io::Result<()> {
    let folders: Vec<String> = get_directories()
        .into_iter()
        .map(|(_, path)| path)
        .collect();
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
