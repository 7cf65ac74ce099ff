//! Tables without borders, as wide as the terminal.

use comfy_table::{ContentArrangement, Table, presets};

/// Spaces between columns.
const GAP: u16 = 2;

/// A table with a heading for each column; without a last line's end.
pub(crate) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header)
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_and_nothing_trails() {
        let rows = [
            ["web.1".into(), "up".into()],
            ["worker.10".into(), "".into()],
        ];
        let text = super::table(["dyno", "state"], rows);
        assert_eq!(text, "dyno       state\nweb.1      up\nworker.10");
    }
}
