//! Grids of codes out of anybody's arrays: `.npy`, `.npz`, `.pt`, safetensors.
//!
//! Rows and columns are never guessed into a wrong picture. Ones in the shape are dropped; what is
//! left is a grid (H, W), a batch of them (B, H, W), or flat sequences (N,), (B, N), whose rows and
//! columns only the person or the model knows. Where a shape can be read in two ways and one is far
//! more likely, a remark names the other.

use std::ops::Range;
use std::path::Path;

use crate::arrays::{self, Array, Arrays, ElementType, Kind, names_in_words, shape_in_words};
use crate::{EngineError, Result};

/// Numbers that are converted at a time.
pub(super) const PIECE: usize = 1 << 16;
/// Grids that are held at once, each of which takes some 200 bytes beside its codes.
const AT_ONCE: usize = 1 << 22;
/// Numbers beyond this are no tokens of one image: their rectangles are not looked for.
const MOST_TOKENS: usize = 1 << 32;
/// A grid's long side is at most this many times its short one, unless somebody says so.
const MAX_RATIO: usize = 4;
/// Rows this long are more likely whole sequences, unless Smalti's own number type says otherwise.
const MAX_COLUMNS: usize = 64;

/// Which of several grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Index {
    /// This one, from 0.
    One(usize),
    /// All of them.
    All,
}

/// What a person or a model says about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The array's name, where there are several.
    pub key: Option<String>,
    /// Rows and columns, as the person says.
    pub grid: Option<(usize, usize)>,
    /// Which grids; all of them if nothing is said.
    pub index: Option<Index>,
    /// The codebook's size, as the person says.
    pub codes: Option<u32>,
    /// Rows and columns, if the model knows only these.
    pub fixed: Option<(usize, usize)>,
}

/// One grid of codes, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indices {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Codes, rows x columns of them.
    pub codes: Vec<u32>,
    /// The largest of them.
    pub largest: u32,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The grids that were wanted, at least one, all of one size.
    pub grids: Vec<Indices>,
    /// How many the file has.
    pub total: usize,
    /// The codebook's size, if the person or the file says it; all codes are below it. See
    /// [`Read::assume_codes`].
    pub codebook_size: Option<u32>,
    /// What was assumed.
    pub remarks: Vec<Remark>,
}

/// What was assumed of a file that can be read in more than one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// How many codes there are: the largest one plus one.
    CodebookSize(u32),
    /// That it is one grid of so many rows and columns, not a sequence in each row.
    OneGrid(usize, usize),
    /// That the sizes before rows and columns, in words, count so many grids.
    Leading(String, usize),
    /// That so many tokens in a row are so many grids.
    Row(usize, usize),
    /// That floating point numbers are codes, as all of them are whole.
    Floats,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CodebookSize(size) => write!(
                f,
                "nothing says how many codes there are; {size} are assumed, the largest code plus one"
            ),
            Self::OneGrid(rows, columns) => {
                write!(f, "taken as one grid of {rows} rows and {columns} columns")
            }
            Self::Leading(sizes, count) => {
                write!(f, "{sizes} are counted one after the other: {count} grids")
            }
            Self::Row(tokens, count) => {
                write!(f, "{tokens} tokens in a row are taken as {count} grids")
            }
            Self::Floats => f.write_str("its codes are floating point numbers, all of them whole"),
        }
    }
}

impl Remark {
    /// What was assumed, and how another reading is said, in one sentence.
    pub fn in_full(&self) -> String {
        self.hint().map_or_else(|| self.to_string(), |hint| format!("{self}; {hint}"))
    }

    /// How another reading is said on the command line, if it can be.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OneGrid(_, columns) => {
                let shapes = shapes_in_words(*columns, " or ");
                Some(format!("if each row is a picture of its own, say --grid {shapes}"))
            }
            Self::CodebookSize(_) => Some("say --codes K if there are more".to_owned()),
            Self::Leading(..) | Self::Row(..) | Self::Floats => None,
        }
    }
}

impl Read {
    /// The largest code.
    pub fn largest(&self) -> u32 {
        self.grids.iter().map(|grid| grid.largest).max().unwrap_or(0)
    }

