//! A report as text: tables in Markdown, which a terminal shows as well.
//!
//! Few subjects have a column each, with a row for each figure; many have a row each, in as many
//! tables as the width asks for.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{Cell, CellAlignment, Color, Table};

use crate::report::comparison::{BeyondNoise, Comparison};
use crate::report::document::{BenchReport, Figure, ScenarioOutcome};
use crate::report::text::{distinct, gate, titled, value, verdict, with_spread};

/// Subjects that still have a column each.
const COLUMNS_MAX: usize = 5;
/// Characters of a line that most terminals show.
const WIDTH: usize = 120;
/// Characters of what stands between two columns.
const GAP: usize = 3;

/// The text above the tables.
pub(crate) fn machine(report: &BenchReport) -> String {
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
pub(crate) fn outcome(outcome: &ScenarioOutcome) -> String {
    let subjects = distinct(outcome.figures.iter().map(|figure| &*figure.subject));
    let mut text = format!("\n{}\n", folded(&outcome.how));
    let cells = if subjects.len() <= COLUMNS_MAX {
        text += &format!("{}\n", subjects_as_columns(outcome, &subjects));
        "median (min–max)"
    } else {
        for table in subjects_as_rows(outcome, &subjects) {
            text += &format!("{table}\n\n");
        }
        for figure in outcome.alone() {
            let title = titled(&figure.name, figure.unit);
            text += &format!("{}: {title}: {}\n", figure.subject, long(figure));
        }
        "median ± half of what lies between the ends"
    };
    let load = outcome.load_before;
    text += &format!("load average before: {load:.2}; cells: {cells} of the repeats\n");
    for skipped in &outcome.skipped {
        text += &format!("  left out: {skipped}\n");
    }
    for command in &outcome.commands {
        text += &format!("  {command}\n");
    }
    text
}

/// All gates of a report; nothing if it has none.
pub(crate) fn gates(report: &BenchReport) -> String {
    let mut table = table(["gate", "measured", "bound", "goal", ""]);
    for (outcome, figure) in report.figures() {
        let Some(bounds) = figure.gate else { continue };
        let goal = match (bounds.goal, bounds.reached(figure.spread.median)) {
            (Some(goal), Some(true)) => format!("{goal} reached"),
            (Some(goal), _) => format!("{goal} not yet"),
            (None, _) => String::new(),
        };
        let color = if bounds.held {
            Color::Green
        } else {
            Color::Red
        };
        let title = titled(&figure.name, figure.unit);
        table.add_row([
            Cell::new(format!("{}: {}, {title}", outcome.scenario, figure.subject)),
            right(with_spread(figure)),
            right(gate(bounds)),
            right(goal),
            Cell::new(verdict(bounds)).fg(color),
        ]);
    }
    if table.is_empty() {
        return String::new();
    }
    let (held, all) = report.gates();
    format!("\n{table}\n{held} of {all} gates held\n")
}

/// A run against an earlier one.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let mut table = table(["figure", "then", "now", "change", "beyond the spread"]);
    for change in &comparison.changes {
        let title = format!("{}: {}, {}", change.scenario, change.subject, change.figure);
        let mut mark = Cell::new(change.mark());
        if change.beyond == BeyondNoise::Yes {
            mark = mark.fg(Color::Yellow);
        }
        table.add_row([
            Cell::new(title),
            right(&change.then),
            right(&change.now),
            right(change.shown_percent()),
            mark,
        ]);
    }
    let mut text = format!("\nagainst the run of {}\n{table}\n", comparison.at);
    for warning in &comparison.warnings {
        text += &format!("note: {warning}\n");
    }
    let (beyond, all) = (comparison.beyond(), comparison.changes.len());
    text += &format!(
        "{beyond} of {all} figures have changed beyond the spread: no sample of one run lies among those of the other; \
         ?: a single sample\n"
    );
    text
}

/// A table with a column for each subject.
fn subjects_as_columns(outcome: &ScenarioOutcome, subjects: &[&str]) -> Table {
    let mut table = table(std::iter::once(&*outcome.scenario).chain(subjects.iter().copied()));
    for name in distinct(outcome.figures.iter().map(|figure| &*figure.name)) {
        let row: Vec<_> = subjects
            .iter()
            .map(|subject| outcome.figure(subject, name))
            .collect();
        let unit = row
            .iter()
            .find_map(|figure| figure.map(|figure| figure.unit));
        let cells = row
            .iter()
            .map(|figure| right(figure.map_or_else(String::new, long)));
        let title = Cell::new(titled(name, unit.unwrap_or_default()));
        table.add_row(std::iter::once(title).chain(cells));
    }
    table
}

