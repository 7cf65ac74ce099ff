//! The colours of dynos in logs: each dyno has the same colour in every log.

use anstyle::{AnsiColor, Style};

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
];

/// The style of a dyno's lines: `web.1` has the first colour, `web.2` the second.
pub(crate) fn of_dyno(process: &str, index: u32) -> Style {
    let sum = |name: &str| name.bytes().map(u32::from).sum::<u32>();
    let at = sum(process)
        .wrapping_sub(sum("web"))
        .wrapping_add(index.wrapping_sub(1));
    let colour = COLOURS[at as usize % COLOURS.len()];
    Style::new().fg_color(Some(colour.into()))
}

/// The style of lines that belong to no dyno.
pub(crate) fn of_the_rest() -> Style {
    Style::new().dimmed()
}
