//! Tests of the states of a dyno.

use super::*;

#[test]
fn a_change_reads_as_users_know_it() {
    let line = describe_change(
        DynoState::Starting,
        next_state(DynoState::Starting, Event::Ready),
    );
    assert_eq!(line.as_deref(), Some("State changed from starting to up"));
    assert_eq!(describe_change(DynoState::Up, DynoState::Up), None);
}

#[test]
fn every_event_is_harmless_twice() {
    for state in DynoState::ALL {
        for event in Event::ALL {
            let once = next_state(state, event);
            assert_eq!(next_state(once, event), once, "{state} {event:?}");
        }
    }
}

#[test]
fn only_a_start_revives_and_only_readiness_serves() {
    for state in DynoState::ALL {
        for event in Event::ALL {
            let after = next_state(state, event);
            if !state.is_alive() && after.is_alive() {
                assert_eq!(event, Event::Start, "{state} {event:?}");
            }
            if state == DynoState::Starting && after.is_serving() {
                assert!(matches!(event, Event::Ready | Event::Sleep), "{event:?}");
            }
        }
    }
}

#[test]
fn what_drains_never_serves_again() {
    for event in Event::ALL {
        assert!(
            !next_state(DynoState::Draining, event).is_alive(),
            "{event:?}"
        );
    }
}
