//! Tools that scenarios share: requests, rounds, growth and figures.

pub(crate) mod figures;
pub(crate) mod growth;
pub(crate) mod requests;
pub(crate) mod rounds;

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};

use crate::load::client::{self, BenchClient};
use crate::load::closed_loop::{self, FetchedPage, LoadTarget};
use crate::product::child_server::ChildServer;
use crate::product::dyno_serve::DynoServe;

/// Bytes by which the page of the app may differ from one request to the next: it shows a count and
/// the dyno's name twice.
const PAGE_SLACK_BYTES: usize = 32;

/// Bytes of a MiB.
pub(crate) const MIB: f64 = 1_048_576.0;
/// Bytes of a KiB.
pub(crate) const KIB: f64 = 1_024.0;

/// A figure: its name, its unit, and the function that reads its value.
pub(crate) type FigureReader<T> = (&'static str, &'static str, fn(&T) -> f64);

/// The app's page, as `server` returns it.
pub(crate) fn page(server: &ChildServer) -> Result<FetchedPage> {
    let page = closed_loop::fetch(server.address, "/", "content-type")?;
    let status = page.status;
    ensure!(status == 200, "the app answers GET / with status {status}");
    Ok(page)
}

/// Checks that an app on a server answers `GET /`.
pub(crate) fn answers(serve: &DynoServe, app: &str) -> Result<()> {
    let request = client::request("GET", &format!("{app}.localhost"), "/", &[], b"");
    let answer = BenchClient::new(serve.apps).ask(&request)?;
    ensure!(
        answer.status == 200,
        "{app} answers with status {}",
        answer.status
    );
    Ok(())
}

/// Loads `server` with requests of that page.
pub(crate) fn target(server: &ChildServer, page: &FetchedPage) -> LoadTarget {
    LoadTarget {
        address: server.address,
        request: closed_loop::get("/"),
        status: page.status,
        body_bytes: around(page.body.len()),
    }
}

fn around(bytes: usize) -> RangeInclusive<usize> {
    bytes.saturating_sub(PAGE_SLACK_BYTES)..=bytes + PAGE_SLACK_BYTES
}
