//! Cost: what pixel AR, raster, MaskGIT and VAR cost by the side of the grid: the length of the sequence, passes of
//! the network, operations of attention, and seconds, which are measured here. A plot whose grid is dragged, and
//! a table of that grid.

mod known;
mod plot;
mod table;
mod taken;

use egui::{Label, Slider, UiBuilder};
use smalti_engine::generators::{FACTOR, SIDES};

use self::known::{Known, Quantity};
use super::generate::named;
use super::view::View;
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::keys::ring;

/// The grid that is looked at first.
const FIRST: usize = 16;
/// The table stands beside the plot from this width on, before text is scaled.
const WIDE: f32 = 860.0;
/// How wide the table becomes, before text is scaled.
const TABLE: f32 = 480.0;
/// How high the table is below the plot, before text is scaled.
const TALL: f32 = 210.0;

/// The Cost view.
#[derive(Debug)]
pub(super) struct CostView {
    /// Tokens along a side of the grid.
    side: usize,
    of: Quantity,
    /// The how-manieth time that is measured; none before the first.
    time: Option<u32>,
    is_stopped: bool,
}

impl Default for CostView {
    fn default() -> Self {
        Self { side: FIRST, of: Quantity::Passes, time: None, is_stopped: false }
    }
}

impl View for CostView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, _ctx: &ViewCtx<'_>) {
        for of in Quantity::ALL {
            let choice = ui.selectable_label(self.of == of, of.label());
            if choice.on_hover_text(of.about()).clicked() {
                self.of = of;
            }
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let known = Known::of(ctx, self.time, self.is_stopped);
        if !ctx.is_presented() {
            self.row_ui(ui, ctx, &known);
        } else if ctx.offer(MEASURE, false) {
            self.measure(&known);
        }
        ui.add_space(space::XS);
        let area = ui.available_rect_before_wrap();
        let is_beside = area.width() >= ctx.theme.px(WIDE);
        let (plot, table) = if is_beside {
            area.split_left_right_at_x(area.right() - ctx.theme.px(TABLE))
        } else {
            area.split_top_bottom_at_y(area.bottom() - ctx.theme.px(TALL).min(area.height() * 0.5))
        };
        plot::ui(ui, ctx, plot, (&known, self.of), &mut self.side);
        ui.scope_builder(
            UiBuilder::new().max_rect(table.shrink(space::S)).id_salt("table"),
            |ui| {
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    // Words below it are as wide as the panel, whatever its figures need.
                    let grid = egui::ScrollArea::horizontal().id_salt("grid");
                    grid.auto_shrink([false, true]).show(ui, |ui| {
                        table::ui(ui, ctx, &known, self.side);
                    });
                    ui.add_space(space::S);
                    ui.add(Label::new(ctx.theme.label(known::MEANS)).wrap());
                });
            },
        );
    }
}

/// What the button and the command are called.
const MEASURE: &str = "Measure the cost on this machine";

impl CostView {
    /// The grid, and what is measured.
    fn row_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, known: &Known) {
        ui.horizontal_wrapped(|ui| {
            ui.label(ctx.theme.label("grid"));
            let slider = ui.add(Slider::new(&mut self.side, SIDES).show_value(false));
            ring(ui, ctx.theme, &slider);
            named(&slider, "Tokens along a side", self.side as f64);
            let (side, pixels) = (self.side, self.side * FACTOR);
            let words = format!("{side}×{side} tokens · {pixels}×{pixels} pixels");
            ui.label(ctx.theme.caption_figures(words));
            let label = match (self.time, known.is_measuring()) {
                (None, _) => "Measure on this machine",
                (_, true) => "Stop",
                (_, false) => "Measure again",
            };
            let about = "Each way writes each grid once, in the background, small ones first: 20 s at most for one";
            let button = ui.button(label).on_hover_text(about);
            if ctx.offer(MEASURE, button.clicked()) {
                self.measure(known);
            }
            let (words, color) = match (&known.problem, known.state()) {
                (Some(problem), _) => (problem.summary.clone(), ctx.theme.colors.danger),
                (None, state) => (state, ctx.theme.colors.dim),
            };
            ui.add(Label::new(egui::RichText::new(words).color(color)).wrap());
        });
    }

    /// Measures, stops, or measures anew.
    fn measure(&mut self, known: &Known) {
        if known.is_measuring() {
            self.is_stopped = true;
            return;
        }
        // Another picture of the seconds is of the seconds alone.
        self.of = Quantity::Seconds;
        self.is_stopped = false;
        self.time = Some(self.time.map_or(0, |time| time + 1));
    }
}
