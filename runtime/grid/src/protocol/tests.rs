//! The wire format: one value of each kind is written, compared with a golden file, and read again.
//!
//! `UPDATE_GOLDEN=1` rewrites the file. A line that changes breaks nodes of the release before: see
//! [`PROTOCOL_VERSION`].

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::desired::{Fact, Limits, ProcessKind, ProcessSpec, Release};
use crate::lifecycle::DynoState;
use crate::name::{
    AppName, DynoKey, Generation, NodeId, ProcessType, ReleaseId, Run, SlugId, Version,
};

fn app() -> AppName {
    "hello".parse().expect("valid")
}

fn node() -> NodeId {
    "n1".parse().expect("valid")
}

const RELEASE: ReleaseId = ReleaseId {
    creation: 4,
    version: Version::FIRST,
};

fn dyno() -> DynoKey {
    DynoKey {
        app: app(),
        dyno: "web.1".parse().expect("valid"),
        run: Run(7),
    }
}

fn release() -> Arc<Release> {
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::new(Limits::default()),
    };
    Arc::new(Release {
        version: Version::FIRST,
        slug: SlugId::new([7; 32]),
        description: "Deploy".into(),
        config: Arc::new(BTreeMap::from([("KEY".into(), "value".into())])),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        created_ms: 1,
        created_by: "ada".into(),
        reach: Arc::default(),
    })
}

fn route(target: RouteTarget) -> Step {
    Step::Publish {
        route: Route {
            app: app(),
            generation: Generation(3),
            hostnames: vec!["hello.localhost".parse().expect("valid")],
            version: Some(Version::FIRST),
            backlog_max: 100,
            request_timeout: Some(Duration::from_millis(1_500)),
            idle_after: None,
            target,
        },
    }
}

fn steps() -> Vec<Step> {
    let (node, app, dyno, version) = (node(), app(), dyno(), Version::FIRST);
    let release_id = RELEASE;
    let stop = |reason| Step::Stop {
        node: node.clone(),
        dyno: dyno.clone(),
        release: release_id,
        reason,
    };
    let mut steps = vec![
        Step::Fetch {
            node: node.clone(),
            app: app.clone(),
            release: release_id,
            contents: release(),
        },
        Step::Start {
            node: node.clone(),
            dyno: dyno.clone(),
            release: release_id,
            asleep: true,
        },
        Step::Run {
            node: node.clone(),
            dyno: dyno.clone(),
            release: release_id,
        },
        route(RouteTarget::Dynos(vec![RoutedDyno {
            dyno: dyno.clone(),
            node: node.clone(),
        }])),
        route(RouteTarget::Booting),
        Step::Withdraw { app: app.clone() },
        Step::Drain {
            node: node.clone(),
            dyno: dyno.clone(),
            release: release_id,
            grace: Duration::from_secs(30),
        },
        Step::Forget {
            node: node.clone(),
            app: app.clone(),
            release: release_id,
        },
        Step::Record {
            fact: Fact::ReleaseServing { app, version },
        },
    ];
    let refusals = Refusal::ALL.into_iter();
    steps.extend(refusals.map(|refusal| route(RouteTarget::Refuse(refusal))));
    let reasons = [
        StopReason::BootTimeout,
        StopReason::DrainTimeout,
        StopReason::Unwanted,
        StopReason::TimeLimit,
        StopReason::Requested,
    ];
    steps.extend(reasons.map(stop));
    steps
}

fn inventory() -> Inventory {
    let dynos = DynoState::ALL.map(|state| InventoryDyno {
        dyno: dyno(),
        release: RELEASE,
        state,
        memory_bytes: 64,
    });
    Inventory {
        heartbeats: Heartbeats::Expected,
        dynos: dynos.to_vec(),
        releases: vec![(app(), RELEASE)],
        ..Inventory::new_local(node(), 1_024, 9)
    }
}

fn reports() -> Vec<Report> {
    let (node, dyno) = (node(), dyno());
    let fetched = |result| Report::Fetched {
        node: node.clone(),
        app: app(),
        release: RELEASE,
        result,
    };
    let exited = |exit| Report::Exited {
        node: node.clone(),
        dyno: dyno.clone(),
        exit,
    };
    let crashed = |cause| Report::Crashed {
        node: node.clone(),
        dyno: dyno.clone(),
        reason: "unreachable executed".into(),
        cause,
        served: true,
        in_request: false,
    };
    let at_dyno: [fn(NodeId, DynoKey) -> Report; 5] = [
        |node, dyno| Report::Accepted { node, dyno },
        |node, dyno| Report::Up { node, dyno },
        |node, dyno| Report::Idle { node, dyno },
        |node, dyno| Report::Woke { node, dyno },
        |node, dyno| Report::Down { node, dyno },
    ];
    let mut reports = vec![
        Report::Node(inventory()),
        Report::Node(Inventory::new_local(node.clone(), 1_024, 9)),
        Report::Heartbeat {
            node: node.clone(),
            incarnation: 2,
        },
        fetched(Ok(())),
        fetched(Err("no such slug".into())),
        exited(ProcessExit::Code(3)),
        exited(ProcessExit::Failed("it trapped".into())),
    ];
    reports.extend(at_dyno.map(|report| report(node.clone(), dyno.clone())));
    let causes = [
        CrashCause::Boot,
        CrashCause::BootTimeout,
        CrashCause::Trap,
        CrashCause::Exit,
        CrashCause::Killed,
        CrashCause::Memory,
        CrashCause::Discarded,
        CrashCause::Lost,
    ];
    reports.extend(causes.map(crashed));
    reports
}

/// Writes a message and reads it again.
fn encode<T>(body: T) -> String
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let message = Message::new(body);
    let text = serde_json::to_string(&message).expect("every message can be written");
    let read: Message<T> = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(read, message, "{text}");
    text
}

#[test]
fn wire_format_matches_the_golden_file_and_parses_back() {
    let one_off = OneOff {
        node: node(),
        dyno: dyno(),
        release: RELEASE,
        memory_bytes: 64,
    };
    let lines = steps().into_iter().map(encode);
    let lines = lines.chain(reports().into_iter().map(encode));
    let text = lines
        .chain([encode(one_off)])
        .fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").expect("a string takes all");
            text
        });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol/wire_format.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("writable");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file is there");
    for (line, expected) in text.lines().zip(golden.lines()) {
        assert_eq!(line, expected, "the wire format has changed");
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}

#[test]
fn message_of_another_version_is_refused_before_its_body_is_read() {
    let text = r#"{"version":2,"body":{"step":"something new"}}"#;
    let error = serde_json::from_str::<Message<Step>>(text).expect_err("it is of version 2");
    assert!(error.to_string().contains("protocol version 2"), "{error}");
}

#[test]
fn unknown_field_is_ignored() {
    let text = r#"{"version":1,"body":{"step":"withdraw","app":"hello","why":"later"}}"#;
    let message: Message<Step> = serde_json::from_str(text).expect("readable");
    assert_eq!(message.body, Step::Withdraw { app: app() });
}
