//! `poll_oneoff` for sockets and timers: waits without blocking the thread, and so no other guest on it.
//!
//! Lists without a socket are the engine's, except for a single timer. Must not know what sockets are.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wasmtime_wasi::p1::types::{
    self, Clockid, Errno, Error, EventFdReadwrite, Eventrwflags, Eventtype, Subclockflags,
    SubscriptionU,
};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::{GuestMemory, GuestPtr};

use crate::guest::preview1::sockets::{ModuleSockets, SocketOperation};
use crate::guest::preview1::state::Preview1;

/// The longest list that is searched for sockets; a longer one goes to the engine. It has room for both operations of
/// every socket, several times over.
const SUBSCRIPTIONS_MAX: u32 = 1_024;

/// The longest time that a timer is waited for. The module calls again after it.
const TIMER_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A subscription of a module.
struct Subscription {
    userdata: types::Userdata,
    event: AwaitedEvent,
}

/// The event of a subscription.
#[derive(Clone, Copy)]
enum AwaitedEvent {
    Timer(Instant),
    Socket(types::Fd, SocketOperation),
    /// An operation of a file or a standard stream. It counts as ready: the operation itself waits if needed.
    Other(SocketOperation),
}

impl Subscription {
    fn to_event(&self, result: Result<(), Errno>) -> types::Event {
        let operation_type = |operation| match operation {
            SocketOperation::Read => Eventtype::FdRead,
            SocketOperation::Write => Eventtype::FdWrite,
        };
        types::Event {
            userdata: self.userdata,
            error: result.err().unwrap_or(Errno::Success),
            type_: match self.event {
                AwaitedEvent::Timer(_) => Eventtype::Clock,
                AwaitedEvent::Socket(_, operation) | AwaitedEvent::Other(operation) => {
                    operation_type(operation)
                }
            },
            fd_readwrite: EventFdReadwrite {
                nbytes: 1,
                flags: Eventrwflags::empty(),
            },
        }
    }
}

impl Preview1 {
    /// Waits for the first events of a list. `None`: the list is for the engine.
    pub(super) async fn wait_for_events(
        &mut self,
        memory: &mut GuestMemory<'_>,
        list: GuestPtr<types::Subscription>,
        events: GuestPtr<types::Event>,
        len: types::Size,
    ) -> Result<Option<types::Size>, Error> {
        let Some(subscriptions) = self.read_list(memory, list, len)? else {
            return Ok(None);
        };
        let timers = subscriptions.iter().filter_map(|one| match one.event {
            AwaitedEvent::Timer(at) => Some(at),
            _ => None,
        });
        let ready = wait(&mut self.sockets, &subscriptions, timers.min()).await;
        let events = events.as_array(len);
        // There are at most as many events as subscriptions.
        let count = ready.len() as types::Size;
        for (event, place) in ready.into_iter().zip(events.iter()) {
            memory.write(place?, event)?;
        }
        Ok(Some(count))
    }

    /// Reads a list that has a socket, or consists of one timer that is relative to now. `None`: any other list.
    fn read_list(
        &mut self,
        memory: &mut GuestMemory<'_>,
        list: GuestPtr<types::Subscription>,
        len: types::Size,
    ) -> Result<Option<Vec<Subscription>>, Error> {
        if len == 0 || len > SUBSCRIPTIONS_MAX {
            return Ok(None);
        }
        let (mut subscriptions, mut has_socket) = (Vec::with_capacity(len as usize), false);
        for place in list.as_array(len).iter() {
            let one = memory.read(place?)?;
            let event = match one.u {
                SubscriptionU::Clock(clock) => {
                    let is_absolute = is_absolute(&clock);
                    if len == 1 && is_absolute {
                        return Ok(None);
                    }
                    AwaitedEvent::Timer(self.timer_end(memory, &clock)?)
                }
                SubscriptionU::FdRead(one) => {
                    awaited_operation(one.file_descriptor, SocketOperation::Read)
                }
                SubscriptionU::FdWrite(one) => {
                    awaited_operation(one.file_descriptor, SocketOperation::Write)
                }
            };
            has_socket |= matches!(event, AwaitedEvent::Socket(..));
            subscriptions.push(Subscription {
                userdata: one.userdata,
                event,
            });
        }
        let is_timer = matches!(
            &subscriptions[..],
            [Subscription {
                event: AwaitedEvent::Timer(_),
                ..
            }]
        );
        Ok((has_socket || is_timer).then_some(subscriptions))
    }

    /// The time at which a timer expires.
    fn timer_end(
        &mut self,
        memory: &mut GuestMemory<'_>,
        clock: &types::SubscriptionClock,
    ) -> Result<Instant, Error> {
        let nanoseconds = match (is_absolute(clock), clock.id) {
            (_, Clockid::ProcessCputimeId | Clockid::ThreadCputimeId) => {
                return Err(Errno::Inval.into());
            }
            (false, _) => clock.timeout,
            (true, id) => {
                let now = self.wasi.clock_time_get(memory, id, 0)?;
                clock.timeout.saturating_sub(now)
            }
        };
        Ok(Instant::now() + Duration::from_nanos(nanoseconds).min(TIMER_MAX))
    }
}

fn is_absolute(clock: &types::SubscriptionClock) -> bool {
    let absolute = Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME;
    clock.flags.contains(absolute)
}

fn awaited_operation(fd: types::Fd, operation: SocketOperation) -> AwaitedEvent {
    match ModuleSockets::owns(fd) {
        true => AwaitedEvent::Socket(fd, operation),
        false => AwaitedEvent::Other(operation),
    }
}

/// Waits until there is an event, or until `first_timer` expires.
async fn wait(
    sockets: &mut ModuleSockets,
    subscriptions: &[Subscription],
    first_timer: Option<Instant>,
) -> Vec<types::Event> {
    let timer = async {
        match first_timer {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let mut timer = pin!(timer);
    poll_fn(|cx| {
        let now = Instant::now();
        // The timer of the runtime rounds up to milliseconds: a list that only asks for the state would wait that long.
        let is_past = first_timer.is_some_and(|at| at <= now);
        let has_expired = is_past || timer.as_mut().poll(cx).is_ready();
        let events = subscriptions.iter().filter_map(|one| {
            let result = match one.event {
                AwaitedEvent::Timer(at) => (has_expired && at <= now).then_some(Ok(())),
                AwaitedEvent::Socket(fd, operation) => {
                    match sockets.poll_operation(fd, operation, cx) {
                        Poll::Ready(result) => Some(result),
                        Poll::Pending => None,
                    }
                }
                AwaitedEvent::Other(_) => Some(Ok(())),
            };
            Some(one.to_event(result?))
        });
        let events: Vec<types::Event> = events.collect();
        match events.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(events),
        }
    })
    .await
}
