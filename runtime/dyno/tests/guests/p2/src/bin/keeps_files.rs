//! A program that tries file operations, with one line each (`NAME: ok` or `NAME: KIND`). It must be able to write in
//! `./tmp` and `./log` up to the quota (variables `QUOTA_MB` and `QUOTA_FILES`), and nowhere else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

const MIB: usize = 1024 * 1024;

fn main() {
    own_folders();
    app_files();
    ways_out();
    quota_of_bytes();
    quota_of_files();
}

fn say<T>(name: &str, tried: io::Result<T>) {
    match tried {
        Ok(_) => println!("{name}: ok"),
        Err(error) => println!("{name}: {:?}", error.kind()),
    }
}

fn limit(name: &str) -> usize {
    let limit = std::env::var(name).ok().and_then(|text| text.parse().ok());
    limit.expect("the test names its limits")
}

fn own_folders() {
    say("own_write", fs::write("tmp/a", "one"));
    say("own_log", fs::write("log/a", "one"));
    say("own_log_unlink", fs::remove_file("log/a"));
    let append = OpenOptions::new().append(true).open("tmp/a");
    say(
        "own_append",
        append.and_then(|mut file| file.write_all(b" two")),
    );
    let read = fs::read_to_string("/tmp/a").and_then(|text| match text.as_str() {
        "one two" => Ok(()),
        _ => Err(io::Error::other(text)),
    });
    say("own_read", read);
    say("own_rename", fs::rename("tmp/a", "tmp/b"));
    say("own_folder", fs::create_dir("tmp/d"));
    say("own_unlink", fs::remove_file("tmp/b"));
    say("own_rmdir", fs::remove_dir("tmp/d"));
    say("own_seek", seek());
}

fn seek() -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open("tmp/seek")?;
    file.write_all(b"0123456789")?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(b"xy")?;
    file.seek(SeekFrom::Start(0))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    file.set_len(3)?;
    let short = file.metadata()?.len();
    fs::remove_file("tmp/seek")?;
    match (text.as_str(), short) {
        ("0123xy6789", 3) => Ok(()),
        _ => Err(io::Error::other(text)),
    }
}

fn app_files() {
    let open = |options: &mut OpenOptions| options.open("victim.txt");
    say("app_write", open(OpenOptions::new().write(true)));
    say("app_append", open(OpenOptions::new().append(true)));
    say(
        "app_truncate",
        open(OpenOptions::new().write(true).truncate(true)),
    );
    say(
        "app_set_len",
        File::open("victim.txt").and_then(|file| file.set_len(0)),
    );
    say("app_create", fs::write("new.txt", "mine"));
    say("app_unlink", fs::remove_file("victim.txt"));
    say("app_rename", fs::rename("victim.txt", "tmp/stolen.txt"));
    say("app_folder", fs::create_dir("new"));
    let _ = fs::write("tmp/own", "own");
    say("app_rename_over", fs::rename("tmp/own", "victim.txt"));
    say("app_link", fs::hard_link("victim.txt", "tmp/hard.txt"));
    say("app_link_in", fs::hard_link("tmp/own", "planted.txt"));
    let _ = fs::remove_file("tmp/own");
}

fn ways_out() {
    say("out_dotdot", fs::read("../../../../../../etc/passwd"));
    say("out_absolute", fs::read("/etc/passwd"));
    say("out_write", fs::write("/tmp/../../escaped", "out"));
    #[cfg(target_os = "wasi")]
    #[allow(deprecated)]
    {
        let _ = fs::soft_link("/etc/passwd", "tmp/soft");
    }
    say("out_link", fs::read("tmp/soft"));
    let _ = fs::remove_file("tmp/soft");
}

fn fill(mut file: File, mb: usize) -> io::Result<()> {
    let block = vec![b'x'; MIB];
    (0..mb).try_for_each(|_| file.write_all(&block))
}

fn quota_of_bytes() {
    let mb = limit("QUOTA_MB");
    let append = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open("tmp/fill")
    };
    say(
        "fill_to_quota",
        File::create("tmp/fill").and_then(|file| fill(file, mb)),
    );
    say("fill_beyond", append().and_then(|file| fill(file, 1)));
    say(
        "set_len_beyond",
        append().and_then(|file| file.set_len(((mb + 1) * MIB) as u64)),
    );
    say("other_beyond", fs::write("log/more", "more"));
    let _ = fs::remove_file("log/more");
    let open = File::open("tmp/fill");
    say("unlink_full", fs::remove_file("tmp/fill"));
    say("still_open", fs::write("tmp/still", "more"));
    drop(open);
    say(
        "fill_again",
        File::create("tmp/fill").and_then(|file| fill(file, mb)),
    );
    say("truncate_full", File::create("tmp/fill"));
    say(
        "fill_once_more",
        File::create("tmp/fill").and_then(|file| fill(file, mb)),
    );
    let sparse = File::create("tmp/fill").and_then(|mut file| {
        file.seek(SeekFrom::Start((mb * MIB) as u64))?;
        file.write_all(b"x")
    });
    say("sparse_beyond", sparse);
    let _ = fs::remove_file("tmp/fill");
}

fn quota_of_files() {
    let _ = fs::remove_file("tmp/still");
    let most = limit("QUOTA_FILES");
    let made = (0..most + 1).take_while(|n| File::create(format!("tmp/f{n}")).is_ok());
    println!("files made: {}", made.count());
    say("folder_beyond", fs::create_dir("tmp/d"));
    say("link_beyond", fs::hard_link("tmp/f0", "tmp/l"));
    say("rename_full", fs::rename("tmp/f0", "tmp/f1"));
    say("folder_again", fs::create_dir("tmp/d"));
}
