//! Log: every notice of this sitting, newest first.

use egui::{Sense, vec2};

use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Notice, Severity};
use crate::look::theme::space;
use crate::widgets::severity_color;
use crate::widgets::states::find_ui;
use crate::widgets::visible;

/// The Log view.
#[derive(Debug, Default)]
pub(super) struct LogView;

impl View for LogView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let list = ctx.notices;
        if list.is_empty() {
            return;
        }
        let copy = ui.small_button("copy all").clicked();
        if ctx.offer("Copy the log", copy) {
            let text: Vec<String> = list.iter().map(line).collect();
            ctx.send(AppCommand::CopyText(text.join("\n")));
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let list = ctx.notices;
        if list.is_empty() {
            ui.label(ctx.theme.label("Nothing was said yet"));
            return;
        }
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::S;
            let id = ui.scope_id();
            for (number, notice) in list.iter().enumerate().rev() {
                // Numbered from the oldest, which goes when there are very many; the words tell one from another.
                let id = id.with((number, &notice.summary, notice.lost.is_some()));
                visible::ui(ui, id, |ui| notice_ui(ui, ctx, notice));
            }
        });
    }
}

fn line(notice: &Notice) -> String {
    let kind = match notice.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    if notice.hint.is_empty() {
        format!("{kind}: {}", notice.summary)
    } else {
        format!("{kind}: {} ({})", notice.summary, notice.hint)
    }
}

fn notice_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, notice: &Notice) {
    let theme = ctx.theme;
    ui.horizontal_top(|ui| {
        let (dot, _) = ui.allocate_exact_size(vec2(8.0, theme.px(16.0)), Sense::hover());
        ui.painter().circle_filled(dot.center(), 3.0, severity_color(theme, notice.severity));
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.add(egui::Label::new(&notice.summary).wrap().selectable(true));
            if !notice.hint.is_empty() {
                ui.add(egui::Label::new(theme.label(&notice.hint)).wrap().selectable(true));
            }
            if let Some((lost, all)) = notice.lost.as_deref() {
                find_ui(ui, ctx, (lost, all));
            }
        });
    });
}
