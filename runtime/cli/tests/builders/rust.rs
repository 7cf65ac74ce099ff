//! Rust apps of users: frameworks that need an operating system, several programs, pinned toolchains.

use crate::app_folder::App;

fn package(more: &str) -> String {
    format!(
        "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}\n[workspace]\n"
    )
}

const MAIN: &str = "fn main() {}\n";

#[test]
fn an_axum_server_is_refused_with_a_hint_to_wstd_axum() {
    let app = App::new(&[
        (
            "Cargo.toml",
            &package(
                "[dependencies]\naxum = \"0.8\"\ntokio = { version = \"1\", features = [\"full\"] }",
            ),
        ),
        (
            "src/main.rs",
            "#[tokio::main] async fn main() { let app: axum::Router = axum::Router::new(); \
             let listener = tokio::net::TcpListener::bind(\"0.0.0.0:3000\").await.unwrap(); axum::serve(listener, app).await.unwrap(); }\n",
        ),
        ("Procfile", "web: ./target/release/shop\n"),
    ]);
    let told = app.try_build(|_| {}).told;
    let error = told
        .lines()
        .find(|line| line.starts_with("error: `cargo build"));
    let error = error.unwrap_or_else(|| panic!("{told}"));
    assert!(error.contains("#[wstd_axum::http_server]"), "{told}");
    assert!(error.contains("dyno new NAME --template axum"), "{told}");
}

#[test]
fn a_native_program_in_the_procfile_stands_for_its_component() {
    for line in [
        "web: target/release/shop --all\n",
        "web: ./target/debug/shop --all # now\n",
    ] {
        let app = App::new(&[
            ("Cargo.toml", &package("")),
            ("src/main.rs", MAIN),
            ("Procfile", line),
        ]);
        let slug = app.try_build(|_| {}).slug.expect("it builds");
        assert_eq!(
            slug["processes"]["web"]["component"],
            "target/wasm32-wasip2/release/shop.wasm"
        );
        assert_eq!(
            slug["processes"]["web"]["args"],
            serde_json::json!(["--all"])
        );
    }
}

#[test]
fn default_run_is_web_among_several_programs() {
    let files = |manifest: &str| {
        App::new(&[
            ("Cargo.toml", &package("").replace("edition", manifest)),
            ("src/main.rs", MAIN),
            ("src/bin/tool.rs", MAIN),
        ])
    };
    let slug = files("default-run = \"shop\"\nedition")
        .try_build(|_| {})
        .slug
        .expect("it builds");
    assert_eq!(
        slug["processes"]["web"]["component"],
        "target/wasm32-wasip2/release/shop.wasm"
    );
    let told = files("edition").try_build(|_| {}).told;
    assert!(
        told.contains("several components") && told.contains("tool.wasm"),
        "{told}"
    );
}

#[test]
fn a_workspace_with_one_program_needs_no_procfile() {
    let member = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
    };
    let app = App::new(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"core\", \"web\"]\nresolver = \"2\"\n",
        ),
        ("core/Cargo.toml", &member("core-of-shop")),
        ("core/src/lib.rs", ""),
        ("web/Cargo.toml", &member("web")),
        ("web/src/main.rs", MAIN),
    ]);
    let slug = app.try_build(|_| {}).slug.expect("it builds");
    assert_eq!(
        slug["processes"]["web"]["component"],
        "target/wasm32-wasip2/release/web.wasm"
    );
}

#[test]
fn a_library_is_refused_with_advice_for_any_procfile() {
    for procfile in ["web: ./shop\n", "web: cargo run *\n", "# none\n"] {
        let app = App::new(&[
            ("Cargo.toml", &package("")),
            ("src/lib.rs", ""),
            ("Procfile", procfile),
        ]);
        let told = app.try_build(|_| {}).told;
        assert!(
            told.contains("src/main.rs") && told.contains("crate-type = [\"cdylib\"]"),
            "{procfile}: {told}"
        );
    }
}

#[test]
fn an_unavailable_toolchain_is_named() {
    for (pin, says) in [
        ("[toolchain]\nchannel = \"1.70.0\"\n", "is older than 1.82"),
        (
            "[toolchain]\nchannel = \"nightly-2020-01-02\"\n",
            "rustup toolchain install nightly-2020-01-02",
        ),
    ] {
        let app = App::new(&[
            ("Cargo.toml", &package("")),
            ("src/main.rs", MAIN),
            ("rust-toolchain.toml", pin),
        ]);
        let told = app.try_build(|command| {
            // This variable would override the toolchain file.
            command.env_remove("RUSTUP_TOOLCHAIN");
            command.env("RUSTUP_AUTO_INSTALL", "0");
        });
        // Without rustup, toolchains cannot be pinned.
        if told.slug.is_none() {
            let error = told
                .told
                .lines()
                .find(|line| line.starts_with("error: rust-toolchain.toml"));
            assert!(
                error.is_some_and(|error| error.contains(says)),
                "{}",
                told.told
            );
        }
    }
}
