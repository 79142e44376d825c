//! The tools of the hand beside the pictures, as a palette of icons: what a drag does, what becomes of a selection, and
//! what a generator writes there. Each has a name and a key; one that cannot be used says why.

use std::sync::Arc;

use egui::{Button, Color32, Painter, Rect, Role, Stroke, StrokeKind, UiBuilder, WidgetInfo, vec2};
use smalti_engine::tokens::Tokens;

use crate::ctx::ViewCtx;
use crate::document::{Command, Edit, Generate, Notice, Tool, grown, inverted};
use crate::look::theme::space;

/// The side of a tool, before text is scaled.
const SIDE: f32 = 26.0;
/// The least of a view that has them, below each other and in two columns, before text is scaled.
const LEAST: [egui::Vec2; 2] = [vec2(420.0, 340.0), vec2(450.0, 230.0)];
/// Ways that are tried to pick one.
const WAYS: u8 = 4;
/// So many where a person wants more to pick from.
const MORE_WAYS: u8 = 9;
/// The least height of a view that has the tool for these as well, before text is scaled.
const LEAST_FOR_MORE: [f32; 2] = [420.0, 270.0];

/// What a tool looks like.
#[derive(Debug, Clone, Copy)]
enum Icon {
    Tool(Tool),
    Grow,
    Invert,
    ByCode,
    Unsure,
    Rewrite,
    Ways,
    MoreWays,
}

/// A tool as it is drawn.
struct Shown<'a> {
    icon: Icon,
    name: &'a str,
    about: &'a str,
    is_on: bool,
    why_not: Option<String>,
}

/// Draws them at the left of an area, in two columns where it is low, and gives what is left of it.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, now: &Tokens) -> Rect {
    let theme = ctx.theme;
    let has_room = |least: &egui::Vec2| {
        area.width() >= theme.px(least.x) && area.height() >= theme.px(least.y)
    };
    let Some(more) = LEAST.iter().position(has_room).filter(|_| !ctx.is_presented()) else {
        return area;
    };
    let (side, gap) = (theme.px(SIDE), 2.0);
    let wide = side + more as f32 * (side + gap);
    let (left, rest) = area.split_left_right_at_x(area.left() + wide + space::S);
    let first = left.shrink2(vec2(space::XS, space::M));
    let column = |ui: &mut egui::Ui, name: &str, place: Rect, draw: &dyn Fn(&mut egui::Ui)| {
        ui.scope_builder(UiBuilder::new().max_rect(place).id_salt(name), |ui| {
            ui.spacing_mut().item_spacing = vec2(0.0, gap);
            draw(ui);
        });
    };
    let others = |ui: &mut egui::Ui| {
        selection_ui(ui, ctx, now);
        ui.add_space(space::S);
        rewrite_ui(ui, ctx, area.height() >= theme.px(LEAST_FOR_MORE[more]));
    };
    if more == 0 {
        column(ui, "palette", first, &|ui| {
            tools_ui(ui, ctx);
            ui.add_space(space::S);
            others(ui);
        });
    } else {
        column(ui, "palette", first.with_max_x(first.left() + side), &|ui| tools_ui(ui, ctx));
        let second = first.with_min_x(first.left() + side + gap);
        column(ui, "more tools", second, &others);
    }
    rest
}

/// What a drag on the grid does.
fn tools_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    for tool in Tool::ALL {
        let key = match tool {
            Tool::Rectangle => "M",
            Tool::Lasso => "L",
            Tool::Brush => "B",
            Tool::Paint => "P",
        };
        let shown = Shown {
            icon: Icon::Tool(tool),
            name: tool.label(),
            about: &format!("{} ({key})", tool.about()),
            is_on: ctx.document.selection.tool == tool,
            why_not: None,
        };
        if shown.ui(ui, ctx) {
            ctx.send(Edit::Hold(tool));
        }
    }
    if ctx.document.selection.tool == Tool::Paint {
        let mut color = ctx.document.selection.color;
        let response = ui.color_edit_button_srgb(&mut color);
        response.widget_info(|| WidgetInfo::labeled(Role::ColorWell, true, "Color to paint with"));
        response.on_hover_text("Color to paint with; Alt and a click take one from the picture");
        if color != ctx.document.selection.color {
            ctx.send(Edit::Color(color));
        }
    }
}

