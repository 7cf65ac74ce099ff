//! Numbers and names as people read them: the same in tables, in charts and in comparisons.

use crate::report::document::{Figure, FigureGate};
use crate::report::statistics::SampleSpread;

/// Three digits or more, no more than two behind the point.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "—".to_owned(),
        small if small < 9.995 => format!("{value:.2}"),
        middle if middle < 99.95 => format!("{value:.1}"),
        _ => with_thousands_separators(value.round() as i64),
    }
}

/// A value of a figure: a count has nothing behind the point.
pub(crate) fn value(figure: &Figure, value: f64) -> String {
    let counted = figure.unit.is_empty() && figure.samples.iter().all(|one| one.fract() == 0.0);
    match counted && value.fract() == 0.0 {
        true => with_thousands_separators(value as i64),
        false => number(value),
    }
}

/// A bound, which somebody chose: as few digits as it has.
pub(crate) fn bound(value: f64) -> String {
    if value.abs() < 1_000.0 {
        value.to_string()
    } else {
        number(value)
    }
}

/// `≤ 3` or `≥ 4`.
pub(crate) fn gate(gate: FigureGate) -> String {
    match (gate.at_most, gate.at_least) {
        (Some(most), _) => format!("≤ {}", bound(most)),
        (None, Some(least)) => format!("≥ {}", bound(least)),
        (None, None) => String::new(),
    }
}

/// How a gate came out.
pub(crate) fn verdict(gate: FigureGate) -> &'static str {
    match gate {
        FigureGate { held: true, .. } => "ok",
        FigureGate {
            at_least: Some(_), ..
        } => "TOO LITTLE",
        _ => "TOO MUCH",
    }
}

/// The spread of samples around their median, in per cent: half of the distance between the smallest and the largest.
/// `None` for a single sample, or for a median of 0.
pub(crate) fn spread_percent(figure: &Figure) -> Option<f64> {
    let SampleSpread { median, min, max } = figure.spread;
    let some = figure.samples.len() > 1 && median != 0.0;
    let percent = (max - min) / 2.0 / median.abs() * 100.0;
    (some && percent.is_finite()).then_some(percent)
}

/// `10.1 ±3%`
pub(crate) fn with_spread(figure: &Figure) -> String {
    let median = value(figure, figure.spread.median);
    match spread_percent(figure) {
        Some(percent) => format!("{median} ±{percent:.0}%"),
        None => median,
    }
}

/// A figure's name with its unit, unless that says nothing.
pub(crate) fn titled(name: &str, unit: &str) -> String {
    if unit.is_empty() || unit == "×" {
        name.to_owned()
    } else {
        format!("{name}, {unit}")
    }
}

/// Removes repeated names; keeps the order in which names first appear.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn with_thousands_separators(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_with_at_least_three_digits() {
        let shown = [
            0.0,
            1.234,
            9.999,
            12.34,
            99.99,
            123.4,
            12_345.6,
            -1_234_567.0,
            f64::NAN,
        ]
        .map(number);
        assert_eq!(
            shown,
            [
                "0.00",
                "1.23",
                "10.0",
                "12.3",
                "100",
                "123",
                "12,346",
                "-1,234,567",
                "—"
            ]
        );
        assert_eq!([3.0, 1.15, 1_000.0].map(bound), ["3", "1.15", "1,000"]);
    }
}
