//! Pictures larger than a generator's grid: windows of its size round what is to be written.

use std::collections::BTreeSet;

use super::config::{GeneratorConfig, Way};
use super::origin::Origin;
use super::request::Request;
use crate::tokens::{Cell, MASKED, Part, PartShape, Tokens};
use crate::{EngineError, Result};

/// Tokens of all steps together that are kept of larger pictures: each step has all tokens, 4 bytes each.
const MOST_KEPT: usize = 64 << 20;

/// A window of a generator's grid on larger tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first row there.
    pub row: usize,
    /// Its first column there.
    pub column: usize,
    /// The cells that are written in it, of the larger tokens.
    pub cells: BTreeSet<Cell>,
}

/// The windows in which some cells of a part are written, one after the other: one in the middle of them if they fit
/// into it, else as many as it takes, in reading order, each with a quarter of its size before the first cell that
/// no other has written, so that it sees what stands there.
///
/// # Errors
/// [`EngineError::BadInput`] if the part is smaller than a window.
pub fn windows(part: PartShape, own: PartShape, cells: &BTreeSet<Cell>) -> Result<Vec<Window>> {
    if part.rows < own.rows || part.columns < own.columns {
        let reason = format!("they are {part}, this generator writes {own}");
        let hint = "use a larger picture, or tokens of its size";
        return Err(EngineError::bad_input("tokens", reason, hint));
    }
    let mut rest = cells.clone();
    let mut windows = Vec::new();
    while let (Some(first), Some(last)) = (rest.first(), rest.last()) {
        let (top, left) = (usize::from(first.row), first.column as usize);
        let high = usize::from(last.row) - top + 1;
        // Columns are looked through only where no more rows than those of a window are left: else each of many
        // windows would look through all that is left.
        let across = if high <= own.rows { across(&rest) } else { None };
        let (row, column) = match across.filter(|(from, to)| to - from < own.columns) {
            // What is left fits: in the middle.
            Some((from, to)) => (
                top.saturating_sub((own.rows - high) / 2),
                from.saturating_sub((own.columns - (to - from + 1)) / 2),
            ),
            None => (top.saturating_sub(own.rows / 4), left.saturating_sub(own.columns / 4)),
        };
        let row = row.min(part.rows - own.rows);
        let column = column.min(part.columns - own.columns);
        let inside: BTreeSet<Cell> = (row..row + own.rows)
            .flat_map(|row| {
                let columns = Cell::at(row, column)..Cell::at(row, column + own.columns);
                rest.range(columns).copied()
            })
            .collect();
        for cell in &inside {
            rest.remove(cell);
        }
        windows.push(Window { row, column, cells: inside });
    }
    Ok(windows)
}

/// The first and the last column of some cells.
fn across(cells: &BTreeSet<Cell>) -> Option<(usize, usize)> {
    let columns = || cells.iter().map(|cell| cell.column as usize);
    Some((columns().min()?, columns().max()?))
}

/// The windows of a request whose tokens are larger than a generator's grid, with the shape of one; `None` where they
/// are of the generator's own layout, or of another one that no window lies in: [`Request::validate`] says that.
///
/// # Errors
/// As [`windows`], and if there is nothing to write.
pub(super) fn windows_of(
    request: &Request,
    config: &GeneratorConfig,
) -> Result<Option<(PartShape, Vec<Window>)>> {
    let layout = request.given.layout();
    let ([own], [part]) = (config.layout.as_slice(), layout.as_slice()) else { return Ok(None) };
    let lies_in = part.frames == 1 && part.rows >= own.rows && part.columns >= own.columns;
    if part == own || !lies_in {
        return Ok(None);
    }
    if request.groups > 1 {
        let reason = "groups are of the generator's own grid, and these tokens are larger";
        let hint = "write one token after the other, or a picture of its size";
        return Err(EngineError::bad_input("groups", reason, hint));
    }
    let free = request.given.cells().filter(|(_, token)| token.is_none());
    let all = windows(*part, *own, &free.map(|(cell, _)| cell).collect())?;
    if all.is_empty() {
        let reason = "every cell is given: there is nothing to write";
        let hint = "unlock the cells that are to be written";
        return Err(EngineError::bad_input("tokens", reason, hint));
    }
    Ok(Some((*own, all)))
}

impl Request {
    /// As [`Request::validate`], also of tokens that are larger than the generator's grid: these are written in
    /// windows of it.
    ///
    /// # Errors
    /// As [`Request::validate`].
    pub fn validate_in_windows(&self, config: &GeneratorConfig) -> Result<()> {
        match windows_of(self, config)? {
            None => self.validate(config),
            Some((own, all)) => {
                let cells = self.given.len();
                let steps: usize =
                    all.iter().map(|window| self.steps_of(config, window) as usize).sum();
                if steps.saturating_mul(cells) > MOST_KEPT {
                    let free: usize = all.iter().map(|window| window.cells.len()).sum();
                    let reason = format!(
                        "{free} cells of {cells} are too many to be written in {steps} steps that are all kept"
                    );
                    let hint = "select fewer cells, work at a smaller size, or use smalti edit";
                    return Err(EngineError::bad_input("tokens", reason, hint));
                }
                self.in_window(own, &all, 0)?.validate(config)
            }
        }
    }

