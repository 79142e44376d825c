//! The states of cells over the grid: selected, of the code that is lit, forced, locked, of a code that is
//! switched off, others if the picture were encoded again. States differ in shape, not in color alone. Regions have one outline, which is worked out
//! when they change and not in every frame.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egui::emath::GuiRounding;
use egui::{Color32, Mesh, Rect, Shape, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::tokens::{Cell, Code, Tokens};

use super::gesture::Place;
use super::outline::{Line, Outline};
use super::overlay::{hovered_cell, visible};
use super::sheet::Sheet;
use crate::ctx::ViewCtx;
use crate::look::textures::{Sampling, Source};
use crate::widgets::pane::Pane;

/// How much of what is not selected is veiled, of 255.
const VEIL: u8 = 84;
/// Cells below this have no marks of their own, in points: their region has an outline.
const LEAST_MARK: f32 = 6.0;
/// Outlines of more lines have no border of their own: they would be nothing but border.
const MOST_LINES: usize = 20_000;

/// What the cells of a part are, to be marked.
#[derive(Debug)]
pub(in crate::views) struct Marked<'a> {
    /// The tokens as they are.
    pub(in crate::views) now: &'a Tokens,
    /// The same with the codes that are switched off.
    pub(in crate::views) before_off: &'a Tokens,
    /// What is selected.
    pub(in crate::views) selected: Arc<BTreeSet<Cell>>,
    /// Where the keys are, if they work the grid.
    pub(in crate::views) cursor: Option<Place>,
    /// Cells whose token would be another one if the picture were encoded again.
    pub(in crate::views) again: Arc<BTreeSet<Cell>>,
}

/// A region that is kept until it is another one.
#[derive(Debug)]
struct Region<K>(Option<((usize, K), Outline)>);

impl<K> Default for Region<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: PartialEq> Region<K> {
    /// The region of these places of a sheet, which are another one only with another key.
    fn of<P: Iterator<Item = Place>>(
        &mut self,
        sheet: &Sheet<'_>,
        key: K,
        places: impl FnOnce(&K) -> P,
    ) -> &Outline {
        let cells = sheet.rows * sheet.columns;
        let is_same = |((number, known), outline): &((usize, K), Outline)| {
            *number == sheet.number && *known == key && outline.inside.len() == cells
        };
        let kept = self.0.take().filter(is_same);
        let (_, outline) = self.0.insert(kept.unwrap_or_else(|| {
            let mut inside = vec![false; cells];
            for (row, column) in places(&key) {
                inside[row * sheet.columns + column] = true;
            }
            ((sheet.number, key), Outline::of(inside, sheet.columns))
        }));
        outline
    }
}

/// Marks as they were drawn last.
#[derive(Debug, Default)]
pub(in crate::views) struct Marks {
    selected: Region<Arc<BTreeSet<Cell>>>,
    locked: Region<Arc<BTreeSet<Cell>>>,
    again: Region<Arc<BTreeSet<Cell>>>,
    forced: Region<Arc<BTreeMap<Cell, u32>>>,
    lit: Region<(Tokens, Option<Code>)>,
    off: Region<(Tokens, Arc<BTreeSet<Code>>)>,
}

