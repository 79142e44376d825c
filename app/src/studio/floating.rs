//! What floats over the views: the palette, questions, notices, the pointer of a presentation.

use super::Studio;
use crate::files::disk;
use crate::files::outcome::Outcome;
use crate::shell::dialogs;
use crate::shell::palette::Palette;

impl Studio {
    pub(super) fn floating_ui(&mut self, ctx: &egui::Context) {
        // A question is answered before anything else is looked for.
        if self.desk.dialog.is_some() {
            self.desk.palette = None;
        }
        if let Some(mut palette) = self.desk.palette.take() {
            let chosen = self.with_now(|now| palette.show(ctx, &self.theme, now));
            self.commands.borrow_mut().extend(chosen.commands);
            if let Some(folder) = chosen.folder {
                let listed = move || Outcome::Listed(disk::list(&folder));
                if let Err(error) = self.keeping.background.alongside("listing", listed) {
                    self.notices.add(error.problem().into());
                }
            }
            if chosen.is_over {
                // Its field is gone: nobody types any more.
                ctx.memory_mut(|memory| memory.focused().map(|id| memory.surrender_focus(id)));
            } else {
                self.desk.palette = Some(palette);
            }
        }
        if let Some(dialog) = &mut self.desk.dialog
            && let Some(answer) = dialog.show(ctx, &self.theme, &self.fixed.actions)
        {
            self.answered(answer, ctx);
        }
        dialogs::drop_overlay(ctx, &self.theme);
        let asked = self.notices.show(ctx, &self.theme);
        self.commands.borrow_mut().extend(asked);
        self.pointer_ui(ctx);
        self.black_ui(ctx);
    }

    pub(super) fn open_palette(&mut self, ctx: &egui::Context) {
        self.look_again();
        let palette = self.with_now(|now| Palette::new(ctx, &self.fixed.actions, now));
        self.desk.palette = Some(palette);
    }
}
