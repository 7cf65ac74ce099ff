//! The steps of `one_tree`, with descriptors of WASI 0.3: one line for each step (`STEP: VALUE` or `STEP: CODE`).
//! `tmp/x` at the descriptor of `/` must be the same file as `x` at that of `/tmp`; the app's files must stay
//! unchanged.

use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{
    Descriptor, DescriptorFlags as Flags, ErrorCode, NewTimestamp, OpenFlags as Open, PathFlags,
};
use wasip3::wit_stream;

wasip3::cli::command::export!(Program);

struct Program;

impl wasip3::exports::cli::run::Guest for Program {
    async fn run() -> Result<(), ()> {
        let folders = get_directories();
        let find = |name: &str| {
            folders
                .iter()
                .find(|(_, path)| path == name)
                .map(|(dir, _)| dir)
        };
        let (Some(root), Some(tmp), Some(log)) = (find("/"), find("/tmp"), find("/log")) else {
            println!("folders: missing");
            return Err(());
        };
        names_of_one_file(root, tmp).await;
        folders_themselves(root, tmp, log).await;
        borders(root, tmp, log).await;
        links(root, tmp).await;
        sizes(root).await;
        Ok(())
    }
}

fn main() {}

fn say<T: std::fmt::Debug>(step: &str, tried: Result<T, ErrorCode>) {
    match tried {
        Ok(value) => println!("{step}: {value:?}"),
        Err(code) => println!("{step}: {code:?}"),
    }
}

async fn open(
    at: &Descriptor,
    path: &str,
    how: Open,
    flags: Flags,
) -> Result<Descriptor, ErrorCode> {
    at.open_at(PathFlags::SYMLINK_FOLLOW, path.to_owned(), how, flags)
        .await
}

async fn write(at: &Descriptor, path: &str, text: &str) -> Result<(), ErrorCode> {
    let file = open(at, path, Open::CREATE | Open::TRUNCATE, Flags::WRITE).await?;
    let (mut to, from) = wit_stream::new();
    let written = file.write_via_stream(from, 0);
    to.write_all(text.as_bytes().to_vec()).await;
    drop(to);
    written.await
}

