//! Dunes: windward slopes in the light, lee slopes in shadow, ripples on both.

use super::color::{Color, smooth, unit};
use super::noise::{split, visible, wave};
use super::scene::Scene;

/// One layer of dunes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dunes {
    pub base: f32,
    pub height: f32,
    /// Dunes a unit.
    pub rate: f32,
    pub depth: f32,
    pub sand: Color,
    pub shadow: Color,
    pub id: u8,
}

/// A column of a dune layer: where it lies between the dune's two feet.
#[derive(Debug, Clone, Copy)]
struct Slice {
    dune: i32,
    /// How far past the crest, toward the shadow (world units), and how far to the lee foot (0..1).
    past: f32,
    foot: f32,
    /// The crest's height (v).
    crest: f32,
}

/// Windward slopes in the light, lee slopes in shadow, divided by a curved crest.
pub(super) fn dunes(scene: &mut Scene<'_>, spec: &Dunes) {
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, spec.id);
    // Light falls on the windward side, whichever that is.
    let turn = -light.side;
    let start = |k: i32| k as f32 + 0.36 * tex.at(k, 0, id);
    let crest_at = |k: i32| 0.58 + 0.12 * tex.at(k, 1, id);
    let locate = |u: f32| {
        let w = u * turn * spec.rate + 40.0;
        let (i, _) = split(w);
        let dune = if w < start(i) {
            i - 1
        } else if w >= start(i + 1) {
            i + 1
        } else {
            i
        };
        let (from, to) = (start(dune), start(dune + 1));
        (dune, (w - from) / (to - from), to - from)
    };
    let height = |u: f32| {
        let (dune, t, _) = locate(u);
        let crest = crest_at(dune);
        let rise = if t < crest {
            let s = t / crest;
            s * s * (1.9 - 0.9 * s)
        } else {
            let s = (1.0 - t) / (1.0 - crest);
            s * (0.55 + 0.45 * s)
        };
        spec.height * (0.40 + 0.60 * tex.dot(dune, 2, id)) * rise
            + 0.35 * spec.height * tex.line(u * spec.rate * 0.7 + 5.0, id + 1)
    };
    let edge = canvas.edge(|u| spec.base - height(u));
    let slices = canvas.each_column(|x| {
        let (dune, t, width) = locate(canvas.u(x));
        let peak = (start(dune) + crest_at(dune) * width - 40.0) / spec.rate * turn;
        let past = (t - crest_at(dune)) * width / spec.rate;
        Slice { dune, past, foot: smooth(1.0, 0.78, t), crest: spec.base - height(peak) }
    });
    let freq = 30.0 / (1.3 - spec.depth).max(0.35);
    canvas.below(&edge, 9.0, |x, u, v| {
        let slice = slices[x];
        let below = (v - slice.crest).max(0.0);
        let twist = tex.at(slice.dune, 3, id);
        let swing = 0.045 * wave(below / spec.height * 0.5 + twist);
        let lee = slice.past - below * (0.42 + 0.25 * twist) - swing * smooth(0.0, 0.05, below);
        let fade = slice.foot * smooth(spec.height * 1.7, spec.height * 0.5, below);
        let soft = px + 0.06 * below;
        let shade = smooth(-soft, soft, lee) * fade;
        let swell = tex.plane(u * 4.0, v * 8.0, id + 2);
        let warp =
            tex.plane(u * 3.0, v * 5.0, id + 3) + 0.35 * tex.plane(u * 9.0, v * 13.0, id + 5);
        let calm = 0.35 + 0.65 * smooth(-0.3, 0.5, tex.plane(u * 2.4 + 9.0, v * 4.0, id + 6));
        let ripple =
            wave(v * freq + u * freq * 0.25 * turn + warp * 1.7) * visible(px * freq * 1.4) * calm;
        let grain = tex.planes(u * 90.0, v * 90.0, id + 4, (2, px * 90.0));
        let crest_glow = smooth(0.035, 0.0, v - edge.column(x)[1]) * (1.0 - shade);
        let lit = unit(
            0.70 + 0.20 * swell
                + 0.13 * ripple * (1.0 - 0.7 * shade)
                + 0.32 * crest_glow
                + 0.12 * grain
                - 0.74 * shade,
        );
        let color = spec.sand.mix(spec.shadow, 0.66 * shade + 0.10 * unit(-ripple));
        light.far(color, lit, u, spec.depth)
    });
}
