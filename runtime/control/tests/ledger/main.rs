//! One suite for every kind of ledger, and further tests of the SQLite ledger.
//!
//! Owns the contract of a ledger. Must not know how a ledger is implemented.

mod cluster;
mod copies;
mod full;
mod jetstream;
mod kill;
mod lost_answers;
mod places;
mod proxy;
mod sqlite;
mod suite;
mod tls;

/// The whole suite for one kind of ledger.
macro_rules! suite {
    ($name:ident, $place:ty) => {
        mod $name {
            use crate::{places, suite};

            suite!(@ $place:
                entries_come_back_whole_and_in_order,
                pages_follow_each_other_without_gaps,
                concurrent_writers_never_share_a_sequence_number,
                an_append_at_any_other_position_than_the_end_is_a_conflict,
                a_watcher_sees_the_last_entry,
                a_reopened_ledger_has_all_entries,
                a_large_entry_is_kept_and_a_larger_one_refused,
                a_dropped_append_is_stored_whole_or_not_at_all,
            );
        }
    };
    (@ $place:ty: $($case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                suite::$case(&<$place>::default()).await;
            }
        )*
    };
}

suite!(in_memory, places::InMemory);
suite!(in_sqlite, places::InSqlite);
suite!(in_old_jetstream, places::InOldJetStream);
suite!(in_new_jetstream, places::InNewJetStream);
