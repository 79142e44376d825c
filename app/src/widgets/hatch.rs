//! Hatching: what a cell without a token looks like, in every view.

use egui::{Color32, Mesh, Rect, Shape, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::look::textures::{Sampling, Source};

/// Pixels of the pattern's side; it repeats every [`PERIOD`] of them.
const SIDE: usize = 256;
/// Pixels from one line to the next along a row.
const PERIOD: usize = 8;

/// Hatches cells; of 1 nothing is seen through it, of 0 all.
pub fn cells(
    painter: &egui::Painter,
    ctx: &ViewCtx<'_>,
    cells: impl IntoIterator<Item = Rect>,
    strength: f32,
) {
    let colors = &ctx.theme.colors;
    let (ground, line) = (colors.raised, colors.strong_line);
    let key = (("hatch", ctx.theme.choice), Source::key());
    let pattern = || (0..SIDE * SIDE).map(|at| pixel(at % SIDE, at / SIDE, ground, line)).collect();
    let texture = ctx.textures.colors(key, [SIDE, SIDE], Sampling::Pixels, pattern);
    let mut mesh = Mesh::with_texture(texture.id());
    let dots = painter.ctx().pixels_per_point();
    let tint = Color32::WHITE.gamma_multiply(strength);
    for cell in cells {
        // As if one pattern lay below all cells.
        let phase = |at: f32| (at * dots).round().rem_euclid(PERIOD as f32) / SIDE as f32;
        let first = pos2(phase(cell.left()), phase(cell.top()));
        let size = (cell.size() * dots / SIDE as f32).min(vec2(0.96, 0.96));
        mesh.add_rect_with_uv(cell, Rect::from_min_size(first, size), tint);
    }
    painter.add(Shape::mesh(mesh));
}

/// A pixel of the pattern: lines from the lower left to the upper right, with smooth edges.
fn pixel(x: usize, y: usize, ground: Color32, line: Color32) -> Color32 {
    let along = ((x + y) % PERIOD) as f32 + 0.5;
    let away = (along - PERIOD as f32 / 2.0).abs();
    let cover = (1.5 - away).clamp(0.0, 1.0);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * cover).round() as u8;
    Color32::from_rgb(
        mix(ground.r(), line.r()),
        mix(ground.g(), line.g()),
        mix(ground.b(), line.b()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_has_both_colors_and_repeats() {
        let color = |x, y| pixel(x, y, Color32::BLACK, Color32::WHITE);
        let row: Vec<Color32> = (0..PERIOD).map(|x| color(x, 0)).collect();
        assert!(row.contains(&Color32::BLACK) && row.contains(&Color32::WHITE), "{row:?}");
        assert!((0..40).all(|at| color(at, 3) == color(at + PERIOD, 3)));
    }
}
