//! `jobs`: web, worker and clock over Redis.

use testkit::servers::Redis;
use testkit::{DynoProcess, ExampleApp, ServerRig, wait_until};

use crate::site::{Site, environment, local, settings, word};

/// A number and its factors in the format of the page.
const JOB: (&str, &str) = ("600851475143", "71 × 839 × 1471 × 6857");

/// Queues a number, and waits for its factors.
fn factorises(site: &Site) {
    let (number, factors) = JOB;
    let queued = site.form("/", &format!("number={number}"));
    assert_eq!(queued.status, 303, "{}", queued.text());
    wait_until("a worker does the job", || site.page("/").contains(factors));
    let page = site.page("/");
    assert!(page.contains(&format!("<td>{number}<td>done")), "{page}");
    assert!(page.contains("worker."), "{page}");
    let refused = site.form("/", "number=many");
    assert_eq!(refused.status, 422);
    assert!(
        refused.text().contains("whole number"),
        "{}",
        refused.text()
    );
}

fn has(local: &DynoProcess, words: &[&str]) -> bool {
    let lines = local.lines();
    lines
        .iter()
        .any(|line| words.iter().all(|word| line.contains(word)))
}

/// Leaves an unfinished job of a worker that no longer exists.
fn orphan(redis: &Redis) {
    let job = ["HSET", "jobs:job:700", "number", "91", "state", "working"];
    redis.run_command(&job).unwrap();
    redis
        .run_command(&["LPUSH", "jobs:at:worker.9", "700"])
        .unwrap();
    redis
        .run_command(&["SADD", "jobs:workers", "worker.9"])
        .unwrap();
}

#[test]
fn jobs_runs_on_this_machine() {
    let redis = Redis::start();
    orphan(&redis);
    let example = ExampleApp::copy_from_repository("jobs");
    environment(&example, &format!("REDIS_URL={}\n", redis.url()));
    let local = local(&example, &["web=1,worker=2,clock=1"]);
    drop(example);
    let site = Site::local(&local);
    assert!(site.page("/").contains("No jobs yet"));
    factorises(&site);
    wait_until("the clock has ticked", || {
        has(&local, &["app[clock.1]", "forgot 0 old jobs"])
    });
    wait_until("another worker does what one left that is gone", || {
        has(&local, &["app[clock.1]", "gave back 1 jobs"])
            && has(&local, &["app[worker.", "job 700 done"])
    });
    assert!(local.stop().success());
}

#[test]
fn jobs_runs_deployed() {
    let mut redis = Redis::start();
    let example = ExampleApp::copy_from_repository("jobs");
    let rig = ServerRig::new();
    let text = format!("[services.redis]\nurl = \"{}\"\n", redis.url());
    let settings = settings(&rig, &text);
    let server = rig.start_with_flags(&["--config", word(&settings)]);
    server.run(&["apps", "create", "jobs"]).success();
    server
        .run(&["addons", "create", "redis", "-a", "jobs"])
        .success();
    server
        .run(&["deploy", word(&example.folder), "-a", "jobs"])
        .success();
    drop(example);
    let site = Site::deployed(&server, "jobs");
    factorises(&site);
    server
        .run(&["ps", "scale", "worker=3", "-a", "jobs"])
        .success();
    server.wait_for_dynos("jobs", 5);
    let ps = server.run(&["ps", "-a", "jobs"]);
    for dyno in ["web.1", "worker.3", "clock.1"] {
        assert!(ps.success().contains(dyno), "{}", ps.stdout);
    }

    // Worker and clock exit when Redis is down, and are restarted until Redis is back.
    redis.stop();
    server.wait_for_log("jobs", &["dyno[worker.1]", "to crashed"]);
    assert_eq!(site.get("/").status, 503);
    redis.restart();
    factorises(&site);
    assert!(server.stop().success());
    rig.home().assert_no_process();
}
