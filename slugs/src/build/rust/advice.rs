//! Owns the advice for Rust apps that cannot be built for WebAssembly: which crate is the reason, and what works instead.
//! Must not run cargo: it reads the lines of the failed build, and `Cargo.lock`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

/// Web frameworks whose servers need the network of an operating system: name of the package, and title.
const FRAMEWORKS: [(&str, &str); 14] = [
    ("axum", "axum"),
    ("actix-web", "Actix Web"),
    ("rocket", "Rocket"),
    ("warp", "warp"),
    ("poem", "Poem"),
    ("salvo", "Salvo"),
    ("tide", "Tide"),
    ("ntex", "ntex"),
    ("gotham", "Gotham"),
    ("rouille", "Rouille"),
    ("tiny_http", "tiny_http"),
    ("tonic", "tonic"),
    ("async-std", "async-std"),
    ("hyper", "hyper's server"),
];
/// Crates that do not compile for WebAssembly, or not with the features that servers need.
const SYSTEM_CRATES: [&str; 12] = [
    "tokio",
    "mio",
    "socket2",
    "polling",
    "async-io",
    "async-process",
    "signal-hook-registry",
    "signal-hook",
    "actix-rt",
    "actix-server",
    "nix",
    "ntex-rt",
];
/// Endings of the names of crates that compile C code.
const C_CRATE_ENDINGS: [&str; 2] = ["-sys", "ring"];
const WORKS: &str = "what works: axum through `wstd-axum` (`dyno new NAME --template axum` shows it), `wstd` alone (`--template rust`), \
     or a program with a `std::net::TcpListener` on $PORT";

/// The facts in the lines of a failed build.
#[derive(Debug, Default)]
pub(super) struct CargoLines {
    /// The crates that did not compile.
    failed: BTreeSet<String>,
    /// The crate whose build script failed.
    script: Option<String>,
    /// Whether tokio or mio reported that it does not support WebAssembly.
    is_tokio: bool,
}

impl CargoLines {
    /// Adds a line of cargo's output.
    pub(super) fn add_line(&mut self, line: &str) {
        let quoted = |begin: &str| {
            let (_, rest) = line.split_once(begin)?;
            Some(rest.split_once('`')?.0.to_owned())
        };
        if line.contains("are supported on wasm") || line.contains("unsupported by mio") {
            self.is_tokio = true;
        }
        self.failed.extend(quoted("could not compile `"));
        if let Some(package) = quoted("failed to run custom build command for `") {
            self.script = package.split(' ').next().map(str::to_owned);
        }
    }

    /// The reason and what works instead, if the reason is known.
    pub(super) fn advice(&self, lock: &Path) -> Option<String> {
        let failed = |name: &&str| self.failed.contains(*name);
        let system = SYSTEM_CRATES.iter().copied().find(failed);
        if system.is_some() || self.is_tokio {
            let names = locked_packages(lock);
            let framework = FRAMEWORKS
                .iter()
                .find(|(package, _)| names.contains(*package));
            return Some(match framework {
                Some(("axum", _)) => advise_axum(),
                Some((_, title)) => format!(
                    "{title} needs the network and the threads of an operating system, which WebAssembly does not have; {WORKS}"
                ),
                None => format!(
                    "`{}` does not compile for WebAssembly with these features: of tokio only `sync`, `macros`, `io-util`, `rt` and `time` do; {WORKS}",
                    system.unwrap_or("tokio")
                ),
            });
        }
        let script = self.script.as_ref()?;
        let is_c = C_CRATE_ENDINGS.iter().any(|end| script.ends_with(end));
        is_c.then(|| {
            format!(
                "`{script}` compiles C code, and there is no C compiler for WebAssembly here: use a package or a feature in plain Rust \
                 instead (such as rustls-rustcrypto for TLS), or work without it"
            )
        })
    }
}

fn advise_axum() -> String {
    "axum's own server needs tokio's network, which WebAssembly does not have: keep the `Router` and let `wstd-axum` serve it, by \
     `#[wstd_axum::http_server] fn main() -> Router { … }`, with wstd, wstd-axum and axum without its default features \
     in Cargo.toml; `dyno new NAME --template axum` shows it"
        .to_owned()
}

#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
}

/// The names of all packages that the build uses; empty if no lock file can be read.
fn locked_packages(lock: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(lock).unwrap_or_default();
    let lock: Option<CargoLock> = toml::from_str(&text).ok();
    let packages = lock.into_iter().flat_map(|lock| lock.package);
    packages.map(|package| package.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(packages: &[&str], lines: &[&str]) -> Option<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = folder.path().join("Cargo.lock");
        let entry = |name: &&str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        let text: String = packages.iter().map(entry).collect();
        std::fs::write(&lock, format!("version = 4\n{text}")).expect("written");
        let mut read = CargoLines::default();
        lines.iter().for_each(|line| read.add_line(line));
        read.advice(&lock)
    }

    const TOKIO: &str = "error: Only features sync,macros,io-util,rt,time are supported on wasm.";
    const FAILED: &str = "error: could not compile `tokio` (lib) due to 1 previous error";

    #[test]
    fn unsupported_frameworks_are_named_with_an_alternative() {
        for (packages, says) in [
            (
                &["hyper", "tokio", "axum"][..],
                "`#[wstd_axum::http_server]",
            ),
            (&["actix-web", "tokio"], "Actix Web needs"),
            (&["rocket", "hyper", "tokio"], "Rocket needs"),
            (&["warp", "hyper"], "warp needs"),
            (&["hyper", "tokio"], "hyper's server needs"),
            (&["tokio"], "of tokio only `sync`"),
        ] {
            let advice = advice(packages, &[TOKIO, FAILED]).expect("known");
            assert!(
                advice.contains(says) && advice.contains("--template axum"),
                "{advice}"
            );
        }
        let other = advice(
            &["mio", "tide"],
            &[
                "error: could not compile `polling` (lib) due to 3 previous errors; 1 warning emitted",
            ],
        );
        assert!(other.expect("known").contains("Tide needs"));
    }

    #[test]
    fn a_crate_that_compiles_c_is_named() {
        let line = "error: failed to run custom build command for `libsqlite3-sys v0.30.1`";
        assert!(
            advice(&[], &[line])
                .expect("known")
                .contains("`libsqlite3-sys` compiles C")
        );
    }

    #[test]
    fn compile_errors_of_the_app_get_no_advice() {
        let line = "error: could not compile `shop` (bin \"shop\") due to 1 previous error";
        assert_eq!(advice(&["axum", "tokio"], &[line]), None);
    }
}
