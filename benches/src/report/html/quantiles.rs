//! Charts of the quantiles of one quantity, such as latency p50, p99 and p99.9: dots on a line for each subject. The
//! axis is logarithmic, since a tail may be a thousand times the median.

use std::fmt::Write;

use super::charts::{Chart, Whose, card};
use super::escape;
use crate::report::document::{Figure, ScenarioOutcome};
use crate::report::text::number;

/// Suffixes of the names of quantiles, and the label of each.
const ENDINGS: [&str; 8] = [
    "mean", "median", "p50", "p90", "p95", "p99", "p99.9", "longest",
];

/// The common prefix of the names of all quantiles of one quantity; may be empty. `None` if `name` is not the name of a
/// quantile.
pub(super) fn group(name: &str) -> Option<String> {
    let (before, last) = name.rsplit_once(' ').unwrap_or(("", name));
    let is = ENDINGS.contains(&last);
    is.then(|| before.trim_end_matches([',', ':']).to_owned())
}

/// The chart of a group.
pub(super) fn chart(outcome: &ScenarioOutcome, group_name: &str, names: &[&str]) -> Chart {
    let same = |name: &&&str| group(name).as_deref() == Some(group_name);
    let names: Vec<&str> = names.iter().filter(same).copied().collect();
    let figures = outcome.figures.iter();
    let figures: Vec<&Figure> = figures
        .filter(|figure| names.contains(&&*figure.name))
        .collect();
    let unit = figures.first().map_or("", |figure| figure.unit);
    let axis = Axis::of(&figures);
    let mut inside = String::new();
    for subject in crate::report::text::distinct(figures.iter().map(|figure| &*figure.subject)) {
        let own: Vec<&Figure> = figures
            .iter()
            .filter(|figure| figure.subject == subject)
            .copied()
            .collect();
        inside += &render_row(subject, &own, &axis);
    }
    inside += &axis.ticks(unit);
    let endings: Vec<&str> = names.iter().map(|name| last_word(name)).collect();
    let gated = figures.iter().any(|figure| figure.gate.is_some());
    let gate = "<span><i class=\"key bound\"></i>gate</span>";
    let _ = write!(
        inside,
        "<div class=\"legend\"><span>from left to right: {}; logarithmic</span>{}</div>",
        escape(&endings.join(", ")),
        if gated { gate } else { "" }
    );
    let title = match group_name {
        "" => "how long",
        named => named,
    };
    card("wide quantiles", title, "", &inside)
}

fn last_word(name: &str) -> &str {
    name.rsplit_once(' ').map_or(name, |(_, last)| last)
}

fn render_row(subject: &str, figures: &[&Figure], axis: &Axis) -> String {
    let class = Whose::of(subject).class();
    let values: Vec<f64> = figures.iter().map(|figure| figure.spread.median).collect();
    let places: Vec<f64> = values
        .iter()
        .filter_map(|value| axis.place(*value))
        .collect();
    let mut track = axis.grid();
    let first = places.iter().copied().reduce(f64::min);
    let last = places.iter().copied().reduce(f64::max);
    if let (Some(first), Some(last)) = (first, last) {
        let width = last - first;
        let _ = write!(
            track,
            "<i class=\"span\" style=\"left:{first:.2}%;width:{width:.2}%\"></i>"
        );
    }
    for figure in figures {
        let most = figure.gate.and_then(|gate| gate.at_most);
        if let Some(place) = most.and_then(|most| axis.place(most)) {
            let title = format!("gate of {}", figure.name);
            let title = escape(&title);
            let _ = write!(
                track,
                "<i class=\"bound\" style=\"left:{place:.2}%\" title=\"{title}\"></i>"
            );
        }
    }
    for (index, (figure, place)) in figures.iter().zip(&places).enumerate() {
        let shade = index.min(3);
        let title = format!(
            "{}: {}",
            figure.name,
            format_value(figure.spread.median, figure.unit)
        );
        let _ = write!(
            track,
            "<i class=\"dot d{shade}\" style=\"left:{place:.2}%\" title=\"{}\"></i>",
            escape(&title)
        );
    }
    let shown = figures
        .iter()
        .map(|figure| format_value(figure.spread.median, figure.unit));
    let shown: Vec<String> = shown.collect();
    format!(
        "<div class=\"row {class}\"><span class=\"name\">{}</span><span class=\"track\">{track}</span>\
         <span class=\"value\">{}</span></div>\n",
        escape(subject),
        escape(&shown.join(" · "))
    )
}

