//! Tests of the text forms.

use super::*;

#[test]
fn numbers_are_written_as_users_write_them() {
    assert_eq!(
        (
            format_memory(128 * MIB),
            format_memory(2 << 30),
            format_memory(1_000)
        ),
        ("128MiB".into(), "2GiB".into(), "1000B".into())
    );
    assert_eq!(format_duration(Duration::from_secs(90)), "1m30s");
    assert_eq!(format_duration(Duration::from_secs(1_800)), "30m");
    assert_eq!(format_hours(4_530), "1.2583");
    let prices = [
        (0, "0.00"),
        (150_000, "0.15"),
        (1, "0.000001"),
        (12_345_600, "12.3456"),
        (5_000_000, "5.00"),
    ];
    for (micros, text) in prices {
        assert_eq!(format_dollars(micros), text);
    }
}

#[test]
fn dates_and_times_are_read_and_written() {
    let day = parse_usage_time("2026-11-21").expect("a date");
    assert_eq!(format_usage_time(day), "2026-11-21T00:00:00Z");
    assert_eq!(
        parse_usage_time("2026-11-21T00:00:00+00:00").expect("a time"),
        day
    );
    assert_eq!(
        format_usage_time(start_of_month(day)),
        "2026-11-01T00:00:00Z"
    );
    for bad in [
        "",
        "yesterday",
        "2026-13-01",
        "2026-11-2x",
        "99999-01-01",
        "2026-02-30",
    ] {
        assert!(parse_usage_time(bad).is_err(), "{bad}");
    }
    assert_eq!(format_unix_millis(u64::MAX), "1970-01-01T00:00:00.000Z");
    assert_eq!(format_usage_time(Time::MAX), "9999-12-31T23:59:59Z");
}
