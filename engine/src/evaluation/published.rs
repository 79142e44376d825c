//! Results that others published, or that a person wrote down: a table as `.csv`, a row a tokenizer or generator.
//!
//! Columns are known by their names in the first line, in any order: those of `assets/landscape.csv`. Others are
//! left alone. An empty cell says that nothing was printed.

use std::path::Path;

use crate::{EngineError, Result};

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Published {
    /// Its line in the file, from 1.
    pub line: usize,
    /// "tokenizer" or "generator"; "tokenizer" where the table does not say.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// The paper.
    pub paper: String,
    /// Where the row was read.
    pub source: String,
    /// The family, such as "vqgan".
    pub family: String,
    /// The benchmark.
    pub dataset: String,
    /// The first word says how near the row is to its source, the rest what to mind.
    pub note: String,
    /// Numbers, in the order of [`NUMBERS`].
    pub numbers: [Option<f64>; NUMBERS.len()],
}

/// The columns that hold numbers.
pub const NUMBERS: [&str; 16] = [
    "year",
    "resolution",
    "downsample",
    "tokens_per_image",
    "codebook_size",
    "code_dim",
    "bits_per_image",
    "bits_per_pixel",
    "codebook_usage_pct",
    "rfid",
    "psnr",
    "ssim",
    "lpips",
    "params_m",
    "gfid",
    "inception_score",
];
/// The columns that hold words.
const WORDS: [&str; 7] = ["kind", "name", "paper", "source", "family", "dataset", "note"];

impl Published {
    /// A number by the name of its column.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.numbers[NUMBERS.iter().position(|known| *known == column)?]
    }

    /// Bits per pixel: as printed, or those of the image over the square of the resolution.
    pub fn bits_per_pixel(&self) -> Option<f64> {
        let of_image = || {
            let side = self.number("resolution").filter(|side| *side > 0.0)?;
            Some(self.number("bits_per_image")? / (side * side))
        };
        self.number("bits_per_pixel").or_else(of_image)
    }

    /// How near the row is to its source: the first word of its note.
    pub fn standing(&self) -> &str {
        self.note.split([';', ' ', ',']).next().unwrap_or_default()
    }
}

/// Reads a table; `path` is for messages.
///
/// # Errors
/// [`EngineError::BadFile`] with line and column of what is wrong.
pub fn parse_published(text: &str, path: &Path) -> Result<Vec<Published>> {
    let bad = |line: usize, reason: String, hint: &str| {
        Err(EngineError::bad_file(path, format!("line {line}, {reason}"), hint))
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = rows(text);
    let Some((_, head)) = rows.next() else {
        return bad(1, "there is nothing".to_owned(), "the first line names the columns");
    };
    let head: Vec<String> = match cells(&head) {
        Some(cells) => cells.iter().map(|cell| cell.trim().to_lowercase()).collect(),
        None => return bad(1, "a quote is not closed".to_owned(), ""),
    };
    if let Some(twice) = head.iter().enumerate().find(|(at, name)| head[..*at].contains(name)) {
        return bad(1, format!("column {}: {} is there twice", twice.0 + 1, twice.1), "");
    }
    let is_rate = |name: &String| ["bits_per_pixel", "bits_per_image"].contains(&name.as_str());
    if !head.iter().any(|name| name == "name") || !head.iter().any(is_rate) {
        let hint = "a table of results has the columns name, bits_per_pixel, and psnr, ssim, lpips or rfid";
        return bad(1, "the columns name and bits_per_pixel are not both there".to_owned(), hint);
    }
    let mut found = Vec::new();
    for (line, text) in rows {
        if text.trim().is_empty() {
            continue;
        }
        let Some(cells) = cells(&text) else {
            return bad(line, "a quote is not closed".to_owned(), "");
        };
        if cells.len() != head.len() {
            let reason = format!("{} cells where the first line names {}", cells.len(), head.len());
            return bad(line, reason, "put cells with commas in quotes");
        }
        let mut row = Published { line, kind: "tokenizer".to_owned(), ..Published::default() };
        for (at, (name, cell)) in head.iter().zip(&cells).enumerate() {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            if let Some(number) = NUMBERS.iter().position(|known| known == name) {
                let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
                let Some(value) = value else {
                    let reason = format!("column {} ({name}): {cell:?} is no number", at + 1);
                    return bad(line, reason, "leave the cell empty where nothing was measured");
                };
                row.numbers[number] = Some(value);
            } else if WORDS.contains(&name.as_str()) {
                let word = match name.as_str() {
                    "kind" => &mut row.kind,
                    "name" => &mut row.name,
                    "paper" => &mut row.paper,
                    "source" => &mut row.source,
                    "family" => &mut row.family,
                    "dataset" => &mut row.dataset,
                    _ => &mut row.note,
                };
                cell.clone_into(word);
            }
        }
        found.push(row);
    }
    Ok(found)
}

/// Rows with the numbers of their first lines; a cell in quotes may go over several.
fn rows(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (number, line) = lines.next()?;
        let mut row = line.to_owned();
        while row.matches('"').count() % 2 == 1 {
            let Some((_, more)) = lines.next() else { break };
            row.push('\n');
            row.push_str(more);
        }
        Some((number + 1, row))
    })
}

/// The cells of a row; `None` if a quote is not closed.
pub(super) fn cells(row: &str) -> Option<Vec<String>> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = row.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    (!is_quoted).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_published(text, Path::new("mine.csv")).unwrap_err().to_string()
    }

    #[test]
    fn a_table_of_anybody_is_read_and_what_is_wrong_is_named_by_line_and_column() {
        let text =
            "\u{feff}Name,psnr,bits_per_pixel,mood\n\"ours, large\",31.5,0.2,good\n\nold,,2e-1,\n";
        let rows = parse_published(text, Path::new("mine.csv")).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].name.as_str(), rows[0].number("psnr")), ("ours, large", Some(31.5)));
        assert_eq!(
            (rows[1].line, rows[1].number("psnr"), rows[1].bits_per_pixel()),
            (4, None, Some(0.2))
        );
        let bad = refused("name,bits_per_pixel,psnr\na,0.1,20\nb,0.2,2O\n");
        assert!(
            bad.contains("mine.csv") && bad.contains("line 3, column 3 (psnr): \"2O\""),
            "{bad}"
        );
        assert!(refused("name,bits_per_pixel\na,nan\n").contains("line 2, column 2"));
        assert!(refused("name,bits_per_pixel\na\n").contains("line 2, 1 cells"));
        assert!(refused("name,bits_per_pixel,name\n").contains("twice"));
        assert!(refused("a,b\n").contains("bits_per_pixel"));
        assert!(refused("name,bits_per_pixel\n\"a,1\n").contains("quote"));
        assert!(refused("").contains("line 1"));
    }
}