/// Tables of limited width with a row for each subject, for figures that several subjects have.
fn subjects_as_rows(outcome: &ScenarioOutcome, subjects: &[&str]) -> Vec<Table> {
    let longest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max();
    let names: Vec<String> = subjects.iter().map(|&subject| subject.to_owned()).collect();
    let first = longest(&names).unwrap_or_default() + 2 * GAP;
    let (mut tables, mut columns, mut width) = (Vec::new(), Vec::new(), first);
    let alone: Vec<&str> = outcome.alone().map(|figure| &*figure.name).collect();
    let names_of_figures = distinct(outcome.figures.iter().map(|figure| &*figure.name));
    for name in names_of_figures
        .into_iter()
        .filter(|name| !alone.contains(name))
    {
        let figures: Vec<_> = subjects
            .iter()
            .map(|subject| outcome.figure(subject, name))
            .collect();
        let unit = figures
            .iter()
            .find_map(|figure| figure.map(|figure| figure.unit));
        let cells = figures
            .iter()
            .map(|figure| figure.map_or_else(String::new, short));
        let title = titled(name, unit.unwrap_or_default());
        let column: Vec<String> = std::iter::once(title).chain(cells).collect();
        let wide = longest(&column).unwrap_or_default() + GAP;
        if width + wide > WIDTH && !columns.is_empty() {
            tables.push(table_of_columns(outcome, &names, &columns));
            (columns, width) = (Vec::new(), first);
        }
        width += wide;
        columns.push(column);
    }
    tables.push(table_of_columns(outcome, &names, &columns));
    tables
}

fn table_of_columns(
    outcome: &ScenarioOutcome,
    subjects: &[String],
    columns: &[Vec<String>],
) -> Table {
    let titles = columns.iter().filter_map(|column| column.first());
    let mut table = table(std::iter::once(&outcome.scenario).chain(titles));
    for (index, subject) in subjects.iter().enumerate() {
        let cells = columns.iter().filter_map(|column| column.get(index + 1));
        let row = std::iter::once(Cell::new(subject)).chain(cells.map(right));
        table.add_row(row);
    }
    table
}

fn table(header: impl IntoIterator<Item = impl ToString>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        table.force_no_tty();
    }
    table.set_header(header.into_iter().map(Cell::new));
    table
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// `10.1 (9.8–10.4)  ≤ 15 ok`
fn long(figure: &Figure) -> String {
    let spread = figure.spread;
    let mut text = value(figure, spread.median);
    if figure.samples.len() > 1 {
        let (min, max) = (value(figure, spread.min), value(figure, spread.max));
        text += &format!(" ({min}–{max})");
    }
    if let Some(bounds) = figure.gate {
        text += &format!("  {} {}", gate(bounds), verdict(bounds));
    }
    text
}

/// `10.1 ±3% ok`
fn short(figure: &Figure) -> String {
    let gate = figure.gate.map(|gate| format!(" {}", verdict(gate)));
    with_spread(figure) + &gate.unwrap_or_default()
}

/// A long sentence in lines that a terminal shows.
fn folded(text: &str) -> String {
    let (mut folded, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            folded.push('\n');
            width = 0;
        } else if width > 0 {
            folded.push(' ');
            width += 1;
        }
        folded += word;
        width += length;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Scenario;

    fn assert_has(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn few_servers_have_a_column_each() {
        let mut found = ScenarioOutcome::new(Scenario::Hello, "by a test");
        found.add("hyper", "cpu", "µs", vec![1.0, 2.0, 3.0]);
        found.add("dyno", "cpu", "µs", vec![4.0]).gate(3.0);
        found.add("dyno", "pss", "MiB", vec![4.0]);
        let text = outcome(&found);
        let parts = [
            "hyper",
            "cpu, µs",
            "2.00 (1.00–3.00)",
            "4.00  ≤ 3 TOO MUCH",
            "pss, MiB",
        ];
        assert_has(&text, &parts);
    }

    #[test]
    fn many_servers_have_a_row_each_and_lines_are_short() {
        let mut found = ScenarioOutcome::new(Scenario::Hello, "word ".repeat(60));
        for server in ["a", "b", "c", "d", "e", "f"] {
            for figure in 0..12 {
                let name = format!("a figure with the number {figure}");
                found.add(server, &name, "µs", vec![1.0, 2.0, 3.0]);
            }
        }
        let text = outcome(&found);
        assert_has(
            &text,
            &["2.00 ±50%", "number 0, µs", "number 11, µs", "| f"],
        );
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(WIDTH), "{longest:?}\n{text}");
    }
}
