//! Where things stand in the view: pictures come first; columns beside them only where there is room.

use egui::{Rect, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::pane::{self, Zoom};
use crate::widgets::timeline;

/// The column of settings, before text is scaled.
const SETTINGS: f32 = 212.0;
/// The column that tells of a cell, before text is scaled.
const CELL: f32 = 232.0;
/// Both columns from this width on, before text is scaled.
const WIDE: f32 = 900.0;
/// The column of settings from this width on, before text is scaled.
const MIDDLE: f32 = 700.0;
/// A row in place of the column of settings, before text is scaled.
const ROW: f32 = 32.0;
/// A line below a picture, before text is scaled.
const LINE: f32 = 24.0;

/// Where things stand.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) whole: Rect,
    pub(super) settings: Option<Rect>,
    /// Settings in a row, where there is no column of them.
    pub(super) row: Option<Rect>,
    pub(super) pictures: Rect,
    pub(super) cell: Option<Rect>,
    pub(super) timeline: Rect,
}

/// A picture's place, and the line below it.
#[derive(Debug, Clone, Copy)]
pub(in crate::views) struct Place {
    pub(in crate::views) view: Rect,
    pub(in crate::views) caption: Rect,
    /// Points a pixel where nothing is zoomed.
    pub(in crate::views) fit: f32,
}

/// Tokens and picture.
#[derive(Debug)]
pub(in crate::views) struct Two {
    pub(in crate::views) grid: Place,
    pub(in crate::views) picture: Place,
}

impl Places {
    pub(super) fn of(ctx: &ViewCtx<'_>, whole: Rect) -> Self {
        let px = |points| ctx.theme.px(points);
        let low = whole.height() < px(330.0);
        let timeline = px(if low { 64.0 } else { timeline::HEIGHT }).min(whole.height() * 0.4);
        let is_hall = ctx.is_presented();
        let has_settings = whole.width() >= px(MIDDLE) && !is_hall && !low;
        let mut rest = whole;
        let settings = has_settings.then(|| {
            let column = rest.with_max_x(rest.left() + px(SETTINGS));
            rest.min.x = column.right() + 2.0 * space::M;
            column
        });
        let (mut above, timeline) = rest.split_top_bottom_at_y(rest.bottom() - timeline);
        let row = (!has_settings && !is_hall).then(|| {
            let row = above.with_max_y(above.top() + px(ROW));
            above.min.y = row.bottom() + space::XS;
            row
        });
        let cell = (whole.width() >= px(WIDE) && !low).then(|| {
            let column = above.with_min_x(above.right() - px(CELL));
            above.max.x = column.left() - 2.0 * space::M;
            column
        });
        let pictures = above.with_max_y(above.bottom() - space::XS);
        Self { whole, settings, row, pictures, cell, timeline }
    }
}

/// Tokens and picture beside or above each other, as they are larger.
pub(in crate::views) fn two(ctx: &ViewCtx<'_>, area: Rect, (size, zoom): ([u32; 2], &Zoom)) -> Two {
    let line = ctx.theme.px(LINE);
    let gap = space::L;
    let least = |room: egui::Vec2| room.max(vec2(16.0, 16.0));
    let beside = least(vec2((area.width() - gap) / 2.0, area.height() - line));
    let above = least(vec2(area.width(), (area.height() - gap) / 2.0 - line));
    let is_beside = pane::fit(beside, size) >= pane::fit(above, size);
    let room = if is_beside { beside } else { above };
    let fit = pane::fit(room, size);
    let view = pane::grown(size, fit, zoom, room);
    let step = if is_beside { vec2(view.x + gap, 0.0) } else { vec2(0.0, view.y + line + gap) };
    let whole = step + vec2(view.x, view.y + line);
    let corner = area.center() - whole / 2.0;
    let corner = pos2(corner.x.round(), corner.y.max(area.top()).round());
    let place = |corner: egui::Pos2| {
        let view = Rect::from_min_size(corner, view);
        let caption = Rect::from_min_size(view.left_bottom(), vec2(view.width(), line));
        Place { view, caption, fit }
    };
    Two { grid: place(corner), picture: place(corner + step) }
}
