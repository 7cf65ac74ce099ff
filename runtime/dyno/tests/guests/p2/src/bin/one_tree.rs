//! A program that uses its folders by every form of a path, with one line for each step (`STEP: VALUE`, or `STEP: KIND`
//! of an error). `./tmp/x`, `tmp/x` and `/tmp/x` must be one file; the app's files must stay unchanged. The app has
//! `victim.txt` and `public/page.txt`. Also built as a core module.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

fn main() {
    names_of_one_file();
    listings();
    changes_in_tmp();
    app_is_read_only();
    borders();
    links();
    sizes();
}

fn say<T: std::fmt::Debug>(step: &str, tried: io::Result<T>) {
    match tried {
        Ok(value) => println!("{step}: {value:?}"),
        Err(error) => println!("{step}: {:?}", error.kind()),
    }
}

/// An error that differs between the versions of WASI.
fn other(_: io::Error) -> io::Error {
    io::ErrorKind::Other.into()
}

fn names_of_one_file() {
    for path in [
        "./tmp/x",
        "tmp/x",
        "/tmp/x",
        "tmp//x",
        "tmp/./x",
        "/./tmp/x",
        "public/../tmp/x",
        "/public/../tmp/x",
        "a/../tmp/x",
        "./tmp/../tmp/x",
        "log/../tmp/x",
        "tmp/../public/.././tmp/x",
        "./././tmp/x",
    ] {
        let written = fs::write(path, path).and_then(|()| fs::read_to_string("/tmp/x"));
        say(path, written.map(|text| text == path));
        let read = fs::read_to_string(path).map(|text| text == path);
        say(&format!("read {path}"), read);
        say(&format!("remove {path}"), fs::remove_file(path));
        say("gone", fs::metadata("tmp/x").map(|meta| meta.len()));
    }
    for path in ["./log/x", "log//x", "/log/x", "tmp/../log/x"] {
        say(
            path,
            fs::write(path, path).and_then(|()| fs::read_to_string("log/x")),
        );
    }
}

fn names(path: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let mark = if kind.is_dir() { "/" } else { "" };
        names.push(format!("{}{mark}", entry.file_name().display()));
    }
    names.sort();
    Ok(names)
}

fn listings() {
    fs::write("./tmp/y", "why").expect("room in tmp");
    for path in [
        "/",
        ".",
        "./",
        "tmp/..",
        "/log/..",
        "public/..",
        "tmp",
        "./tmp/",
        "/tmp/.",
        "log",
        "public",
        "tmp/../public",
    ] {
        say(&format!("list {path}"), names(path));
    }
    for path in [
        "tmp",
        "./tmp",
        "tmp/",
        "/tmp/.",
        "log",
        "tmp/..",
        "/tmp/../public",
    ] {
        say(
            &format!("folder {path}"),
            fs::metadata(path).map(|meta| meta.is_dir()),
        );
    }
    for path in [
        "./tmp/../victim.txt",
        "/tmp/../public/page.txt",
        "log/../victim.txt",
    ] {
        say(
            &format!("length {path}"),
            fs::metadata(path).map(|meta| meta.len()),
        );
    }
    for path in [
        "tmp/y/",
        "tmp/y/..",
        "tmp/none/../y",
        "tmp/../../y",
        "../tmp/y",
    ] {
        say(&format!("no {path}"), fs::read(path));
    }
}

fn changes_in_tmp() {
    say("mkdir", fs::create_dir("./tmp/d"));
    say("write below", fs::write("public/../tmp/d/f", "text"));
    say("rename folder", fs::rename("./tmp/d", "tmp/../tmp/e"));
    say("read below", fs::read_to_string("tmp/e/../e/f"));
    say("rmdir full", fs::remove_dir("./tmp/e"));
    say("copy", fs::copy("victim.txt", "./tmp/e/copy"));
    say("hard link", fs::hard_link("./tmp/e/f", "tmp/e/g"));
    say("rename to log", fs::rename("./tmp/e/g", "./log/g"));
    say("rmdir all", fs::remove_dir_all("./tmp/e"));
    say(
        "rmdir",
        fs::create_dir("tmp/z").and_then(|()| fs::remove_dir("tmp/../tmp/z")),
    );
    let open = OpenOptions::new().append(true).open("./tmp/y");
    say("append", open.and_then(|mut file| file.write_all(b" not")));
    say("appended", fs::read_to_string("tmp/y"));
}

