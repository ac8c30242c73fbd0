//! Rows for people, in columns as wide as what stands in them.

use comfy_table::{ContentArrangement, Table, presets};

/// The rows under their heads, a line each, without frames: fit to be read, cut and compared.
pub fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    table_of(heads, rows)
}

/// The same of columns that are chosen as it runs.
pub fn table_of<H: AsRef<str>, R: IntoIterator<Item = String>>(
    heads: impl IntoIterator<Item = H>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads.into_iter().map(|head| head.as_ref().to_uppercase())).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    lines.concat()
}
