//! Tables as CSV. Nothing but numbers and their heads: a line of remarks, such as `# 64 images`, is a row of the
//! table to spreadsheets, to R and to pandas unless they are told otherwise. What they are of stands in the file's
//! name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::document::{Column, Series, Table};

/// The text of a table.
pub fn csv(table: &Table) -> String {
    match table {
        Table::Map { values, columns } => map(values, (*columns).max(1)),
        Table::Columns(columns) => below_heads(columns),
        Table::Rows { heads, first, rows } => rows_below_heads(heads, first, rows),
        Table::Curves(curves) => by_step(curves),
    }
}

/// A line a row; one that ends early is filled up, so that all have as many values.
fn map(values: &Column, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..values.len().div_ceil(columns) {
        for column in 0..columns {
            let comma = if column == 0 { "" } else { "," };
            text.push_str(comma);
            text.push_str(&field(&values.text(row * columns + column)));
        }
        text.push('\n');
    }
    text
}

fn below_heads(columns: &[(String, Column)]) -> String {
    let heads: Vec<String> = columns.iter().map(|(head, _)| field(head)).collect();
    let mut text = heads.join(",") + "\n";
    let lines = columns.iter().map(|(_, column)| column.len()).max().unwrap_or(0);
    for line in 0..lines {
        let values: Vec<String> =
            columns.iter().map(|(_, column)| field(&column.text(line))).collect();
        text.push_str(&values.join(","));
        text.push('\n');
    }
    text
}

fn rows_below_heads(heads: &[String], first: &[String], rows: &[Arc<[f32]>]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| field(head)).collect();
    let mut text = heads.join(",") + "\n";
    for (at, row) in rows.iter().enumerate() {
        text.push_str(&field(first.get(at).map_or("", String::as_str)));
        for value in row.iter() {
            write!(text, ",{value}").unwrap_or_default();
        }
        text.push('\n');
    }
    text
}

fn by_step(curves: &[Series]) -> String {
    let mut lines: BTreeMap<u64, Vec<Option<f64>>> = BTreeMap::new();
    for (at, curve) in curves.iter().enumerate() {
        for (step, value) in &curve.points {
            lines.entry(*step).or_insert_with(|| vec![None; curves.len()])[at] = Some(*value);
        }
    }
    let mut text = "step".to_owned();
    for curve in curves {
        text.push(',');
        text.push_str(&field(&curve.name));
    }
    text.push('\n');
    for (step, values) in lines {
        text.push_str(&step.to_string());
        for value in values {
            text.push(',');
            if let Some(value) = value {
                write!(text, "{value}").unwrap_or_default();
            }
        }
        text.push('\n');
    }
    text
}

/// A value as it stands between commas (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::tokens::MASKED;

    #[test]
    fn every_line_has_as_many_values_and_no_count_is_rounded() {
        let codes = Column::Codes([1, 2, MASKED, 4].into());
        assert_eq!(csv(&Table::Map { values: codes, columns: 3 }), "1,2,\n4,,\n");
        // Not a float of 32 bits: that one would be 16777216.
        let counts = Column::Counts([16_777_217, 0].into());
        let table = Table::Columns(vec![
            ("code".to_owned(), Column::Codes([7, 8].into())),
            ("count, in all".to_owned(), counts),
        ]);
        assert_eq!(csv(&table), "code,\"count, in all\"\n7,16777217\n8,0\n");
    }

    #[test]
    fn curves_share_their_steps_and_where_one_has_no_value_it_is_empty() {
        let curve = |name: &str, points: &[(u64, f64)]| Series {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let curves = vec![curve("A", &[(0, 0.5), (10, 0.25)]), curve("B", &[(5, 1.0)])];
        assert_eq!(csv(&Table::Curves(curves)), "step,A,B\n0,0.5,\n5,,1\n10,0.25,\n");
    }
}