    /// Steps of a window. VAR, whose scales are those of one size, has no windows.
    pub(super) fn steps_of(&self, config: &GeneratorConfig, window: &Window) -> u32 {
        let free = window.cells.len() as u32;
        match config.way {
            Way::MaskGit => self.unmasking.steps.min(free),
            Way::Raster | Way::Var => free,
        }
    }

    /// The request of one of its windows, whose noise is that of its place.
    ///
    /// # Errors
    /// If there is no such window.
    pub(super) fn in_window(&self, own: PartShape, all: &[Window], at: usize) -> Result<Self> {
        let Some(window) = all.get(at) else {
            let reason = format!("there is no window {at} of {}", all.len());
            return Err(EngineError::bad_input("tokens", reason, ""));
        };
        let origin = Some(window.origin(self.given.first().shape()));
        Ok(Self { given: window.given(&self.given, own)?, origin, ..self.clone() })
    }
}

impl Window {
    /// Where it lies on the larger tokens, for noise.
    pub fn origin(&self, part: PartShape) -> Origin {
        Origin { row: self.row as u32, column: self.column as u32, columns: part.columns as u32 }
    }

    /// What is given in it: the tokens there, but for the cells that are written.
    ///
    /// # Errors
    /// If it is not inside of the tokens.
    pub fn given(&self, tokens: &Tokens, own: PartShape) -> Result<Tokens> {
        self.cut(tokens, own, |cell| !self.cells.contains(&cell))
    }

    /// The tokens there, those that are not `seen` masked; cells are those of the larger tokens.
    ///
    /// # Errors
    /// As [`Self::given`].
    pub(super) fn cut(
        &self,
        tokens: &Tokens,
        own: PartShape,
        seen: impl Fn(Cell) -> bool,
    ) -> Result<Tokens> {
        let part = tokens.first();
        let mut codes = Vec::with_capacity(own.rows * own.columns);
        for row in self.row..self.row + own.rows {
            for column in self.column..self.column + own.columns {
                let code = part.get(0, row, column).filter(|_| seen(Cell::at(row, column)));
                codes.push(code.unwrap_or(MASKED));
            }
        }
        Tokens::new([Part::new(own, part.codebook_size(), codes)?])
    }

    /// A cell of the window as one of the larger tokens.
    pub(super) fn outside(&self, cell: Cell) -> Cell {
        Cell::at(usize::from(cell.row) + self.row, cell.column as usize + self.column)
    }

    /// The larger tokens with what was written.
    ///
    /// # Errors
    /// If a token is outside of the codebook.
    pub fn paste(&self, tokens: &Tokens, written: &Tokens) -> Result<Tokens> {
        let changes = self.cells.iter().map(|cell| {
            let inside =
                Cell::at(usize::from(cell.row) - self.row, cell.column as usize - self.column);
            (*cell, written.get(inside))
        });
        tokens.with(changes.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> BTreeSet<Cell> {
        rows.flat_map(|row| columns.clone().map(move |column| Cell::at(row, column))).collect()
    }

    #[test]
    fn a_selection_that_fits_has_one_window_around_it() {
        let (part, own) = (PartShape::grid(20, 30), PartShape::grid(8, 8));
        let found = windows(part, own, &cells(9..11, 14..18)).unwrap();
        let [window] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((window.row, window.column), (6, 12));
        let corner = windows(part, own, &cells(19..20, 29..30)).unwrap();
        assert_eq!((corner[0].row, corner[0].column), (12, 22), "never outside");
        assert!(windows(part, own, &BTreeSet::new()).unwrap().is_empty());
        assert!(windows(PartShape::grid(8, 7), own, &cells(0..1, 0..1)).is_err());
    }

    #[test]
    fn a_larger_selection_is_written_once_in_windows_that_see_what_was_before() {
        let (part, own) = (PartShape::grid(20, 30), PartShape::grid(8, 8));
        for selected in [cells(0..20, 0..30), cells(3..17, 5..6), cells(0..1, 0..30)] {
            let found = windows(part, own, &selected).unwrap();
            let mut written = BTreeSet::new();
            for window in &found {
                assert!(window.row + 8 <= 20 && window.column + 8 <= 30);
                assert!(!window.cells.is_empty());
                for cell in &window.cells {
                    assert!(written.insert(*cell), "{cell} twice");
                    let row = usize::from(cell.row);
                    assert!((window.row..window.row + 8).contains(&row));
                }
            }
            assert_eq!(written, selected);
        }
    }

    #[test]
    fn what_is_not_written_is_given_and_comes_back_as_it_was() {
        let tokens = Tokens::grid(4, 6, 100, (0..24).collect::<Vec<u32>>()).unwrap();
        let own = PartShape::grid(2, 3);
        let window = windows(tokens.first().shape(), own, &cells(2..3, 4..6)).unwrap().remove(0);
        let given = window.given(&tokens, own).unwrap();
        let free = given.cells().filter(|(_, token)| token.is_none()).count();
        assert_eq!(free, 2);
        let written: Vec<_> = given.cells().map(|(cell, _)| (cell, Some(99))).collect();
        let back = window.paste(&tokens, &given.with(written).unwrap()).unwrap();
        for ((cell, before), (_, after)) in tokens.cells().zip(back.cells()) {
            let expected = if window.cells.contains(&cell) { Some(99) } else { before };
            assert_eq!(after, expected, "{cell}");
        }
    }
}
