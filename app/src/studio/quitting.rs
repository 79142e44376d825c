//! The end of the window: what would be lost by it is waited for, or asked about first.

use egui::ViewportCommand;
use smalti_engine::session::RunView;

use super::Studio;
use crate::document::Notice;
use crate::files::outcome::Outcome;
use crate::shell::dialogs::{Dialog, Then};

impl Studio {
    pub(super) fn close_requested(&mut self, ctx: &egui::Context) {
        if self.desk.quitting.may_lose_work {
            return;
        }
        // What was painted would be lost. Whoever asks twice does not wait.
        let has_waited = std::mem::take(&mut self.desk.quitting.waits);
        if self.is_editing() && !has_waited {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.desk.quitting.waits = true;
            let hint = "Close it once more to end without waiting".to_owned();
            let summary = "The window closes when what you did last is in the tokens";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
            return;
        }
        // What was asked to be saved is, first.
        if let Some(number) = self.waiting_to_be_written() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.desk.quitting.runs_may_stop = false;
            self.desk.after_saving = Some((number, Then::Quit));
            return;
        }
        if self.waits_for_sheet(ctx) {
            return;
        }
        let is_unsaved = self.has_unsaved_work();
        // The same request gives the same tokens: no generation is lost.
        let is_work = |run: &RunView| !run.state.is_over() && !self.generations.is_own(run.id);
        let open: Vec<RunView> = self.session.runs().into_iter().filter(is_work).collect();
        let is_training = |run: &&RunView| self.live_runs.values().any(|id| *id == run.id);
        let trainings = open.iter().filter(is_training).count();
        let measurements = open.len() - trainings;
        // Those that are about to begin are lost with the window, too.
        let runs = trainings + self.trainings.preparing.len();
        let question = match (runs + measurements, is_unsaved) {
            (0, false) => return,
            (0, true) => Dialog::Unsaved(Then::Quit),
            (_, is_unsaved) => Dialog::Running { runs, measurements, is_unsaved },
        };
        ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        if !self.desk.dialog.iter().chain(&self.desk.questions).any(|asked| *asked == question) {
            self.ask(question);
        }
    }

    /// Whether the end waits for a sheet of images that is being saved. Whoever asks twice does not wait.
    fn waits_for_sheet(&mut self, ctx: &egui::Context) -> bool {
        let has_waited = std::mem::take(&mut self.desk.quitting.waits_for_sheet);
        if !self.keeping.background.is_saving_alongside() {
            return false;
        }
        if has_waited {
            self.keeping.background.leave_savers();
            return false;
        }
        ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        self.desk.quitting.waits_for_sheet = true;
        let hint = "Close it once more to end without that file".to_owned();
        let summary = "The window closes when the sheet of images is saved";
        self.notices.add(Notice { hint, ..Notice::info(summary) });
        true
    }

    /// The end that waited for a sheet comes when that is saved; if it is not, it is said why, and the window stays.
    pub(super) fn quit_when_sheet_is_saved(
        &mut self,
        outcomes: &[Outcome],
        is_saving: bool,
        ctx: &egui::Context,
    ) {
        let waits = &mut self.desk.quitting.waits_for_sheet;
        let has_failed = outcomes.iter().any(Outcome::is_error);
        if !*waits || (is_saving && !has_failed) {
            return;
        }
        *waits = false;
        if !has_failed {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// What was saved on the way to the end is; what else would be lost by it is asked about, unless it was.
    pub(super) fn quit_when_saved(&mut self, ctx: &egui::Context) {
        let runs_may_stop = std::mem::take(&mut self.desk.quitting.runs_may_stop);
        if runs_may_stop && !self.has_unsaved_work() {
            self.go(Then::Quit, ctx);
        } else {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// Whether something that was done to the tokens is not in them yet.
    fn is_editing(&self) -> bool {
        self.strokes.is_at_work || !self.strokes.waiting.is_empty() || self.replacing > 0
    }

    /// The end that waited for the tokens comes when they are there.
    pub(super) fn quit_when_edited(&mut self, ctx: &egui::Context) {
        if self.desk.quitting.waits && !self.is_editing() {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }
}
