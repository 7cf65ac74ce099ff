//! Whole nodes in this process: settings, spawn, a deploy by the API, requests by the router, drain.

mod node_rig;

use node::{LocalSettings, RunningNode, SpawnError};
use node_rig::{NodeRig, Recorder, compile_command};
use testkit::guest_path;

#[test]
fn deploy_is_served_until_the_node_is_drained() {
    let rig = NodeRig::start();
    rig.deploy("shop", "good");
    let page = rig.get("shop", "/");
    assert_eq!(page.status, 200, "{}", page.text());
    let (app_port, api_port) = (rig.app_port(), rig.api_port());
    rig.drain();
    for port in [app_port, api_port] {
        assert!(testkit::http::connect(port).is_err(), "nobody listens");
    }
}

#[test]
fn node_starts_again_from_its_data_folder() {
    let rig = NodeRig::start();
    rig.deploy("shop", "good");
    let rig = rig.restart();
    let page = rig.get("shop", "/");
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(rig.first_tokens(), 1, "one token for both starts");
    rig.drain();
}

#[test]
fn two_nodes_run_side_by_side() {
    let (left, right) = (NodeRig::start(), NodeRig::start());
    assert_ne!(left.token(), right.token());
    left.deploy("shop", "good");
    right.deploy("blog", "good");
    assert_eq!(left.get("shop", "/").status, 200);
    assert_eq!(right.get("blog", "/").status, 200);
    // Each knows its own app and its own token.
    assert_eq!(left.get("blog", "/").status, 404);
    assert_eq!(right.api_with_token(left.token(), "/v1/apps").status, 401);
    left.drain();
    assert_eq!(right.get("blog", "/").status, 200);
    right.drain();
}

#[test]
fn folder_of_a_running_node_is_refused() {
    let rig = NodeRig::start();
    let error = rig.spawn_on_same_folder().err();
    assert!(
        matches!(error, Some(SpawnError::DataFolder(_))),
        "{error:?}"
    );
    rig.drain();
}

#[test]
fn node_of_one_app_serves_it_on_every_hostname() {
    let folder = tempfile::tempdir().expect("a folder");
    let slugs = slugs::store::Store::open(&folder.path().join("slugs")).expect("a store");
    let slugs = std::sync::Arc::new(slugs);
    let slug = node_rig::pack_guest(&guest_path("good"), folder.path());
    let file = std::fs::File::open(&slug.file).expect("a slug");
    let slug = slugs.put(file).expect("a sound slug");
    let app: grid::name::AppName = "shop".parse().expect("a name");
    let recorder = Recorder::default();
    let settings = LocalSettings {
        app: app.clone(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        egress_allow: Vec::new(),
        slugs,
        run_folder: folder.path().join("run"),
        compiled_folder: node_rig::compiled_folder(),
        log: Box::new(recorder.clone()),
    };
    std::fs::create_dir(folder.path().join("run")).expect("a folder");
    let runtime = node::new_runtime().expect("a runtime");
    let node = runtime.block_on(async {
        let observer = std::sync::Arc::new(recorder.clone());
        let mut node = RunningNode::spawn(settings.build(), compile_command(), observer)
            .await
            .expect("a node");
        let deploy = node::LocalDeploy {
            slug: slug.id(),
            config: Default::default(),
            processes: slug.manifest().specs(),
            formation: slug.manifest().initial_formation(),
        };
        node.deploy(&app, deploy).await.expect("a release");
        let port = node.app_address().port();
        let page = tokio::task::spawn_blocking(move || node_rig::get(port, "any.example", "/"));
        assert_eq!(page.await.expect("a reply").status, 200);
        node.drain().await;
        node
    });
    drop(runtime);
    node.finish();
    let lines = recorder.log_lines();
    let is_request = |line: &String| line.contains("path=\"/\"");
    assert!(lines.iter().any(is_request), "{lines:?}");
}
