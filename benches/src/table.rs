//! A report as text: one table a scenario, in Markdown, a column a server, a row a figure.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{Cell, CellAlignment, Table};

use crate::report::{Figure, Outcome, Report};

/// What stands above the tables.
pub(crate) fn machine(report: &Report) -> String {
    let (machine, dyno) = (&report.machine, &report.dyno);
    format!(
        "{}: {} (built {}), {} × {}, {} GiB, Linux {} on {}",
        report.at,
        dyno.says,
        dyno.built,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.architecture
    )
}

/// One scenario.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    let subjects = distinct(outcome.figures.iter().map(|figure| &*figure.subject));
    let rows = distinct(outcome.figures.iter().map(|figure| &*figure.name));
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let title = Cell::new(&outcome.scenario);
    table.set_header(std::iter::once(title).chain(subjects.iter().map(Cell::new)));
    for name in rows {
        let of = |subject: &str| {
            let same = |figure: &&Figure| figure.name == name && figure.subject == subject;
            outcome.figures.iter().find(same)
        };
        let unit = subjects
            .iter()
            .find_map(|subject| of(subject))
            .map(|figure| figure.unit);
        let cells = subjects
            .iter()
            .map(|subject| of(subject).map_or_else(String::new, cell));
        let cells = cells.map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
        let title = Cell::new(titled(name, unit.unwrap_or_default()));
        table.add_row(std::iter::once(title).chain(cells));
    }
    let load = outcome.load_before;
    let mut text = format!("\n{}\n{table}\n", outcome.how);
    text += &format!("load average before: {load:.2}; cells: median (min–max) of the repeats\n");
    for command in &outcome.commands {
        text += &format!("  {command}\n");
    }
    text
}

fn titled(name: &str, unit: &str) -> String {
    if unit.is_empty() || unit == "×" {
        name.to_owned()
    } else {
        format!("{name}, {unit}")
    }
}

/// `10.1 (9.8–10.4) ≤ 15 ok`
fn cell(figure: &Figure) -> String {
    let spread = figure.spread;
    let mut text = number(spread.median);
    if figure.samples.len() > 1 {
        text += &format!(" ({}–{})", number(spread.min), number(spread.max));
    }
    if let Some(gate) = figure.gate {
        let verdict = if gate.held { "ok" } else { "TOO MUCH" };
        text += &format!("  ≤ {} {verdict}", number(gate.at_most));
    }
    text
}

/// Three digits or more, no more than two behind the point.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "—".to_owned(),
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => thousands(value.round() as i64),
    }
}

fn thousands(value: i64) -> String {
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

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Scenario;

    #[test]
    fn numbers_are_as_long_as_they_are_meant() {
        let shown = [0.0, 1.234, 12.34, 123.4, 12_345.6, -1_234_567.0, f64::NAN].map(number);
        assert_eq!(
            shown,
            ["0.00", "1.23", "12.3", "123", "12,346", "-1,234,567", "—"]
        );
    }

    #[test]
    fn a_table_has_a_column_for_each_server() {
        let mut found = Outcome::new(Scenario::Hello, "by a test");
        found.add("hyper", "cpu", "µs", vec![1.0, 2.0, 3.0]);
        found.add("dyno", "cpu", "µs", vec![4.0]).gate(3.0);
        found.add("dyno", "pss", "MiB", vec![4.0]);
        let text = outcome(&found);
        for part in [
            "hyper",
            "dyno",
            "cpu, µs",
            "2.00 (1.00–3.00)",
            "4.00  ≤ 3.00 TOO MUCH",
            "pss, MiB",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