/// A logarithmic axis over all positive values.
struct Axis {
    /// The ends of the axis, as powers of ten.
    from: f64,
    to: f64,
}

impl Axis {
    /// Most decades that are shown: smaller values are drawn at the left end.
    const DECADES_MAX: f64 = 7.0;

    fn of(figures: &[&Figure]) -> Axis {
        let most = |figure: &Figure| figure.gate.and_then(|gate| gate.at_most);
        let values = figures.iter().map(|figure| figure.spread.median);
        let values = values.chain(figures.iter().filter_map(|figure| most(figure)));
        let logs: Vec<f64> = values
            .filter(|value| *value > 0.0)
            .map(f64::log10)
            .collect();
        let to = logs
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
            .ceil();
        let from = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        if !to.is_finite() || !from.is_finite() {
            return Axis { from: 0.0, to: 1.0 };
        }
        let to = to.max(from + 1.0);
        Axis {
            from: from.max(to - Axis::DECADES_MAX),
            to,
        }
    }

    /// The position of a value, in per cent of the width. `None` if the value is not a number.
    fn place(&self, value: f64) -> Option<f64> {
        let log = if value > 0.0 {
            value.log10()
        } else {
            self.from
        };
        let share = (log - self.from) / (self.to - self.from) * 100.0;
        (!value.is_nan()).then(|| share.clamp(0.0, 100.0))
    }

    fn decades(&self) -> impl Iterator<Item = (f64, f64)> {
        let (from, width) = (self.from, self.to - self.from);
        (0..=width as i32).map(move |index| {
            let place = f64::from(index) / width * 100.0;
            (place, 10_f64.powf(from + f64::from(index)))
        })
    }

    fn grid(&self) -> String {
        let lines = self.decades();
        let lines =
            lines.map(|(place, _)| format!("<i class=\"grid\" style=\"left:{place:.2}%\"></i>"));
        lines.collect()
    }

    fn ticks(&self, unit: &str) -> String {
        let mut text = String::from("<div class=\"row\"><span></span><span class=\"ticks\">");
        for (place, value) in self.decades() {
            let label = escape(&format_value(value, unit));
            let _ = write!(text, "<span style=\"left:{place:.2}%\">{label}</span>");
        }
        text + "</span><span></span></div>\n"
    }
}

/// Formats a time in the unit that gives few digits. Values in other units keep their unit.
fn format_value(value: f64, unit: &str) -> String {
    let units = ["µs", "ms", "s"];
    let Some(mut index) = units.iter().position(|own| *own == unit) else {
        return format!("{} {unit}", number(value)).trim_end().to_owned();
    };
    let mut value = value;
    while value >= 1_000.0 && index + 1 < units.len() {
        value /= 1_000.0;
        index += 1;
    }
    let digits = match value {
        large if large >= 99.95 => 0,
        middle if middle >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text} {}", units[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_recognized_by_their_names() {
        assert_eq!(group("latency p99.9").as_deref(), Some("latency"));
        assert_eq!(
            group("50 dynos: wait, mean").as_deref(),
            Some("50 dynos: wait")
        );
        assert_eq!(group("p50").as_deref(), Some(""));
        assert_eq!(group("latency p50 of the long ones"), None);
        assert_eq!(group("CPU"), None);
    }

    #[test]
    fn times_are_printed_with_few_digits() {
        let shown =
            [0.0, 1.0, 12.5, 999.0, 1_768.0, 1_023_410.0].map(|value| format_value(value, "µs"));
        assert_eq!(
            shown,
            ["0 µs", "1 µs", "12.5 µs", "999 µs", "1.77 ms", "1.02 s"]
        );
        assert_eq!(format_value(12_345.0, "s"), "12345 s");
        assert_eq!(format_value(5.0, "MiB"), "5.00 MiB");
    }

    #[test]
    fn an_axis_holds_all_values() {
        let axis = Axis { from: 1.0, to: 3.0 };
        let places = [0.0, 10.0, 100.0, 1e9].map(|value| axis.place(value));
        assert_eq!(places, [Some(0.0), Some(0.0), Some(50.0), Some(100.0)]);
        assert_eq!(axis.place(f64::NAN), None);
    }
}
