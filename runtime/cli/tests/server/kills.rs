//! `kill -9` at any instant: after the next start, acknowledged changes are present, other changes are complete or
//! absent, and apps serve again without manual work.

use std::io;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use testkit::http::{json_items, json_text};
use testkit::{HttpReply, Server, ServerRig, SlugFile, wait_until};

const APP: &str = "shop";
/// Number of killed servers, unless `DYNO_TEST_KILLS` sets another.
const KILLS: usize = 100;
/// Maximum number of changes for one server, because the number of releases is limited.
const CHANGES_MAX: usize = 8;
/// A server is killed within this time after an answer or after its start.
const LIFE_MAX: Duration = Duration::from_millis(400);

/// Reproducible random numbers (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn life(&mut self) -> Duration {
        Duration::from_micros(self.below(LIFE_MAX.as_micros() as u64))
    }
}

/// A change request to the server.
#[derive(Clone, Debug)]
enum Change {
    Deploy(String),
    Config(String),
    Scale(u64),
}

/// The state of the app that changes determine.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    /// The slug of each release, the first one first.
    releases: Vec<String>,
    config: String,
    quantity: u64,
}

impl Model {
    fn after(&self, change: &Change) -> Model {
        let mut model = self.clone();
        let last = || self.releases.last().unwrap().clone();
        match change {
            Change::Deploy(slug) => model.releases.push(slug.clone()),
            Change::Config(value) => {
                model.releases.push(last());
                model.config.clone_from(value);
            }
            Change::Scale(quantity) => model.quantity = *quantity,
        }
        model
    }

    /// The state as the server reports it.
    fn of(server: &Server<'_>) -> Model {
        let list = server.get_json(&format!("/v1/apps/{APP}/releases?limit=1000"));
        let mut releases = Vec::new();
        for (number, release) in json_items(&list).iter().rev().enumerate() {
            assert_eq!(
                json_text(release, "version"),
                format!("v{}", number + 1),
                "a gap"
            );
            releases.push(json_text(release, "slug").to_owned());
        }
        let config = server.get_json(&format!("/v1/apps/{APP}/config-vars"));
        let formation = server.get_json(&format!("/v1/apps/{APP}/formation"));
        Model {
            releases,
            config: json_text(&config, "NUMBER").to_owned(),
            quantity: json_items(&formation)[0]["quantity"].as_u64().unwrap(),
        }
    }
}

/// The client, with acknowledged and unknown changes.
struct Client {
    chance: Chance,
    slugs: Vec<SlugFile>,
    known: Model,
    /// The change that was requested but not answered.
    unsure: Option<Change>,
    changes: usize,
}

impl Client {
    fn change(&mut self) -> Change {
        self.changes += 1;
        match self.chance.below(3) {
            0 => {
                let slug = self.chance.below(self.slugs.len() as u64) as usize;
                Change::Deploy(self.slugs[slug].id.clone())
            }
            1 => Change::Config(self.changes.to_string()),
            _ => Change::Scale(1 + (self.known.quantity + self.chance.below(2)) % 3),
        }
    }

    /// Requests changes until the server no longer answers.
    fn work(&mut self, server: &Server<'_>) {
        for _ in 0..CHANGES_MAX {
            let change = self.change();
            let next = self.known.after(&change);
            match ask(server, &self.slugs, &change) {
                Ok(None) => return,
                Ok(Some(reply)) => {
                    assert!(
                        (200..300).contains(&reply.status),
                        "{change:?}: {}",
                        reply.text()
                    );
                    if matches!(change, Change::Deploy(_)) {
                        let version = format!("v{}", next.releases.len());
                        assert_eq!(json_text(&reply.json(), "version"), version);
                    }
                    self.known = next;
                }
                Err(_) => {
                    self.unsure = Some(change);
                    return;
                }
            }
        }
    }

    /// Checks on a new server that all acknowledged changes are present, and no change is half made.
    fn check(&mut self, server: &Server<'_>) {
        let found = Model::of(server);
        let unsure = self.unsure.take();
        let other = unsure.as_ref().map(|change| self.known.after(change));
        assert!(
            found == self.known || Some(&found) == other.as_ref(),
            "{found:?}\nis neither\n{:?}\nnor that after {unsure:?}",
            self.known
        );
        self.known = found;
    }

    /// Checks that the app serves its newest release with its config.
    fn serves(&self, server: &Server<'_>) {
        let newest = format!("v{}", self.known.releases.len());
        wait_until("the newest release serves", || {
            let version = server.app_request(APP, "/env/RELEASE_VERSION");
            assert_eq!(version.status, 200, "{}", version.text());
            version.text() == newest
        });
        assert_eq!(server.app_variable(APP, "NUMBER"), self.known.config);
        assert_eq!(
            &server.app_variable(APP, "SLUG_ID"),
            self.known.releases.last().unwrap()
        );
    }
}

