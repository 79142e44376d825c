//! The use of a codebook over a training run, as rows of a heatmap.

use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::questions::ModelRef;
use smalti_engine::questions::usage::HISTORY_COLUMNS;
use smalti_engine::session::{RunId, Session};
use smalti_engine::training::TrainEvent;

/// More rows than this are put together in pairs.
const MOST_ROWS: usize = 1024;
/// Entries of a log that are taken in a frame, so that a long log does not hold up the window.
const ENTRIES_A_FRAME: usize = 16;

/// Rows of equal length.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// Oldest first, `columns` entries each.
    pub values: Arc<[Arc<[f32]>]>,
    /// Columns of each row.
    pub columns: u32,
    /// Codes that share a column.
    pub codes_per_column: u32,
    /// The highest entry.
    pub highest: f32,
}

/// Grows with the newest training run.
#[derive(Debug, Default)]
pub(super) struct History {
    run: Option<RunId>,
    title: String,
    goes_on: bool,
    /// The tokenizer that the run wrote.
    model: Option<PathBuf>,
    /// Entries of the log that were taken.
    taken: usize,
    /// Of each book of the run's tokenizer.
    books: Vec<BookHistory>,
}

/// How one book was used.
#[derive(Debug)]
struct BookHistory {
    codebook_size: usize,
    /// Reports that a row stands for.
    reports_per_row: usize,
    pending: Vec<f32>,
    reports_pending: usize,
    rows: Vec<Arc<[f32]>>,
    /// Steps done at the end of each row.
    steps: Vec<u64>,
    shown: Rows,
}

impl Default for BookHistory {
    fn default() -> Self {
        Self {
            codebook_size: 0,
            reports_per_row: 1,
            pending: Vec::new(),
            reports_pending: 0,
            rows: Vec::new(),
            steps: Vec::new(),
            shown: Rows::default(),
        }
    }
}

impl History {
    /// Takes in what is new of the newest training run; true if there is more to take.
    pub(super) fn follow(&mut self, session: &Session) -> bool {
        // Entries of other runs' logs have another type: their last one cannot be read as this.
        let newest = session.runs().into_iter().rev().find(|run| {
            run.entries > 0 && !session.log::<TrainEvent>(run.id, run.entries - 1).is_empty()
        });
        let Some(run) = newest else { return false };
        if self.run != Some(run.id) {
            *self = Self { run: Some(run.id), ..Self::default() };
        }
        self.goes_on = !run.state.is_over();
        self.title.clone_from(&run.title);
        if self.taken >= run.entries {
            return false;
        }
        let new = session.log::<TrainEvent>(run.id, self.taken);
        let is_more = new.len() > ENTRIES_A_FRAME;
        for entry in new.iter().take(ENTRIES_A_FRAME) {
            self.taken += 1;
            match &**entry {
                TrainEvent::Report(report) => {
                    self.books.resize_with(report.counts.len(), BookHistory::default);
                    for (book, counts) in self.books.iter_mut().zip(&report.counts) {
                        book.push(counts, report.step);
                    }
                }
                TrainEvent::Finished { model } => self.model = Some(model.clone()),
                TrainEvent::WentTo { step, .. } => {
                    self.books.iter_mut().for_each(|book| book.go_to(*step));
                }
                _ => {}
            }
        }
        self.books.iter_mut().filter(|book| book.has_changed()).for_each(BookHistory::show);
        is_more
    }

    /// Whether the run is not over.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// What the run is called.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Whether the run wrote this tokenizer: its codes are the run's.
    pub(super) fn is_of(&self, model: &ModelRef) -> bool {
        let written = self.model.as_deref();
        matches!(model, ModelRef::File { path, .. } if Some(&**path) == written)
    }

    /// What there is so far of a book, of the first where the run has none of that number, and which book
    /// that is; none before the first row.
    pub(super) fn rows(&self, book: u16) -> Option<(u16, &Rows)> {
        let book = if usize::from(book) < self.books.len() { book } else { 0 };
        let shown = &self.books.get(usize::from(book))?.shown;
        (!shown.values.is_empty()).then_some((book, shown))
    }