impl Marks {
    /// Draws them over a pane that shows a sheet.
    pub(in crate::views) fn ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        pane: &Pane,
        sheet: &Sheet<'_>,
        marked: Marked<'_>,
    ) {
        let colors = &ctx.theme.colors;
        let pen = Pen { painter: pane.painter(ui), pane, sheet };
        let place = |cell: &Cell| sheet.place(*cell);
        let selected = self.selected.of(sheet, marked.selected, |cells| {
            cells.iter().filter_map(place).collect::<Vec<_>>().into_iter()
        });
        veil(ui, ctx, pane, sheet, selected);
        let lit = ctx.hovered.code().or(ctx.document.selection.code);
        let lit = self.lit.of(sheet, (marked.now.clone(), lit), |(_, code)| sheet.places_of(*code));
        pen.outline(&lit.lines, Color32::WHITE, Some(Color32::BLACK), 1.0);
        let document = ctx.document;
        if !document.switched_off.is_empty() {
            let key = (marked.before_off.clone(), Arc::clone(&document.switched_off));
            let off = self.off.of(sheet, key, |(before, off)| off_places(before, off, sheet));
            pen.each(off, colors.dim, Pen::strike);
        }
        let forced = self.forced.of(sheet, Arc::clone(&document.edits), |edits| {
            edits.keys().filter_map(place).collect::<Vec<_>>().into_iter()
        });
        pen.each(forced, colors.gold, |pen, cell| pen.corner(cell, colors.gold));
        let locked = self.locked.of(sheet, Arc::clone(&document.locks), |locks| {
            locks.iter().filter_map(place).collect::<Vec<_>>().into_iter()
        });
        pen.each(locked, colors.dim, Pen::lock);
        let again = self.again.of(sheet, marked.again, |cells| {
            cells.iter().filter_map(place).collect::<Vec<_>>().into_iter()
        });
        pen.each(again, colors.text, Pen::ring);
        let width = if pen.cell() < LEAST_MARK { 1.0 } else { 2.0 };
        pen.outline(&selected.lines, colors.gold, Some(colors.on_gold), width);
        hovered_cell(ui, ctx, pane, sheet);
        if let Some(cursor) = marked.cursor {
            focus(ui, ctx, pane, sheet, cursor);
        }
    }
}

/// The pane has the keys: a ring around it, and where they are.
pub(super) fn focus(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    sheet: &Sheet<'_>,
    (row, column): Place,
) {
    let colors = &ctx.theme.colors;
    let painter = pane.painter(ui);
    let cell = pane.cell_rect(row, column, sheet.rows, sheet.columns);
    // Inside the cell's edges, which are for what is selected.
    let at = if cell.width() > 12.0 { cell.shrink(3.0) } else { cell.expand(3.0) };
    painter.rect_stroke(at, 1.0, Stroke::new(3.0, Color32::BLACK), StrokeKind::Middle);
    painter.rect_stroke(at, 1.0, Stroke::new(1.0, Color32::WHITE), StrokeKind::Middle);
    let stroke = Stroke::new(2.0, colors.gold);
    painter.rect_stroke(pane.view, 2.0, stroke, StrokeKind::Inside);
}

/// The cells in which a code that is switched off would stand.
fn off_places<'s>(
    before: &Tokens,
    off: &BTreeSet<Code>,
    sheet: &'s Sheet<'_>,
) -> impl Iterator<Item = Place> + use<'s> {
    let part = before.part(sheet.number).filter(|part| part.shape() == sheet.part.shape());
    let is_off = |at: &usize| {
        let (part, number) = (part?, part?.code(*at)?);
        off.contains(&Code { book: part.book(), number }).then_some(())
    };
    let cells = 0..sheet.part.codes().len();
    let found: Vec<usize> = cells.filter(|at| is_off(at).is_some()).collect();
    found.into_iter().map(|at| (at / sheet.columns, at % sheet.columns))
}

/// A light veil over what is not selected.
fn veil(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, sheet: &Sheet<'_>, selected: &Outline) {
    if selected.count == 0 {
        return;
    }
    let [r, g, b, _] = ctx.theme.colors.panel.to_array();
    let key = (("veil", ctx.theme.choice), Source::of(&selected.inside));
    let size = [sheet.columns, sheet.rows];
    let texture = ctx.textures.colors(key, size, Sampling::Pixels, || {
        let veiled = Color32::from_rgba_unmultiplied(r, g, b, VEIL);
        let color = |inside: &bool| if *inside { Color32::TRANSPARENT } else { veiled };
        selected.inside.iter().map(color).collect()
    });
    pane.paint(ui, texture.id(), Color32::WHITE);
}

/// Draws over the cells of a sheet.
struct Pen<'a> {
    painter: egui::Painter,
    pane: &'a Pane,
    sheet: &'a Sheet<'a>,
}