/// Requests a change. `None` if the slug upload failed before: then no release can have been made.
fn ask(server: &Server<'_>, slugs: &[SlugFile], change: &Change) -> io::Result<Option<HttpReply>> {
    let app = format!("/v1/apps/{APP}");
    let reply = match change {
        Change::Deploy(id) => {
            let slug = slugs.iter().find(|slug| slug.id == *id).unwrap();
            if server.upload_slug(slug).is_err() {
                return Ok(None);
            }
            server.try_request("POST", &format!("{app}/releases"), &json!({ "slug": id }))
        }
        Change::Config(value) => server.try_request(
            "PATCH",
            &format!("{app}/config-vars"),
            &json!({ "NUMBER": value }),
        ),
        Change::Scale(quantity) => {
            let updates = json!({ "updates": [{ "type": "web", "quantity": quantity }] });
            server.try_request("PATCH", &format!("{app}/formation"), &updates)
        }
    };
    reply.map(Some)
}

/// Starts a server and kills it soon, at any point of its start.
fn killed_at_its_start(rig: &ServerRig, life: Duration) {
    let mut command = rig.serve_command(&rig.data_folder(), &FLAGS);
    let process = testkit::DynoProcess::spawn(&mut command);
    thread::sleep(life);
    process.send_signal("KILL");
    process.wait_for_exit();
}

/// A server that keeps all releases, so that a missing release is noticed.
const FLAGS: [&str; 2] = ["--keep-releases", "1000"];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The client, and the app that it changes.
fn first_start(rig: &ServerRig, seed: u64) -> Client {
    let slug = |number: usize| rig.build_slug(["good", "good3"][number % 2], &number.to_string());
    let slugs: Vec<SlugFile> = (0..8).map(slug).collect();
    let server = rig.start_with_flags(&FLAGS);
    server.create_app(APP, &slugs[0]);
    let version = server.set_config_vars(APP, &json!({ "NUMBER": "0" }));
    server.wait_until_serving(APP, &version);
    server.scale(APP, 2);
    let id = slugs[0].id.clone();
    Client {
        chance: Chance(seed),
        slugs,
        known: Model {
            releases: vec![id.clone(), id],
            config: "0".to_owned(),
            quantity: 2,
        },
        unsure: None,
        changes: 0,
    }
}

#[test]
fn a_kill_at_any_instant_loses_no_acknowledged_change() {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = setting("DYNO_TEST_SEED").unwrap_or(now.as_nanos() as u64);
    let kills = setting("DYNO_TEST_KILLS").map_or(KILLS, |kills| kills as usize);
    println!("DYNO_TEST_SEED={seed} DYNO_TEST_KILLS={kills}");
    let rig = ServerRig::new();
    let mut client = first_start(&rig, seed);
    for kill in 1..=kills {
        let life = client.chance.life();
        if client.chance.below(4) == 0 {
            killed_at_its_start(&rig, life);
            continue;
        }
        let server = rig.start_with_flags(&FLAGS);
        client.check(&server);
        if kill % 3 == 0 {
            server.wait_until_ready();
            client.serves(&server);
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(life);
                server.process.send_signal("KILL");
            });
            client.work(&server);
        });
        server.kill();
    }
    let server = rig.start_with_flags(&FLAGS);
    client.check(&server);
    server.wait_until_ready();
    client.serves(&server);
    server.wait_for_dynos(APP, client.known.quantity as usize);
    assert!(server.stop().success());
    rig.home().assert_no_process();
    let left = testkit::file_names(&rig.data_folder().join("dynos"));
    assert_eq!(left, [""; 0], "dynos' files are left");
    println!(
        "{} changes, {} releases",
        client.changes,
        client.known.releases.len()
    );
}

#[test]
fn a_kill_during_a_destroy_leaves_the_app_complete_or_gone() {
    let rig = ServerRig::new();
    let slug = rig.build_slug("good3", "gone");
    let mut chance = Chance(7);
    for round in 0..5 {
        let server = rig.start();
        let name = format!("gone-{round}");
        server.create_app(&name, &slug);
        let path = format!("/v1/apps/{name}");
        let gone = thread::scope(|scope| {
            let life = Duration::from_micros(chance.below(20_000));
            let destroyed = scope.spawn(|| server.try_request("DELETE", &path, &Value::Null));
            thread::sleep(life);
            server.process.send_signal("KILL");
            destroyed
                .join()
                .unwrap()
                .is_ok_and(|reply| reply.status < 300)
        });
        server.kill();
        let server = rig.start();
        let found = server.request("GET", &path, &Value::Null).status;
        assert!(found == 404 || (found == 200 && !gone), "{found}, {gone}");
        if found == 200 {
            server.wait_until_ready();
            server.app_page(&name, "/");
        }
        server.kill();
    }
}
