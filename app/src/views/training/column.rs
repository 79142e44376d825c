//! One run: its name, how many codes are used, its codes over time, its probe, its controls.

use egui::{Align, Layout, Rect, RichText, Stroke, UiBuilder, pos2, vec2};
use smalti_engine::Problem;
use smalti_engine::session::{RunState, RunView};

use super::controls;
use super::knobs::Knobs;
use super::probe::{self, Strip};
use crate::ctx::{LeftRun, TrainedRun, ViewCtx};
use crate::document::{JobCommand, Layout as WindowLayout, Open, Secret, Slot, ViewId};
use crate::look::theme::space;
use crate::look::words::{grouped, name};
use crate::widgets::rows::{About, RowsPane, key_ui};
use crate::widgets::veil;

/// What the rows are.
const TRAINING: &str = "time ↓ × code →";
/// From this width on the probe stands beside the rows, before text is scaled.
const WIDE: f32 = 400.0;
/// From this width on there is room for the knobs, too.
const WIDEST: f32 = 900.0;
/// Below this height a picture is left out.
const LEAST_PICTURE: f32 = 24.0;

/// A column and what it remembers of looking.
pub(super) struct Column<'a> {
    pub(super) slot: Slot,
    pub(super) pane: &'a mut RowsPane,
    pub(super) knobs: &'a mut Knobs,
}

