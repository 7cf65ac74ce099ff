//! Log lines from all sources, through one bounded queue and one thread, to one writer.
//!
//! Must not know what lines mean, nor where the writer puts them.
//!
//! A sender never waits: a line that finds the queue full is dropped and counted (L11). The text of a request's line is
//! formatted by the task that served the request, into one allocation; passing the parts to the thread would copy each.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use control::logs::AppLogSource;
use grid::fault::Fault;
use grid::name::AppName;
use parking_lot::Mutex;

use crate::observer::{NodeEvent, SharedObserver};

/// The time for which the thread collects lines, so that senders need not wake it for each line. Measured: with 5 ms an
/// idle machine entered a deeper sleep state, and a boot took a third longer.
const BATCH_PAUSE: Duration = Duration::from_millis(2);

/// Most lines that the thread takes before it reports dropped lines and flushes.
const BATCH_LINES_MAX: usize = 2_000;

/// Most lines that wait for the thread.
const QUEUE_LEN_MAX: usize = 10_000;

/// A line of an app's log.
#[derive(Debug)]
pub struct NodeLogLine {
    /// The time at which the line was written.
    pub at: SystemTime,
    /// The app; none: a request for a hostname that no app has.
    pub app: Option<AppName>,
    /// The source of the line.
    pub source: AppLogSource,
    /// The text, without a line's end.
    pub text: String,
}

/// Takes log lines on the queue's thread.
pub trait NodeLogWriter: Send + 'static {
    /// Takes a line. It may wait in a buffer until [`flush`](NodeLogWriter::flush).
    fn write_line(&mut self, line: NodeLogLine);

    /// Writes out the buffered lines. Called after each batch of lines.
    ///
    /// # Errors
    /// The write error.
    fn flush(&mut self) -> io::Result<()>;
}

/// Numbers of dropped lines, by app.
type DroppedLines = Arc<Mutex<BTreeMap<Option<AppName>, u64>>>;

/// The sending end of the queue. Clones lead to the same queue.
#[derive(Clone)]
pub(crate) struct LogQueue {
    entries: SyncSender<QueueEntry>,
    dropped: DroppedLines,
}

enum QueueEntry {
    Line(NodeLogLine),
    /// The thread ends here.
    End,
}

/// The thread behind a queue. The thread ends by itself when the last [`LogQueue`] is gone.
pub(crate) struct LogThread {
    entries: SyncSender<QueueEntry>,
    thread: JoinHandle<()>,
}

impl LogThread {
    /// Waits until all lines that were sent so far are written. Later ones are dropped.
    pub(crate) fn finish(self) {
        let _ = self.entries.send(QueueEntry::End);
        let _ = self.thread.join();
    }
}

/// Starts the thread (`logs`).
pub(crate) fn start_log_thread(
    writer: Box<dyn NodeLogWriter>,
    observer: SharedObserver,
) -> io::Result<(LogQueue, LogThread)> {
    let (entries, received) = sync_channel(QUEUE_LEN_MAX);
    let dropped = DroppedLines::default();
    let mut pump = LogPump {
        writer,
        observer,
        dropped: Arc::clone(&dropped),
        is_failing: false,
    };
    let thread = std::thread::Builder::new()
        .name("logs".into())
        .spawn(move || pump.run(&received))?;
    let queue = LogQueue {
        entries: entries.clone(),
        dropped,
    };
    Ok((queue, LogThread { entries, thread }))
}

impl LogQueue {
    fn send(&self, line: NodeLogLine) {
        let Err(refused) = self.entries.try_send(QueueEntry::Line(line)) else {
            return;
        };
        let (TrySendError::Full(entry) | TrySendError::Disconnected(entry)) = refused;
        if let QueueEntry::Line(line) = entry {
            *self.dropped.lock().entry(line.app).or_default() += 1;
        }
    }

