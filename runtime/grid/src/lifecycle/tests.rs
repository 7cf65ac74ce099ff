//! Tests of the states of a dyno.

use super::*;

#[test]
fn a_change_reads_as_users_know_it() {
    let line = text(State::Starting, next(State::Starting, Event::Ready));
    assert_eq!(line.as_deref(), Some("State changed from starting to up"));
    assert_eq!(text(State::Up, State::Up), None);
}

#[test]
fn every_event_is_harmless_twice() {
    for state in State::ALL {
        for event in Event::ALL {
            let once = next(state, event);
            assert_eq!(next(once, event), once, "{state} {event:?}");
        }
    }
}

#[test]
fn only_a_start_revives_and_only_readiness_serves() {
    for state in State::ALL {
        for event in Event::ALL {
            let after = next(state, event);
            if !state.lives() && after.lives() {
                assert_eq!(event, Event::Start, "{state} {event:?}");
            }
            if state == State::Starting && after.serves() {
                assert!(matches!(event, Event::Ready | Event::Sleep), "{event:?}");
            }
        }
    }
}

#[test]
fn what_drains_never_serves_again() {
    for event in Event::ALL {
        assert!(!next(State::Draining, event).lives(), "{event:?}");
    }
}
