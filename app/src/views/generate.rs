//! Generate: a generator at work, step by step. What is asked at the left, tokens and picture of the moment in
//! the middle, what else might have been written in a cell at the right, the timeline below.

mod cell;
mod choices;
mod empty;
mod facts;
mod grid;
mod picture;
mod places;
mod problem;
mod rows;
mod run;
mod settings;
mod strip;
mod taken;
mod unmasking;

use std::sync::Arc;

use egui::{Rect, Stroke, UiBuilder};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Cell;

pub(super) use self::empty::{problem_ui, ui as none_open_ui};
use self::facts::{Known, Shown};
use self::places::Places;
pub(super) use self::places::two;
pub(super) use self::rows::named;
pub(super) use self::run::gold;
use self::settings::Checked;
pub(super) use self::settings::{class_ui, generator_ui, short};
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{Generate, GeneratedColor};
use crate::look::theme::space;
use crate::widgets::pane::Zoom;
use crate::widgets::states;
use crate::widgets::timeline::{Goes, Player, Tick, Timeline};

/// The Generate view.
#[derive(Debug, Default)]
pub(super) struct GenerateView {
    zoom: Zoom,
    player: Player,
    /// The cell that is told of when none is under the pointer.
    pinned: Option<Cell>,
    /// What is known of the moment that was looked at last.
    known: Known,
    checked: Checked,
}

impl View for GenerateView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let generating = &ctx.document.generating;
        if generating.asked.is_none() {
            return;
        }
        let mut ghost = generating.shows_ghost;
        let about = "What the model would write in masked cells is seen through the masks";
        if ui.checkbox(&mut ghost, "ghost").on_hover_text(about).changed() {
            ctx.send(Generate::Ghost(ghost));
        }
        let by = generating.color_by;
        let color = if ctx.is_tight() { "" } else { "color: " };
        ui.menu_button(format!("{color}{}", by.label()), |ui| {
            for choice in GeneratedColor::ALL {
                if ui.selectable_label(choice == by, choice.label()).clicked() {
                    ctx.send(Generate::ColorBy(choice));
                    ui.close();
                }
            }
        });
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(asked) = ctx.document.generating.asked.clone() else {
            empty::ui(ui, ctx);
            return;
        };
        let Some(opened) = ctx.generator() else { return };
        let area = ui.available_rect_before_wrap();
        ui.allocate_rect(area, egui::Sense::hover());
        let places = Places::of(ctx, area);
        let why = self.checked.why_not(&asked, &opened);
        if let Some(place) = places.settings {
            divide(ui, ctx, place.right() + space::M, area);
            ui.scope_builder(UiBuilder::new().max_rect(place).id_salt("settings"), |ui| {
                settings::column_ui(ui, ctx, (&asked, &opened), why.as_deref());
            });
        } else if !ctx.is_presented()
            && let Some(place) = places.row
        {
            ui.scope_builder(UiBuilder::new().max_rect(place).id_salt("row"), |ui| {
                settings::row_ui(ui, ctx, (&asked, &opened), why.as_deref());
            });
        }
        let Some(trace) = ctx.trace() else {
            // What is looked at may be of another generator than what is asked next, one that is gone.
            let moment = ctx.document.generating.moment.as_ref();
            let other = moment.filter(|moment| moment.asked.opens() != asked.opens());
            let other = other.map(|moment| {
                let reply = ctx.ask("generator of the moment", &moment.asked.opens());
                (Arc::clone(&moment.asked), reply)
            });
            let (asked, opened) = other.unwrap_or((asked, opened));
            // The timeline has it as soon as it is there.
            if ctx.document.generating.moment.is_some() {
                self.player.owe_focus(ctx.wants_focus.replace(false));
            }
            // There is no timeline yet.
            let room = places.pictures.with_max_y(area.bottom());
            let builder = UiBuilder::new().max_rect(room).id_salt("nothing");
            ui.scope_builder(builder, |ui| match &opened {
                Reply::Failed(problem) => empty::problem_ui(ui, ctx, (&asked, problem)),
                Reply::Working { progress, .. } => {
                    states::busy(ui, ctx, *progress);
                    ui.label(ctx.theme.label(format!("Opening {}…", asked.generator.label())));
                }
                Reply::Ready(opened) => empty::blank_ui(ui, ctx, (&asked, opened)),
            });
            return;
        };
        let Some(shown) = Shown::of(ctx, trace, &mut self.known) else {
            if let smalti_engine::session::RunState::Failed(problem) = &trace.state {
                let builder = UiBuilder::new().max_rect(places.pictures).id_salt("failed");
                ui.scope_builder(builder, |ui| {
                    empty::problem_ui(ui, ctx, (&trace.asked, problem));
                });
            }
            return;
        };
        self.moment_ui(ui, ctx, &places, &shown);
    }
}

