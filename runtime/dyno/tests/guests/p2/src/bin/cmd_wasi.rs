//! A program that tests WASI, one interface for each run, with one line for each step: `files DIR`, `clocks`, `random`,
//! `env`, `args WORD…`, `stdio`, `sockets ADDRESS`. Each step must have the same result as on other hosts.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["files", folder] => files(Path::new(folder)),
        ["clocks"] => clocks(),
        ["random"] => random(),
        ["env"] => env(),
        ["args", rest @ ..] => rest.iter().for_each(|word| println!("{word:?}")),
        ["stdio"] => stdio(),
        ["sockets", address] => sockets(address),
        other => panic!("no such tour: {other:?}"),
    }
}

/// The result of a step, or the kind of its error.
fn say<T: Debug>(step: &str, given: io::Result<T>) {
    match given {
        Ok(value) => println!("{step}: {value:?}"),
        Err(error) => println!("{step}: error {:?}", error.kind()),
    }
}

fn files(root: &Path) {
    let at = |name: &str| root.join(name);
    contents(&at("a.txt"));
    modes(&at("a.txt"), &at("none.txt"));
    names(root);
    folders(root);
    states(root);
    large(&at("large.bin"));
    let left = fs::read_dir(root).map(|entries| entries.count());
    say("left", left);
}

fn contents(file: &Path) {
    say("create", fs::write(file, "0123456789"));
    say("read", fs::read_to_string(file));
    let append = || {
        let mut file = OpenOptions::new().append(true).open(file)?;
        file.write_all(b"ab")?;
        file.seek(SeekFrom::Start(0))?;
        // Appended bytes go to the end, whatever the position is.
        file.write_all(b"cd")
    };
    say("append", append());
    say("appended", fs::read_to_string(file));
    let seek = || {
        let mut file = OpenOptions::new().read(true).write(true).open(file)?;
        let places = [
            file.seek(SeekFrom::End(-4))?,
            file.seek(SeekFrom::Current(-2))?,
            file.seek(SeekFrom::Start(3))?,
        ];
        file.write_all(b"XY")?;
        let place = file.stream_position()?;
        let mut rest = String::new();
        file.read_to_string(&mut rest)?;
        Ok((places, place, rest))
    };
    say("seek", seek());
    let before_start = || File::open(file)?.seek(SeekFrom::Current(-1));
    say("seek before the start", before_start());
    let beyond = || {
        let mut file = OpenOptions::new().read(true).write(true).open(file)?;
        file.seek(SeekFrom::Start(20))?;
        file.write_all(b"!")?;
        file.seek(SeekFrom::Start(12))?;
        let mut hole = Vec::new();
        file.read_to_end(&mut hole)?;
        Ok(hole)
    };
    say("write beyond the end", beyond());
    let resize = |bytes| OpenOptions::new().write(true).open(file)?.set_len(bytes);
    say("truncate", resize(4));
    say("truncated", fs::read_to_string(file));
    say("extend", resize(6));
    say("extended", fs::read(file));
    say(
        "truncating open",
        File::create(file)
            .and_then(|file| file.metadata())
            .map(|m| m.len()),
    );
    let sync = || {
        let file = OpenOptions::new().write(true).open(file)?;
        file.sync_data()?;
        file.sync_all()
    };
    say("sync", sync());
}

fn modes(file: &Path, none: &Path) {
    let open = |options: &mut OpenOptions, path: &Path| options.open(path).map(drop);
    say(
        "create new",
        open(OpenOptions::new().write(true).create_new(true), file),
    );
    say("open none", File::open(none).map(drop));
    say("write none", open(OpenOptions::new().write(true), none));
    say(
        "write to a reader",
        File::open(file)
            .and_then(|mut file| file.write(b"x"))
            .is_err()
            .then_some(())
            .ok_or(io::ErrorKind::Other.into()),
    );
    let read = OpenOptions::new().write(true).open(file);
    say(
        "read from a writer",
        read.and_then(|mut file| file.read(&mut [0; 1]))
            .is_err()
            .then_some(())
            .ok_or(io::ErrorKind::Other.into()),
    );
    say("remove", fs::remove_file(file));
    say("remove again", fs::remove_file(file));
    let open = File::create(file);
    let _ = fs::remove_file(file);
    let unlinked = open.and_then(|mut file| {
        file.write_all(b"still here")?;
        Ok(file.metadata()?.len())
    });
    say("removed while open", unlinked);
}

