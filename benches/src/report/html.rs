//! A report as one HTML file, for people: no scripts, no external resources, light and dark. Must not know the subject
//! of a scenario: charts are chosen by the shape of its figures.

mod bars;
mod charts;
mod quantiles;

use std::fmt::Write;
use std::path::Path;

use crate::machine::description::MachineDescription;
use crate::report::comparison::{BeyondNoise, Comparison};
use crate::report::document::{BenchReport, Figure, FigureGate, ScenarioOutcome};
use crate::report::text::{self, distinct, titled, value};
use charts::Chart;

/// Charts of a scenario that are not collapsed: those of the figures that its author named first.
const CHARTS_OPEN: usize = 6;

/// The whole page.
pub(crate) fn page(report: &BenchReport, comparison: Option<&Comparison>) -> String {
    let mut body = head(report);
    body += &gates(report);
    for outcome in &report.outcomes {
        body += &section(outcome);
    }
    body += &comparison.map_or_else(String::new, changes);
    let title = escape(&report.dyno.says);
    let style = include_str!("html/style.css");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Benches of {title}</title>\n<style>\n{style}</style>\n<main>\n{body}</main>\n</html>\n"
    )
}

/// Escapes text for HTML elements and attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            other => escaped.push(other),
        }
    }
    escaped
}

fn head(report: &BenchReport) -> String {
    let MachineDescription {
        cores,
        processor,
        memory_gib,
        kernel,
        architecture,
    } = &report.machine;
    let dyno = &report.dyno;
    let facts = [
        ("measured", report.at.clone()),
        ("binary built", dyno.built.clone()),
        (
            "machine",
            format!("{cores} × {processor}, {memory_gib} GiB"),
        ),
        ("system", format!("Linux {kernel} on {architecture}")),
        ("arguments", arguments(report)),
    ];
    let mut text = format!(
        "<h1>Benches of {}</h1>\n<div class=\"facts\">",
        escape(&dyno.says)
    );
    for (name, fact) in facts {
        let _ = write!(text, "<span>{name} <b>{}</b></span>", escape(&fact));
    }
    text += "</div>\n<nav>";
    for outcome in &report.outcomes {
        let name = escape(&outcome.scenario);
        let _ = write!(text, "<a href=\"#{name}\">{name}</a>");
    }
    text + "</nav>\n"
}

/// Command-line arguments, with the names of files but without their folders, which only concern this machine.
fn arguments(report: &BenchReport) -> String {
    let short = report.arguments.iter().map(|word| {
        let path = Path::new(word);
        let name = path.file_name().filter(|_| path.is_absolute());
        name.map_or_else(|| word.clone(), |name| name.to_string_lossy().into_owned())
    });
    short.collect::<Vec<_>>().join(" ")
}

fn gates(report: &BenchReport) -> String {
    let (held, all) = report.gates();
    if all == 0 {
        return String::new();
    }
    let mut text = format!(
        "<h2>Gates</h2>\n<div class=\"card\"><div class=\"tally\"><b>{held} of {all}</b> held</div>\
         <div class=\"scroll\"><table><tr><th>gate<th><th>measured<th>bound<th>goal<th></tr>\n"
    );
    for (outcome, figure) in report.figures() {
        if let Some(gate) = figure.gate {
            text += &gate_row(outcome, figure, gate);
        }
    }
    text + "</table></div></div>\n"
}

fn gate_row(outcome: &ScenarioOutcome, figure: &Figure, gate: FigureGate) -> String {
    let class = if gate.held { "ok" } else { "bad" };
    let reached = match gate.reached(figure.spread.median) {
        Some(true) => " ✓",
        _ => "",
    };
    let goal = gate
        .goal
        .map_or_else(String::new, |goal| format!("{goal}{reached}"));
    format!(
        "<tr><td><a href=\"#{scenario}\">{scenario}</a> {subject}, {name}<td class=\"meter\">{meter}\
         <td>{measured}<td>{bound}<td>{goal}<td><span class=\"{class}\">{verdict}</span></tr>\n",
        scenario = escape(&outcome.scenario),
        subject = escape(&figure.subject),
        name = escape(&titled(&figure.name, figure.unit)),
        meter = bars::meter(figure, gate),
        measured = text::with_spread(figure),
        bound = text::gate(gate),
        verdict = text::verdict(gate).to_lowercase(),
    )
}

fn section(outcome: &ScenarioOutcome) -> String {
    let name = escape(&outcome.scenario);
    let mut text = format!(
        "<h2 id=\"{name}\">{name}</h2>\n<p>{}</p>\n",
        escape(&outcome.how)
    );
    let mut charts = charts::of(outcome);
    let more = charts.split_off(charts.len().min(CHARTS_OPEN));
    // Wide charts first, so that the other charts fill rows.
    charts.sort_by_key(|chart| !chart.wide);
    let plain = if charts::plain(outcome) { " plain" } else { "" };
    let open = inside(&charts);
    text += &format!("<div class=\"cards{plain}\">\n{open}</div>\n");
    if !more.is_empty() {
        let more = inside(&more);
        let summary = "<summary>more charts</summary>";
        text +=
            &format!("<details>{summary}<div class=\"cards{plain}\">\n{more}</div></details>\n");
    }
    let table = table(outcome);
    let summary = "<summary>all figures</summary>";
    text += &format!("<details>{summary}<div class=\"card scroll\">{table}</div></details>\n");
    text + &servers(outcome)
}

fn inside(charts: &[Chart]) -> String {
    charts.iter().map(|chart| &*chart.html).collect()
}

