//! Land in layers: the edges of hills, and rows of trees along an edge.

use super::canvas::Edge;
use super::color::{Color, WHITE, smooth, unit};
use super::noise::{Texture, split, visible, wave};
use super::scene::Scene;

/// Rolling ground.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hills {
    /// Mean height of the edge (v), and how far it swings.
    pub top: f32,
    pub swing: f32,
    /// Bumps a unit.
    pub rate: f32,
    pub id: u8,
}

impl Hills {
    /// The edge of these hills.
    pub(super) fn edge(&self, scene: &Scene<'_>) -> Edge {
        let (tex, px) = (&scene.tex, scene.canvas.px);
        scene.canvas.edge(|u| {
            let broad = tex.line(u * self.rate + 11.0, self.id);
            let fine = tex.lines(u * self.rate * 3.0 + 3.0, self.id + 1, 4, px * self.rate);
            self.top - self.swing * (0.85 * broad + 0.22 * fine)
        })
    }
}

/// How the edge turns to the light in column x: 0 away, 1 toward.
#[inline]
pub(super) fn facing(edge: &Edge, x: usize, px: f32, side: f32) -> f32 {
    let (run, rise) = edge.around(x);
    let slope = rise / (run.max(1) as f32 * px * 0.25);
    unit(0.5 + 1.3 * slope * side)
}

/// The crowns in a row of trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crown {
    Fir,
    Round,
    Grass,
}

/// A row of trees along an edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub crown: Crown,
    /// Height of the tallest, and distance between neighbors.
    pub size: f32,
    pub spacing: f32,
    pub depth: f32,
    pub leaf: Color,
    /// How much mist lies at the feet (0..1).
    pub mist: f32,
    /// Snow on the branches (0..1).
    pub snow: f32,
    pub id: u8,
}

/// A column of a row of trees: whose crown is highest there, and where in the crown it is.
#[derive(Debug, Clone, Copy)]
struct Slice {
    tree: i32,
    /// -1..1 from the crown's left to its right.
    across: f32,
    /// Height of the foot (v).
    foot: f32,
}

/// Trees side by side; below them the same color goes on to the bottom.
pub(super) fn trees(scene: &mut Scene<'_>, row: &Row, foot: impl Fn(&Texture, f32) -> f32) {
    let sway = if row.crown == Crown::Grass { 0.25 * row.spacing } else { 0.0 };
    let Scene { canvas, tex, light, time, .. } = scene;
    let (px, id, time) = (canvas.px, row.id, *time);
    let highest = |u: f32| {
        let (i, _) = split(u / row.spacing);
        let mut best = (i, 0.0, 0.0_f32);
        for k in i - 1..=i + 1 {
            let clump = 0.8 + 0.4 * tex.line(k as f32 * 0.13, id + 2);
            let tall = row.size * (0.5 + 0.5 * tex.dot(k, 0, id)) * clump;
            let lean = sway * wave(time * 0.35 + tex.dot(k, 1, id)) * 0.5;
            let d = u - lean - (k as f32 + 0.5 + 0.4 * tex.at(k, 1, id)) * row.spacing;
            let (half, height) = match row.crown {
                Crown::Fir => {
                    let half = tall * 0.27;
                    let t = d.abs() / half;
                    // Branches stand out in tiers.
                    let tier = split(t * 4.0).1;
                    (half, tall * (1.0 - t - 0.10 * tier * visible(px / tall * 7.0)))
                }
                Crown::Round => {
                    let half = row.spacing * 0.95;
                    (half, tall * (1.0 - d * d / (half * half)).max(0.0).sqrt())
                }
                Crown::Grass => {
                    let half = row.spacing * 0.55;
                    (half, tall * (1.0 - d.abs() / half))
                }
            };
            if height > best.2 {
                best = (k, (d / half).clamp(-1.0, 1.0), height);
            }
        }
        best
    };
    let edge = canvas.edge(|u| foot(tex, u) - highest(u).2);
    let slices = canvas.each_column(|x| {
        let u = canvas.u(x);
        let (tree, across, _) = highest(u);
        Slice { tree, across, foot: foot(tex, u) }
    });
    let rate = 3.0 / row.spacing;
    canvas.below(&edge, 9.0, |x, u, v| {
        let slice = slices[x];
        let up = (slice.foot - v) / row.size;
        // Where crowns have ended, neighbors are one dark mass.
        let crown = smooth(0.0, 0.4, up);
        let own = tex.at(slice.tree, 4, id) * crown;
        let leafy = tex.planes(u * rate, v * rate * 1.3, id + 5, (3, px * rate * 1.3));
        let half = smooth(-0.22, 0.22, slice.across * light.side + 0.5 * leafy) - 0.5;
        let lit = unit(0.20 + 0.40 * up.max(0.0) + 0.42 * half * crown + 0.35 * leafy + 0.10 * own);
        let mut color = row.leaf * (0.92 + 0.20 * own + 0.25 * leafy);
        if row.snow > 0.0 {
            let top = smooth(px + 0.22 * row.size, 0.0, v - edge.column(x)[1]);
            let cover = unit(top * 0.9 + 0.55 * leafy + 0.5 * half * crown) * row.snow;
            color = color.mix(WHITE, cover);
        }
        let depth = row.depth + (1.0 - row.depth) * row.mist * smooth(0.7, -0.4, up);
        light.far(color, lit, u, depth)
    });
}
