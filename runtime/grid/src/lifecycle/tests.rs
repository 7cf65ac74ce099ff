//! Tests of the dyno states and their transitions.

use super::*;

#[test]
fn a_state_change_prints_as_in_log_lines() {
    let line = describe_change(
        DynoState::Starting,
        next_state(DynoState::Starting, Event::Ready),
    );
    assert_eq!(line.as_deref(), Some("State changed from starting to up"));
    assert_eq!(describe_change(DynoState::Up, DynoState::Up), None);
}

#[test]
fn repeated_events_do_not_change_the_state() {
    for state in DynoState::ALL {
        for event in Event::ALL {
            let once = next_state(state, event);
            assert_eq!(next_state(once, event), once, "{state} {event:?}");
        }
    }
}

#[test]
fn only_a_start_revives_a_dyno_and_only_readiness_makes_it_serve() {
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
fn a_draining_dyno_never_serves_again() {
    for event in Event::ALL {
        assert!(
            !next_state(DynoState::Draining, event).is_alive(),
            "{event:?}"
        );
    }
}