impl Pen<'_> {
    /// The shorter side of a cell, in points.
    fn cell(&self) -> f32 {
        let size = self.pane.picture.size();
        (size.x / self.sheet.columns.max(1) as f32).min(size.y / self.sheet.rows.max(1) as f32)
    }

    /// Lines along the edges of cells, with a border that is seen on a picture of any color.
    fn outline(&self, lines: &[Line], color: Color32, border: Option<Color32>, width: f32) {
        let step = self.pane.picture.size()
            / vec2(self.sheet.columns.max(1) as f32, self.sheet.rows.max(1) as f32);
        let pixel = self.painter.pixels_per_point();
        let at = |(column, row): (u32, u32)| {
            let at = self.pane.picture.min + vec2(column as f32, row as f32) * step;
            at.round_to_pixels(pixel)
        };
        let seen = self.pane.view.expand(4.0);
        let rects: Vec<Rect> = lines
            .iter()
            .map(|[from, to]| Rect::from_two_pos(at(*from), at(*to)))
            .filter(|rect| seen.intersects(*rect))
            .collect();
        let mut mesh = Mesh::default();
        if let Some(border) = border.filter(|_| rects.len() <= MOST_LINES) {
            for rect in &rects {
                mesh.add_colored_rect(rect.expand(width / 2.0 + 1.0), border);
            }
        }
        for rect in rects {
            mesh.add_colored_rect(rect.expand(width / 2.0), color);
        }
        self.painter.add(Shape::mesh(mesh));
    }

    /// A mark in each cell of a region that is seen; where cells are too small for that, its outline.
    fn each(&self, region: &Outline, color: Color32, mark: impl Fn(&Self, Rect)) {
        if region.count == 0 {
            return;
        }
        if self.cell() < LEAST_MARK {
            self.outline(&region.lines, color, None, 1.0);
            return;
        }
        let (rows, columns) = (self.sheet.rows, self.sheet.columns);
        let ((top, bottom), (left, right)) = visible(self.pane, self.sheet);
        for row in top..bottom {
            for column in left..right {
                if region.inside[row * columns + column] {
                    mark(self, self.pane.cell_rect(row, column, rows, columns));
                }
            }
        }
    }

    /// Forced: a corner that is filled.
    fn corner(&self, cell: Rect, color: Color32) {
        let side = (cell.width() * 0.35).max(3.0);
        let corner = cell.left_top();
        let points = vec![corner, corner + vec2(side, 0.0), corner + vec2(0.0, side)];
        self.painter.add(Shape::convex_polygon(points, color, Stroke::new(1.0, Color32::BLACK)));
    }

    /// Locked: a small padlock in the lower right corner, in small cells a dot.
    fn lock(&self, cell: Rect) {
        let (light, dark) = (Color32::from_white_alpha(230), Color32::from_black_alpha(170));
        if cell.width().min(cell.height()) < 16.0 {
            let dot = Rect::from_min_size(cell.right_bottom() - vec2(4.0, 4.0), vec2(2.0, 2.0));
            self.painter.rect_filled(dot.expand(1.0), 0.0, dark);
            self.painter.rect_filled(dot, 0.0, light);
            return;
        }
        let side = (cell.width() * 0.24).clamp(5.0, 11.0);
        let size = vec2(side, side * 0.65);
        let body = Rect::from_min_size(cell.right_bottom() - size - vec2(2.0, 2.0), size);
        let bow = pos2(body.center().x, body.top());
        self.painter.circle_stroke(bow, side * 0.28, Stroke::new(2.0, dark));
        self.painter.circle_stroke(bow, side * 0.28, Stroke::new(1.0, light));
        self.painter.rect_filled(body.expand(1.0), 1.0, dark);
        self.painter.rect_filled(body, 1.0, light);
    }

    /// Another one if the picture were encoded again: a ring.
    fn ring(&self, cell: Rect) {
        let radius = (cell.width().min(cell.height()) * 0.24).max(1.5);
        self.painter.circle_stroke(cell.center(), radius, Stroke::new(3.0, Color32::BLACK));
        self.painter.circle_stroke(cell.center(), radius, Stroke::new(1.2, Color32::WHITE));
    }

    /// Of a code that is switched off: struck out.
    fn strike(&self, cell: Rect) {
        let cell = cell.shrink(cell.width() * 0.18);
        let ends = [cell.left_bottom(), cell.right_top()];
        self.painter.line_segment(ends, Stroke::new(3.0, Color32::BLACK));
        self.painter.line_segment(ends, Stroke::new(1.2, Color32::WHITE));
    }
}