fn names(root: &Path) {
    let at = |name: &str| root.join(name);
    let _ = fs::write(at("one"), "one");
    let _ = fs::write(at("two"), "two");
    say("rename", fs::rename(at("one"), at("uno")));
    say("renamed away", fs::read_to_string(at("one")));
    say("rename over", fs::rename(at("uno"), at("two")));
    say("renamed over", fs::read_to_string(at("two")));
    say("rename none", fs::rename(at("none"), at("some")));
    say("copy", fs::copy(at("two"), at("copied")));
    say("hard link", fs::hard_link(at("two"), at("linked")));
    say("hard link again", fs::hard_link(at("two"), at("linked")));
    let _ = fs::write(at("two"), "changed by the other name");
    say("linked", fs::read_to_string(at("linked")));
    soft_link("two", &at("soft"));
    say("followed", fs::read_to_string(at("soft")));
    say("read link", fs::read_link(at("soft")));
    let kind = |path| fs::symlink_metadata(path).map(|found| found.file_type().is_symlink());
    say("is a link", kind(at("soft")));
    soft_link("nowhere", &at("dangling"));
    say("dangling", fs::read_to_string(at("dangling")));
    soft_link("/etc/passwd", &at("absolute"));
    say(
        "out of it",
        fs::read_to_string(at("absolute"))
            .map(|_| ())
            .map_err(|_| io::ErrorKind::Other.into()),
    );
    say("unicode", fs::write(at("grüße ✓ 名前"), "hi"));
    let missing = |name: &str| fs::metadata(at(name)).is_err();
    println!("made of links: {}", !missing("two") && missing("none"));
    for name in [
        "two",
        "copied",
        "linked",
        "soft",
        "dangling",
        "absolute",
        "grüße ✓ 名前",
    ] {
        let _ = fs::remove_file(at(name));
    }
}

/// Creates a symbolic link, if the host supports links.
fn soft_link(to: &str, at: &Path) {
    #[allow(deprecated)]
    let made = fs::soft_link(to, at);
    println!("link to {to}: {}", made.is_ok());
}

fn folders(root: &Path) {
    let at = |name: &str| root.join(name);
    say("folder", fs::create_dir(at("d")));
    say("folder again", fs::create_dir(at("d")));
    say("folders", fs::create_dir_all(at("d/e/f")));
    for name in ["d/1", "d/2", "d/e/3"] {
        let _ = fs::write(at(name), name);
    }
    let list = |path| -> io::Result<BTreeSet<String>> {
        let entry = |entry: fs::DirEntry| {
            let kind = if entry.file_type()?.is_dir() { "/" } else { "" };
            Ok(format!("{}{kind}", entry.file_name().to_string_lossy()))
        };
        fs::read_dir(path)?.map(|found| entry(found?)).collect()
    };
    say("list", list(at("d")));
    say("list none", list(at("none")));
    say("list a file", list(at("d/1")));
    say("dots", fs::read_to_string(at("d/e/../1")));
    say("dot", fs::read_to_string(at("./d/./2")));
    say(
        "above the root",
        fs::read_to_string(at("../../../etc/passwd")).map_err(|_| io::ErrorKind::Other.into()),
    );
    say("a file as a folder", fs::read_to_string(at("d/1/x")));
    say("remove a full folder", fs::remove_dir(at("d")));
    say(
        "remove a folder as a file",
        fs::remove_file(at("d/e/f")).map_err(|_| io::ErrorKind::Other.into()),
    );
    say("remove a file as a folder", fs::remove_dir(at("d/1")));
    say("rename a folder", fs::rename(at("d/e"), at("d/g")));
    say("renamed folder", list(at("d/g")));
    say("remove all", fs::remove_dir_all(at("d")));
    say("is there", at("d").try_exists());
    let many = (0..300).try_for_each(|n| fs::write(at(&format!("many{n}")), "x"));
    say("many", many);
    say(
        "many listed",
        list(root.to_owned()).map(|found| found.len()),
    );
    (0..300).for_each(|n| drop(fs::remove_file(at(&format!("many{n}")))));
}

