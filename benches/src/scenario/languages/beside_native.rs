//! CPU of a request to an app on a dyno, and of the same request to its native server, in turn.
//!
//! Owns the requests. An answer of the dyno has to be that of the native server, byte for byte.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::BuiltApp;
use crate::load::closed_loop::{self, FetchedPage, LoadTarget};
use crate::measure::rounds::{self, Contestant, IsNeeded, RoundPlan, ServerTurn};
use crate::product::child_server::{ChildServer, LogTarget};
use crate::report::document::ScenarioOutcome;

/// Connections that ask all the time: a few, since one dyno answers one request at a time, as the native servers do.
pub(super) const CONNECTIONS: u32 = 4;
/// A path that answers as soon as the app is up.
pub(super) const PROBE: &str = "/hello";
/// Elements of the array that is posted.
const ELEMENTS: u32 = 2_000;
/// The number whose Fibonacci number is computed, by recursion.
const FIBONACCI: u32 = 24;
const CPU: &str = "CPU per request";

/// A request that all apps answer.
struct LanguageRequest {
    /// As figures call it.
    kind: &'static str,
    bytes: Vec<u8>,
}

fn requests() -> [LanguageRequest; 4] {
    let element = |id| json!({ "id": id, "name": format!("item {id}"), "price": f64::from(id) + 0.5, "done": false });
    let elements = serde_json::Value::from_iter((1..=ELEMENTS).map(element)).to_string();
    let request = |kind, bytes| LanguageRequest { kind, bytes };
    [
        request("hello", closed_loop::get(PROBE)),
        request("page", closed_loop::get("/page")),
        request(
            "JSON",
            closed_loop::post("/json", "application/json", elements.as_bytes()),
        ),
        request("fib", closed_loop::get(&format!("/fib?n={FIBONACCI}"))),
    ]
}

impl BuiltApp<'_> {
    /// Adds the CPU of each kind of request, on a dyno and beside it.
    pub(super) fn measure_requests(&self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let Some(subject) = self.app.native_subject() else {
            return Ok(());
        };
        let dyno = Rc::new(self.dyno()?);
        let native = Rc::new(self.native_server()?);
        outcome.commands.extend(dyno.commands());
        outcome.commands.extend(native.commands());
        let mut contestants = Vec::new();
        for LanguageRequest { kind, bytes } in &requests() {
            let ours = ask(&dyno, bytes)?;
            ensure!(
                ours.status == 200,
                "{kind} is answered with status {}: {}",
                ours.status,
                String::from_utf8_lossy(&ours.body)
            );
            let theirs = ask(&native, bytes).with_context(|| subject.clone())?;
            ensure!(
                ours == theirs,
                "{kind} is not answered as by {subject}: {} with {} bytes of {}, instead of {} with {} bytes of {}",
                ours.status,
                ours.body.len(),
                ours.header,
                theirs.status,
                theirs.body.len(),
                theirs.header
            );
            let contestant = |subject: &str, needed, server: &Rc<ChildServer>| Contestant {
                name: row(subject, kind),
                needed,
                server: Rc::clone(server),
                targets: vec![LoadTarget {
                    address: server.address,
                    request: bytes.clone(),
                    status: 200,
                    body_bytes: ours.body.len()..=ours.body.len(),
                }],
                connections: CONNECTIONS,
                turns: Vec::new(),
            };
            contestants.push(contestant(&self.app.dyno_subject(), IsNeeded::Yes, &dyno));
            contestants.push(contestant(&subject, IsNeeded::No, &native));
        }
        let plan = RoundPlan {
            repeats: self.options.repeats,
            turn: Duration::from_secs(self.options.language_turn_seconds()),
            every: u64::MAX,
        };
        outcome.skipped.extend(rounds::run(&mut contestants, plan)?);
        self.add_figures(outcome, &contestants, &subject);
        Ok(())
    }

    fn dyno(&self) -> Result<ChildServer> {
        let log = LogTarget::Drained;
        self.product
            .start(&self.slug.file, 1, log, PROBE, Some(self.budget))
    }

    fn native_server(&self) -> Result<ChildServer> {
        let native = self.native.context("there is no native server")?;
        native.start(self.budget, &self.product.file("native.errors"), PROBE)
    }

    fn add_figures(&self, outcome: &mut ScenarioOutcome, all: &[Contestant], native: &str) {
        let own = self.app.dyno_subject();
        let kinds = requests().map(|request| request.kind);
        let figures: [(&str, fn(&ServerTurn) -> f64); 2] = [
            (CPU, |turn| turn.per_request(turn.server.total())),
            ("latency p50", |turn| turn.latency_micros(0, 0.5)),
        ];
        for (figure, read) in figures {
            for kind in kinds {
                for subject in [&own, native] {
                    let named = |it: &&Contestant| it.name == row(subject, kind);
                    let Some(contestant) = all.iter().find(named) else {
                        continue;
                    };
                    let samples = contestant.turns.iter().map(read).collect();
                    let name = format!("{kind}: {figure}");
                    let added = outcome.add(subject, &name, "µs", samples);
                    let is_gated = figure == CPU && kind == "hello" && *subject == own;
                    if let Some(most) = self.app.hello_micros_max.filter(|_| is_gated) {
                        added.gate(most);
                    }
                }
            }
        }
        for kind in kinds {
            let (name, called) = (
                format!("{kind}: {CPU}"),
                format!("{kind}: times native CPU"),
            );
            if outcome.figure(native, &name).is_none() {
                continue;
            }
            let ratio = outcome.add_ratio(&name, &own, native, &called);
            if let Some(most) = self.app.hello_times_max.filter(|_| kind == "hello") {
                ratio.gate(most);
            }
        }
    }
}

fn row(subject: &str, kind: &str) -> String {
    format!("{subject}: {kind}")
}

fn ask(server: &ChildServer, request: &[u8]) -> Result<FetchedPage> {
    closed_loop::ask(server.address, request, "content-type")
}
