//! CPU of a request to an app on a dyno, and of the same request to its native server, in turn.
//!
//! Owns the requests. An answer of the dyno has to be that of the native server, byte for byte.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::MeasuredApp;
use crate::load::closed_loop::{self, FetchedPage, LoadTarget};
use crate::measure::rounds::{self, Contestant, IsNeeded, RoundPlan, ServerTurn};
use crate::peers::NativeProgram;
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
/// The kind of request whose figures have gates.
const HELLO: &str = "hello";

/// A request that all apps answer.
struct LanguageRequest {
    /// As figures call it.
    kind: &'static str,
    bytes: Vec<u8>,
}

/// What was measured of one kind of request on one server.
pub(super) struct RequestRow {
    name: String,
    turns: Vec<ServerTurn>,
}

fn requests() -> [LanguageRequest; 4] {
    let element = |id| json!({ "id": id, "name": format!("item {id}"), "price": f64::from(id) + 0.5, "done": false });
    let elements = serde_json::Value::from_iter((1..=ELEMENTS).map(element)).to_string();
    let request = |kind, bytes| LanguageRequest { kind, bytes };
    [
        request(HELLO, closed_loop::get(PROBE)),
        request("page", closed_loop::get("/page")),
        request(
            "JSON",
            closed_loop::post("/json", "application/json", elements.as_bytes()),
        ),
        request("fib", closed_loop::get(&format!("/fib?n={FIBONACCI}"))),
    ]
}

impl MeasuredApp<'_> {
    /// Adds the CPU of each kind of request, on a dyno and beside it. Returns the rows, for further figures.
    pub(super) fn measure_requests(
        &self,
        outcome: &mut ScenarioOutcome,
    ) -> Result<Vec<RequestRow>> {
        let Some(beside) = self.app.native_subject() else {
            return Ok(Vec::new());
        };
        let dyno = Rc::new(self.dyno()?);
        let native = self.native_server()?.map(Rc::new);
        outcome.commands.extend(dyno.commands());
        outcome
            .commands
            .extend(native.iter().flat_map(|native| native.commands()));
        let mut contestants = Vec::new();
        for request in &requests() {
            let answer = ask(&dyno, &request.bytes)?;
            let (kind, status) = (request.kind, answer.status);
            let text = String::from_utf8_lossy(&answer.body);
            ensure!(
                status == 200,
                "{kind} is answered with status {status}: {text}"
            );
            let own = self.app.dyno_subject();
            contestants.push(request.contestant(&own, IsNeeded::Yes, &dyno, &answer));
            if let Some(native) = &native {
                let theirs = ask(native, &request.bytes).with_context(|| beside.clone())?;
                ensure_same(kind, &answer, &theirs).with_context(|| beside.clone())?;
                contestants.push(request.contestant(&beside, IsNeeded::No, native, &answer));
            }
        }
        let plan = RoundPlan {
            repeats: self.options.repeats,
            turn: Duration::from_secs(self.options.language_turn_seconds()),
            every: u64::MAX,
        };
        outcome.skipped.extend(rounds::run(&mut contestants, plan)?);
        let row = |it: Contestant| RequestRow {
            name: it.name,
            turns: it.turns,
        };
        let rows: Vec<RequestRow> = contestants.into_iter().map(row).collect();
        self.add_readings(
            outcome,
            &rows,
            (CPU, |turn| turn.per_request(turn.server.total())),
        );
        Ok(rows)
    }

    /// Adds what else there is to say of the rows.
    pub(super) fn add_comparisons(&self, outcome: &mut ScenarioOutcome, rows: &[RequestRow]) {
        self.add_ratios(outcome);
        self.add_readings(
            outcome,
            rows,
            ("latency p50", |turn| turn.latency_micros(0, 0.5)),
        );
    }

    fn dyno(&self) -> Result<ChildServer> {
        let log = LogTarget::Drained;
        self.product
            .start(&self.slug.file, 1, log, PROBE, Some(self.budget))
    }

    fn native_server(&self) -> Result<Option<ChildServer>> {
        let errors = self.product.file("native.errors");
        let start = |native: &NativeProgram| native.start(self.budget, &errors, PROBE);
        self.native.map(start).transpose()
    }

    fn add_readings(
        &self,
        outcome: &mut ScenarioOutcome,
        rows: &[RequestRow],
        (figure, read): (&str, fn(&ServerTurn) -> f64),
    ) {
        let own = self.app.dyno_subject();
        let subjects = [Some(own.clone()), self.app.native_subject()];
        for LanguageRequest { kind, .. } in requests() {
            for subject in subjects.iter().flatten() {
                let name = row(subject, kind);
                let Some(found) = rows.iter().find(|it| it.name == name) else {
                    continue;
                };
                let samples = found.turns.iter().map(read).collect();
                let added = outcome.add(subject, &format!("{kind}: {figure}"), "µs", samples);
                let is_gated = figure == CPU && kind == HELLO && *subject == own;
                if let Some(most) = self.app.hello_micros_max.filter(|_| is_gated) {
                    added.gate(most);
                }
            }
        }
    }

    fn add_ratios(&self, outcome: &mut ScenarioOutcome) {
        let beside = self.app.native_subject().unwrap_or_default();
        for LanguageRequest { kind, .. } in requests() {
            let cpu = format!("{kind}: {CPU}");
            if outcome.figure(&beside, &cpu).is_none() {
                continue;
            }
            let called = format!("{kind}: times native CPU");
            let ratio = outcome.add_ratio(&cpu, &self.app.dyno_subject(), &beside, &called);
            if let Some(most) = self.app.hello_times_max.filter(|_| kind == HELLO) {
                ratio.gate(most);
            }
        }
    }
}

impl LanguageRequest {
    fn contestant(
        &self,
        subject: &str,
        needed: IsNeeded,
        server: &Rc<ChildServer>,
        answer: &FetchedPage,
    ) -> Contestant {
        let bytes = answer.body.len();
        let target = LoadTarget {
            address: server.address,
            request: self.bytes.clone(),
            status: answer.status,
            body_bytes: bytes..=bytes,
        };
        Contestant {
            name: row(subject, self.kind),
            needed,
            server: Rc::clone(server),
            targets: vec![target],
            connections: CONNECTIONS,
            turns: Vec::new(),
        }
    }
}

/// Checks that two servers have answered alike.
fn ensure_same(kind: &str, dyno: &FetchedPage, native: &FetchedPage) -> Result<()> {
    let shown = |page: &FetchedPage| {
        let (status, media, bytes) = (page.status, &page.header, page.body.len());
        format!("{status}, {media}, {bytes} bytes")
    };
    ensure!(
        dyno == native,
        "{kind} is answered otherwise: {} instead of {}",
        shown(native),
        shown(dyno)
    );
    Ok(())
}

fn row(subject: &str, kind: &str) -> String {
    format!("{subject}: {kind}")
}

fn ask(server: &ChildServer, request: &[u8]) -> Result<FetchedPage> {
    closed_loop::ask(server.address, request, "content-type")
}
