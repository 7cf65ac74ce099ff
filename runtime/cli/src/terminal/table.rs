//! Tables and lists of details, without borders. On a terminal they are as wide as it; elsewhere nothing is cut.

use comfy_table::{ContentArrangement, Table, presets};

/// Spaces between columns.
const GAP: u16 = 2;
/// Spaces before the details of something.
const INDENT: u16 = 2;

/// A table with a heading for each column; without a last line's end.
pub(crate) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = plain();
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt()
}

/// A title, and below it a line for each name and value. Empty values are left out.
pub(crate) fn details<'n>(
    title: &str,
    rows: impl IntoIterator<Item = (&'n str, String)>,
) -> String {
    let mut table = plain();
    let said = rows.into_iter().filter(|(_, value)| !value.is_empty());
    table.add_rows(said.map(|(name, value)| [name.to_owned(), value]));
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding(if at == 0 { (INDENT, GAP) } else { (0, 0) });
    }
    format!("{title}\n{}", table.trim_fmt())
}

fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_without_trailing_spaces() {
        let rows = [
            ["web.1".into(), "up".into()],
            ["worker.10".into(), "".into()],
        ];
        let text = table(["dyno", "state"], rows);
        assert_eq!(text, "dyno       state\nweb.1      up\nworker.10");
    }

    #[test]
    fn details_are_aligned_below_their_title() {
        let rows = [
            ("url", "http://x/".into()),
            ("nothing", String::new()),
            ("release", "v3".into()),
        ];
        assert_eq!(
            details("shop", rows),
            "shop\n  url      http://x/\n  release  v3"
        );
    }
}
