//! Log lines from all sources, through one bounded queue and one thread: to this terminal, or into the
//! apps' logs of a server.
//!
//! The queue never makes anybody wait: what does not fit is dropped and counted (L11). Must not know
//! what lines mean. A request's line is formatted by whoever served the request, into one allocation; to hand its parts
//! to the thread would take a copy of each.

mod terminal;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use control::logs::AppLogSource;
use grid::fault::Fault;
use grid::name::AppName;

use crate::term;

/// How long the thread lets lines gather, so that whoever logs need not wake it each time. Not longer: with 5 ms an idle
/// machine slept deeper, and a boot took a third longer.
const BATCH_PAUSE: Duration = Duration::from_millis(2);

/// Lines that the thread takes at once before it looks for dropped ones.
const BATCH_LINES_MAX: usize = 2_000;

/// Lines that wait for the thread.
const QUEUE_LEN_MAX: usize = 10_000;

struct Line {
    at: SystemTime,
    /// None: a request for no app, which only a terminal shows.
    app: Option<AppName>,
    source: AppLogSource,
    text: String,
}

impl Line {
    /// As a line of its app's log.
    fn into_words(self) -> Option<(AppName, control::logs::AppLogLine)> {
        let app = self.app?;
        let (at, source, text) = (self.at, self.source, self.text);
        Some((app, control::logs::AppLogLine { at, source, text }))
    }
}

/// Where lines go.
pub(crate) enum To {
    /// Standard output, in colour if it is a terminal.
    Terminal,
    /// The apps' logs.
    Server(control::logs::AppLogs),
}

/// Lines that found no room, by app.
type Dropped = Arc<Mutex<BTreeMap<Option<AppName>, u64>>>;

/// Where lines go in. Clones lead to the same queue.
#[derive(Clone)]
pub(crate) struct Logs {
    queue: SyncSender<Line>,
    dropped: Dropped,
}

/// The thread; it passes on what is left when the last [`Logs`] is gone.
pub(crate) struct Printer(JoinHandle<()>);

impl Printer {
    /// Waits until all is passed on.
    pub(crate) fn finish(self) {
        let _ = self.0.join();
    }
}

/// Starts the thread (`logs`).
pub(crate) fn start(to: To) -> std::io::Result<(Logs, Printer)> {
    let (queue, lines) = sync_channel(QUEUE_LEN_MAX);
    let dropped = Dropped::default();
    let counter = Arc::clone(&dropped);
    let printer = std::thread::Builder::new()
        .name("logs".into())
        .spawn(move || pass_on(&lines, &counter, to))?;
    Ok((Logs { queue, dropped }, Printer(printer)))
}

impl Logs {
    fn send(&self, line: Line) {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};
        if let Err(Full(line) | Disconnected(line)) = self.queue.try_send(line) {
            let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            *dropped.entry(line.app).or_default() += 1;
        }
    }

    fn plain(&self, app: AppName, source: AppLogSource, text: String) {
        self.send(Line {
            at: SystemTime::now(),
            app: Some(app),
            source,
            text,
        });
    }

    /// Takes lines of guests.
    pub(crate) fn of_dynos(&self) -> dyno::LogSink {
        let logs = self.clone();
        Arc::new(move |line: dyno::LogLine| {
            let source = match line.source {
                dyno::LogSource::App(dyno) => AppLogSource::App(dyno),
                dyno::LogSource::Dyno(dyno) => AppLogSource::Dyno(dyno),
            };
            logs.plain(line.app, source, line.text);
        })
    }

    /// Takes a record of each request.
    pub(crate) fn of_router(&self) -> router::Sink {
        let logs = self.clone();
        Arc::new(move |record: &router::Record| {
            logs.send(Line {
                at: record.at,
                app: record.app.clone(),
                source: AppLogSource::Router,
                text: record.line(),
            });
        })
    }

    /// Takes what the control plane says.
    pub(crate) fn control(&self, event: control::LogEvent) {
        let app = event.app.clone();
        let line = control::logs::AppLogLine::of_event(event, SystemTime::now());
        self.plain(app, line.source, line.text);
    }
}

fn pass_on(lines: &Receiver<Line>, dropped: &Dropped, to: To) {
    let mut out = match to {
        To::Terminal => Out::Terminal(terminal::Terminal::stdout()),
        To::Server(logs) => Out::Server(logs, Disk::Works),
    };
    while let Ok(first) = lines.recv() {
        out.line(first);
        let more = std::iter::from_fn(|| lines.try_recv().ok());
        let batch = more.take(BATCH_LINES_MAX);
        let taken = batch.map(|line| out.line(line)).count();
        out.losses(dropped);
        out.flush();
        if taken < BATCH_LINES_MAX {
            std::thread::sleep(BATCH_PAUSE);
        }
    }
}

enum Out {
    Terminal(terminal::Terminal),
    Server(control::logs::AppLogs, Disk),
}

/// Whether the last lines could be written to the disk.
enum Disk {
    Works,
    Refuses,
}

impl Out {
    fn line(&mut self, line: Line) {
        match self {
            Out::Terminal(terminal) => terminal.line(&line),
            Out::Server(logs, _) => {
                if let Some((app, line)) = line.into_words() {
                    logs.push(&app, line);
                }
            }
        }
    }

    /// Says in each app's log how many of its lines are missing.
    fn losses(&mut self, dropped: &Dropped) {
        let lost = {
            let mut dropped = dropped.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *dropped)
        };
        for (app, lines) in lost {
            let text = format!("{} -> {lines} lines were dropped", Fault::TailOverflow);
            self.line(Line {
                at: SystemTime::now(),
                app,
                source: AppLogSource::Api,
                text,
            });
        }
    }

    fn flush(&mut self) {
        match self {
            Out::Terminal(terminal) => terminal.flush(),
            Out::Server(logs, disk) => match (logs.flush(), &disk) {
                (Err(error), Disk::Works) => {
                    term::warning(&format!(
                        "log lines cannot be written to the disk: {error}. Readers get them all the same"
                    ));
                    *disk = Disk::Refuses;
                }
                (Ok(()), Disk::Refuses) => {
                    term::note("Again", "log lines are written to the disk");
                    *disk = Disk::Works;
                }
                _ => {}
            },
        }
    }
}
