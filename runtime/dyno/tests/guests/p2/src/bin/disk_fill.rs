//! Fills `./tmp` until the host refuses, or until `?mb=N` (4096), by `?how=`: `write` (default), `append`, `pwrite`
//! (the call that takes an offset), `set_len`, `sparse` (one byte far out). The host must say "no space" at its quota.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

use guests_p2::raw;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

const STEP_BYTES: usize = 1024 * 1024;
const FILE: &str = "/tmp/fill";

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mb = raw::number(&request, "mb", 4096);
    let how = raw::param(&request, "how").unwrap_or_default();
    let end = match how.as_str() {
        "append" => OpenOptions::new()
            .create(true)
            .append(true)
            .open(FILE)
            .and_then(|file| fill(file, mb)),
        "pwrite" => pwrite(mb),
        "set_len" => File::create(FILE).and_then(|file| file.set_len(mb * STEP_BYTES as u64)),
        "sparse" => sparse(mb),
        _ => File::create(FILE).and_then(|file| fill(file, mb)),
    };
    let bytes = fs::metadata(FILE).map_or(0, |file| file.len());
    let end = end.map_or_else(
        |error| format!("{:?}: {error}", error.kind()),
        |()| "none".to_owned(),
    );
    raw::reply(out, 200, &format!("bytes={bytes} error={end}\n"));
}

fn fill(mut file: File, mb: u64) -> io::Result<()> {
    let block = vec![b'x'; STEP_BYTES];
    (0..mb).try_for_each(|_| file.write_all(&block))
}

fn sparse(mb: u64) -> io::Result<()> {
    let mut file = File::create(FILE)?;
    file.seek(SeekFrom::Start(mb * STEP_BYTES as u64 - 1))?;
    file.write_all(b"x")
}

fn pwrite(mb: u64) -> io::Result<()> {
    let refused = |code: ErrorCode| io::Error::other(code.name());
    let directories = get_directories();
    let (directory, path) = directories
        .iter()
        .find_map(|(directory, at)| match at.as_str() {
            "/tmp" => Some((directory, "fill")),
            _ => None,
        })
        .unwrap_or((&directories[0].0, "tmp/fill"));
    let file = directory
        .open_at(
            PathFlags::empty(),
            path,
            OpenFlags::CREATE,
            DescriptorFlags::WRITE,
        )
        .map_err(refused)?;
    let (block, mut offset) = (vec![b'x'; STEP_BYTES], 0);
    while offset < mb * STEP_BYTES as u64 {
        offset += file.write(&block, offset).map_err(refused)?;
    }
    Ok(())
}
