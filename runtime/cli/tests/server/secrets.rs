//! Config values and tokens never show in a log line, an error, a file of the server, or the list of processes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::http::json_text;
use testkit::{Server, ServerRig};

const APP: &str = "shop";
/// A value that occurs nowhere else.
const SECRET: &str = "hunter2-correct-horse-battery";

/// All output that must not contain the secret: server log, app log, metrics, errors.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn add(&mut self, what: &str, text: impl Into<String>) {
        self.0.push((what.to_owned(), text.into()));
    }

    #[track_caller]
    fn lacks(&self, secret: &str) {
        let tells = self.0.iter().filter(|(_, text)| text.contains(secret));
        let tells: Vec<_> = tells.collect();
        assert!(tells.is_empty(), "{secret} is told: {tells:#?}");
    }
}

/// The forms that a secret may have in a file: plain, and in common encodings.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    let mut reversed = bytes.to_vec();
    reversed.reverse();
    vec![
        bytes.to_vec(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
        wide,
        reversed,
    ]
}

/// Checks that no file under `folder` contains any form of the secret.
#[track_caller]
fn lacks(folder: &Path, secret: &str) {
    let mut files = 0;
    search(folder, &forms(secret), &mut files);
    assert!(files >= 5, "only {files} files in {}", folder.display());
}

#[track_caller]
fn search(folder: &Path, forms: &[Vec<u8>], files: &mut usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&path, forms, files);
            continue;
        }
        // A file that was removed meanwhile contains nothing.
        let Ok(bytes) = fs::read(&path) else { continue };
        *files += 1;
        for form in forms {
            let found = bytes.windows(form.len()).any(|window| window == form);
            assert!(!found, "{} has {}", path.display(), form.escape_ascii());
        }
    }
}

/// Command lines and environments of the server and its child processes.
fn processes(rig: &ServerRig) -> String {
    let home = rig.home().folder_path().to_string_lossy().into_owned();
    let mut all = String::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
        let told = [read("cmdline"), read("environ")].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        if told.contains(&home) {
            all.push_str(&told);
        }
    }
    assert!(all.contains("serve"), "{all}");
    all
}

/// Sends invalid requests that contain the secret.
fn errors(server: &Server<'_>, token: &str, said: &mut Said) {
    let vars = format!("/v1/apps/{APP}/config-vars");
    let long = SECRET.repeat(4_000);
    for (what, body) in [
        (
            "a name that is none",
            format!("{{\"no name\":\"{SECRET}\"}}"),
        ),
        ("a name that is the value", format!("{{\"{SECRET}\":1}}")),
        ("a list", format!("{{\"K\":[\"{SECRET}\"]}}")),
        (
            "an object",
            format!("{{\"K\":{{\"{SECRET}\":\"{SECRET}\"}}}}"),
        ),
        ("half", format!("{{\"K\":\"{SECRET}")),
        ("a text", format!("\"{SECRET}\"")),
        ("no JSON", SECRET.to_owned()),
        (
            "a byte of nothing",
            format!("{{\"K\":\"{SECRET}\\u0000\"}}"),
        ),
        ("twice", format!("{{\"K\":\"{SECRET}\",\"K\":3}}")),
        ("too much", format!("{{\"K\":\"{long}\"}}")),
    ] {
        let reply = server
            .request_as(token, "PATCH", &vars, body.as_bytes())
            .unwrap();
        assert!(
            (400..500).contains(&reply.status),
            "{what}: {}",
            reply.status
        );
        // A name is not secret.
        if what != "a name that is the value" {
            said.add(what, reply.text());
        }
    }
    let words = ["config", "set", &format!("K={SECRET}"), "-a", "nobody"];
    said.add("no such app", server.run(&words).failure());
}

