//! Tries to leave the granted folders, and to write to the read-only app folder. One line for each try: `NAME: refused
//! CODE` or `NAME: allowed`; the host must refuse all. Lines `make_…` prepare later tries and may be either. Lines
//! `own_…` read files of the app through indirect paths, which is allowed. The app must have a file `?file=NAME`
//! (`victim.txt`), which must stay unchanged.

use guests_p2::raw;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags as Flags, ErrorCode, NewTimestamp, OpenFlags as Open, PathFlags,
};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

type Tried = Result<(), ErrorCode>;

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let victim = raw::param(&request, "file").unwrap_or_else(|| "victim.txt".to_owned());
    let directories = get_directories();
    let find = |name: &str| {
        directories
            .iter()
            .find(|(_, at)| at == name)
            .map(|(d, _)| d)
    };
    let root = find("/").expect("the app's folder is granted");
    let opened = root
        .open_at(
            PathFlags::empty(),
            "tmp",
            Open::DIRECTORY,
            Flags::READ | Flags::MUTATE_DIRECTORY,
        )
        .ok();
    let Some(tmp) = find("/tmp").or(opened.as_ref()) else {
        return raw::reply(out, 500, "there is no tmp\n");
    };
    let mut report = Report::default();
    paths(&mut report, root, tmp, &victim);
    app_by_path(&mut report, root, tmp, &victim);
    app_by_handle(&mut report, root, &victim);
    links(&mut report, tmp, &victim);
    raw::reply(out, 200, &report.0);
}

#[derive(Default)]
struct Report(String);

impl Report {
    fn add(&mut self, name: &str, tried: Tried) {
        self.0 += &match tried {
            Ok(()) => format!("{name}: allowed\n"),
            Err(code) => format!("{name}: refused {}\n", code.name()),
        };
    }
}

fn open(at: &Descriptor, path: &str, how: Open, flags: Flags) -> Tried {
    at.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags)
        .map(drop)
}

/// Paths that lead out of a folder.
fn paths(report: &mut Report, root: &Descriptor, tmp: &Descriptor, victim: &str) {
    let read = |at, path: &str| open(at, path, Open::empty(), Flags::READ);
    report.add("dotdot", read(root, "../etc/passwd"));
    report.add(
        "dotdot_deep",
        read(root, "tmp/../../../../../../etc/passwd"),
    );
    report.add("absolute", read(root, "/etc/passwd"));
    report.add("absolute_own", read(root, &format!("/{victim}")));
    report.add("dotdot_only", read(root, ".."));
    report.add("own_tmp_dotdot", read(tmp, &format!("../{victim}")));
    report.add("own_tmp_dotdot_only", read(tmp, ".."));
    report.add("tmp_dotdot_twice", read(tmp, "../.."));
    report.add("nul", read(root, &format!("{victim}\0.png")));
    report.add(
        "stat_outside",
        root.stat_at(PathFlags::SYMLINK_FOLLOW, "../etc").map(drop),
    );
    report.add("mkdir_outside", tmp.create_directory_at("../../escaped"));
    report.add("rename_outside", tmp.rename_at("../x", tmp, "x"));
}

