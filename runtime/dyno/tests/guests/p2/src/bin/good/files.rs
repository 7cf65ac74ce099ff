//! Routes that use files: a fixed sequence of allowed and forbidden steps, and single steps by query.

use std::fmt::Display;
use std::fs;
use std::io;

use guests_p2::web::{Answer, number, param, text};
use wstd::http::Uri;

/// Answers all paths below `/files`; others are not found.
pub fn route(path: &str, uri: &Uri) -> Answer {
    let file = param(uri, "path").unwrap_or_else(|| "/".to_owned());
    match path {
        "/files" => text(200, tour()),
        "/files/read" => answer(fs::read_to_string(file)),
        "/files/list" => answer(list(&file)),
        "/files/write" => {
            let bytes = vec![b'x'; number(uri, "bytes", 1) as usize];
            answer(fs::write(file, bytes).map(|()| "written\n"))
        }
        "/files/remove" => answer(fs::remove_file(file).map(|()| "removed\n")),
        "/files/mkdir" => answer(fs::create_dir(file).map(|()| "made\n")),
        _ => text(404, "no such route\n"),
    }
}

fn answer(result: io::Result<impl Into<String>>) -> Answer {
    match result {
        Ok(body) => text(200, body),
        Err(error) => text(403, format!("{:?}: {error}\n", error.kind())),
    }
}

/// One line for each step: `name: ok VALUE` or `name: error KIND`.
fn tour() -> String {
    [
        step("write_tmp", fs::write("./tmp/a.txt", "one").map(|()| "")),
        step("read_tmp", fs::read_to_string("/tmp/a.txt")),
        step("append_tmp", append("tmp/a.txt", " two")),
        step("read_again", fs::read_to_string("./tmp/a.txt")),
        step("mkdir_tmp", fs::create_dir_all("/tmp/d/e").map(|()| "")),
        step(
            "rename_tmp",
            fs::rename("/tmp/a.txt", "/tmp/d/e/b.txt").map(|()| ""),
        ),
        step("list_tmp", list("/tmp/d/e")),
        step("remove_tmp", fs::remove_dir_all("/tmp/d").map(|()| "")),
        step("write_log", fs::write("./log/a.log", "line\n").map(|()| "")),
        step(
            "read_log",
            fs::read_to_string("/log/a.log").map(|s| s.trim().to_owned()),
        ),
        step("list_root", list("/")),
        step("write_root", fs::write("/forbidden.txt", "x").map(|()| "")),
        step("mkdir_root", fs::create_dir("/forbidden").map(|()| "")),
    ]
    .concat()
}

fn step(name: &str, result: io::Result<impl Display>) -> String {
    match result {
        Ok(value) => format!("{name}: ok {value}\n"),
        Err(error) => format!("{name}: error {:?}\n", error.kind()),
    }
}

fn append(path: &str, more: &str) -> io::Result<&'static str> {
    use io::Write;
    let mut file = fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(more.as_bytes()).map(|()| "")
}

fn list(path: &str) -> io::Result<String> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names.join(" "))
}
