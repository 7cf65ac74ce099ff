//! One test suite for all ledgers, and tests for single ones.
//!
//! Owns the promises of a ledger. Must not know how a ledger keeps them.

mod full;
mod kill;
mod places;
mod sqlite;
mod suite;

/// The whole suite for one kind of place.
macro_rules! suite {
    ($name:ident, $place:ty) => {
        mod $name {
            use crate::{places, suite};

            suite!(@ $place:
                entries_come_back_whole_and_in_order,
                pages_follow_on_each_other,
                of_contending_writers_one_gets_each_place,
                only_the_end_can_be_appended_to,
                a_watcher_hears_of_the_last_entry,
                a_ledger_that_was_closed_opens_as_it_was,
                a_large_entry_is_kept_and_a_larger_one_refused,
                an_append_that_nobody_waits_for_is_there_or_not,
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
