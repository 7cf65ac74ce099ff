//! `hello`, `body`, `echo`, `cpu`, `mixed`: CPU per request, latency and throughput of servers that do
//! the same work, in turn: plain hyper, dyno in several ways, and the peers.
//!
//! All servers run for the whole scenario; the load goes to one after the other, round by round.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::{BenchOptions, Scenario, repository};
use crate::load::closed_loop::{self, LoadTarget};
use crate::machine::confine::CpuBudget;
use crate::measure::figures::{self, FigureRows};
use crate::measure::requests::{GuestPages, RequestMix};
use crate::measure::rounds::{self, Contestant, IsNeeded, RoundPlan};
use crate::peers::{INSTALL_FOLDER, PAGES, PeerInstaller, PeerServer, PeerSite, start_hyper};
use crate::product::binary::MeasuredBinary;
use crate::product::child_server::{ChildServer, LogTarget};
use crate::report::document::ScenarioOutcome;

/// Dynos of `mixed`, besides one for each connection: as many as the classic stack has back ends.
const FEW_DYNOS: u32 = 4;

/// All that servers are made from.
struct ContestField<'a> {
    which: Scenario,
    options: &'a BenchOptions,
    product: &'a MeasuredBinary,
    mix: RequestMix,
    /// The bench guest.
    guest: PathBuf,
    pages: GuestPages,
    /// The budget of every server, unless its row is about another number of threads.
    budget: CpuBudget,
    contestants: Vec<Contestant>,
    skipped: Vec<String>,
}

pub(super) fn run(
    which: Scenario,
    options: &BenchOptions,
    product: &MeasuredBinary,
) -> Result<ScenarioOutcome> {
    let threads = options.threads.first().copied();
    let threads = threads.context("no number of threads to measure with")?;
    let mut field = ContestField {
        which,
        options,
        product,
        mix: RequestMix::of(which),
        guest: product.bench_guest()?,
        pages: GuestPages::default(),
        budget: CpuBudget {
            cores: threads,
            threads,
        },
        contestants: Vec::new(),
        skipped: Vec::new(),
    };
    let mut outcome = ScenarioOutcome::new(which, field.how());
    let rows = field.dynos()?;
    field.app()?;
    field.peers()?;
    let rounds = field.rounds();
    let left = rounds::run(&mut field.contestants, rounds)?;
    field.skipped.extend(left);
    for contestant in &field.contestants {
        for command in contestant.server.commands() {
            if !outcome.commands.contains(&command) {
                outcome.commands.push(command);
            }
        }
    }
    outcome.skipped = field.skipped;
    figures::add(&mut outcome, which, &field.contestants, &rows)?;
    Ok(outcome)
}