/// What becomes of what is selected.
fn selection_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, now: &Tokens) {
    let selection = &ctx.document.selection;
    let (number, part) = ctx.part(now);
    let is_old = (!ctx.is_encoded()).then(|| "The tokens are not worked out yet".to_owned());
    let or =
        |is_missing: bool, why: &str| is_old.clone().or_else(|| is_missing.then(|| why.to_owned()));
    let nothing = or(selection.cells.is_empty(), "Select cells first");
    let about = "The cells beside the selected ones as well (Ctrl+E)";
    let grow = (Icon::Grow, "Grow the selection", about, nothing);
    let about = "The other cells in place of the selected ones (Ctrl+I)";
    let invert = (Icon::Invert, "Invert the selection", about, or(false, ""));
    let no_code = or(selection.code.is_none(), "Select a cell or a code first");
    let about = "All cells with the selected code (Ctrl+Shift+A)";
    let by_code = (Icon::ByCode, "Select by code", about, no_code);
    let about = "The tenth of the cells that a generator was least sure of (Ctrl+T)";
    let unsure = (Icon::Unsure, "Select the 10 % least sure", about, ctx.why_not_least_sure(now));
    for (icon, name, about, why_not) in [grow, invert, by_code, unsure] {
        let shown = Shown { icon, name, about, is_on: false, why_not };
        if !shown.ui(ui, ctx) {
            continue;
        }
        let cells = match icon {
            Icon::Grow => grown(&selection.cells, now),
            Icon::Unsure => {
                let Ok(unsure) = ctx.least_sure(now) else { continue };
                ctx.send(Notice::info(unsure.words));
                unsure.cells
            }
            Icon::Invert => inverted(&selection.cells, (number, part)),
            _ => {
                let is_it = |at: &usize| {
                    let code = selection.code.filter(|code| code.book == part.book());
                    code.is_some_and(|code| part.code(*at) == Some(code.number))
                };
                let all = (0..part.codes().len()).filter(is_it);
                all.map(|at| part.cell(number, at)).collect()
            }
        };
        ctx.send(Edit::SelectCells(Arc::new(cells)));
    }
}

/// What a generator writes where something is selected.
fn rewrite_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, has_room: bool) {
    let why_not = ctx.why_not_rewrite();
    // With another tokenizer it can be done: a click says so, with a button for that.
    let has_way_on = why_not.is_some() && ctx.tokenizer_to_rewrite().is_some();
    let one = "A generator writes the selected cells anew; all others stay (Ctrl+R)";
    let four = "Four ways to write the selected cells anew, to pick one (Ctrl+Shift+R)";
    let nine = "Nine ways to write the selected cells anew, to pick one (Ctrl+9)";
    let tools = [
        (Icon::Rewrite, "Resample the selected cells", one, 1),
        (Icon::Ways, "Four variations of the selected cells", four, WAYS),
        (Icon::MoreWays, "Nine variations of the selected cells", nine, MORE_WAYS),
    ];
    for (icon, name, about, count) in tools.into_iter().take(if has_room { 3 } else { 2 }) {
        let (about, why_not) = match &why_not {
            Some(why) if has_way_on => (why.as_str(), None),
            other => (about, other.clone()),
        };
        let shown = Shown { icon, name, about, is_on: false, why_not };
        if shown.ui(ui, ctx) {
            ctx.send(rewriting(ctx, count));
        }
    }
}

/// The command that writes the selected cells anew, or says why that cannot be.
pub(super) fn rewriting(ctx: &ViewCtx<'_>, count: u8) -> Command {
    match ctx.keeping_unselected() {
        Ok(asked) => Generate::Rewrite { asked: Box::new(asked), count }.into(),
        Err(why) => {
            let tokenizer = ctx.tokenizer_to_rewrite();
            Notice { tokenizer, ..Notice::info(why) }.into()
        }
    }
}

