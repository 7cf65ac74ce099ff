//! Tests of bundles: what is in them, and what is said about bad ones.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A fixed time in 2026.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

fn make_grid() -> NewGrid {
    let nodes = ["a=10.0.0.1", "b=10.0.0.2", "c=10.0.0.3"];
    let nodes = plan_nodes(&nodes, None, EngineCount::Three).expect("valid");
    let key = GridKey::generate().expect("random");
    create_bundles(&nodes, &key, now()).expect("a grid")
}

/// The messages of an error and its sources.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[track_caller]
fn assert_refused(text: &str, at: SystemTime, expected: &str) {
    let refused = NodeBundle::from_text(text, at).expect_err("not usable");
    let message = chain(&refused);
    assert!(message.contains(expected), "{message}");
}

fn plan(nodes: &[&str], witness: Option<&str>, engine: EngineCount) -> Result<String, String> {
    let planned = plan_nodes(nodes, witness, engine).map_err(|error| chain(&error))?;
    let role = |node: &GridNode| format!("{}:{:?}", node.name, node.role);
    Ok(planned.iter().map(role).collect::<Vec<_>>().join(" "))
}

#[test]
fn the_first_nodes_run_the_engine() {
    use EngineCount::{Five, Three};
    let five = [
        "a=10.0.0.1",
        "b=10.0.0.2",
        "c=10.0.0.3",
        "d=::1",
        "e=[::2]:7",
    ];
    let roles = "a:Engine b:Engine c:Engine d:Client e:Client";
    assert_eq!(plan(&five, None, Three), Ok(roles.to_owned()));
    let roles = "a:Engine b:Engine c:Engine d:Engine e:Engine";
    assert_eq!(plan(&five, None, Five), Ok(roles.to_owned()));
    let roles = "a:Engine b:Engine w:Witness";
    let witness = Some("w=10.0.0.9");
    assert_eq!(plan(&five[..2], witness, Three), Ok(roles.to_owned()));
    let address = |text: &str| text.parse::<GridNode>().expect("valid").address.to_string();
    assert_eq!(address("a=10.0.0.1"), "10.0.0.1:7330");
    assert_eq!(address("a=10.0.0.1:80"), "10.0.0.1:80");
    assert_eq!(address("a=fd00::1"), "[fd00::1]:7330");
    assert_eq!(address("a=[fd00::1]"), "[fd00::1]:7330");
    assert_eq!(address("a=[fd00::1]:80"), "[fd00::1]:80");
}

#[test]
fn nodes_that_make_no_grid_are_refused_with_the_remedy() {
    use EngineCount::{Five, Three};
    let refused = |nodes: &[&str], engine, expected: &str| {
        let message = plan(nodes, None, engine).expect_err("no grid");
        assert!(message.contains(expected), "{message}");
    };
    refused(
        &["a=10.0.0.1", "b=10.0.0.2"],
        Three,
        "--witness NAME=ADDRESS",
    );
    refused(&["a=10.0.0.1"], Three, "it needs 3: add more nodes");
    let three = ["a=10.0.0.1", "b=10.0.0.2", "c=10.0.0.3"];
    refused(&three, Five, "it needs 5: add more nodes");
    refused(
        &["a=10.0.0.1", "a=10.0.0.2", "c=10.0.0.3"],
        Three,
        "two nodes are named a",
    );
    refused(
        &["a=10.0.0.1", "b=10.0.0.1:9", "c=10.0.0.3"],
        Three,
        "a and b have one address",
    );
    for (node, expected) in [
        ("a", "write NAME=ADDRESS"),
        ("A=10.0.0.1", "is not a node name"),
        ("=10.0.0.1", "is not a node name"),
        (
            "10.0.0.1=10.0.0.1",
            "cannot be the name of a node of a grid",
        ),
        ("a..b=10.0.0.1", "cannot be the name of a node of a grid"),
        ("a=host", "write its IP address, as in a=10.0.0.1"),
        ("a=10.0.0.1:0", "write its IP address"),
        ("a=10.0.0.1:70000", "write its IP address"),
        ("a=0.0.0.0", "other machines cannot reach node a"),
        ("a=::", "other machines cannot reach node a"),
        ("a=224.0.0.1", "other machines cannot reach node a"),
        ("a=255.255.255.255", "other machines cannot reach node a"),
    ] {
        refused(&[node, "b=10.0.0.2", "c=10.0.0.3"], Three, expected);
    }
    let even = |mut nodes: Vec<GridNode>| {
        nodes[0].role = NodeRole::Client;
        check_nodes(&nodes)
    };
    let nodes = plan_nodes(&three, None, Three).expect("valid");
    assert_eq!(even(nodes), Err(NodeListError::EngineCount(2)));
}

