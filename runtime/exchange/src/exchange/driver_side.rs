//! The driver's side of an exchange: what to do with a running call.

use std::sync::Arc;
use std::task::Context;

use grid::protocol::Refusal;
use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::{CallOrders, Exchange, ExchangeState, register_waker, wake_all};
use crate::limits::SPILL_AFTER;
use crate::reader_rate::ReaderVerdict;

impl Exchange {
    /// The current orders for the driver. The driver is woken when they change.
    pub fn orders(self: &Arc<Self>, cx: &Context<'_>) -> CallOrders {
        let mut state = self.lock();
        register_waker(&mut state.driver, cx);
        let mut verdict = match state.discards_data() {
            true => ReaderVerdict::NotWaiting,
            false => state.reader_rate.judge(),
        };
        if let ReaderVerdict::FastEnoughUntil(deadline) = &mut verdict {
            match state.begin_spill() {
                Some(job) => {
                    self.spawn_write(job);
                    verdict = ReaderVerdict::NotWaiting;
                }
                // The driver comes back when the response may go to disk.
                None => *deadline = (*deadline).min(state.spill_time().unwrap_or(*deadline)),
            }
        }
        let orders = CallOrders {
            kill: state.kill,
            is_abandoned: state.has_unread_body
                || (state.is_client_gone && state.is_ended_by_client()),
            is_answered: state.end.is_some(),
            judge_reader_at: match verdict {
                ReaderVerdict::FastEnoughUntil(deadline) => Some(deadline),
                ReaderVerdict::NotWaiting | ReaderVerdict::TooSlow => None,
            },
        };
        if verdict == ReaderVerdict::TooSlow {
            self.cut_slow_reader(state);
        }
        orders
    }

    /// The call has ended: nothing more will come from the guest. A response that is not complete is broken off.
    pub fn close(&self) {
        self.end_with(|state| match state.has_begun {
            true => Refusal::Interrupted,
            false => Refusal::NoResponse,
        });
    }

    /// Cuts off a client that reads too slowly (H28). The guest goes on, and its output is discarded.
    fn cut_slow_reader(&self, mut state: MutexGuard<'_, ExchangeState>) {
        state.end = Some(Err(Refusal::ClientIdle));
        state.buffer.clear();
        let cut_reader = state.cut_reader.take();
        let wakers = [state.reader.take(), state.writer.take(), None];
        drop(state);
        wake_all(wakers);
        if let Some(cut_reader) = cut_reader {
            cut_reader.cut();
        }
    }
}

impl ExchangeState {
    /// Whether the client's leaving has ended the response, or will end it. A response that has ended in another way,
    /// well or badly, has ended before the client left.
    fn is_ended_by_client(&self) -> bool {
        match self.end {
            None => true,
            Some(Ok(())) => false,
            Some(Err(refusal)) => matches!(
                refusal,
                Refusal::ClientInterrupted | Refusal::ClientIdle | Refusal::ForcedClose
            ),
        }
    }

    /// When the response may go to disk, if it may not yet.
    fn spill_time(&self) -> Option<Instant> {
        let remaining = SPILL_AFTER.checked_sub(self.reader_rate.waited())?;
        (!remaining.is_zero()).then(|| Instant::now() + remaining)
    }
}
