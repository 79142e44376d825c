//! Notices: toasts that pass, and the list that stays (Log view).
//!
//! Painted here rather than by a crate: toasts with accessible names that wrap long paths and ask
//! for one repaint when they end instead of repainting all the while.

use std::time::Duration;

use egui::{Align2, Area, Frame, Id, Margin, Order, RichText, Stroke, vec2};

use crate::document::{Notice, Severity};
use crate::logging::NOTICE;
use crate::look::theme::{RADIUS_BUTTON, Theme, space};
use crate::widgets::severity_color;

/// Notices that the Log view keeps.
const KEPT: usize = 500;
/// Toasts on the screen at once.
const SHOWN: usize = 4;

#[derive(Debug)]
struct Toast {
    number: u64,
    notice: Notice,
    /// egui's time at which it goes; set when it is first shown.
    ends: Option<f64>,
}

/// All notices of this sitting, oldest first, and the toasts on the screen.
#[derive(Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    toasts: Vec<Toast>,
    added: u64,
}

impl Notices {
    /// All that are kept, oldest first.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    /// Shows a notice and keeps it.
    pub fn add(&mut self, notice: Notice) {
        match notice.severity {
            Severity::Info => log::info!(target: NOTICE, "{}", notice.summary),
            Severity::Warning => log::warn!(target: NOTICE, "{}", notice.summary),
            Severity::Error => log::error!(target: NOTICE, "{}", notice.summary),
        }
        self.added += 1;
        self.toasts.retain(|toast| toast.notice != notice);
        self.toasts.push(Toast { number: self.added, notice: notice.clone(), ends: None });
        if self.toasts.len() > SHOWN {
            self.toasts.remove(0);
        }
        self.keep(notice);
    }

    /// Keeps a notice without showing it.
    pub fn keep(&mut self, notice: Notice) {
        self.list.push(notice);
        if self.list.len() > KEPT {
            self.list.remove(0);
        }
    }

    /// Takes all toasts off the screen; the list stays.
    pub fn dismiss(&mut self) {
        self.toasts.clear();
    }

    /// Draws the toasts over everything else, newest at the bottom.
    pub fn show(&mut self, ctx: &egui::Context, theme: &Theme) {
        let now = ctx.input(|input| input.time);
        for toast in &mut self.toasts {
            let seconds = if toast.notice.severity == Severity::Error { 10.0 } else { 5.0 };
            toast.ends.get_or_insert(now + seconds);
        }
        self.toasts.retain(|toast| toast.ends.is_none_or(|end| end > now));
        let mut closed = None;
        let mut bottom = theme.px(24.0) + space::M;
        for toast in self.toasts.iter().rev() {
            let response = Area::new(Id::unique(("toast", toast.number)))
                .order(Order::Foreground)
                .anchor(Align2::RIGHT_BOTTOM, vec2(-space::M, -bottom))
                .interactable(true)
                .show(ctx, |ui| toast_ui(ui, theme, &toast.notice));
            bottom += response.response.rect.height() + space::S;
            if response.inner {
                closed = Some(toast.number);
            }
        }
        self.toasts.retain(|toast| Some(toast.number) != closed);
        let next = self.toasts.iter().filter_map(|toast| toast.ends).fold(f64::MAX, f64::min);
        if next < f64::MAX {
            ctx.request_repaint_after(Duration::from_secs_f64((next - now).max(0.01)));
        }
    }
}

/// True if it was closed.
fn toast_ui(ui: &mut egui::Ui, theme: &Theme, notice: &Notice) -> bool {
    let colors = &theme.colors;
    let frame = Frame::new()
        .fill(colors.raised)
        .stroke(Stroke::new(1.0, colors.strong_line))
        .corner_radius(RADIUS_BUTTON)
        .shadow(ui.visuals().popup_shadow)
        .inner_margin(Margin { left: 14, right: 8, top: 8, bottom: 8 });
    let shown = frame.show(ui, |ui| {
        ui.set_max_width(theme.px(360.0).min(ui.ctx().content_rect().width() - 64.0));
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                ui.set_max_width(theme.px(310.0));
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.add(egui::Label::new(&notice.summary).wrap());
                if !notice.hint.is_empty() {
                    ui.add(egui::Label::new(theme.label(&notice.hint)).wrap());
                }
            });
            let close = egui::Button::new(RichText::new("×").color(colors.dim)).frame(false);
            let response = ui.add(close).on_hover_text("Close");
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, "Close notice")
            });
            response.clicked()
        })
        .inner
    });
    let mark = egui::Rect::from_min_size(
        shown.response.rect.min + vec2(1.0, 6.0),
        vec2(3.0, shown.response.rect.height() - 12.0),
    );
    ui.painter().rect_filled(mark, 1.5, severity_color(theme, notice.severity));
    shown.inner
}