#[test]
fn a_bundle_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let grid = make_grid();
    for bundle in &grid.bundles {
        let path = folder.path().join(format!("{}.grid", bundle.node));
        write_bundle(&path, bundle).expect("writable");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(&read_bundle(&path, now()).expect("valid"), bundle);
        let again = write_bundle(&path, bundle).expect_err("exists");
        assert!(again.to_string().contains("exists already"), "{again}");
    }
    let own = grid.bundles[0].own_entry().expect("listed");
    assert_eq!((own.name.as_str(), own.role), ("a", NodeRole::Engine));
}

#[test]
fn bundles_share_the_grid_and_nothing_that_is_one_nodes_own() {
    let nodes = ["a=10.0.0.1", "b=10.0.0.2", "c=10.0.0.3", "d=10.0.0.4"];
    let nodes = plan_nodes(&nodes, None, EngineCount::Three).expect("valid");
    let key = GridKey::from_bytes([7; 32]);
    let NewGrid { bundles, authority } = create_bundles(&nodes, &key, now()).expect("a grid");
    let [a, b, _, d] = &bundles[..] else {
        panic!("four nodes");
    };
    assert_eq!((a.grid, &a.ledger_key), (d.grid, &key));
    assert_ne!(a.tls.key, b.tls.key);
    assert_ne!(a.engine.login, b.engine.login);
    assert_eq!(a.engine.system, b.engine.system);
    assert_eq!(d.engine.secret, None, "a client accepts no logins");
    let secret = a.engine.secret.as_ref().expect("an engine node");
    assert_eq!(EngineLogin::of_node(secret, "d"), d.engine.login);
    let other = make_grid();
    assert_ne!(other.authority.grid, authority.grid);
    for secret in ["PRIVATE KEY", d.engine.login.password.expose()] {
        assert!(!format!("{bundles:?} {authority:?}").contains(secret));
    }
    let key_text = "07".repeat(32);
    assert!(!format!("{bundles:?}").contains(&key_text));
}

#[test]
fn nodes_are_added_and_renewed_with_the_authority() {
    let grid = make_grid();
    let known = &grid.bundles[0];
    let node: GridNode = "d=10.0.0.4".parse().expect("valid");
    // The authority survives its way through the ledger.
    let text = toml::to_string(&grid.authority).expect("serialises");
    let authority: GridAuthority = toml::from_str(&text).expect("the same");
    let later = now() + 200 * DAY;
    let added = add_node(&authority, known, node.clone(), later).expect("added");
    assert_eq!(added.own_entry(), Some(&node));
    assert_eq!(added.nodes.len(), 4);
    let read = NodeBundle::from_text(&added.to_text(), later + 364 * DAY);
    assert_eq!(read.as_ref(), Ok(&added));
    let twice = add_node(&authority, &added, node, later).expect_err("known");
    assert!(chain(&twice).contains("two nodes are named d"), "{twice}");
    let renewed = renew_bundle(&authority, known, &known.node, later).expect("renewed");
    assert_ne!(renewed.tls, known.tls);
    assert_eq!(
        NodeBundle::from_text(&renewed.to_text(), later + 364 * DAY),
        Ok(renewed)
    );
    let stranger = "x".parse().expect("a name");
    let refused = renew_bundle(&authority, known, &stranger, later).expect_err("unknown");
    assert!(
        refused.to_string().contains("dyno grid add x="),
        "{refused}"
    );
    let other = make_grid();
    let refused = renew_bundle(&other.authority, known, &known.node, later);
    assert!(
        matches!(refused, Err(AddNodeError::OtherGrid { .. })),
        "{refused:?}"
    );
}

