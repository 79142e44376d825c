//! Where things stand: three pictures beside each other, as large as there is room for.

use egui::{Rect, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::document::LANES;
use crate::look::theme::space;

/// The row of settings, and the line above a picture, before text is scaled.
const ROW: f32 = 32.0;
/// How far a lane is, as a bar, before text is scaled.
const RAIL: f32 = 8.0;
/// Numbers with labels from this width of a lane on, before text is scaled.
const WIDE: f32 = 300.0;
/// The clock where there is room for it, before text is scaled.
const TIMELINE: f32 = 84.0;

/// Where things stand.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) row: Rect,
    pub(super) lanes: [Place; LANES],
    pub(super) words: Rect,
    pub(super) timeline: Rect,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) whole: Rect,
    pub(super) head: Rect,
    pub(super) picture: Rect,
    pub(super) rail: Rect,
    pub(super) figures: Rect,
    /// Whether numbers have labels of their own.
    pub(super) is_wide: bool,
}

impl Places {
    pub(super) fn of(ctx: &ViewCtx<'_>, whole: Rect) -> Self {
        let px = |points| ctx.theme.px(points);
        let is_low = whole.height() < px(420.0);
        let timeline = px(if is_low { 60.0 } else { TIMELINE }).min(whole.height() * 0.3);
        let words = px(if is_low { 20.0 } else { 62.0 }).min(whole.height() * 0.2);
        let row = px(ROW).min(whole.height() * 0.2);
        let (row, rest) = whole.split_top_bottom_at_y(whole.top() + row);
        let (rest, timeline) = rest.split_top_bottom_at_y(rest.bottom() - timeline);
        let (lanes, words) = rest.split_top_bottom_at_y(rest.bottom() - words);
        let gap = if lanes.width() < px(500.0) { space::S } else { space::L };
        let wide = ((lanes.width() - gap * (LANES - 1) as f32) / LANES as f32).max(1.0);
        let lane = |number: usize| {
            let left = lanes.left() + number as f32 * (wide + gap);
            let corner = pos2(left.round(), lanes.top());
            Place::of(
                ctx,
                Rect::from_min_size(corner, vec2(wide, (lanes.height() - space::S).max(1.0))),
            )
        };
        Self { row, lanes: std::array::from_fn(lane), words, timeline }
    }
}

impl Place {
    fn of(ctx: &ViewCtx<'_>, whole: Rect) -> Self {
        let px = |points| ctx.theme.px(points);
        let is_wide = whole.width() >= px(WIDE);
        let (head, rail) = (px(ROW), px(RAIL));
        let figures = px(if is_wide { 46.0 } else { 22.0 });
        let lines = head + rail + figures + space::S;
        let side = whole.width().min(whole.height() - lines).max(4.0);
        // What is left over stands above and below.
        let top = whole.top() + ((whole.height() - lines - side) / 2.0).max(0.0);
        let at = |top: f32, height: f32| {
            Rect::from_min_size(pos2(whole.left(), top.round()), vec2(whole.width(), height))
        };
        let picture = at(top + head, side);
        let picture = Rect::from_center_size(picture.center(), vec2(side, side));
        let rail = at(picture.bottom() + space::S, rail);
        let figures = at(rail.bottom(), figures);
        Self { whole, head: at(top, head), picture, rail, figures, is_wide }
    }
}