impl Column<'_> {
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        run: Option<&Result<TrainedRun, Problem>>,
    ) {
        let run = match run {
            Some(Ok(run)) => run,
            Some(Err(problem)) => {
                self.unread_ui(ui, ctx, problem);
                return;
            }
            None => {
                ui.label(ctx.theme.label("Reading the run…"));
                return;
            }
        };
        ui.spacing_mut().item_spacing.y = space::XS;
        self.head_ui(ui, ctx, run);
        if !ctx.is_presented() {
            self.left_ui(ui, ctx);
        }
        numbers_ui(ui, ctx, self.slot, run);
        controls::problem_ui(ui, ctx, self.slot, run);
        controls::left_ui(ui, ctx, run);
        probe::step_ui(ui, ctx, self.slot, run);
        let rest = ui.available_rect_before_wrap();
        if ctx.is_presented() {
            self.body_ui(ui, ctx, run, rest);
            return;
        }
        let foot = rest.bottom() - ctx.theme.px(26.0);
        let body = rest.with_max_y((foot - space::S).max(rest.top()));
        self.body_ui(ui, ctx, run, body);
        let builder = UiBuilder::new().max_rect(rest.with_min_y(foot));
        let is_narrow = rest.width() < ctx.theme.px(WIDEST);
        ui.scope_builder(builder, |ui| {
            let knobs = is_narrow.then_some(&mut *self.knobs);
            controls::ui(ui, ctx, (self.slot, run), knobs);
        });
    }

    /// A run whose folder tells nothing.
    fn unread_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, problem: &Problem) {
        let letter = self.slot.letter();
        let hue = ctx.theme.family(self.slot as usize);
        ui.label(RichText::new(letter).font(ctx.theme.strong()).color(hue));
        ui.add(
            egui::Label::new(RichText::new(&problem.summary).color(ctx.theme.colors.danger)).wrap(),
        );
        ui.add(egui::Label::new(ctx.theme.label(&problem.hint)).wrap());
        ui.horizontal(|ui| {
            if let Some(run) = &ctx.document.runs[self.slot as usize]
                && ui.button("Train anew").clicked()
            {
                ctx.send(Open::NoRun(self.slot));
                ctx.send(JobCommand::AskTrain(run.recipe.clone()));
            }
            if ui.button("Forget").on_hover_text("The slot becomes free").clicked() {
                ctx.send(Open::NoRun(self.slot));
            }
        });
    }

    /// Which run had to leave this slot, until that was read: a toast is easily missed.
    fn left_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(LeftRun { folder, is_done }) = &ctx.live.left[self.slot as usize] else { return };
        let (what, letter) = (name(folder), self.slot.letter());
        let text = if *is_done {
            format!("{what} is done and has left slot {letter}")
        } else {
            format!("{what} is not done, but has left slot {letter}")
        };
        ui.horizontal_wrapped(|ui| {
            let color = if *is_done { ctx.theme.colors.dim } else { ctx.theme.colors.gold };
            ui.label(RichText::new(text).font(ctx.theme.small()).color(color))
                .on_hover_text(folder.display().to_string());
            let about = "All runs: there it can go on, or be looked at";
            if ui.small_button("Runs").on_hover_text(about).clicked() {
                ctx.send(WindowLayout::Show(ViewId::Runs));
            }
            let seen = ui.small_button("OK").on_hover_text("Says this no more");
            seen.widget_info(|| {
                let label = format!("OK, {what} has left");
                egui::WidgetInfo::labeled(egui::Role::Button, true, label)
            });
            if seen.clicked() {
                ctx.send(JobCommand::SeenLeft(self.slot));
            }
        });
    }

    fn head_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, run: &TrainedRun) {
        let (theme, hue) = (ctx.theme, ctx.theme.family(self.slot as usize));
        let row = vec2(ui.available_width(), theme.px(20.0));
        ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
            ui.set_min_size(row);
            let title = format!("{} · {}", self.slot.letter(), run.name);
            let whole = stand(run);
            // Both are said; of a long one the rest.
            let title_width = width_of(ui, &title, theme.strong()).min(row.x * 0.45);
            let room = row.x - title_width - space::S;
            let said = shorter(&whole);
            let fits = |text: &&str| width_of(ui, text, theme.small()) <= room;
            let shown = said.iter().copied().find(fits).unwrap_or(said[said.len() - 1]);
            let label = ui.add(egui::Label::new(theme.label(shown)).truncate());
            label.on_hover_text(whole.clone());
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = RichText::new(title).font(theme.strong()).color(theme.colors.text);
                let response = ui.add(egui::Label::new(text).truncate());
                let y = response.rect.bottom() + 2.0;
                ui.painter().hline(response.rect.x_range(), y, Stroke::new(theme.line(2.0), hue));
            });
        });
    }

    /// Codes over time, and the probe below or beside them.
    fn body_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, run: &TrainedRun, body: Rect) {
        let theme = ctx.theme;
        if body.height() < theme.px(LEAST_PICTURE) {
            return;
        }
        let pictures = probe::Pictures::of(ui.ctx(), ctx, self.slot, run);
        let (mut rows, mut strip, mut knobs) = (body, None, None);
        if body.width() >= theme.px(WIDEST) && !ctx.is_presented() {
            let (left, right) = rows.split_left_right_at_x(rows.right() - theme.px(280.0));
            (rows, knobs) = (left.with_max_x(left.right() - space::L), Some(right));
        }
        if !pictures.is_empty() {
            let columns = pictures.versions() as f32;
            let label = theme.px(18.0);
            if rows.width() >= theme.px(WIDE) {
                let count = pictures.count() as f32;
                let side = (rows.height() - label) / count - space::XS;
                let most = (rows.width() * 0.46 / columns).min(theme.px(180.0));
                let side = side.min(most).floor();
                let width = columns * (side + space::XS);
                let (left, right) = rows.split_left_right_at_x(rows.right() - width);
                rows = left.with_max_x(left.right() - space::M);
                strip = Some(Strip { place: right, side, is_upright: true });
            } else {
                let side = rows.width() / pictures.count() as f32 - space::XS;
                let most = (rows.height() * 0.6 - 2.0 * label) / columns - space::XS;
                let side = side.min(most).floor();
                let height = columns * (side + space::XS) + label;
                if side >= theme.px(LEAST_PICTURE) {
                    let (above, below) = rows.split_top_bottom_at_y(rows.bottom() - height);
                    rows = above.with_max_y(above.bottom() - space::XS);
                    strip = Some(Strip { place: below, side, is_upright: false });
                }
            }
        }
        rows_ui(ui, ctx, (self.slot, run, self.pane), rows);
        if let Some(strip) = strip {
            pictures.ui(ui, ctx, strip);
        }
        if let Some(place) = knobs {
            ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
                self.knobs.ui(ui, ctx, (self.slot, run));
            });
        }
    }
}

/// Where a run stands, in words.
fn stand(run: &TrainedRun) -> String {
    let record = &run.told.record;
    let steps = if record.steps > 0 {
        format!("step {} of {}", grouped(record.step), grouped(record.steps))
    } else {
        format!("step {}", grouped(record.step))
    };
    let word = match run.view.as_ref().map(|view| (&view.state, view)) {
        None if record.is_done() => "done",
        None => "stored",
        Some((RunState::Running, RunView { entries: 0, .. })) => return "starting…".to_owned(),
        Some((RunState::Running, _)) => "running",
        Some((RunState::Paused, _)) => "paused",
        Some((RunState::Done, _)) => "done",
        Some((RunState::Cancelled, _)) => "stopped",
        Some((RunState::Failed(_), _)) => "failed",
    };
    format!("{word} · {steps}")
}

/// The same in fewer words: without the word before the dot, then without the last step.
fn shorter(stand: &str) -> Vec<&str> {
    let step = stand.split_once(" · ").map_or(stand, |(_, step)| step);
    let alone = step.split_once(" of ").map_or(step, |(step, _)| step);
    vec![stand, step, alone]
}

