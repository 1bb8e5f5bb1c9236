//! Plain tables: columns that line up on a terminal, bars in Markdown.

use bowline::change::markdown;
use comfy_table::{ContentArrangement, Table, presets};

use super::super::options::Style;

/// Rows under headings. Cells are plain text: what a source said is cleaned of control characters here.
pub fn table(style: Style, headings: &[&str], rows: &[Vec<String>]) -> String {
    if style.markdown {
        return markdown_table(headings, rows);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(style.width).unwrap_or(u16::MAX));
    table.set_header(headings.iter().map(|heading| comfy_table::Cell::new(heading).add_attribute(comfy_table::Attribute::Bold)));
    if style.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| markdown::one_line(cell)));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

fn markdown_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", headings.join(" | "), "---|".repeat(headings.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| if cell.is_empty() { String::new() } else { markdown::code(cell) }).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}