    fn send_now(&self, app: AppName, source: AppLogSource, text: String) {
        self.send(NodeLogLine {
            at: SystemTime::now(),
            app: Some(app),
            source,
            text,
        });
    }

    /// A sink for the lines of guests.
    pub(crate) fn dyno_sink(&self) -> dyno::LogSink {
        let queue = self.clone();
        Arc::new(move |line: dyno::LogLine| {
            let source = match line.source {
                dyno::LogSource::App(dyno) => AppLogSource::App(dyno),
                dyno::LogSource::Dyno(dyno) => AppLogSource::Dyno(dyno),
            };
            queue.send_now(line.app, source, line.text);
        })
    }

    /// A sink for the record of each request.
    pub(crate) fn router_sink(&self) -> router::AccessLogSink {
        let queue = self.clone();
        Arc::new(move |record: &router::AccessRecord| {
            queue.send(NodeLogLine {
                at: record.at,
                app: record.app.clone(),
                source: AppLogSource::Router,
                text: record.line(),
            });
        })
    }

    /// Takes an event of the control plane.
    pub(crate) fn send_control_event(&self, event: control::LogEvent) {
        let app = event.app.clone();
        let line = control::logs::AppLogLine::from_event(event, SystemTime::now());
        self.send_now(app, line.source, line.text);
    }
}

/// The thread's work: from the queue to the writer.
struct LogPump {
    writer: Box<dyn NodeLogWriter>,
    observer: SharedObserver,
    dropped: DroppedLines,
    /// Whether the last flush failed.
    is_failing: bool,
}

impl LogPump {
    fn run(&mut self, entries: &Receiver<QueueEntry>) {
        while let Ok(QueueEntry::Line(first)) = entries.recv() {
            self.writer.write_line(first);
            let (count, has_ended) = self.write_batch(entries);
            self.report_dropped_lines();
            self.flush();
            if has_ended {
                return;
            }
            if count < BATCH_LINES_MAX {
                std::thread::sleep(BATCH_PAUSE);
            }
        }
    }

    /// Writes the lines that wait; returns how many, and whether the queue's end was among them.
    fn write_batch(&mut self, entries: &Receiver<QueueEntry>) -> (usize, bool) {
        for count in 0..BATCH_LINES_MAX {
            match entries.try_recv() {
                Ok(QueueEntry::Line(line)) => self.writer.write_line(line),
                Ok(QueueEntry::End) => return (count, true),
                Err(_) => return (count, false),
            }
        }
        (BATCH_LINES_MAX, false)
    }

    /// Writes into each app's log how many of its lines were dropped.
    fn report_dropped_lines(&mut self) {
        let dropped = std::mem::take(&mut *self.dropped.lock());
        for (app, lines) in dropped {
            self.writer.write_line(NodeLogLine {
                at: SystemTime::now(),
                app,
                source: AppLogSource::Api,
                text: format!("{} -> {lines} lines were dropped", Fault::TailOverflow),
            });
        }
    }

    /// Flushes, and tells the observer when writing begins to fail or works again.
    fn flush(&mut self) {
        match self.writer.flush() {
            Err(error) if !self.is_failing => {
                self.observer.on_event(NodeEvent::LogWriteFailed(error));
                self.is_failing = true;
            }
            Ok(()) if self.is_failing => {
                self.observer.on_event(NodeEvent::LogWriteRecovered);
                self.is_failing = false;
            }
            _ => {}
        }
    }
}

/// Writes lines into the apps' logs of a server.
pub(crate) struct AppLogWriter(pub(crate) control::logs::AppLogs);

impl NodeLogWriter for AppLogWriter {
    fn write_line(&mut self, line: NodeLogLine) {
        let NodeLogLine {
            at,
            app,
            source,
            text,
        } = line;
        if let Some(app) = app {
            self.0
                .append_line(&app, control::logs::AppLogLine { at, source, text });
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.write_queued_lines()
    }
}
