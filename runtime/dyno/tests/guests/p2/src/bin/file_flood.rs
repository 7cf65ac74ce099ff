//! Makes `?n=N` (1,000,000) empty things in `./tmp` until the host refuses, by `?how=`: `files` (default), `dirs`,
//! `links` (hard), `symlinks`. The host must say "no space" at its quota of files, and remove all when the dyno stops.

use std::fs;
use std::io;

use guests_p2::raw;
use wasip2::filesystem::preopens::get_directories;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = raw::number(&request, "n", 1_000_000);
    let how = raw::param(&request, "how").unwrap_or_default();
    let (mut made, mut end) = (0u64, "none".to_owned());
    for i in 0..n {
        let path = format!("/tmp/f{i}");
        let result = match how.as_str() {
            "dirs" => fs::create_dir(path),
            "links" if i > 0 => fs::hard_link("/tmp/f0", path),
            "symlinks" => symlink(i),
            _ => fs::write(path, ""),
        };
        if let Err(error) = result {
            end = format!("{:?}: {error}", error.kind());
            break;
        }
        made += 1;
    }
    raw::reply(out, 200, &format!("made={made} error={end}\n"));
}

fn symlink(i: u64) -> io::Result<()> {
    let directories = get_directories();
    let own = directories.iter().find(|(_, at)| at == "/tmp");
    let (directory, path) = match own {
        Some((directory, _)) => (directory, format!("f{i}")),
        None => (&directories[0].0, format!("tmp/f{i}")),
    };
    directory
        .symlink_at("nowhere", &path)
        .map_err(|code| io::Error::other(code.name()))
}
