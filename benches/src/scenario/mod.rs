//! The scenarios: each starts servers, uses them, and says what it found.
//!
//! A scenario owns its servers, which end with it. None knows of another.

mod abuse;
mod asked;
mod boot;
mod contest;
mod crowd;
mod density;
mod deploy;
mod endure;
mod figures;
mod growth;
mod guestbook;
mod languages;
mod routing;
mod scale;
mod served;
mod soak;
mod wake;

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};

use crate::args::{Options, Scenario};
use crate::client::{self, Client};
use crate::load::{self, Page, Target};
use crate::product::Product;
use crate::report::Outcome;
use crate::serve::Serve;
use crate::server::Server;

/// Bytes by which the page of the app may differ from one request to the next: it shows a count and
/// the dyno's name twice.
const PAGE_SLACK_BYTES: usize = 32;

/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;
/// Bytes of a KiB.
const KIB: f64 = 1_024.0;

/// A figure of something: its name, its unit, and how it is read.
type Reading<T> = (&'static str, &'static str, fn(&T) -> f64);

/// Runs one scenario.
pub(crate) fn run(which: Scenario, options: &Options, product: &Product) -> Result<Outcome> {
    match which {
        Scenario::Hello | Scenario::Body | Scenario::Echo | Scenario::Cpu | Scenario::Mixed => {
            served::run(which, options, product)
        }
        Scenario::Soak => soak::run(options, product),
        Scenario::Boot => boot::run(options, product),
        Scenario::Density => density::run(options, product),
        Scenario::Routing => routing::run(options, product),
        Scenario::Scale => scale::run(options, product),
        Scenario::Deploy => deploy::run(options, product),
        Scenario::Wake => wake::run(options, product),
        Scenario::Languages => languages::run(options, product),
        Scenario::Endure => endure::run(options, product),
        Scenario::Abuse => abuse::run(options, product),
        Scenario::Guestbook => guestbook::run(options, product),
    }
}

/// The app's page, as `server` gives it.
fn page(server: &Server) -> Result<Page> {
    let page = load::fetch(server.address, "/", "content-type")?;
    let status = page.status;
    ensure!(status == 200, "the app answers GET / with status {status}");
    Ok(page)
}

/// Has an app on a server answer `GET /`.
fn answers(serve: &Serve, app: &str) -> Result<()> {
    let request = client::request("GET", &format!("{app}.localhost"), "/", &[], b"");
    let answer = Client::new(serve.apps).ask(&request)?;
    ensure!(
        answer.status == 200,
        "{app} answers with status {}",
        answer.status
    );
    Ok(())
}

/// Loads `server` with requests of that page.
fn target(server: &Server, page: &Page) -> Target {
    Target {
        address: server.address,
        request: load::get("/"),
        status: page.status,
        body_bytes: around(page.body.len()),
    }
}

fn around(bytes: usize) -> RangeInclusive<usize> {
    bytes.saturating_sub(PAGE_SLACK_BYTES)..=bytes + PAGE_SLACK_BYTES
}