async fn read(at: &Descriptor, path: &str) -> Result<String, ErrorCode> {
    let file = open(at, path, Open::empty(), Flags::READ).await?;
    let (contents, ended) = file.read_via_stream(0);
    let bytes = contents.collect().await;
    ended.await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn names(at: &Descriptor, path: &str) -> Result<Vec<String>, ErrorCode> {
    let dir = open(at, path, Open::DIRECTORY, Flags::READ).await?;
    let (entries, ended) = dir.read_directory();
    let entries = entries.collect().await;
    ended.await?;
    let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    names.sort();
    Ok(names)
}

async fn names_of_one_file(root: &Descriptor, tmp: &Descriptor) {
    for path in [
        "tmp/x",
        "./tmp/x",
        "tmp//x",
        "public/../tmp/x",
        "a/../tmp/x",
        "log/../tmp/./x",
    ] {
        say(path, write(root, path, path).await);
        say("as", read(tmp, "x").await);
        say("up and down", read(tmp, "../tmp/x").await);
        say("unlink", root.unlink_file_at(path.to_owned()).await);
        say(
            "gone",
            tmp.stat_at(PathFlags::empty(), "x".to_owned())
                .await
                .map(|stat| stat.size),
        );
    }
}

async fn folders_themselves(root: &Descriptor, tmp: &Descriptor, log: &Descriptor) {
    say("write", write(tmp, "y", "why").await);
    for path in [".", "tmp/..", "public/..", "tmp", "./log/.", "public"] {
        say(&format!("list {path}"), names(root, path).await);
    }
    say("list from log", names(log, "..").await);
    let opened = open(
        root,
        "tmp",
        Open::DIRECTORY,
        Flags::READ | Flags::MUTATE_DIRECTORY,
    )
    .await;
    let Ok(opened) = opened else {
        return println!("open tmp: refused");
    };
    say("is tmp", Ok(opened.is_same_object(tmp).await));
    say("read at it", read(&opened, "y").await);
    say("write at it", write(&opened, "z", "zed").await);
    say("climb from it", read(&opened, "../victim.txt").await);
    say("unlink at it", opened.unlink_file_at("z".to_owned()).await);
    let Ok(again) = open(root, "public/..", Open::DIRECTORY, Flags::READ).await else {
        return println!("open root: refused");
    };
    say("read at root", read(&again, "tmp/y").await);
    let hash = |at: Result<wasip3::filesystem::types::MetadataHashValue, ErrorCode>| {
        at.map(|hash| (hash.lower, hash.upper))
    };
    let (one, other) = (
        hash(
            root.metadata_hash_at(PathFlags::empty(), "tmp/y".to_owned())
                .await,
        ),
        hash(
            tmp.metadata_hash_at(PathFlags::empty(), "y".to_owned())
                .await,
        ),
    );
    say("one hash", Ok(one.is_ok() && one.ok() == other.ok()));
    let now = || NewTimestamp::Now;
    let times = root.set_times_at(PathFlags::empty(), "tmp/y".to_owned(), now(), now());
    say("times", times.await);
    let times = root.set_times_at(PathFlags::empty(), "victim.txt".to_owned(), now(), now());
    say("times of the app", times.await);
    say("times of the root", root.set_times(now(), now()).await);
}

async fn borders(root: &Descriptor, tmp: &Descriptor, log: &Descriptor) {
    let own = str::to_owned;
    say(
        "out",
        root.rename_at(own("victim.txt"), tmp, own("v")).await,
    );
    say("in", tmp.rename_at(own("y"), root, own("y")).await);
    say(
        "over",
        root.rename_at(own("tmp/y"), root, own("victim.txt")).await,
    );
    say(
        "link out",
        root.link_at(PathFlags::empty(), own("victim.txt"), root, own("tmp/v"))
            .await,
    );
    say(
        "link in",
        tmp.link_at(PathFlags::empty(), own("y"), tmp, own("../y"))
            .await,
    );
    say(
        "to log",
        root.rename_at(own("tmp/y"), root, own("log/y")).await,
    );
    say(
        "and back",
        log.rename_at(own("y"), log, own("../tmp/y")).await,
    );
    say(
        "rename tmp",
        root.rename_at(own("tmp"), root, own("tmp2")).await,
    );
    say(
        "rename onto tmp",
        root.rename_at(own("tmp/y"), root, own("tmp")).await,
    );
    say("rmdir tmp", root.remove_directory_at(own("tmp")).await);
    say("rmdir itself", tmp.remove_directory_at(own(".")).await);
    say("unlink tmp", root.unlink_file_at(own("./tmp")).await);
    say("mkdir tmp", root.create_directory_at(own("tmp")).await);
    say("mkdir", root.create_directory_at(own("tmp/d")).await);
    say("rmdir", tmp.remove_directory_at(own("../tmp/d")).await);
    say("app write", write(root, "victim.txt", "mine").await);
    say("app new", write(root, "new.txt", "mine").await);
    say("app mkdir", root.create_directory_at(own("new")).await);
    say("app unlink", root.unlink_file_at(own("victim.txt")).await);
    say("app rmdir", root.remove_directory_at(own("public")).await);
    say(
        "app rename",
        root.rename_at(own("victim.txt"), root, own("v")).await,
    );
    say(
        "app symlink",
        root.symlink_at(own("victim.txt"), own("v")).await,
    );
    say("outside", read(root, "../etc/passwd").await);
    say("far outside", read(tmp, "../../etc/passwd").await);
    say("absolute", read(root, "/victim.txt").await);
}

async fn links(root: &Descriptor, tmp: &Descriptor) {
    for (target, name) in [
        ("../victim.txt", "up"),
        ("../public", "dir"),
        ("loop", "loop"),
        ("../../etc/passwd", "out"),
    ] {
        say(
            name,
            root.symlink_at(target.to_owned(), format!("tmp/{name}"))
                .await,
        );
        say("to", root.readlink_at(format!("tmp/{name}")).await);
        say("read", read(tmp, name).await);
        say("write", write(root, &format!("tmp/{name}"), "x").await);
    }
    say("through", read(root, "tmp/dir/page.txt").await);
    say(
        "make through",
        tmp.create_directory_at("dir/new".to_owned()).await,
    );
    for name in ["up", "dir", "loop", "out"] {
        say("unlink", root.unlink_file_at(format!("tmp/{name}")).await);
    }
}

async fn sizes(root: &Descriptor) {
    let Ok(file) = open(root, "tmp/size", Open::CREATE, Flags::WRITE | Flags::READ).await else {
        return println!("size: refused");
    };
    for size in [u64::MAX, u64::MAX - 1, 1 << 63] {
        say(&format!("set_size {size}"), file.set_size(size).await);
    }
    say("set_size 3 MiB", file.set_size(3 << 20).await);
    say("size", file.stat().await.map(|stat| stat.size));
    for offset in [u64::MAX, 1 << 63] {
        let (mut to, from) = wit_stream::new();
        let written = file.write_via_stream(from, offset);
        to.write_all(b"x".to_vec()).await;
        drop(to);
        say(&format!("write at {offset}"), written.await);
        let (contents, ended) = file.read_via_stream(offset);
        drop(contents.collect().await);
        say(&format!("read at {offset}"), ended.await);
    }
    say(
        "advise",
        file.advise(
            u64::MAX,
            u64::MAX,
            wasip3::filesystem::types::Advice::Normal,
        )
        .await
        .map_err(|_| ErrorCode::Invalid),
    );
    say("size", file.stat().await.map(|stat| stat.size));
    say("remove", root.unlink_file_at("tmp/size".to_owned()).await);
}
