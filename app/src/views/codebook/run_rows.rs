//! Which training run's codes are seen over time.

use smalti_engine::questions::ModelRef;

use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::Slot;
use crate::runs::Rows;

/// What the rows of a run are.
pub(super) const TRAINING: &str = "time ↓ × code →";

/// The run whose rows are shown, of those there are.
#[derive(Debug, Default)]
pub(super) struct RunRows {
    /// The slot that was asked for; without it the newest run.
    slot: Option<Slot>,
}

/// The rows of a run.
#[derive(Debug)]
pub(super) struct Found {
    /// What the run is called.
    pub name: String,
    books: usize,
    /// Of which book.
    pub book: u16,
    /// Its use.
    pub rows: Rows,
    /// Whether the run is not over.
    pub goes_on: bool,
    /// Whether the codes are those of the document's tokenizer.
    pub has_codes_of_document: bool,
}

impl Found {
    /// What the rows are, and of which run.
    pub(super) fn title(&self) -> String {
        let which = if self.books > 1 { format!(", book {}", self.book) } else { String::new() };
        format!("{TRAINING}, {}{which}", self.name)
    }
}

impl RunRows {
    /// The rows of the run in the slot that was asked for. If none was, of the newest one of this sitting, or
    /// else of the first that is stored; of those that have none only if all do.
    pub(super) fn find(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, book: u16) -> Option<Found> {
        let of_slot = |slot: Slot| ctx.trained_run(slot)?.ok();
        let there = |slot: &Slot| ctx.document.runs[*slot as usize].is_some();
        let has_rows = |run: &TrainedRun| run.told.record.history.rows(book).is_some();
        let run = if let Some(slot) = self.slot.filter(there) {
            // Another run's rows below its letter would be taken for its own.
            of_slot(slot)?
        } else {
            let mut slots = Slot::ALL.into_iter().filter_map(of_slot);
            match ctx.newest_run() {
                Some(run) if has_rows(&run) || run.told.is_behind => run,
                newest => slots.find(has_rows).or(newest)?,
            }
        };
        if run.told.is_behind {
            ui.ctx().request_repaint();
        }
        let history = &run.told.record.history;
        let (book, rows) = history.rows(book)?;
        Some(Found {
            name: name(&run),
            books: history.books(),
            book,
            rows: rows.clone(),
            goes_on: run.goes_on(),
            has_codes_of_document: is_of(&run, &ctx.document.model),
        })
    }

    /// The runs by their letters, where there are several.
    pub(super) fn choice_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let there =
            Slot::ALL.into_iter().filter(|slot| ctx.document.runs[*slot as usize].is_some());
        let there: Vec<Slot> = there.collect();
        if there.len() < 2 {
            return;
        }
        for slot in there {
            let text = egui::RichText::new(slot.letter()).color(ctx.theme.family(slot as usize));
            let picked = self.slot == Some(slot);
            let response = ui.selectable_label(picked, text);
            if response.on_hover_text(format!("Run {}", slot.letter())).clicked() {
                self.slot = (!picked).then_some(slot);
            }
        }
    }
}

fn name(run: &TrainedRun) -> String {
    match &run.view {
        Some(view) => view.title.clone(),
        None => format!("train {}", run.name),
    }
}

/// Whether the run wrote this tokenizer: its codes are the run's.
fn is_of(run: &TrainedRun, model: &ModelRef) -> bool {
    let record = &run.told.record;
    let is_checkpoint = record.checkpoint.as_ref().is_some_and(|(latest, _)| latest == model);
    let written = record.model.as_deref();
    is_checkpoint || matches!(model, ModelRef::File { path, .. } if Some(&**path) == written)
}
