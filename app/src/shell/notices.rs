//! Notices: toasts that pass, and the list that stays (Log view).

use std::time::Duration;

use crate::document::{Notice, Severity};

/// Notices that the Log view keeps.
const KEPT: usize = 500;

/// All notices of this sitting, oldest first, and the toasts on the screen.
#[derive(Default)]
pub struct Notices {
    list: Vec<Notice>,
    toasts: egui_notify::Toasts,
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

impl Notices {
    /// All that are kept, oldest first.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    /// Shows a notice and keeps it.
    pub fn add(&mut self, notice: Notice) {
        let text = if notice.hint.is_empty() {
            notice.summary.clone()
        } else {
            format!("{}\n{}", notice.summary, notice.hint)
        };
        let seconds = if notice.severity == Severity::Error { 8 } else { 4 };
        self.toasts
            .basic(text)
            .duration(Some(Duration::from_secs(seconds)))
            .show_progress_bar(false);
        self.list.push(notice);
        if self.list.len() > KEPT {
            self.list.remove(0);
        }
    }

    /// Draws the toasts over everything else.
    pub fn show(&mut self, ctx: &egui::Context) {
        self.toasts.show(ctx);
    }
}