fn app_is_read_only() {
    let open = |options: &mut OpenOptions, path: &str| options.open(path).map(drop);
    say("app write", fs::write("victim.txt", "mine"));
    say(
        "app append",
        open(OpenOptions::new().append(true), "./victim.txt"),
    );
    say(
        "app truncate",
        open(OpenOptions::new().write(true).truncate(true), "/victim.txt"),
    );
    say("app new", fs::write("new.txt", "mine"));
    say("app new below", fs::write("tmp/../public/new.txt", "mine"));
    say("app new nowhere", fs::write("none/new.txt", "mine"));
    say(
        "app exclusive",
        open(
            OpenOptions::new().write(true).create_new(true),
            "victim.txt",
        ),
    );
    say("app folder as file", File::create("public").map(drop));
    say("app mkdir", fs::create_dir("new"));
    say("app mkdir again", fs::create_dir("public"));
    say("app mkdir nowhere", fs::create_dir("none/new"));
    say("app mkdir in file", fs::create_dir("victim.txt/new"));
    say("app unlink", fs::remove_file("victim.txt"));
    say("app rmdir", fs::remove_dir("public"));
    say("app rename", fs::rename("victim.txt", "v.txt"));
    say("app link", fs::hard_link("victim.txt", "v.txt"));
    say(
        "app set_len",
        File::open("victim.txt").and_then(|file| file.set_len(0)),
    );
    say("app missing", File::open("none.txt").map(drop));
}

fn borders() {
    say("out by rename", fs::rename("victim.txt", "tmp/v"));
    say("in by rename", fs::rename("./tmp/y", "y"));
    say("over by rename", fs::rename("./tmp/y", "victim.txt"));
    say("out by link", fs::hard_link("victim.txt", "./tmp/v"));
    say("in by link", fs::hard_link("tmp/y", "y"));
    say("link of none", fs::hard_link("none.txt", "tmp/v"));
    say("rename tmp", fs::rename("tmp", "tmp2"));
    say("rename onto log", fs::rename("./tmp", "log"));
    say("rename onto tmp", fs::rename("tmp/y", "./tmp"));
    say("rmdir tmp", fs::remove_dir("tmp"));
    say("rmdir ./log/.", fs::remove_dir("./log/.").map_err(other));
    say("unlink tmp", fs::remove_file("./tmp").map_err(other));
    say("mkdir tmp", fs::create_dir("tmp"));
    say("mkdir ./log", fs::create_dir("./log"));
    say("write tmp", fs::write("tmp", "x"));
    say("still there", fs::read_to_string("./tmp/y"));
}

#[allow(deprecated)]
fn links() {
    for (target, name) in [
        ("../victim.txt", "tmp/up"),
        ("../public", "tmp/dir"),
        ("../tmp/y", "./tmp/round"),
        ("loop", "tmp/loop"),
        ("../../etc/passwd", "tmp/out"),
        ("none", "tmp/dangling"),
        ("..", "tmp/root"),
    ] {
        say(&format!("link {name}"), fs::soft_link(target, name));
        say("to", fs::read_link(name));
        let kind = fs::symlink_metadata(name).map(|meta| meta.file_type().is_symlink());
        say("is link", kind);
        // Versions of WASI differ in whether a folder can be opened like a file.
        let read = fs::read_to_string(name);
        let is_folder = fs::metadata(name).is_ok_and(|meta| meta.is_dir());
        say(
            "read",
            read.map_err(|error| if is_folder { other(error) } else { error }),
        );
        say("write", OpenOptions::new().write(true).open(name).map(drop));
    }
    say("through", fs::read_to_string("tmp/dir/page.txt"));
    say("list through", names("./tmp/dir"));
    say("list root", names("tmp/root"));
    say("make through", fs::write("tmp/dir/new.txt", "x"));
    say("remove through", fs::remove_file("tmp/dir/page.txt"));
    say(
        "round",
        fs::read_to_string("tmp/root/tmp/root/log/../tmp/y"),
    );
    say(
        "into dangling",
        fs::write("tmp/dangling", "made").and_then(|()| fs::read_to_string("tmp/none")),
    );
    say("app link", fs::soft_link("victim.txt", "v.txt"));
    say("absolute", fs::soft_link("/victim.txt", "tmp/abs"));
    for name in ["up", "dir", "round", "loop", "out", "dangling", "root"] {
        say(
            &format!("unlink {name}"),
            fs::remove_file(format!("./tmp/{name}")),
        );
    }
    say("victim", fs::read_to_string("victim.txt"));
}

fn sizes() {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open("./tmp/size");
    let Ok(mut file) = file else { return };
    for size in [u64::MAX, u64::MAX - 1, 1 << 63] {
        say(&format!("set_len {size}"), file.set_len(size));
    }
    say("set_len 10", file.set_len(10));
    say("length", file.metadata().map(|meta| meta.len()));
    say("seek", file.seek(SeekFrom::Start(i64::MAX as u64)));
    say("read far", file.read(&mut [0; 10]).map_err(other));
    say("write far", file.write(b"0123456789").map_err(other));
    say("seek back", file.seek(SeekFrom::Start(0)));
    // Refused operations do not count towards the quota.
    say("write", file.write_all(&vec![b'x'; 3 << 20]));
    say("length", file.metadata().map(|meta| meta.len()));
    say("remove", fs::remove_file("tmp/size"));
}