    /// The codebook's size; where nobody says it, the largest code plus one, with a remark.
    pub fn assume_codes(&mut self) -> u32 {
        if let Some(size) = self.codebook_size {
            return size;
        }
        let size = self.largest().saturating_add(1);
        self.remarks.push(Remark::CodebookSize(size));
        self.codebook_size = Some(size);
        size
    }
}

/// Reads the grids of a file.
///
/// # Errors
/// [`EngineError::Io`] if it cannot be read; [`EngineError::BadFile`] if it holds no codes, has a
/// number that is none (with its place), or does not say what has to be known: which array, or how
/// many rows and columns; the possible answers are named.
pub fn read(path: &Path, wanted: &Wanted) -> Result<Read> {
    of_arrays(path, &arrays::open(path)?, wanted)
}

/// As [`read`], of a file that is open; `path` is the name that errors show.
///
/// # Errors
/// As [`read`].
pub fn of_arrays(path: &Path, file: &Arrays, wanted: &Wanted) -> Result<Read> {
    let array = pick(path, file, wanted.key.as_deref())?;
    if array.kind() == Kind::Bools {
        let reason = format!("{array} holds true and false, which are no codes");
        return Err(EngineError::bad_file(path, reason, WHOLE));
    }
    let mut layout = layout(path, array, wanted)?;
    let which = match wanted.index {
        None | Some(Index::All) => 0..layout.count,
        Some(Index::One(index)) if index < layout.count => index..index + 1,
        Some(Index::One(index)) => {
            let reason = format!("there is no grid {index}: it has {}", layout.count);
            let hint = format!("say --index 0 to {}, or all", layout.count - 1);
            return Err(EngineError::bad_file(path, reason, hint));
        }
    };
    check_count(path, which.len())?;
    let codebook_size = wanted.codes.or_else(|| own_codes(file));
    let mut grids = Vec::with_capacity(which.len().min(1 << 16));
    for number in which {
        grids.push(grid(array, &layout, number, codebook_size, path)?);
    }
    if array.kind() == Kind::Floats {
        layout.remarks.push(Remark::Floats);
    }
    Ok(Read { grids, total: layout.count, codebook_size, remarks: layout.remarks })
}

const WHOLE: &str = "codes are whole numbers from 0 on, such as x.astype(numpy.int64)";

/// That not more grids are wanted at once than can be held: ten million of a code each take gigabytes.
pub(super) fn check_count(path: &Path, grids: usize) -> Result<()> {
    if grids > AT_ONCE {
        let reason = format!("{grids} grids of tokens, at most {AT_ONCE} are read at once");
        return Err(EngineError::bad_file(path, reason, "say --index N to read one of them"));
    }
    Ok(())
}

/// The codebook's size in the metadata that Smalti writes.
fn own_codes(file: &Arrays) -> Option<u32> {
    let text = file.metadata.get("smalti_tokens")?;
    let metadata: serde_json::Value = serde_json::from_str(text).ok()?;
    metadata["codebook_size"].as_u64().and_then(|size| u32::try_from(size).ok())
}

/// The array that is meant.
fn pick<'a>(path: &Path, file: &'a Arrays, key: Option<&str>) -> Result<&'a Array> {
    let names = || names_in_words(&file.members);
    let found = match key {
        Some(key) => file.members.iter().find(|array| array.name() == key).ok_or_else(|| {
            let reason = format!("there is no array {key:?} in this {}", file.container);
            let hint = format!("say --key with one of its names: {}", names());
            EngineError::unclear(path, reason, hint)
        })?,
        None => match &file.members[..] {
            [only] => only,
            [] => {
                let reason = format!("there are no arrays in this {}", file.container);
                return Err(EngineError::bad_file(path, reason, "save the tokens as a .npy file"));
            }
            several => {
                let reason = format!("it holds {} arrays: {}", several.len(), names());
                let hint = "say with --key NAME which one holds the tokens";
                return Err(EngineError::unclear(path, reason, hint));
            }
        },
    };
    if found.is_empty() {
        let shape = shape_in_words(found.shape());
        let reason = format!("its array {} of shape {shape} has no tokens", found.name());
        return Err(EngineError::bad_file(path, reason, "save the tokens again"));
    }
    Ok(found)
}