#[test]
fn a_config_value_is_visible_only_to_its_app_and_authorized_tokens() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let mut said = Said::default();
    let pair = format!("PASSWORD={SECRET}");
    let set = server.run(&["config", "set", &pair, "-a", APP]);
    set.success();
    said.add("config set", set.stderr + &set.stdout);
    assert_eq!(server.app_variable(APP, "PASSWORD"), SECRET);
    let vars = server.get_json(&format!("/v1/apps/{APP}/config-vars"));
    assert_eq!(json_text(&vars, "PASSWORD"), SECRET);
    errors(&server, rig.admin_token(), &mut said);
    // The value is changed, rolled back and replaced.
    let version = server.set_config_vars(APP, &json!({ "PASSWORD": "other" }));
    server.wait_until_serving(APP, &version);
    let version = server.create_release(APP, &json!({ "rollback": "v2" }));
    server.wait_until_serving(APP, &version);
    assert_eq!(server.app_variable(APP, "PASSWORD"), SECRET);
    for path in [
        "",
        "/releases",
        "/releases/v2",
        "/formation",
        "/dynos",
        "/usage",
    ] {
        let path = format!("/v1/apps/{APP}{path}");
        said.add(&path, server.get_json(&path).to_string());
    }
    let plan = format!("/v1/apps/{APP}/releases?plan=true");
    let plan = server.request("POST", &plan, &json!({ "rollback": "v3" }));
    said.add("a plan", plan.json_of_status(200).to_string());
    said.add(
        "numbers",
        server.request_without_token("GET", "/metrics").text(),
    );
    said.add("the log", server.read_log(APP));
    said.add("the processes", processes(&rig));
    said.lacks(SECRET);
    lacks(&rig.data_folder(), SECRET);

    // Also checks the files of a killed server, and the log of the next server.
    let mut said = Said::default();
    said.add("the server", server.process.lines().join("\n"));
    server.kill();
    lacks(&rig.data_folder(), SECRET);
    let server = rig.start();
    server.wait_until_ready();
    assert_eq!(server.app_variable(APP, "PASSWORD"), SECRET);
    said.add("the log", server.read_log(APP));
    said.add("the next server", server.process.lines().join("\n"));
    said.lacks(SECRET);
    assert!(server.stop().success());
    lacks(&rig.data_folder(), SECRET);
}

#[test]
fn tokens_are_stored_as_hashes_and_limited_to_their_role() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good3", "one"));
    let version = server.set_config_vars(APP, &json!({ "PASSWORD": SECRET }));
    server.wait_until_serving(APP, &version);
    let words = [
        "tokens", "create", "--role", "read", "--name", "reader", "--json",
    ];
    let made = server.run(&words).success_json();
    let reader = json_text(&made, "token").to_owned();
    let get = |token: &str, path: &str| server.request_as(token, "GET", path, b"").unwrap();
    assert_eq!(
        json_text(&get(&reader, "/v1/account").json_of_status(200), "role"),
        "read"
    );
    assert_eq!(get(&reader, &format!("/v1/apps/{APP}")).status, 200);
    let vars = format!("/v1/apps/{APP}/config-vars");
    let refused = get(&reader, &vars);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(!refused.text().contains(SECRET));
    let list = server.request("GET", "/v1/tokens", &Value::Null);
    let mut said = Said::default();
    said.add("the list", list.text());
    said.add("the log", server.read_log(APP));
    said.add(
        "numbers",
        server.request_without_token("GET", "/metrics").text(),
    );
    // A token that differs in its last letter.
    let wrong = format!(
        "{}{}",
        &reader[..reader.len() - 1],
        if reader.ends_with('A') { 'Q' } else { 'A' }
    );
    let refused = get(&wrong, "/v1/account");
    assert_eq!(refused.status, 401);
    said.add("an error", refused.text());

    for token in [rig.admin_token(), &reader] {
        let bare = token.strip_prefix("dyno_").unwrap();
        said.lacks(bare);
        lacks(&rig.data_folder(), bare);
        assert!(!processes(&rig).contains(bare));
    }
    let id = json_text(&made, "id").to_owned();
    server.run(&["tokens", "revoke", &id]).success();
    assert_eq!(get(&reader, "/v1/account").status, 401);
    assert!(server.stop().success());
    lacks(&rig.data_folder(), reader.strip_prefix("dyno_").unwrap());
}