/// A table of all figures of a scenario, a row for each subject.
fn table(outcome: &ScenarioOutcome) -> String {
    let subjects = distinct(outcome.figures.iter().map(|figure| &*figure.subject));
    let names = distinct(outcome.figures.iter().map(|figure| &*figure.name));
    let mut text = String::from("<table><tr><th>");
    for name in &names {
        let unit = outcome.figures.iter().find(|figure| figure.name == *name);
        let unit = unit.map_or("", |figure| figure.unit);
        let _ = write!(text, "<th>{}", escape(&titled(name, unit)));
    }
    text += "</tr>\n";
    for subject in subjects {
        let _ = write!(text, "<tr><td>{}", escape(subject));
        for name in &names {
            text += &outcome
                .figure(subject, name)
                .map_or_else(|| "<td>".to_owned(), cell);
        }
        text += "</tr>\n";
    }
    text + "</table>"
}

fn cell(figure: &Figure) -> String {
    let title = escape(&samples(figure));
    format!("<td title=\"{title}\">{}", text::with_spread(figure))
}

/// All samples of a figure, for the tooltip of its value.
fn samples(figure: &Figure) -> String {
    let samples = figure.samples.iter().map(|sample| value(figure, *sample));
    let samples: Vec<String> = samples.collect();
    format!(
        "{}: {} {}",
        figure.subject,
        samples.join(" · "),
        figure.unit
    )
}

fn servers(outcome: &ScenarioOutcome) -> String {
    let mut text = format!(
        "<details><summary>how it was run</summary><p>Load average before: {:.2}.</p>",
        outcome.load_before
    );
    if !outcome.commands.is_empty() {
        let commands = outcome.commands.join("\n");
        let _ = write!(text, "<pre>{}</pre>", escape(&commands));
    }
    text += "</details>\n";
    for skipped in &outcome.skipped {
        let _ = writeln!(text, "<p class=\"soft\">left out: {}</p>", escape(skipped));
    }
    text
}

/// The changes since an earlier run: those beyond the spread are open, the others are collapsed.
fn changes(comparison: &Comparison) -> String {
    let (beyond, all) = (comparison.beyond(), comparison.changes.len());
    let mut text = format!(
        "<h2>Against the run of {}</h2>\n<div class=\"card\"><div class=\"tally\"><b>{beyond} of {all}</b> figures have \
         changed beyond the spread: no sample of one run lies among those of the other</div>",
        escape(&comparison.at)
    );
    for warning in &comparison.warnings {
        let _ = write!(text, "<p class=\"soft\">{}</p>", escape(warning));
    }
    if beyond > 0 {
        text += &change_rows(comparison, |beyond| beyond == BeyondNoise::Yes);
    }
    text += "</div><details><summary>the others</summary><div class=\"card\">";
    text += &change_rows(comparison, |beyond| beyond != BeyondNoise::Yes);
    text + "</div></details>\n"
}

fn change_rows(comparison: &Comparison, of: impl Fn(BeyondNoise) -> bool) -> String {
    let head = "<th>figure<th>then<th>now<th>change<th>";
    let mut text = format!("<div class=\"scroll\"><table><tr>{head}</tr>\n");
    for change in comparison.changes.iter().filter(|change| of(change.beyond)) {
        let _ = writeln!(
            text,
            "<tr><td>{}: {}, {}<td>{}<td>{}<td>{}<td>{}</tr>",
            escape(&change.scenario),
            escape(&change.subject),
            escape(&change.figure),
            change.then,
            change.now,
            change.shown_percent(),
            change.mark()
        );
    }
    text + "</table></div>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Scenario;
    use crate::machine::description;
    use crate::product::binary::BinaryVersion;

    #[test]
    fn a_page_has_all_figures_and_loads_no_other_file() {
        let version = BinaryVersion {
            says: "dyno <0>".into(),
            built: "then".into(),
            bytes: 1,
        };
        let mut report = BenchReport::begin(description::describe(), version);
        let mut outcome = ScenarioOutcome::new(Scenario::Hello, "by a \"test\" & so on");
        for (subject, cpu) in [("hyper", 4.0), ("dyno web=4", 10.0), ("slow", 900.0)] {
            outcome.add(
                subject,
                "CPU per request",
                "µs",
                vec![cpu, cpu * 1.1, cpu * 1.2],
            );
            outcome.add(subject, "of that, user", "µs", vec![cpu / 2.0; 3]);
            outcome.add(subject, "of that, system", "µs", vec![cpu / 2.0; 3]);
            for (name, times) in [("latency p50", 1.0), ("latency p99", 5.0)] {
                outcome.add(subject, name, "µs", vec![cpu * times; 3]);
            }
            outcome.add(subject, "odd", "", vec![f64::NAN]);
        }
        outcome
            .add("dyno web=4", "alone", "×", vec![2.5])
            .gate(3.0)
            .goal(2.0);
        outcome
            .add("in all", "PSS", "MiB", vec![1.0, 2.0, 3.0])
            .series();
        outcome.skipped.push("Node: <none>".into());
        report.outcomes.push(outcome);
        let page = page(&report, None);
        for part in [
            "1 of 1",
            "dyno &lt;0&gt;",
            "&quot;test&quot; &amp; so on",
            "polyline",
            "Node: &lt;none&gt;",
            "user",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        for part in ["NaN", "http:", "https:", "<script", "inf%", "<none>"] {
            assert!(!page.contains(part), "{part} is in\n{page}");
        }
    }
}
