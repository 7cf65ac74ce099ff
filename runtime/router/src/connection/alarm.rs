//! A deadline that may be set many times for the price of one timer.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// A deadline. Setting a later one costs nothing: the timer of the earlier one ends first, and is then set again.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    pub(crate) deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The timer will wake the task.
    is_registered: bool,
}

impl Alarm {
    /// Ready when the deadline has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if self.is_registered && !timer.is_elapsed() && timer.deadline() <= deadline {
            return Poll::Pending;
        }
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        self.is_registered = timer.as_mut().poll(cx).is_pending();
        if self.is_registered {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}