fn states(root: &Path) {
    let file = root.join("state");
    let before = SystemTime::now() - Duration::from_secs(5);
    let _ = fs::write(&file, "12345");
    let state = fs::metadata(&file).map(|m| (m.len(), m.is_file(), m.is_dir()));
    say("state", state);
    say(
        "state of a folder",
        fs::metadata(root).map(|m| (m.is_file(), m.is_dir())),
    );
    let modified = fs::metadata(&file).and_then(|m| m.modified());
    say("modified now", modified.map(|time| time > before));
    let set = || {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let open = OpenOptions::new().write(true).open(&file)?;
        open.set_times(fs::FileTimes::new().set_modified(time).set_accessed(time))?;
        let found = fs::metadata(&file)?;
        Ok((found.modified()? == time, found.accessed()? == time))
    };
    say("set times", set());
    let _ = fs::remove_file(&file);
}

fn large(file: &Path) {
    let bytes: Vec<u8> = (0..3 << 20).map(|n: u32| (n % 251) as u8).collect();
    say("write 3 MiB", fs::write(file, &bytes));
    say("read 3 MiB", fs::read(file).map(|found| found == bytes));
    let positioned = || {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(1 << 20))?;
        let mut some = [0; 4];
        file.read_exact(&mut some)?;
        Ok(some)
    };
    say("from the middle", positioned());
    let _ = fs::remove_file(file);
}

fn clocks() {
    let (wall, start) = (SystemTime::now(), Instant::now());
    let year = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map(|since| since.as_secs() / 31_556_952 + 1970);
    println!(
        "this century: {}",
        year.is_ok_and(|year| (2025..2100).contains(&year))
    );
    let readings: Vec<Instant> = (0..1_000).map(|_| Instant::now()).collect();
    println!("never back: {}", readings.is_sorted());
    std::thread::sleep(Duration::from_millis(20));
    println!("slept: {}", start.elapsed() >= Duration::from_millis(20));
    println!(
        "wall too: {}",
        wall.elapsed()
            .is_ok_and(|since| since >= Duration::from_millis(15))
    );
    std::thread::sleep(Duration::ZERO);
    println!("no sleep: true");
}

fn random() {
    let numbers: BTreeSet<u64> = (0..64).map(|_| RandomState::new().hash_one(1)).collect();
    println!("all differ: {}", numbers.len() == 64);
}

fn env() {
    let own: BTreeSet<String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("T_"))
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    own.iter().for_each(|line| println!("{line}"));
    println!("none: {:?}", std::env::var("T_NONE").is_err());
}

fn stdio() {
    let mut lines = io::stdin().lock().lines();
    let first = lines
        .next()
        .map(|line| line.is_ok_and(|line| line == "first"));
    println!("first line: {first:?}");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    println!("rest: {rest:?}");
    println!(
        "again: {:?}",
        io::stdin().read(&mut [0; 8]).map_err(|error| error.kind())
    );
    eprintln!("an error line");
    print!("no end");
    let _ = io::stdout().flush();
}

/// Sends a line to a service at `address`, which echoes it.
fn sockets(address: &str) {
    #[cfg(target_env = "p2")]
    {
        use std::net::TcpStream;
        let talk = || {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"hello\n")?;
            let mut back = String::new();
            stream.read_to_string(&mut back)?;
            Ok((back, stream.peer_addr()?.to_string() == address))
        };
        say("tcp", talk());
    }
    #[cfg(not(target_env = "p2"))]
    println!("no sockets to dial here, not even {address}");
}
