//! Colours by which the lines of dynos are told apart: the same in every log.

use anstyle::{AnsiColor, Style};

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
];

/// The look of a dyno's lines; `web.1` begins the row, `web.2` is next.
pub(crate) fn of_dyno(process: &str, index: u32) -> Style {
    let sum = |name: &str| name.bytes().map(u32::from).sum::<u32>();
    let at = sum(process)
        .wrapping_sub(sum("web"))
        .wrapping_add(index.wrapping_sub(1));
    let colour = COLOURS[at as usize % COLOURS.len()];
    Style::new().fg_color(Some(colour.into()))
}

/// The look of lines that are no dyno's.
pub(crate) fn of_the_rest() -> Style {
    Style::new().dimmed()
}