impl GenerateView {
    fn moment_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        places: &Places,
        shown: &Shown<'_>,
    ) {
        self.zoom.follow(ctx, false);
        let decoded = picture::decoded(ctx, shown);
        let size =
            decoded.best().map(|decoded| [decoded.picture.width(), decoded.picture.height()]);
        let part = shown.part();
        let size = size.unwrap_or([part.columns() as u32 * 8, part.rows() as u32 * 8]);
        let mut pictures = places.pictures;
        if shown.tokens.parts().len() > 1 && pictures.height() > ctx.theme.px(3.0 * strip::HEIGHT) {
            let strip = pictures.with_max_y(pictures.top() + ctx.theme.px(strip::HEIGHT));
            pictures.min.y = strip.bottom() + space::S;
            strip::ui(ui, ctx, strip, shown);
        }
        let two = places::two(ctx, pictures, (size, &self.zoom));
        let over_grid = grid::ui(ui, ctx, (&two.grid, size), shown, (&mut self.zoom, self.pinned));
        let place = (&two.picture, size);
        let over_picture =
            picture::ui(ui, ctx, place, (shown, &decoded), (&mut self.zoom, self.pinned));
        let pointed = over_grid.cell.or(over_picture.cell);
        if places.cell.is_none() {
            for over in [&over_grid, &over_picture] {
                cell::hover_ui(ctx, shown, over);
            }
        }
        if over_grid.is_clicked || over_picture.is_clicked {
            self.pinned = pointed.filter(|cell| self.pinned != Some(*cell));
        }
        self.pinned = over_grid.moved.or(over_picture.moved).or(self.pinned);
        if let Some(place) = places.cell {
            divide(
                ui,
                ctx,
                place.left() - space::M,
                places.whole.with_max_y(places.timeline.top()),
            );
            let told = pointed.or(self.pinned.filter(|cell| shown.tokens.contains(*cell)));
            ui.scope_builder(UiBuilder::new().max_rect(place).id_salt("cell"), |ui| {
                cell::ui(ui, ctx, shown, (told, told.is_some() && told == self.pinned));
            });
        }
        self.timeline_ui(ui, ctx, places.timeline, shown);
    }

    fn timeline_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, shown: &Shown<'_>) {
        let trace = shown.trace;
        let stroke = Stroke::new(ctx.theme.line(1.0), ctx.theme.colors.line);
        ui.painter().hline(area.x_range(), area.top() + 0.5, stroke);
        let cells = shown.tokens.len() as f32;
        let tick = |traced: &crate::ctx::Traced| {
            let left = traced.masked as f32 / cells.max(1.0);
            Tick { value: traced.confidence, left }
        };
        let ticks: Vec<Tick> = trace.steps.iter().map(tick).collect();
        let said = shown.words();
        let timeline = Timeline {
            name: "Generation",
            said: &said,
            ticks: &ticks,
            planned: trace.planned as usize,
            at: shown.at,
            goes_on: trace.run().is_some(),
            label: &|at| shown.label(at),
            heights: "mean confidence",
            line: "masked",
            preview: &|ui, at| picture::preview_ui(ui, ctx, (shown, at)),
        };
        let area = area.with_min_y(area.top() + space::XS);
        let to = ui.scope_builder(UiBuilder::new().max_rect(area).id_salt("timeline"), |ui| {
            taken::timeline_offer(ctx, shown);
            self.player.ui(ui, ctx, area, &timeline)
        });
        if let Some(goes) = to.inner {
            let steps = match goes {
                Goes::To(steps) => Some(steps as u32),
                Goes::ToEnd => None,
            };
            ctx.send(Generate::GoTo(steps));
        }
    }
}

/// A line between two columns.
fn divide(ui: &egui::Ui, ctx: &ViewCtx<'_>, x: f32, area: Rect) {
    let stroke = Stroke::new(ctx.theme.line(1.0), ctx.theme.colors.line);
    let y = area.top() - space::M..=area.bottom();
    ui.painter().vline(x.round() + 0.5, y, stroke);
}
