//! Logs that survive a restart: in order, bounded, and removed with their app.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use testkit::{Server, ServerRig};

/// The app's lines, whose times never go back.
fn lines_in_order(server: &Server<'_>, app: &str) -> Vec<String> {
    let said = server.run(&["logs", "-n", "1500", "-a", app]);
    let lines: Vec<String> = said.success().lines().map(str::to_owned).collect();
    let times: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(times.is_sorted(), "{}", said.stdout);
    lines
}

fn files_of(folder: &Path, app: &str) -> usize {
    let all = fs::read_dir(folder).unwrap().flatten();
    let start = format!("{app}.");
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .count()
}

#[test]
fn logs_survive_a_stop_and_a_kill() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app("shop", &rig.build_slug("good", "one"));
    server.app_page("shop", "/env/RELEASE_VERSION");
    server.wait_for_log("shop", &["path=\"/env/RELEASE_VERSION\""]);
    assert!(server.stop().success());

    let server = rig.start();
    server.wait_until_ready();
    let lines = lines_in_order(&server, "shop");
    let first = lines
        .iter()
        .position(|line| line.contains("App shop created by admin"));
    assert_eq!(first, Some(0), "{lines:#?}");
    for words in [
        "Release v1 is serving",
        "path=\"/env/RELEASE_VERSION\"",
        "State changed from stopping to down",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(words)),
            "{words}: {lines:#?}"
        );
    }
    server.app_page("shop", "/env/DYNO");
    server.wait_for_log("shop", &["path=\"/env/DYNO\""]);
    server.kill();

    let server = rig.start();
    server.wait_until_ready();
    let after = lines_in_order(&server, "shop");
    assert_eq!(
        after[..lines.len()],
        lines[..],
        "what was read is read again"
    );
    assert!(after.iter().any(|line| line.contains("path=\"/env/DYNO\"")));
    let last = server.run(&["logs", "-n", "1", "-a", "shop"]);
    assert_eq!(last.success().lines().count(), 1);

    let folder = rig.data_folder().join("logs");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("shop.1.dyno.log")), 0o600);
    server
        .run(&["apps", "destroy", "--confirm", "shop"])
        .success();
    assert!(server.stop().success());
    assert_eq!(files_of(&folder, "shop"), 0);
}

#[test]
fn the_log_folder_is_a_setting_and_has_one_server() {
    let rig = ServerRig::new();
    let folder = rig.path("elsewhere/logs");
    let flag = ["--log-dir", folder.to_str().unwrap()];
    let server = rig.start_with_flags(&flag);
    server.create_app("shop", &rig.build_slug("good", "one"));
    server.wait_for_log("shop", &["Release v1 is serving"]);
    let second = rig
        .serve_command(&rig.path("second"), &flag)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains("--log-dir") && said.contains("another server"),
        "{said}"
    );
    assert!(server.stop().success());
    assert_eq!(files_of(&folder, "shop"), 1);
    assert!(!rig.data_folder().join("logs").exists());
}
