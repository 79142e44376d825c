//! The use of a codebook over a training run, as rows of a heatmap: *time x code*.

use std::sync::Arc;

use smalti_engine::questions::usage::HISTORY_COLUMNS;

/// More rows than this are put together in pairs.
const MOST_ROWS: usize = 1024;

/// Rows of equal length.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Oldest first, `columns` entries each.
    pub values: Arc<[Arc<[f32]>]>,
    /// Columns of each row.
    pub columns: u32,
    /// Codes that share a column.
    pub codes_per_column: u32,
    /// The highest entry.
    pub highest: f32,
    /// Which group of codes stands in each column; as they are numbered if empty.
    pub order: Arc<[u32]>,
    /// Steps done at the end of each row; empty where rows are not of a run.
    pub steps: Arc<[u64]>,
}

impl Rows {
    /// The first of the codes that a column stands for.
    pub fn first_code(&self, column: u32) -> u32 {
        let group = self.order.get(column as usize).copied().unwrap_or(column);
        group * self.codes_per_column.max(1)
    }

    /// The column in which a code stands.
    pub fn column_of(&self, code: u32) -> Option<u32> {
        let group = code / self.codes_per_column.max(1);
        if self.order.is_empty() {
            return (group < self.columns).then_some(group);
        }
        self.order.iter().position(|at| *at == group).map(|column| column as u32)
    }
}

/// How each book of a run's tokenizer was used.
#[derive(Debug, Clone, Default)]
pub struct History(Vec<BookHistory>);

impl History {
    /// Takes the counts of a report, of each book.
    pub(super) fn push<'a>(&mut self, counts: impl ExactSizeIterator<Item = &'a [u64]>, step: u64) {
        self.0.resize_with(counts.len(), BookHistory::default);
        for (book, counts) in self.0.iter_mut().zip(counts) {
            book.push(counts, step);
        }
    }

    /// The run went back: what came after that step is of another way.
    pub(super) fn go_to(&mut self, step: u64) {
        self.0.iter_mut().for_each(|book| book.go_to(step));
    }

    /// What was taken is what is shown from now on.
    pub(super) fn show(&mut self) {
        self.0.iter_mut().filter(|book| book.has_changed()).for_each(BookHistory::show);
    }

    /// What there is so far of a book, of the first where the run has none of that number, and which book
    /// that is; none before the first row.
    pub fn rows(&self, book: u16) -> Option<(u16, &Rows)> {
        let book = if usize::from(book) < self.0.len() { book } else { 0 };
        let shown = &self.0.get(usize::from(book))?.shown;
        (!shown.values.is_empty()).then_some((book, shown))
    }

    /// How many books the run's tokenizer has.
    pub fn books(&self) -> usize {
        self.0.len()
    }
}

/// How one book was used. Columns stand in the order in which their codes were first used, those of one
/// report by how often; so a column keeps its place, and those that were never used stand at the end.
#[derive(Debug, Clone)]
struct BookHistory {
    codebook_size: usize,
    /// Reports that a row stands for.
    reports_per_row: usize,
    /// By group of codes, in their own order.
    pending: Vec<f32>,
    reports_pending: usize,
    /// By column.
    rows: Vec<Arc<[f32]>>,
    /// Steps done at the end of each row.
    steps: Vec<u64>,
    /// The groups of the columns.
    order: Vec<u32>,
    /// How many columns were used so far.
    used: usize,
    /// The column of each group.
    place: Vec<u32>,
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
            order: Vec::new(),
            used: 0,
            place: Vec::new(),
            shown: Rows::default(),
        }
    }
}

impl BookHistory {
    fn has_changed(&self) -> bool {
        self.rows.len() != self.shown.values.len()
            || self.shown.columns != self.columns()
            || self.shown.steps.last() != self.steps.last()
    }

    fn codes_per_column(&self) -> usize {
        self.codebook_size.div_ceil(HISTORY_COLUMNS as usize).max(1)
    }

    fn columns(&self) -> u32 {
        self.codebook_size.div_ceil(self.codes_per_column()) as u32
    }

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
            *self = Self { codebook_size: counts.len(), ..Self::default() };
            self.order = (0..self.columns()).collect();
            self.place = self.order.clone();
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
        self.give_places();
        self.rows.push(self.order.iter().map(|group| self.pending[*group as usize]).collect());
        self.steps.push(step);
        if self.rows.len() >= MOST_ROWS {
            self.rows = self.rows.chunks(2).map(together).collect();
            self.steps = self.steps.chunks(2).map(|pair| pair[pair.len() - 1]).collect();
            self.reports_per_row *= 2;
        }
    }

    /// Groups that are used for the first time come after those that were used before. The others move among
    /// columns that were never used, so that the rows that are there stay as they are.
    fn give_places(&mut self) {
        let is_new = |group: &u32| self.place[*group as usize] as usize >= self.used;
        let mut new: Vec<u32> = (0..self.columns())
            .filter(|group| self.pending[*group as usize] > 0.0 && is_new(group))
            .collect();
        let pending = &self.pending;
        new.sort_by(|a, b| pending[*b as usize].total_cmp(&pending[*a as usize]).then(a.cmp(b)));
        for group in new {
            let (from, to) = (self.place[group as usize] as usize, self.used);
            self.order.swap(from, to);
            for column in [from, to] {
                self.place[self.order[column] as usize] = column as u32;
            }
            self.used += 1;
        }
    }

    fn show(&mut self) {
        let highest = self.rows.iter().flat_map(|row| row.iter().copied()).fold(0.0, f32::max);
        self.shown = Rows {
            values: self.rows.as_slice().into(),
            columns: self.columns(),
            codes_per_column: self.codes_per_column() as u32,
            highest,
            order: self.order.as_slice().into(),
            steps: self.steps.as_slice().into(),
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
    fn codes_stand_in_the_order_of_their_first_use_and_keep_their_places() {
        let mut history = BookHistory::default();
        let reports = [[0, 5, 0, 9, 0], [2, 0, 0, 1, 0], [1, 1, 0, 0, 4]];
        for (step, counts) in (1..).zip(&reports) {
            history.push(counts, step);
        }
        history.show();
        let rows = &history.shown;
        assert_eq!(*rows.order, [3, 1, 0, 4, 2], "of one report by count, never used last");
        for (row, counts) in rows.values.iter().zip(&reports) {
            for (column, value) in row.iter().enumerate() {
                let code = rows.first_code(column as u32);
                assert_eq!(*value as u64, counts[code as usize], "code {code}");
                assert_eq!(rows.column_of(code), Some(column as u32));
            }
        }
        history.go_to(1);
        history.push(&[0, 0, 3, 0, 0], 2);
        history.show();
        assert_eq!(history.shown.values.len(), 2);
        assert_eq!(*history.shown.values[1], [0.0, 0.0, 0.0, 0.0, 3.0], "places stay");
        assert_eq!(*history.shown.steps, [1, 2]);
    }

    #[test]
    fn each_book_has_rows_of_its_own() {
        let mut history = History::default();
        let counts: [&[u64]; 2] = [&[1, 0], &[0, 3]];
        history.push(counts.into_iter(), 1);
        history.show();
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
        assert_eq!(history.shown.column_of(1), Some(0));
    }
}
