//! All kinds of changes of an app, repeatedly and under load: no request is lost, and requests are served only by the
//! release that the API reports as serving.

use serde_json::{Value, json};
use testkit::{Server, ServerRig, SlugFile, guest_path, wait_until};

use crate::constant_load::Load;

const APP: &str = "busy";

/// The app under load, and its current state.
struct Busy<'a> {
    server: Server<'a>,
    load: Load,
    version: u64,
}

impl Busy<'_> {
    /// Waits until the new release serves, and checks that no other release serves from then on.
    #[track_caller]
    fn serves(&mut self, version: &str) {
        self.version += 1;
        assert_eq!(version, format!("v{}", self.version));
        self.server.wait_until_serving(APP, version);
        for _ in 0..3 {
            assert_eq!(self.server.app_variable(APP, "RELEASE_VERSION"), version);
        }
        self.is_well();
    }

    fn deploys(&mut self, slugs: &[SlugFile; 2], count: usize) {
        for slug in slugs.iter().cycle().take(count) {
            let version = self.server.create_release(APP, &json!({ "slug": slug.id }));
            self.serves(&version);
            assert_eq!(self.server.app_variable(APP, "SLUG_ID"), slug.id);
        }
    }

    fn rolls_back(&mut self, count: u64) {
        for _ in 0..count {
            let to = format!("v{}", self.version - 1);
            let version = self.server.create_release(APP, &json!({ "rollback": to }));
            self.serves(&version);
        }
    }

    fn scales(&self, changes: usize) {
        for quantity in [8, 1].into_iter().cycle().take(changes) {
            self.server.scale(APP, quantity);
            self.server.wait_for_dynos(APP, quantity as usize);
            self.is_well();
        }
    }

    fn configures(&mut self, changes: usize) {
        for number in 0..changes {
            let value = number.to_string();
            let version = self
                .server
                .set_config_vars(APP, &json!({ "NUMBER": value }));
            self.serves(&version);
            assert_eq!(self.server.app_variable(APP, "NUMBER"), value);
        }
    }

    /// Restarts the only dyno, and checks that a fresh instance answers.
    fn restarts(&self, count: usize) {
        for _ in 0..count {
            self.server.app_page(APP, "/count");
            let path = format!("/v1/apps/{APP}/dynos");
            let reply = self.server.request("DELETE", &path, &Value::Null);
            assert!((200..300).contains(&reply.status), "{}", reply.text());
            wait_until("a fresh dyno answers", || {
                self.server.app_page(APP, "/count").trim() == "1"
            });
            self.is_well();
        }
    }

    /// Makes the same changes with commands of the command line.
    fn by_commands(&mut self) {
        for name in ["good", "good3"] {
            let file = guest_path(name);
            let file = file.to_str().unwrap();
            self.server.run(&["deploy", file, "-a", APP]).success();
            self.serves(&format!("v{}", self.version + 1));
        }
        let commands: [&[&str]; 2] = [
            &["rollback", "-a", APP],
            &["config", "set", "A=b", "-a", APP],
        ];
        for words in commands {
            self.server.run(words).success();
            self.serves(&format!("v{}", self.version + 1));
        }
        self.server
            .run(&["ps", "scale", "web=3", "-a", APP])
            .success();
        self.server.wait_for_dynos(APP, 3);
        self.server.run(&["ps", "restart", "-a", APP]).success();
        self.server.wait_for_dynos(APP, 3);
    }

    /// Checks after each change that no request was lost and that the load continues.
    #[track_caller]
    fn is_well(&self) {
        let before = self.load.good();
        wait_until("the load goes on", || self.load.good() > before);
        assert_eq!(self.load.bad(), [""; 0]);
    }
}

#[test]
fn no_request_is_lost_while_everything_changes() {
    let rig = ServerRig::new();
    let server = rig.start();
    let slugs = [
        rig.build_slug("good", "busy"),
        rig.build_slug("good3", "busy"),
    ];
    server.create_app(APP, &slugs[0]);
    assert!(server.upload_slug(&slugs[1]).unwrap().status < 300);
    let load = Load::start(server.apps, APP);
    let mut busy = Busy {
        server,
        load,
        version: 1,
    };
    wait_until("the load is on", || busy.load.good() > 10);
    busy.deploys(&slugs, 100);
    busy.rolls_back(20);
    busy.scales(50);
    busy.configures(10);
    busy.restarts(20);
    busy.by_commands();
    let Busy { server, load, .. } = busy;
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(server.stop().success());
}