/// How an array is cut into grids.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    count: usize,
    rows: usize,
    columns: usize,
    remarks: Vec<Remark>,
}

fn layout(path: &Path, array: &Array, wanted: &Wanted) -> Result<Layout> {
    let shape = array.shape();
    let dims: Vec<usize> = shape.iter().copied().filter(|size| *size != 1).collect();
    if let Some(grid) = wanted.grid {
        return as_told(&dims, grid).ok_or_else(|| misfit(path, shape, &dims, grid));
    }
    if let Some(layout) = wanted.fixed.and_then(|grid| as_told(&dims, grid)) {
        return Ok(layout);
    }
    let (rows, columns) = match dims[..] {
        [] => return Ok(Layout { count: 1, rows: 1, columns: 1, remarks: Vec::new() }),
        [n] => return Err(ask(path, shape, 1, n)),
        [.., rows, columns] => (rows, columns),
    };
    let count: usize = dims[..dims.len() - 2].iter().product();
    if dims.len() > 2 && columns <= 8 && dims[dims.len() - 3] == rows && rows > columns {
        let reason = format!(
            "an array of {} has {columns} codes at each of {rows}x{rows} places",
            shape_in_words(shape)
        );
        let hint = "save one level of them, such as x[..., 0], or the levels first: (levels, H, W)";
        return Err(EngineError::bad_file(path, reason, hint));
    }
    if !is_likely_grid(&dims, array.element()) {
        return Err(ask(path, shape, count * rows, columns));
    }
    let mut remarks = Vec::new();
    if dims.len() == 2 && rows != columns && array.element() != ElementType::U32 {
        remarks.push(Remark::OneGrid(rows, columns));
    }
    if dims.len() > 3 {
        let leading = shape_in_words(&dims[..dims.len() - 2]);
        let sizes = format!("{leading} of its shape {}", shape_in_words(shape));
        remarks.push(Remark::Leading(sizes, count));
    }
    Ok(Layout { count, rows, columns, remarks })
}

/// The layout with rows and columns that somebody knows, if that can be.
fn as_told(dims: &[usize], (rows, columns): (usize, usize)) -> Option<Layout> {
    let cells = rows.checked_mul(columns).filter(|cells| *cells > 0)?;
    let all: usize = dims.iter().product();
    let fits = |count: usize, remarks| Some(Layout { count, rows, columns, remarks });
    if dims.ends_with(&[rows, columns]) || dims.last().copied().unwrap_or(1) == cells {
        return fits(all / cells, Vec::new());
    }
    if let [n] = *dims
        && n.is_multiple_of(cells)
    {
        let count = n / cells;
        return fits(count, vec![Remark::Row(n, count)]);
    }
    None
}

/// Whether rows and columns are those of a picture rather than sequences one below the other.
///
/// `dims` are the array's sizes without those of one, two or more.
fn is_likely_grid(dims: &[usize], element: ElementType) -> bool {
    let &[.., rows, columns] = dims else { return false };
    let is_alone = dims.len() == 2;
    let is_own = element == ElementType::U32 && is_alone;
    let (short, long) = (rows.min(columns), rows.max(columns));
    if long > MAX_RATIO * short || columns > MAX_COLUMNS && !is_own && rows != columns {
        return false;
    }
    // 256 tokens are 16x16, 576 are 24x24: how sequences are usually long.
    let is_square = columns.isqrt().pow(2) == columns;
    !(columns >= 256 && is_square && (is_alone || rows != columns))
}

/// The error that asks for rows and columns.
fn ask(path: &Path, shape: &[usize], count: usize, n: usize) -> EngineError {
    let what = match count {
        1 => format!("one sequence of {n} tokens"),
        _ => format!("{count} sequences of {n} tokens"),
    };
    let reason = format!(
        "an array of {} can be {what}, and nothing says how many rows and columns a picture has",
        shape_in_words(shape)
    );
    let mut hint = format!("say --grid {}", shapes_in_words(n, " or "));
    let dims: Vec<usize> = shape.iter().copied().filter(|size| *size != 1).collect();
    if let [.., rows, columns] = dims[..] {
        let grids = dims[..dims.len() - 2].iter().product::<usize>();
        let which = if grids == 1 { "it is one grid" } else { "each is a grid" };
        hint = format!("{hint}, or --grid {rows}x{columns} if {which}");
    }
    EngineError::unclear(path, reason, hint)
}