impl Shown<'_> {
    /// Draws it; gives whether it was clicked.
    fn ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) -> bool {
        let (side, can) = (ctx.theme.px(SIDE), self.why_not.is_none());
        let button = Button::new("").min_size(vec2(side, side)).selected(self.is_on);
        let response = ui.add_enabled(can, button);
        response.widget_info(|| WidgetInfo::selected(Role::Button, can, self.is_on, self.name));
        let colors = &ctx.theme.colors;
        let color = match (can, self.is_on) {
            (false, _) => colors.faint,
            (true, true) => colors.gold,
            (true, false) => colors.text,
        };
        let place = Rect::from_center_size(response.rect.center(), vec2(side, side) * 0.56);
        self.icon.paint(ui.painter(), place, color);
        let why = self.why_not.as_deref().unwrap_or_default();
        let about = format!("{}\n{}", self.name, self.about);
        let whole = format!("{}\n{why}", self.name);
        response.on_hover_text(about).on_disabled_hover_text(whole).clicked()
    }
}

impl Icon {
    fn paint(self, painter: &Painter, place: Rect, color: Color32) {
        let stroke = Stroke::new((place.width() * 0.1).max(1.0), color);
        let at = |x: f32, y: f32| place.min + vec2(x, y) * place.size();
        let line = |points: &[(f32, f32)]| {
            painter.line(points.iter().map(|(x, y)| at(*x, *y)).collect(), stroke);
        };
        let square = |x: f32, y: f32, side: f32, is_filled: bool| {
            let rect = Rect::from_min_size(at(x, y), place.size() * side);
            if is_filled {
                painter.rect_filled(rect, 0.0, color);
            } else {
                painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
            }
        };
        match self {
            Self::Tool(Tool::Rectangle) => square(0.0, 0.1, 0.9, false),
            Self::Tool(Tool::Lasso) => line(&[
                (0.3, 0.95),
                (0.45, 0.75),
                (0.1, 0.6),
                (0.05, 0.3),
                (0.3, 0.05),
                (0.7, 0.05),
                (0.95, 0.3),
                (0.85, 0.65),
                (0.45, 0.75),
            ]),
            Self::Tool(Tool::Brush) => {
                line(&[(0.95, 0.05), (0.45, 0.55)]);
                painter.circle_filled(at(0.28, 0.72), place.width() * 0.22, color);
            }
            Self::Tool(Tool::Paint) => {
                line(&[(0.5, 0.05), (0.2, 0.5), (0.2, 0.75), (0.5, 0.95), (0.8, 0.75), (0.8, 0.5)]);
                line(&[(0.8, 0.5), (0.5, 0.05)]);
            }
            Self::Grow => {
                square(0.3, 0.3, 0.4, true);
                square(0.0, 0.0, 1.0, false);
            }
            Self::Invert => {
                square(0.0, 0.0, 1.0, false);
                let half = Rect::from_min_max(at(0.0, 0.0), at(0.5, 1.0));
                painter.rect_filled(half, 0.0, color);
            }
            Self::ByCode => {
                for (number, is_filled) in (0..9_u8).map(|n| (n, n % 4 == 0)) {
                    let (x, y) = (f32::from(number % 3) * 0.37, f32::from(number / 3) * 0.37);
                    square(x, y, 0.26, is_filled);
                }
            }
            Self::Unsure => {
                line(&[(0.2, 0.3), (0.3, 0.1), (0.65, 0.05), (0.8, 0.3), (0.5, 0.5), (0.5, 0.7)]);
                painter.circle_filled(at(0.5, 0.92), place.width() * 0.08, color);
            }
            Self::Rewrite => {
                line(&[
                    (0.15, 0.45),
                    (0.3, 0.15),
                    (0.7, 0.15),
                    (0.9, 0.5),
                    (0.7, 0.85),
                    (0.3, 0.85),
                ]);
                line(&[(0.0, 0.3), (0.15, 0.5), (0.36, 0.36)]);
            }
            Self::Ways => {
                for (x, y) in [(0.0, 0.0), (0.55, 0.0), (0.0, 0.55), (0.55, 0.55)] {
                    square(x, y, 0.45, false);
                }
            }
            Self::MoreWays => {
                for number in 0..9_u8 {
                    let (x, y) = (f32::from(number % 3) * 0.37, f32::from(number / 3) * 0.37);
                    square(x, y, 0.26, false);
                }
            }
        }
    }
}
