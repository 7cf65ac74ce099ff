//! Log lines on this terminal: from all sources into one bounded queue, printed by one thread.
//!
//! The queue never makes anybody wait: what does not fit is dropped and counted (L11).

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use grid::fault::Fault;
use grid::name::DynoId;

/// Bytes that are printed in one go.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// How long the printing thread lets lines gather, so that whoever logs need not wake it each time.
const BATCH_PAUSE: Duration = Duration::from_millis(2);

/// Lines that wait to be printed.
const QUEUE_LEN_MAX: usize = 10_000;

/// Who wrote a line.
enum Source {
    App(DynoId),
    Dyno(DynoId),
    Api,
    Router,
}

/// What the line says; formatted by the printing thread, not by whoever sends it.
enum Text {
    Plain(String),
    Request(Box<router::Record>),
}

struct Line {
    at: SystemTime,
    source: Source,
    text: Text,
}

/// Where lines go in. Clones lead to the same queue.
#[derive(Clone)]
pub(crate) struct Logs {
    queue: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

/// The printing thread; prints what is left when the last [`Logs`] is gone.
pub(crate) struct Printer(JoinHandle<()>);

impl Printer {
    /// Waits until all is printed.
    pub(crate) fn finish(self) {
        let _ = self.0.join();
    }
}

/// Starts the printing thread (`logs`).
pub(crate) fn start() -> std::io::Result<(Logs, Printer)> {
    let (queue, lines) = sync_channel(QUEUE_LEN_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    let printer = std::thread::Builder::new()
        .name("logs".into())
        .spawn(move || print_all(&lines, &counter))?;
    Ok((Logs { queue, dropped }, Printer(printer)))
}

impl Logs {
    fn send(&self, at: SystemTime, source: Source, text: Text) {
        if self.queue.try_send(Line { at, source, text }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes lines of guests.
    pub(crate) fn of_dynos(&self) -> dyno::LogSink {
        let logs = self.clone();
        Arc::new(move |line: dyno::LogLine| {
            let source = match line.source {
                dyno::LogSource::App(dyno) => Source::App(dyno),
                dyno::LogSource::Dyno(dyno) => Source::Dyno(dyno),
            };
            logs.send(SystemTime::now(), source, Text::Plain(line.text));
        })
    }

    /// Takes a record of each request.
    pub(crate) fn of_router(&self) -> router::Sink {
        let logs = self.clone();
        Arc::new(move |record: router::Record| {
            let at = record.at;
            logs.send(at, Source::Router, Text::Request(Box::new(record)));
        })
    }

    /// Takes what the control plane says.
    pub(crate) fn control(&self, event: control::LogEvent) {
        let source = match event.source {
            control::Source::Api => Source::Api,
            control::Source::Dyno(dyno) => Source::Dyno(dyno),
        };
        self.send(SystemTime::now(), source, Text::Plain(event.text));
    }
}

fn print_all(lines: &Receiver<Line>, dropped: &AtomicU64) {
    let choice = anstream::AutoStream::choice(&std::io::stdout());
    let colours = choice != anstream::ColorChoice::Never;
    let mut batch = Vec::with_capacity(BATCH_BYTES_MAX);
    while let Ok(first) = lines.recv() {
        render(&mut batch, &first, colours);
        while batch.len() < BATCH_BYTES_MAX
            && let Ok(line) = lines.try_recv()
        {
            render(&mut batch, &line, colours);
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let line = Line {
                at: SystemTime::now(),
                source: Source::Api,
                text: Text::Plain(format!("{} -> {lost} lines dropped", Fault::TailOverflow)),
            };
            render(&mut batch, &line, colours);
        }
        // Nobody to read it is no reason to stop the app.
        let _ = std::io::stdout().write_all(&batch);
        batch.clear();
        std::thread::sleep(BATCH_PAUSE);
    }
}

/// `TIMESTAMP SOURCE[DYNO]: TEXT`, the part before the text in the dyno's colour.
fn render(out: &mut Vec<u8>, line: &Line, colours: bool) {
    let style = if colours {
        style(&line.source)
    } else {
        Style::new()
    };
    let at = timestamp(line.at);
    let done = match &line.source {
        Source::App(dyno) => write!(out, "{style}{at} app[{dyno}]:{style:#} "),
        Source::Dyno(dyno) => write!(out, "{style}{at} dyno[{dyno}]:{style:#} "),
        Source::Api => write!(out, "{style}{at} dyno[api]:{style:#} "),
        Source::Router => write!(out, "{style}{at} dyno[router]:{style:#} "),
    };
    let done = done.and_then(|()| match &line.text {
        Text::Plain(text) => writeln!(out, "{text}"),
        Text::Request(record) => writeln!(out, "{record}"),
    });
    done.expect("a Vec takes all");
}

/// RFC 3339 with microseconds and offset.
fn timestamp(at: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_micros(at).to_string();
    text.truncate(text.len() - 1);
    text + "+00:00"
}

/// Colours by which dynos are told apart.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
];

fn style(source: &Source) -> Style {
    let (Source::App(dyno) | Source::Dyno(dyno)) = source else {
        return Style::new().dimmed();
    };
    let name: u32 = dyno.process.as_str().bytes().map(u32::from).sum();
    // `web.1` begins the row.
    let web: u32 = b"web".iter().copied().map(u32::from).sum();
    let at = name
        .wrapping_sub(web)
        .wrapping_add(dyno.index.wrapping_sub(1));
    let colour = COLOURS[at as usize % COLOURS.len()];
    Style::new().fg_color(Some(colour.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_documented_form() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_000_000_123_456);
        let line = Line {
            at,
            source: Source::App("web.1".parse().expect("an id")),
            text: Text::Plain("hello".into()),
        };
        let mut out = Vec::new();
        render(&mut out, &line, false);
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "2026-11-18T11:06:40.123456+00:00 app[web.1]: hello\n");
    }
}
