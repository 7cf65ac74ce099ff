//! The invariants of requests: who gets a dyno, in which order, and that each request is answered.
//!
//! Owns a record of one app's requests and dynos, kept from the outside: whoever drives a `routing::line::Line` reports
//! what happened. Must not know how the line decides: nothing of it is used here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Findings, Invariant, Violation};
use crate::name::DynoKey;

/// A request, by a number that its driver gives it once.
pub type RequestNumber = u64;

/// The history of the requests and dynos of one app.
#[derive(Debug, Default)]
pub struct RequestAudit {
    /// Requests that arrived and are not answered.
    open: BTreeSet<RequestNumber>,
    answered: BTreeSet<RequestNumber>,
    /// In order of arrival.
    waiting: VecDeque<RequestNumber>,
    /// The dynos of the newest route.
    routed: BTreeSet<DynoKey>,
    /// Dynos of the route whose handle the line has.
    free: BTreeSet<DynoKey>,
    /// Dynos that a request or the sweeper has, each with its request.
    taken: BTreeMap<DynoKey, Option<RequestNumber>>,
    findings: Findings,
}

impl RequestAudit {
    /// A route was put in force that names these dynos; `fresh` are those whose handle came with it.
    pub fn publish_route<'a>(
        &mut self,
        routed: impl IntoIterator<Item = &'a DynoKey>,
        fresh: impl IntoIterator<Item = &'a DynoKey>,
    ) {
        self.routed = routed.into_iter().cloned().collect();
        let fresh = fresh.into_iter().filter(|key| self.routed.contains(*key));
        let untaken: Vec<DynoKey> = fresh
            .filter(|key| !self.taken.contains_key(*key))
            .cloned()
            .collect();
        self.free.extend(untaken);
        self.free.retain(|key| self.routed.contains(key));
    }

    /// A request arrived and has no answer yet. A request that is retried does not arrive again.
    pub fn add_request(&mut self, request: RequestNumber) {
        self.open.insert(request);
    }

    /// A request was told to wait.
    pub fn add_waiting(&mut self, request: RequestNumber) {
        self.waiting.push_back(request);
    }

    /// A request got a dyno.
    pub fn grant_dyno(&mut self, request: RequestNumber, dyno: &DynoKey) {
        let oldest = self.waiting.front().copied();
        if let Some(oldest) = oldest.filter(|oldest| *oldest != request) {
            let what = format!("request {request} gets {dyno}, and {oldest} has waited longer");
            self.findings.add(Invariant::ArrivalOrder, what);
        }
        self.waiting.retain(|waiting| *waiting != request);
        if !self.open.contains(&request) {
            let what = format!("request {request} gets {dyno} and has its answer already");
            self.findings.add(Invariant::OneAnswer, what);
        }
        self.take_dyno(dyno, Some(request));
    }

    /// The sweeper took a free dyno to put it to sleep.
    pub fn sweep_dyno(&mut self, dyno: &DynoKey) {
        self.take_dyno(dyno, None);
    }

    fn take_dyno(&mut self, dyno: &DynoKey, by: Option<RequestNumber>) {
        let was_free = self.free.remove(dyno);
        let before = self.taken.insert(dyno.clone(), by);
        if let Some(before) = before {
            let before = before.map_or("the sweeper".into(), |before| format!("request {before}"));
            let what = format!("{dyno} is handed out, and {before} has it");
            self.findings.add(Invariant::OneRequestADyno, what);
        } else if !was_free {
            let what = format!("{dyno} is handed out, and is not in the route");
            self.findings.add(Invariant::OneRequestADyno, what);
        }
    }

    /// A dyno came back from its request, or from the sweeper.
    pub fn release_dyno(&mut self, dyno: &DynoKey) {
        if self.taken.remove(dyno).is_some() && self.routed.contains(dyno) {
            self.free.insert(dyno.clone());
        }
    }

    /// A dyno ended while a request had it: its handle never comes back.
    pub fn lose_dyno(&mut self, dyno: &DynoKey) {
        self.taken.remove(dyno);
    }

    /// A request was answered: by its app, by a refusal, or by the end of its client.
    pub fn answer_request(&mut self, request: RequestNumber) {
        self.waiting.retain(|waiting| *waiting != request);
        if !self.open.remove(&request) {
            let what = match self.answered.contains(&request) {
                true => format!("request {request} is answered twice"),
                false => format!("request {request} is answered and never arrived"),
            };
            self.findings.add(Invariant::OneAnswer, what);
        }
        self.answered.insert(request);
    }

    /// All that one event brings about is done: what must hold between two events is checked.
    pub fn check_rest(&mut self) {
        if let (Some(request), Some(dyno)) = (self.waiting.front(), self.free.first()) {
            let what = format!("request {request} waits, and {dyno} is free");
            self.findings.add(Invariant::NoNeedlessWait, what);
        }
    }

    /// All requests must have their answers now.
    pub fn check_end(&mut self) {
        for request in &self.open {
            let what = format!("request {request} was never answered");
            self.findings.add(Invariant::OneAnswer, what);
        }
    }

    /// The request that has a dyno, if one has.
    pub fn request_of(&self, dyno: &DynoKey) -> Option<RequestNumber> {
        self.taken.get(dyno).copied().flatten()
    }

    /// Takes the violations that were found since the last call.
    pub fn take_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.findings.0)
    }
}
