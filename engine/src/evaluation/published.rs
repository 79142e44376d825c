//! Results that others published, or that a person wrote down: a table as `.csv`, a row a tokenizer or generator.
//!
//! Columns are known by their names in the first line, in any order: those of `assets/landscape.csv`. Others are
//! left alone. An empty cell says that nothing was printed.

use std::collections::HashMap;
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
    /// Between what each of these lies, where others measured the same checkpoint again: see [`Published::reach`].
    reach: [Option<(f64, f64)>; NUMBERS.len()],
}

/// What tells one checkpoint from another in a table: kind, name without what stands behind it in brackets, benchmark,
/// and the bits of resolution, tokens and codes.
type Checkpoint = (String, String, String, [Option<u64>; 3]);

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
/// A table of more rows would be no picture.
const MOST_ROWS: usize = 5000;
/// A row is shorter: in a longer one a quote is open.
const MOST_ROW: usize = 1 << 20;
/// The columns that hold words.
const WORDS: [&str; 7] = ["kind", "name", "paper", "source", "family", "dataset", "note"];

impl Published {
    /// A number by the name of its column.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.numbers[NUMBERS.iter().position(|known| *known == column)?]
    }

    /// Between what a number of this checkpoint lies, its own and those of whoever measured it again; `None` where
    /// nobody did, or to the same number.
    pub fn reach(&self, column: &str) -> Option<(f64, f64)> {
        self.reach[NUMBERS.iter().position(|known| *known == column)?]
    }

    fn checkpoint(&self) -> Checkpoint {
        let name = self.name.split(" (").next().unwrap_or_default().to_lowercase();
        let alike = ["resolution", "tokens_per_image", "codebook_size"];
        let alike = alike.map(|column| self.number(column).map(f64::to_bits));
        (self.kind.clone(), name, self.dataset.clone(), alike)
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
    let head: Vec<String> = match head.as_deref().and_then(cells) {
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
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            continue;
        }
        let Some(cells) = text.as_deref().and_then(cells) else {
            return bad(line, "a quote is not closed".to_owned(), "");
        };
        if found.len() == MOST_ROWS {
            let reason = format!("there are more than {MOST_ROWS} rows");
            return bad(line, reason, "leave the rows that are to be seen");
        }
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
    set_reach(&mut found);
    Ok(found)
}

/// What was measured again of one checkpoint is how far its numbers reach.
fn set_reach(rows: &mut [Published]) {
    let mut again: HashMap<Checkpoint, Vec<(f64, f64)>> = HashMap::new();
    for row in rows.iter().filter(|row| row.standing() == "requote") {
        let ends = again
            .entry(row.checkpoint())
            .or_insert_with(|| vec![(f64::INFINITY, f64::NEG_INFINITY); NUMBERS.len()]);
        for ((low, high), value) in ends.iter_mut().zip(row.numbers) {
            let Some(value) = value else { continue };
            (*low, *high) = (low.min(value), high.max(value));
        }
    }
    for row in rows {
        let Some(ends) = again.get(&row.checkpoint()) else { continue };
        for ((reach, (low, high)), own) in row.reach.iter_mut().zip(ends).zip(row.numbers) {
            let Some(own) = own else { continue };
            *reach = Some((low.min(own), high.max(own))).filter(|(low, high)| low < high);
        }
    }
}

/// Rows with the numbers of their first lines; a cell in quotes may go over several. `None` of one that does not end.
fn rows(text: &str) -> impl Iterator<Item = (usize, Option<String>)> {
    let mut lines = text.lines().enumerate();
    let turns = |line: &str| line.matches('"').count() % 2 == 1;
    std::iter::from_fn(move || {
        let (number, line) = lines.next()?;
        let (mut row, mut is_open) = (line.to_owned(), turns(line));
        while is_open {
            let Some((_, more)) = lines.next() else { break };
            if row.len() + more.len() > MOST_ROW {
                return Some((number + 1, None));
            }
            row.push('\n');
            row.push_str(more);
            is_open ^= turns(more);
        }
        Some((number + 1, Some(row)))
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

    #[test]
    fn a_quote_that_is_never_closed_and_a_table_without_end_are_refused_with_their_line() {
        let mut text = "name,bits_per_pixel\na,1\n\"b,1\n".to_owned();
        for _ in 0..100_000 {
            text.push_str("some name,0.125\n");
        }
        let bad = refused(&text);
        assert!(bad.contains("line 3, a quote is not closed"), "{bad}");
        let bad = refused(&text.replace('"', ""));
        assert!(bad.contains("line 5002, there are more than 5000 rows"), "{bad}");
        let whole = "name,bits_per_pixel\n\"a\nof two \"\"lines\"\"\",1\nb,2\n";
        let rows = parse_published(whole, Path::new("mine.csv")).unwrap();
        assert_eq!((rows[0].name.as_str(), rows[1].line), ("a\nof two \"lines\"", 4));
    }

    /// In the table that comes with Smalti a checkpoint that was scored again is called so in brackets.
    #[test]
    fn numbers_of_the_landscape_reach_as_far_as_whoever_measured_them_again() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/landscape.csv");
        let rows = parse_published(&std::fs::read_to_string(&path).unwrap(), &path).unwrap();
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row("VQGAN f16 K1024").reach("rfid"), Some((7.94, 8.3)));
        assert_eq!(row("VQGAN f16 K1024 (LlamaGen re-evaluation)").reach("rfid"), None);
        assert_eq!(row("VQGAN f16 K16384").reach("psnr"), None, "its authors printed none");
        // Two of their authors' own are two.
        assert_eq!(row("UniTok").reach("rfid"), None);
    }
}