/// Changes of the app's files by name.
fn app_by_path(report: &mut Report, root: &Descriptor, tmp: &Descriptor, victim: &str) {
    let follow = PathFlags::SYMLINK_FOLLOW;
    report.add("write", open(root, victim, Open::empty(), Flags::WRITE));
    report.add(
        "read_write",
        open(root, victim, Open::empty(), Flags::READ | Flags::WRITE),
    );
    report.add("truncate", open(root, victim, Open::TRUNCATE, Flags::WRITE));
    report.add(
        "truncate_read",
        open(root, victim, Open::TRUNCATE, Flags::READ),
    );
    report.add("create", open(root, "new.txt", Open::CREATE, Flags::WRITE));
    report.add(
        "create_read",
        open(root, "new.txt", Open::CREATE, Flags::READ),
    );
    report.add(
        "create_over",
        open(root, victim, Open::CREATE | Open::TRUNCATE, Flags::WRITE),
    );
    report.add(
        "mutate",
        open(
            root,
            ".",
            Open::DIRECTORY,
            Flags::READ | Flags::MUTATE_DIRECTORY,
        ),
    );
    report.add("mkdir", root.create_directory_at("new"));
    report.add("unlink", root.unlink_file_at(victim));
    report.add("rmdir_tmp", root.remove_directory_at("tmp"));
    report.add("rename", root.rename_at(victim, root, "renamed.txt"));
    report.add("rename_out", root.rename_at(victim, tmp, "stolen.txt"));
    let _ = open(tmp, "own.txt", Open::CREATE, Flags::WRITE);
    report.add("rename_in", tmp.rename_at("own.txt", root, "planted.txt"));
    report.add("rename_over", tmp.rename_at("own.txt", root, victim));
    report.add(
        "link_in",
        tmp.link_at(PathFlags::empty(), "own.txt", root, "planted.txt"),
    );
    report.add(
        "link_inside",
        root.link_at(PathFlags::empty(), victim, root, "linked.txt"),
    );
    report.add("symlink", root.symlink_at(victim, "linked.txt"));
    report.add(
        "set_times",
        root.set_times_at(follow, victim, NewTimestamp::Now, NewTimestamp::Now),
    );
    report.add(
        "link_out",
        root.link_at(PathFlags::empty(), victim, tmp, "hard.txt"),
    );
    report.add(
        "link_out_write",
        open(tmp, "hard.txt", Open::empty(), Flags::WRITE),
    );
    report.add(
        "link_out_truncate",
        open(tmp, "hard.txt", Open::TRUNCATE, Flags::WRITE),
    );
}

/// Changes of the app's files through a handle that is open for reading.
fn app_by_handle(report: &mut Report, root: &Descriptor, victim: &str) {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let file = match root.open_at(follow, victim, Open::empty(), Flags::READ) {
        Ok(file) => file,
        Err(code) => return report.0 += &format!("make_handle: refused {}\n", code.name()),
    };
    report.add("handle_write", file.write(b"x", 0).map(drop));
    report.add("handle_set_size", file.set_size(0));
    report.add(
        "handle_set_times",
        file.set_times(NewTimestamp::Now, NewTimestamp::Now),
    );
    report.add("handle_stream", file.write_via_stream(0).map(drop));
    report.add("handle_append", file.append_via_stream().map(drop));
    report.add(
        "root_set_times",
        root.set_times(NewTimestamp::Now, NewTimestamp::Now),
    );
}

/// Links in the writable folder that point out of it.
fn links(report: &mut Report, tmp: &Descriptor, victim: &str) {
    let targets = [
        ("absolute", "/etc/passwd".to_owned()),
        ("up", "../../../../../../../../etc/passwd".to_owned()),
        ("app", format!("../{victim}")),
        ("loop", "loop".to_owned()),
    ];
    for (name, target) in &targets {
        let made = tmp.symlink_at(target, name);
        report.add(&format!("make_{name}"), made);
        if made.is_err() {
            continue;
        }
        let read = open(tmp, name, Open::empty(), Flags::READ);
        let own = if *name == "app" { "own_" } else { "" };
        report.add(&format!("{own}follow_{name}"), read);
        let truncate = open(tmp, name, Open::CREATE | Open::TRUNCATE, Flags::WRITE);
        report.add(&format!("truncate_{name}"), truncate);
    }
    report.add(
        "make_folder",
        tmp.symlink_at("../../../../../../../..", "folder"),
    );
    report.add(
        "through_folder",
        open(tmp, "folder/etc/passwd", Open::empty(), Flags::READ),
    );
    report.add(
        "mkdir_through_folder",
        tmp.create_directory_at("folder/tmp/escaped"),
    );
    report.add("make_parent", tmp.symlink_at("..", "parent"));
    let path = format!("parent/{victim}");
    report.add(
        "through_parent",
        open(tmp, &path, Open::TRUNCATE, Flags::WRITE),
    );
    report.add("unlink_through_parent", tmp.unlink_file_at(&path));
}
