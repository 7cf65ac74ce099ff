//! workerd, the runtime of Cloudflare's workers: with a worker in JavaScript, or a worker that gets its answers from a
//! WebAssembly module. It serves from one thread.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{PAGES, PeerSite};
use crate::product::child_server::{ChildServer, free_port};

/// From npm, where it is published as a binary.
const PACKAGE: &str = "workerd@1.20261117.1";
/// Decides about the behaviour of workerd's interfaces.
const COMPATIBILITY: &str = "2026-01-01";

/// The form of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    JavaScript,
    Wasm,
}

pub(super) fn start(site: &PeerSite<'_>, kind: Kind) -> Result<ChildServer> {
    let program = format!(
        "@cloudflare/workerd-linux-{}/bin/workerd",
        host_architecture()
    );
    let program = site.installer.node(PACKAGE, &program)?;
    let port = free_port()?;
    let (called, modules) = match kind {
        Kind::JavaScript => ("workerd", write_javascript_site(site)?),
        Kind::Wasm => ("workerd-wasm", write_wasm_site(site)?),
    };
    let file = site.write(called, "config.capnp", workerd_config(port, modules))?;
    let mut command = Command::new(&program);
    command.arg("serve").arg(file);
    let server = site.start(called, port, command)?;
    Ok(server.versioned(&program, "--version"))
}

/// As npm's packages call it.
fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "64",
    }
}

fn workerd_config(port: u16, modules: &str) -> String {
    format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = (\n\
         \x20 services = [(name = \"main\", worker = .main)],\n\
         \x20 sockets = [(name = \"http\", address = \"127.0.0.1:{port}\", http = (), service = \"main\")],\n\
         );\n\
         const main :Workerd.Worker = (\n\
         \x20 modules = [{modules}],\n\
         \x20 compatibilityDate = \"{COMPATIBILITY}\",\n\
         );\n"
    )
}

/// Writes the files of the worker, and says how they are put together.
fn write_javascript_site(site: &PeerSite<'_>) -> Result<&'static str> {
    let called = "workerd";
    site.write(called, "worker.js", include_str!("files/worker.js"))?;
    site.write(called, "work.js", include_str!("files/work.js"))?;
    for page in PAGES {
        site.write(called, page, read_file(&site.pages.join(page))?)?;
    }
    Ok(
        "(name = \"worker\", esModule = embed \"worker.js\"), (name = \"work\", esModule = embed \"work.js\"), \
        (name = \"page\", data = embed \"hello\"), (name = \"body\", data = embed \"body\")",
    )
}

fn write_wasm_site(site: &PeerSite<'_>) -> Result<&'static str> {
    let called = "workerd-wasm";
    let [page, body] = PAGES.map(|page| read_file(&site.pages.join(page)));
    let module = module(&page?, &body?)?;
    site.write(called, "worker.js", include_str!("files/worker_wasm.js"))?;
    site.write(called, "guest.wasm", module)?;
    Ok(
        "(name = \"worker\", esModule = embed \"worker.js\"), (name = \"guest.wasm\", wasm = embed \"guest.wasm\")",
    )
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A module with the two pages in its memory, and the work of `/cpu`.
fn module(page: &[u8], body: &[u8]) -> Result<Vec<u8>> {
    let literal =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
    let text = include_str!("files/guest.wat")
        .replace("{page_length}", &page.len().to_string())
        .replace("{body_length}", &body.len().to_string())
        .replace("{page}", &literal(page))
        .replace("{body}", &literal(body));
    wat::parse_str(text).context("the module for workerd is not valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_module_is_a_wasm_module() {
        let module = module(b"page", &[b'a'; 65_536]).expect("a module");
        assert!(module.starts_with(b"\0asm") && module.len() > 65_536);
    }
}
