//! Notices: toasts that pass, and the list that stays (Log view).
//!
//! Painted here rather than by a crate: toasts with accessible names that wrap long paths and ask
//! for one repaint when they end instead of repainting all the while.

use std::time::Duration;

use egui::{Align2, Area, Frame, Id, Margin, Order, RichText, Role, Stroke, WidgetInfo, vec2};

use crate::document::{AppCommand, Command, Moved, Notice, Open, Severity, Slot};
use crate::logging::NOTICE;
use crate::look::theme::{RADIUS_BUTTON, Theme, space};
use crate::look::words::name;
use crate::widgets::severity_color;

/// Notices that the Log view keeps.
const KEPT: usize = 500;
/// Toasts on the screen at once.
const SHOWN: usize = 4;

/// What is said of steps through the history.
pub const STEPS: [&str; 2] = ["Undone", "Redone"];

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
        // Of what is looked for there is one toast, with what was said last.
        let is_newer =
            |old: &Notice| *old == notice || (notice.lost.is_some() && old.lost == notice.lost);
        self.toasts.retain(|toast| !is_newer(&toast.notice));
        self.toasts.push(Toast { number: self.added, notice: notice.clone(), ends: None });
        if self.toasts.len() > SHOWN {
            self.toasts.remove(0);
        }
        self.keep(notice);
    }

    /// Shows what was undone or done again, in place of what was said of that before.
    pub fn add_step(&mut self, did: &str, what: &str) {
        self.toasts.retain(|toast| {
            STEPS.iter().all(|step| !toast.notice.summary.starts_with(&format!("{step}: ")))
        });
        self.add(Notice::info(format!("{did}: {what}")));
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

    /// Takes off the screen what said that something is not where it was, if that was found.
    pub fn found(&mut self, moved: &[Moved]) {
        let is_found = |notice: &Notice| {
            let lost = notice.lost.as_ref().map(|named| &named.0);
            lost.is_some_and(|lost| moved.iter().any(|moved| moved.lost == *lost))
        };
        self.toasts.retain(|toast| !is_found(&toast.notice));
        self.list
            .iter_mut()
            .filter(|notice| is_found(notice))
            .for_each(|notice| notice.lost = None);
    }

    /// Draws the toasts over everything else, newest at the bottom; gives what was asked for in one.
    pub fn show(&mut self, ctx: &egui::Context, theme: &Theme) -> Option<Command> {
        let now = ctx.input(|input| input.time);
        for toast in &mut self.toasts {
            let seconds = match (&toast.notice.lost, toast.notice.severity) {
                // It stays until it is answered or closed.
                (Some(_), _) => f64::MAX,
                (None, _) if toast.notice.tokenizer.is_some() => 15.0,
                (None, Severity::Error) => 10.0,
                (None, _) => 5.0,
            };
            toast.ends.get_or_insert(now + seconds);
        }
        self.toasts.retain(|toast| toast.ends.is_none_or(|end| end > now));
        let (mut closed, mut asked) = (None, None);
        let mut bottom = theme.px(24.0) + space::M;
        for toast in self.toasts.iter().rev() {
            let response = Area::new(Id::unique(("toast", toast.number)))
                .order(Order::Foreground)
                .anchor(Align2::RIGHT_BOTTOM, vec2(-space::M, -bottom))
                .interactable(true)
                .show(ctx, |ui| toast_ui(ui, theme, &toast.notice));
            bottom += response.response.rect.height() + space::S;
            match response.inner {
                Some(Pressed::Close) => closed = Some(toast.number),
                Some(Pressed::Find) => {
                    let lost = toast.notice.lost.clone();
                    asked = lost.map(|named| AppCommand::AskPlace(named.0, named.1).into());
                }
                Some(Pressed::Switch) => {
                    let tokenizer = toast.notice.tokenizer.clone();
                    asked = tokenizer.map(|tokenizer| Open::Model(Slot::A, tokenizer).into());
                    closed = Some(toast.number);
                }
                None => {}
            }
        }
        self.toasts.retain(|toast| Some(toast.number) != closed);
        let next = self.toasts.iter().filter_map(|toast| toast.ends).fold(f64::MAX, f64::min);
        if next < f64::MAX {
            ctx.request_repaint_after(Duration::from_secs_f64((next - now).max(0.01)));
        }
        asked
    }
}

/// What was pressed in a toast.
enum Pressed {
    Close,
    Find,
    Switch,
}

fn toast_ui(ui: &mut egui::Ui, theme: &Theme, notice: &Notice) -> Option<Pressed> {
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
            let mut pressed = None;
            ui.vertical(|ui| {
                ui.set_max_width(theme.px(310.0));
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.add(egui::Label::new(&notice.summary).wrap());
                if !notice.hint.is_empty() {
                    ui.add(egui::Label::new(theme.label(&notice.hint)).wrap());
                }
                if let Some((lost, _)) = notice.lost.as_deref() {
                    let find = ui.button("Find it…");
                    let label = format!("Find {}", name(&lost.path));
                    find.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
                    pressed = find.clicked().then_some(Pressed::Find);
                }
                if let Some(tokenizer) = &notice.tokenizer {
                    let switch = ui.button(format!("Switch to {}", tokenizer.label()));
                    pressed = switch.clicked().then_some(Pressed::Switch);
                }
            });
            let close = egui::Button::new(RichText::new("×").color(colors.dim)).frame(false);
            let response = ui.add(close).on_hover_text("Close");
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Close notice"));
            if response.clicked() { Some(Pressed::Close) } else { pressed }
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
