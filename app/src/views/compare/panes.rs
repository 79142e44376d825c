//! Pictures side by side, and what is drawn over one.

use std::sync::Arc;

use egui::{Color32, Rect, RichText, Vec2, vec2};
use smalti_engine::questions::Encoded;

use super::captions::Caption;
use super::places::{Way, ways};
use super::shown::{Content, Shown};
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::views::tokens::sheet::Sheet;
use crate::views::tokens::{hovered_cell, is_spatial};
use crate::widgets::pane::{self, Framed, Pane, Zoom};

/// A picture is at least this large, in points.
const LEAST: f32 = 16.0;
/// The share of their side that pictures keep at least for captions of their own width.
const NEARLY: f32 = 0.93;
/// Widths that are tried for a caption that needs more than its picture has.
const STEPS: u8 = 12;

/// Pictures, by what they belong to.
pub(super) struct Panes<'a> {
    pub(super) shown: &'a [Shown],
    /// 1 alone, 2 with the map of it.
    pub(super) groups: &'a [usize],
    /// Pixels of the original.
    pub(super) size: [u32; 2],
    /// The tokens of A, whose cells are lit.
    pub(super) encoded: Option<&'a Arc<Encoded>>,
}

/// A way to place pictures, and how large that makes them.
struct Plan {
    way: Way,
    /// Points a pixel.
    fit: f32,
    /// Room for a picture where it is zoomed.
    room: Vec2,
    /// Lines under each picture.
    lines: usize,
    /// Width of a caption.
    caption: f32,
}

impl Panes<'_> {
    /// Draws them.
    pub(super) fn ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, zoom: &mut Zoom) {
        let plans = ways(self.groups).into_iter().map(|way| self.plan(ui, ctx, area.size(), way));
        let Some(plan) = plans.reduce(|a, b| if b.fit > a.fit { b } else { a }) else { return };
        let below = Caption::height(ctx, plan.lines);
        let view = pane::grown(self.size, plan.fit, zoom, plan.room);
        let column = view.x.max(plan.caption);
        let step = vec2(column + space::M, view.y + below + space::S);
        let (columns, rows) = (plan.way.columns as f32, plan.way.rows as f32);
        let all = vec2(step.x * columns - space::M, step.y * rows - space::S);
        let start = area.center() - all / 2.0;
        for (at, (shown, place)) in self.shown.iter().zip(&plan.way.places).enumerate() {
            let corner = start + vec2(place.0 as f32 * step.x, place.1 as f32 * step.y);
            // A picture and what is said of it begin at one line, whichever is wider.
            let rect = Rect::from_min_size(corner, view);
            let id = ui.scope_id().with(("compare pane", at));
            let framed = Framed { view: rect, size: self.size, fit: plan.fit };
            let pane = pane::show(ui, id, framed, zoom, true);
            pane.response
                .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &shown.name));
            content_ui(ui, ctx, &pane, shown);
            shown.menu(&pane.response, ctx);
            if let Some(encoded) = self.encoded {
                hover(ui, ctx, &pane, encoded);
            }
            // And end at one line, where the picture is as wide as its caption needs.
            let is_as_wide = shown.caption.lines(ui, ctx, view.x) <= plan.lines;
            let wide = if is_as_wide { view.x } else { column };
            let under = Rect::from_min_size(rect.left_bottom(), vec2(wide, below));
            shown.caption.ui(ui, ctx, under);
        }
    }

    fn plan(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, area: Vec2, way: Way) -> Plan {
        let (columns, rows) = (way.columns as f32, way.rows as f32);
        let width = ((area.x - space::M * (columns - 1.0)) / columns).max(LEAST);
        let height = (area.y - space::S * (rows - 1.0)) / rows;
        let lines_in = |width: f32| {
            let lines = self.shown.iter().map(|shown| shown.caption.lines(ui, ctx, width));
            lines.max().unwrap_or(1)
        };
        let lines = lines_in(width);
        let placed = |lines: usize| {
            let room = vec2(width, (height - Caption::height(ctx, lines)).max(LEAST));
            let fit = pane::fit(room, self.size);
            (room, fit, (self.size[0] as f32 * fit).max(LEAST))
        };
        let (room, fit, own) = placed(lines);
        // A line more costs large pictures little, and captions end where their pictures do.
        let (room_above, fit_above, own_above) = placed(lines + 1);
        let is_in_reach = lines_in(own) > lines && lines_in(own_above) <= lines + 1;
        if is_in_reach && fit_above >= fit * NEARLY {
            let (lines, caption) = (lines + 1, own_above);
            return Plan { way, fit: fit_above, room: room_above, lines, caption };
        }
        // Captions are as wide as their pictures, or wider where they would need more lines.
        let wider = (0..STEPS).map(|step| own + (width - own) * f32::from(step) / f32::from(STEPS));
        let caption = wider.map(f32::ceil).find(|caption| lines_in(*caption) <= lines);
        let caption = caption.unwrap_or(width).min(width);
        Plan { way, fit, room, lines, caption }
    }
}

/// What is in a pane, or in a part of it: a picture, or what is there instead of it.
pub(super) fn content_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, shown: &Shown) {
    match &shown.content {
        Content::Picture { texture, .. } => pane.paint(ui, texture.id(), Color32::WHITE),
        Content::Waiting => {
            pane.painter(ui).rect_filled(pane.view, 3.0, ctx.theme.colors.raised);
        }
        Content::Failed(problem) => {
            pane.painter(ui).rect_filled(pane.view, 3.0, ctx.theme.colors.raised);
            problem_ui(ui, ctx, pane.view, problem);
        }
    }
    if let Some(sign) = &shown.sign {
        sign_ui(ui, ctx, pane, sign);
    }
}

/// Why there is no picture, where it would be.
fn problem_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, view: Rect, problem: &smalti_engine::Problem) {
    let place = egui::UiBuilder::new().max_rect(view.shrink(space::S));
    let mut ui = ui.new_child(place);
    let salt = ("problem", view.left() as i32, view.top() as i32);
    egui::ScrollArea::vertical().id_salt(salt).show(&mut ui, |ui| {
        ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
        if !problem.hint.is_empty() {
            ui.label(ctx.theme.label(&problem.hint));
        }
    });
}

/// Says over a picture that another one is being worked out.
fn sign_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, sign: &str) {
    let theme = ctx.theme;
    let room = (pane.view.width() - 4.0 * space::XS).max(LEAST);
    let galley = ui.painter().layout(sign.to_owned(), theme.small(), theme.colors.text, room);
    let at = pane.view.min + vec2(2.0 * space::XS, 2.0 * space::XS);
    let rect = Rect::from_min_size(at, galley.size());
    pane.painter(ui).rect_filled(rect.expand(space::XS), 3.0, theme.colors.background);
    pane.painter(ui).galley(at, galley, theme.colors.text);
    let response =
        ui.interact(rect, pane.response.id.with(("sign", at.x as i32)), egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, sign));
}

/// The cell under the pointer lights its code everywhere; not where cells have no place.
fn hover(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, encoded: &Encoded) {
    if !is_spatial(ctx, encoded) {
        return;
    }
    let now = ctx.seen_now(encoded);
    let (number, part) = ctx.part(&now);
    let sheet = Sheet::new(number, part, true);
    if let Some(at) = pane.response.hover_pos()
        && let Some(place) = pane.cell_at(at, sheet.rows, sheet.columns)
        && let Some(cell) = sheet.cell(place)
    {
        ctx.hovered.set_cell(cell, sheet.code_at(place));
    }
    hovered_cell(ui, ctx, pane, &sheet);
}