fn misfit(
    path: &Path,
    shape: &[usize],
    dims: &[usize],
    (rows, columns): (usize, usize),
) -> EngineError {
    let reason =
        format!("--grid {rows}x{columns} does not fit an array of {}", shape_in_words(shape));
    let n = dims.last().copied().unwrap_or(1);
    let mut hint = format!("sequences of {n} tokens are {}", shapes_in_words(n, " or "));
    if let [.., rows, columns] = *dims {
        hint = format!("{hint}; grids are {rows}x{columns}");
    }
    EngineError::unclear(path, reason, hint)
}

/// Rows and columns that `n` tokens can have, the most square ones first, at most four.
pub fn possible_shapes(n: usize) -> Vec<(usize, usize)> {
    const NAMED: usize = 4;
    let mut shapes = Vec::new();
    if n == 0 || n > MOST_TOKENS {
        return shapes;
    }
    for short in (1..=n.isqrt()).rev().filter(|short| n.is_multiple_of(*short)) {
        let long = n / short;
        // A strip is no picture, unless nothing else is left.
        if shapes.len() >= NAMED || (!shapes.is_empty() && long > 8 * short) {
            break;
        }
        shapes.push((short, long));
        if short != long {
            shapes.push((long, short));
        }
    }
    shapes.truncate(NAMED);
    shapes
}

fn shapes_in_words(n: usize, between: &str) -> String {
    let shapes = possible_shapes(n).into_iter().map(|(h, w)| format!("{h}x{w}"));
    shapes.collect::<Vec<_>>().join(between)
}

/// Grid `number` of an array.
fn grid(
    array: &Array,
    layout: &Layout,
    number: usize,
    codebook_size: Option<u32>,
    path: &Path,
) -> Result<Indices> {
    let cells = layout.rows * layout.columns;
    let first = number * cells;
    let mut codes = Vec::with_capacity(cells);
    let at = |place: usize| {
        let which = if layout.count > 1 { format!("grid {number}, ") } else { String::new() };
        format!("{which}row {}, column {}", place / layout.columns, place % layout.columns)
    };
    let bad = |reason: String| Err(EngineError::bad_file(path, reason, WHOLE));
    let mut done = 0;
    while done < cells {
        let part: Range<usize> = first + done..first + cells.min(done + PIECE);
        for (value, float) in numbers(array, part)? {
            let place = codes.len();
            if let Some(float) = float.filter(|x| x.fract() != 0.0 || !x.is_finite()) {
                return bad(format!("{float} at {} is no whole number", at(place)));
            }
            match (u32::try_from(value), codebook_size) {
                (Ok(code), Some(size)) if code >= size => {
                    let reason =
                        format!("code {code} at {} is outside the codebook 0..{size}", at(place));
                    let hint = "these tokens are of another codebook, or --codes is too small";
                    return Err(EngineError::bad_file(path, reason, hint));
                }
                // The largest number has no codebook above it.
                (Ok(code), _) if code < u32::MAX => codes.push(code),
                _ => return bad(format!("code {value} at {} is no code", at(place))),
            }
        }
        done = codes.len();
    }
    let largest = codes.iter().copied().max().unwrap_or(0);
    Ok(Indices { rows: layout.rows, columns: layout.columns, codes, largest })
}

/// Numbers as whole ones, and as they are where they need not be whole.
fn numbers(array: &Array, part: Range<usize>) -> Result<Vec<(i128, Option<f64>)>> {
    if array.kind() == Kind::Floats {
        let floats = array.floats(part)?;
        return Ok(floats.into_iter().map(|x| (x as i128, Some(x))).collect());
    }
    Ok(array.integers(part)?.into_iter().map(|n| (n, None)).collect())
}

#[cfg(test)]
mod tests;