impl ContestField<'_> {
    fn how(&self) -> String {
        let CpuBudget { cores, threads } = self.budget;
        format!(
            "{} over {} keep-alive connections (closed loop) to servers that answer with the same bytes; {} rounds of \
             {} s each, in turn; every server has {cores} cores and {threads} threads where it lets them be set; CPU \
             is user + system of all its processes, from /proc/PID/stat; dyno writes its log, the others write none",
            self.mix.what(),
            self.options.connections,
            self.options.repeats,
            self.options.turn_seconds(),
        )
    }

    fn rounds(&self) -> RoundPlan {
        RoundPlan {
            repeats: self.options.repeats,
            turn: Duration::from_secs(self.options.turn_seconds()),
            every: self.mix.every,
        }
    }

    /// The rows of dyno. The first is the one that others are compared with.
    fn dynos(&mut self) -> Result<FigureRows> {
        let numbers = match self.which {
            Scenario::Hello => self.options.dynos.clone(),
            // A long request holds a dyno: with one for each connection there is always a free one.
            Scenario::Mixed => vec![self.options.connections, FEW_DYNOS],
            _ => self.options.dynos.iter().copied().take(1).collect(),
        };
        let first = *numbers.first().context("no number of dynos to measure")?;
        for dynos in &numbers {
            let server = self.dyno(None, *dynos, LogTarget::Drained, self.budget)?;
            if self.pages.hello.is_empty() {
                self.pages = pages(&server)?;
            }
            self.add(format!("dyno web={dynos}"), server)?;
        }
        let mut rows = FigureRows {
            first: format!("dyno web={first}"),
            fewer_threads: Vec::new(),
            crowd: None,
        };
        if self.which == Scenario::Hello {
            self.variants(first, &mut rows)?;
        }
        Ok(rows)
    }

    /// The first row again: its log to null, with other threads, with more connections.
    fn variants(&mut self, dynos: u32, rows: &mut FigureRows) -> Result<()> {
        let name = format!("{}, log to null", rows.first);
        let server = self.dyno(None, dynos, LogTarget::Null, self.budget)?;
        self.add(name, server)?;
        for threads in self.options.threads.iter().skip(1).copied() {
            let plural = if threads == 1 { "" } else { "s" };
            let name = format!("{}, {threads} thread{plural}", rows.first);
            let budget = CpuBudget {
                threads,
                ..self.budget
            };
            let server = self.dyno(None, dynos, LogTarget::Drained, budget)?;
            self.add(name.clone(), server)?;
            rows.fewer_threads.push((name, threads));
        }
        if self.options.crowd > 0 {
            let name = format!("{}, {} connections", rows.first, self.options.crowd);
            let first = self.contestants.first().context("the first row is there")?;
            let server = Rc::clone(&first.server);
            let targets = first.targets.clone();
            self.push(name.clone(), IsNeeded::Yes, server, targets);
            self.crowded();
            rows.crowd = Some(name);
        }
        Ok(())
    }

    /// The row that was added last has the larger number of connections.
    fn crowded(&mut self) {
        if let Some(crowd) = self.contestants.last_mut() {
            crowd.connections = self.options.crowd;
        }
    }

    /// The app that users are shown, in `hello`: its page is its own.
    fn app(&mut self) -> Result<()> {
        if self.which != Scenario::Hello {
            return Ok(());
        }
        let dynos = self.options.dynos.first().copied().unwrap_or(1);
        let app = self
            .product
            .held(None, dynos, LogTarget::Drained, self.budget)?;
        let target = crate::measure::target(&app, &crate::measure::page(&app)?);
        let name = format!("dyno web={dynos}, app {}", self.product.app_name());
        self.push(name, IsNeeded::Yes, Rc::new(app), vec![target]);
        Ok(())
    }

    fn dyno(
        &self,
        what: Option<&Path>,
        dynos: u32,
        log: LogTarget,
        budget: CpuBudget,
    ) -> Result<ChildServer> {
        let what = what.unwrap_or(&self.guest);
        self.product.held(Some(what), dynos, log, budget)
    }

    /// Plain hyper, in front, and the peers that can be had.
    fn peers(&mut self) -> Result<()> {
        let folder = self.product.file("peers");
        let pages = folder.join("pages");
        std::fs::create_dir_all(&pages).context("cannot make a folder for the peers")?;
        for (name, content) in PAGES.iter().zip([&self.pages.hello, &self.pages.body]) {
            std::fs::write(pages.join(name), content).context("cannot write the peers' pages")?;
        }
        let guest = self.guest.clone();
        let installer =
            PeerInstaller::new(repository().join(INSTALL_FOLDER), !self.options.no_install);
        let site = PeerSite {
            folder: &folder,
            pages: &pages,
            guest: &guest,
            budget: self.budget,
            installer: &installer,
        };
        let hyper = start_hyper(&site).context("plain hyper does not start")?;
        self.add(figures::HYPER.to_owned(), hyper)?;
        self.contestants.rotate_right(1);
        if self.which == Scenario::Hello && self.options.crowd > 0 {
            // The cost of the sockets alone in that case.
            let server = Rc::clone(&self.contestants[0].server);
            let targets = self.contestants[0].targets.clone();
            let name = format!("{}, {} connections", figures::HYPER, self.options.crowd);
            self.push(name, IsNeeded::Yes, server, targets);
            self.crowded();
            self.contestants[1..].rotate_right(1);
        }
        for peer in self.options.chosen_peers() {
            if let Err(error) = self.peer(peer, &site) {
                let reason = format!("{}: {error:#}", peer.called());
                eprintln!("  left out: {reason}");
                self.skipped.push(reason);
            }
        }
        Ok(())
    }

    fn peer(&mut self, peer: PeerServer, site: &PeerSite<'_>) -> Result<()> {
        for asked in &self.mix.asked {
            peer.can(asked.work).map_err(anyhow::Error::msg)?;
        }
        let server = peer.start(site)?;
        let targets = self.mix.targets(&server, &self.pages)?;
        let name = peer.called().to_owned();
        self.push(name, IsNeeded::No, Rc::new(server), targets);
        Ok(())
    }

    /// A server that has the bench guest's pages, and is needed.
    fn add(&mut self, name: String, server: ChildServer) -> Result<()> {
        let targets = self.mix.targets(&server, &self.pages);
        let targets = targets.with_context(|| format!("{name} does not serve"))?;
        self.push(name, IsNeeded::Yes, Rc::new(server), targets);
        Ok(())
    }

    fn push(
        &mut self,
        name: String,
        needed: IsNeeded,
        server: Rc<ChildServer>,
        targets: Vec<LoadTarget>,
    ) {
        self.contestants.push(Contestant {
            name,
            needed,
            server,
            targets,
            connections: self.options.connections,
            turns: Vec::new(),
        });
    }
}

/// The pages of the bench guest, as it serves them.
fn pages(server: &ChildServer) -> Result<GuestPages> {
    let page = |path| closed_loop::fetch(server.address, path, "").map(|page| page.body);
    Ok(GuestPages {
        hello: page("/")?,
        body: page("/body")?,
    })
}