#[test]
fn bad_files_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.grid");
    let refused = |expected: &str| {
        let message = chain(&read_bundle(&path, now()).expect_err("not usable"));
        assert!(message.contains(expected), "{message}");
    };
    refused("dyno grid init");
    write_bundle(&path, &make_grid().bundles[0]).expect("writable");
    for mode in [0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("own file");
        refused("run `chmod 600 ");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("own file");
    fs::write(&path, [0xff; 100]).expect("writable");
    refused("is no bundle");
    fs::write(&path, " ".repeat(300_000)).expect("writable");
    refused("is no bundle");
    fs::write(&path, "version = 1\n").expect("writable");
    refused("is not usable: the bundle is damaged");
    fs::remove_file(&path).expect("there");
    fs::create_dir(&path).expect("a folder");
    refused("is no bundle");
}

#[test]
fn bad_contents_are_refused_with_the_remedy() {
    let grid = make_grid();
    let text = grid.bundles[0].to_text();
    assert_refused(
        &text.replace("version = 1", "version = 2"),
        now(),
        "run the same release",
    );
    assert_refused(
        &text.replace("node = \"a\"", "node = \"z\""),
        now(),
        "not in its list of nodes",
    );
    assert_refused(
        &text.replace("node = \"a\"", "node = \"b\""),
        now(),
        "the certificate is of",
    );
    let client = text.replacen("role = \"engine\"", "role = \"client\"", 1);
    assert_refused(&client, now(), "2 nodes run the engine");
    assert_refused(
        &text.replace("secret = ", "secrets = "),
        now(),
        "unknown field",
    );
    let mut mixed = grid.bundles[0].clone();
    mixed.tls.key = grid.bundles[1].tls.key.clone();
    assert_refused(&mixed.to_text(), now(), "belongs to another certificate");
    let mut mixed = grid.bundles[0].clone();
    mixed.tls.authority = make_grid().authority.certificate;
    assert_refused(&mixed.to_text(), now(), "was not signed by this grid");
    let mut without = grid.bundles[0].clone();
    without.engine.secret = None;
    assert_refused(&without.to_text(), now(), "lacks the engine's secret");
    let mut damaged = grid.bundles[0].clone();
    damaged.tls.certificate = damaged.tls.certificate.replace('M', "");
    assert_refused(&damaged.to_text(), now(), "is damaged");
}

#[test]
fn certificates_are_valid_for_a_year() {
    let text = make_grid().bundles[0].to_text();
    for days in [0, 1, 364] {
        assert!(NodeBundle::from_text(&text, now() + days * DAY).is_ok());
    }
    let expired = "expired at 2027-05-28T20:26:40Z, and this machine's clock shows 2027-05-29";
    assert_refused(&text, now() + 366 * DAY, expired);
    assert_refused(&text, now() + 366 * DAY, "dyno grid renew a");
    let early = "is valid from 2026-05-28T19:26:40Z, and this machine's clock shows 2026-05-27";
    assert_refused(&text, now() - DAY, early);
    assert_refused(&text, SystemTime::UNIX_EPOCH - DAY, "set the clock");
}

/// Cut off anywhere, the text is refused, and no message shows a secret.
#[test]
fn a_bundle_that_was_cut_off_is_never_valid() {
    let bundle = &make_grid().bundles[0];
    let text = bundle.to_text();
    let whole = text.trim_end().len();
    let secrets = [
        bundle.engine.login.password.expose(),
        bundle.engine.system.password.expose(),
    ];
    for length in (0..whole).filter(|at| text.is_char_boundary(*at)) {
        let refused = NodeBundle::from_text(&text[..length], now()).expect_err("cut off");
        let message = chain(&refused);
        for secret in secrets {
            assert!(!message.contains(&secret[..8]), "{message}");
        }
    }
}
