//! Random scripts.
//!
//! Owns the probabilities of commands. A script is text, so that a failed run can be kept as a scenario.

use std::fmt::Write;

use crate::rng::Rng;

/// Maximum number of commands in a script, without the setup.
const COMMANDS_MAX: u64 = 14;

/// Makes the script of a seed.
pub(crate) fn script(seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut text = String::new();
    let (loss, repeat) = (*rng.pick(&[0, 0, 5, 20]), *rng.pick(&[0, 5, 30]));
    let late = rng.pick(&[0, 50, 2_500]);
    writeln!(text, "seed {seed} loss={loss} repeat={repeat} late={late}").expect("fits");
    let nodes = 1 + rng.below(4);
    for number in 1..=nodes {
        let memory = rng.pick(&[512, 768, 4_096]);
        let remote = if rng.percent(50) { " remote" } else { "" };
        writeln!(text, "node n{number} memory={memory}{remote}").expect("fits");
    }
    let apps: &[&str] = if rng.percent(25) {
        &["hello", "other"]
    } else {
        &["hello"]
    };
    for app in apps {
        writeln!(text, "app {app}").expect("fits");
        writeln!(text, "{}", deploy(&mut rng, app)).expect("fits");
    }
    for _ in 0..4 + rng.below(COMMANDS_MAX - 3) {
        let app = *rng.pick(apps);
        writeln!(text, "{}", command(&mut rng, app, nodes)).expect("fits");
        if rng.percent(40) {
            writeln!(text, "{}", request(&mut rng, app)).expect("fits");
        }
        if rng.percent(75) {
            let time = rng.pick(&["1ms", "15ms", "60ms", "75ms", "300ms", "2s", "5s", "35s"]);
            writeln!(text, "run {time}").expect("fits");
        }
    }
    text.push_str("calm\njoin\n");
    for number in 1..=nodes {
        writeln!(text, "revive n{number}\nmend n{number}").expect("fits");
    }
    text.push_str("run 135s\nrest\n");
    text
}

fn deploy(rng: &mut Rng, app: &str) -> String {
    let worker = if rng.percent(25) { " worker" } else { "" };
    let boot = rng.pick(&[
        "",
        "",
        "",
        "",
        " boot=1s",
        " boot=5s",
        " boot=crash",
        " boot=never",
    ]);
    let fetch = if rng.percent(4) { " fetch=fail" } else { "" };
    let drain = rng.pick(&["", "", " drain=5s", " drain=60s"]);
    let memory = rng.pick(&["", "", " memory=256"]);
    let release = rng.pick(&[
        "",
        "",
        "",
        "",
        " release=0s",
        " release=5s",
        " release=fail",
    ]);
    format!("deploy {app} web{worker}{boot}{fetch}{drain}{memory}{release}")
}

/// A `request` command: requests that arrive together, in sequence, or spread over the rest of the run.
fn request(rng: &mut Rng, app: &str) -> String {
    let arrivals = rng.pick(&[
        "count=1",
        "count=3 every=15ms",
        "count=10",
        "count=10 every=200ms",
        "count=40 every=15ms",
        "count=40 every=200ms",
        "count=150 every=1ms",
    ]);
    let service = rng.pick(&["0s", "1ms", "10ms", "300ms", "2s", "40s", "never"]);
    let hangup = rng.pick(&["", "", "", " hangup=5ms", " hangup=500ms", " hangup=20s"]);
    let trap = if rng.percent(15) { " trap" } else { "" };
    format!("request {app} {arrivals} service={service}{hangup}{trap}")
}

fn rare(rng: &mut Rng, app: &str, nodes: u64) -> String {
    match rng.below(11) {
        9 | 10 => format!("split n{}", 1 + rng.below(nodes)),
        8 => format!("remove n{}", 1 + rng.below(nodes)),
        4 | 5 => format!("once {app}"),
        6 => format!("end {app} {}", rng.pick(&["run.1", "run.2", "release.1"])),
        7 => format!("exit {app} run.{} code=3", 1 + rng.below(3)),
        0 => format!("destroy {app}"),
        1 => "policy cycle=30s idle=5m keep=2".into(),
        2 => "policy keep=1".into(),
        _ => format!("undomain {app} {app}.localhost"),
    }
}

fn command(rng: &mut Rng, app: &str, nodes: u64) -> String {
    let node = 1 + rng.below(nodes);
    let index = 1 + rng.below(3);
    match rng.below(100) {
        0..20 => deploy(rng, app),
        20..34 => format!("scale {app} web={}", rng.below(5)),
        34..38 => format!("scale {app} worker={}", rng.below(3)),
        38..44 => format!("rollback {app} v1"),
        44..48 => format!("config {app}"),
        48..53 => format!("restart {app}"),
        53..58 => format!("restart {app} web.{index}"),
        58..66 => format!("crash {app} web.{index}"),
        66..72 => format!("misboot {app} web.{index}"),
        72..75 => format!("serve {app} web.{index}"),
        75..79 => format!("discard {app} web.{index}"),
        79..82 => format!("maintenance {app} {}", rng.pick(&["on", "off"])),
        82..86 => format!("kill n{node}"),
        86 => format!("once {app}"),
        87..90 => format!("revive n{node}"),
        90..93 => format!("cut n{node}"),
        93..95 => format!("mend n{node}"),
        95 if rng.percent(50) => format!("stop {app} web.{index}"),
        95 => format!("resize {app} web={}", rng.pick(&[64, 128, 256])),
        96 => format!("set {app} timeout=5s idle={}", rng.pick(&["off", "1m"])),
        97 | 98 => rare(rng, app, nodes),
        _ => "reconciler".into(),
    }
}