    /// How many books the run's tokenizer has.
    pub(super) fn books(&self) -> usize {
        self.books.len()
    }
}

impl BookHistory {
    fn has_changed(&self) -> bool {
        self.rows.len() != self.shown.values.len() || self.shown.columns != self.columns()
    }

    fn codes_per_column(&self) -> usize {
        self.codebook_size.div_ceil(HISTORY_COLUMNS as usize).max(1)
    }

    fn columns(&self) -> u32 {
        self.codebook_size.div_ceil(self.codes_per_column()) as u32
    }

    /// The run went back: what came after that step is of another way.
    fn go_to(&mut self, step: u64) {
        let kept = self.steps.partition_point(|at| *at <= step);
        self.rows.truncate(kept);
        self.steps.truncate(kept);
        self.reports_pending = 0;
        self.show();
    }

    fn push(&mut self, counts: &[u64], step: u64) {
        if counts.is_empty() {
            return;
        }
        if counts.len() != self.codebook_size {
            self.codebook_size = counts.len();
            self.rows.clear();
            self.steps.clear();
            self.reports_per_row = 1;
            self.reports_pending = 0;
        }
        if self.reports_pending == 0 {
            self.pending.clear();
            self.pending.resize(self.columns() as usize, 0.0);
        }
        let codes_per_column = self.codes_per_column();
        for (sum, codes) in self.pending.iter_mut().zip(counts.chunks(codes_per_column)) {
            *sum += codes.iter().sum::<u64>() as f32;
        }
        self.reports_pending += 1;
        if self.reports_pending < self.reports_per_row {
            return;
        }
        self.reports_pending = 0;
        self.rows.push(self.pending.as_slice().into());
        self.steps.push(step);
        if self.rows.len() >= MOST_ROWS {
            self.rows = self.rows.chunks(2).map(together).collect();
            self.steps = self.steps.chunks(2).map(|pair| pair[pair.len() - 1]).collect();
            self.reports_per_row *= 2;
        }
    }

    fn show(&mut self) {
        let highest = self.rows.iter().flat_map(|row| row.iter().copied()).fold(0.0, f32::max);
        self.shown = Rows {
            values: self.rows.as_slice().into(),
            columns: self.columns(),
            codes_per_column: self.codes_per_column() as u32,
            highest,
        };
    }
}

/// The sums of some rows.
fn together(rows: &[Arc<[f32]>]) -> Arc<[f32]> {
    let Some((first, rest)) = rows.split_first() else { return Arc::new([]) };
    let mut sums = first.to_vec();
    for row in rest {
        for (sum, value) in sums.iter_mut().zip(row.iter()) {
            *sum += value;
        }
    }
    sums.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_keeps_every_count_in_fewer_rows() {
        let mut history = BookHistory::default();
        for step in 0..2 * MOST_ROWS {
            history.push(&[1, 0, 2], step as u64);
        }
        assert!(history.rows.len() < MOST_ROWS);
        let total: f32 = history.rows.iter().flat_map(|row| row.iter()).sum();
        let pending: f32 = history.pending.iter().sum();
        let pending = if history.reports_pending == 0 { 0.0 } else { pending };
        assert_eq!((total + pending) as usize, 2 * MOST_ROWS * 3);
    }

    #[test]
    fn each_book_has_rows_of_its_own() {
        let mut history = History::default();
        for counts in [[1, 0], [0, 3]] {
            let mut book = BookHistory::default();
            book.push(&counts, 1);
            book.show();
            history.books.push(book);
        }
        let highest = |book| history.rows(book).map(|(book, rows)| (book, rows.highest));
        assert_eq!(highest(0), Some((0, 1.0)));
        assert_eq!(highest(1), Some((1, 3.0)));
        assert_eq!(highest(7), Some((0, 1.0)), "another tokenizer's book");
        assert!(History::default().rows(0).is_none());
    }

    #[test]
    fn large_codebooks_put_neighbors_together() {
        let mut history = BookHistory::default();
        history.push(&vec![1; 1 << 18], 1);
        history.show();
        assert_eq!(history.shown.columns, HISTORY_COLUMNS);
        assert_eq!(history.shown.highest, 128.0);
    }
}