fn width_of(ui: &egui::Ui, text: &str, font: egui::FontId) -> f32 {
    ui.painter().layout_no_wrap(text.to_owned(), font, egui::Color32::WHITE).size().x
}

/// A share in percent, with a tenth where it is small: few codes are not none.
fn share(value: f64) -> String {
    let percent = value * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// The share of codes that are used, large, and what it is of.
fn numbers_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) {
    let (theme, record) = (ctx.theme, &run.told.record);
    let percent = |name: &str| record.last(name).map(share);
    if ctx.is_veiled(Secret::Usage) && record.last("usage").is_some() {
        let (place, _) = ui
            .allocate_exact_size(vec2(ui.available_width(), theme.px(30.0)), egui::Sense::hover());
        veil::paint(ui, ctx, place);
        return;
    }
    let (number, remark, about) = match (percent("usage"), percent("accuracy")) {
        (Some(usage), _) => {
            let of = record
                .used
                .map(|(used, all)| format!("{} of {} codes", grouped(used), grouped(all)));
            let perplexity = record.last("perplexity").map(|p| format!("perplexity {p:.0}"));
            // The head tells where the run stands; what was measured at another step says at which.
            let at = (record.reported() != record.step)
                .then(|| format!("at step {}", grouped(record.reported())));
            let both: Vec<String> = [of, perplexity, at].into_iter().flatten().collect();
            let about = "Codes that occurred at least once since the report before";
            (usage, both.join(" · "), about)
        }
        (None, Some(accuracy)) => {
            let about = "Pictures of which the class that it finds likeliest is theirs";
            (accuracy, "of the batch named rightly".to_owned(), about)
        }
        (None, None) => {
            ("–".to_owned(), "no report yet".to_owned(), "Reports come every few steps")
        }
    };
    let row = vec2(ui.available_width(), theme.px(30.0));
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_size(row);
        // Beside the number there is room for the first part at least.
        let room = row.x - width_of(ui, &number, theme.number()) - space::M;
        let is_whole = width_of(ui, &remark, theme.small()) <= room;
        let shown =
            if is_whole { &*remark } else { remark.split(" · ").next().unwrap_or_default() };
        let label = ui.add(egui::Label::new(theme.label(shown)).truncate());
        label.on_hover_text(format!("{remark}\n{about}"));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let hue = theme.family(slot as usize);
            let response = ui.label(RichText::new(number).font(theme.number()).color(hue));
            response.on_hover_text(about);
            // Beside a long remark there is no room for it; the log has it, too.
            if record.restarted > 0 && ui.available_width() > theme.px(96.0) {
                let text = format!("{} restarted", grouped(record.restarted));
                ui.label(theme.label(text)).on_hover_text(
                    "Codes that nobody chose were put where latents are, so often until now",
                );
            }
        });
    });
}

/// The codes of a run over time.
fn rows_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, run, pane): (Slot, &TrainedRun, &mut RowsPane),
    place: Rect,
) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    if ctx.is_veiled(Secret::Usage) {
        veil::paint(ui, ctx, place);
        return;
    }
    let (line, below) = probe::label_line(ctx, place);
    let at = pos2(line.left(), line.center().y);
    let history = &run.told.record.history;
    let label = match history.books() {
        0 | 1 => TRAINING.to_owned(),
        // The Codebook view has the others.
        books => format!("{TRAINING}, book 0 of {books}"),
    };
    ui.painter().text(at, egui::Align2::LEFT_CENTER, &label, theme.small(), colors.dim);
    let Some((_, found)) = history.rows(0) else {
        let text = if run.told.record.curve("accuracy").is_some() {
            "a classifier has no codes"
        } else if run.goes_on() {
            "after the first report"
        } else {
            "there are no counts"
        };
        let at = below.left_top() + vec2(0.0, space::XS);
        ui.painter().text(at, egui::Align2::LEFT_TOP, text, theme.small(), colors.dim);
        return;
    };
    // What the colors mean, where it would not cover what they are of.
    let words = width_of(ui, &label, theme.small());
    if line.width() > words + theme.px(130.0) {
        key_ui(ui, ctx, line, found.highest);
    }
    let builder = UiBuilder::new().max_rect(below).id_salt("rows");
    ui.scope_builder(builder, |ui| {
        let whose = format!("{} {}", slot.letter(), run.name);
        let (title, whose) = (label.as_str(), whose.as_str());
        let about = About { title, whose, of: None, book: None, is_logarithmic: true };
        pane.ui(ui, ctx, found, about);
    });
}
