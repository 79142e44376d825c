//! Land in layers: mountains, mesas, dunes, hills, rows of trees, open ground.

use super::canvas::Edge;
use super::color::{Color, WHITE, hex, smooth, unit};
use super::noise::{Dice, Texture, split, visible, wave};
use super::paint::Scene;

/// A range of mountains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// Foot of the range (v).
    pub base: f32,
    /// Height of its highest peak.
    pub height: f32,
    /// 0 near, 1 at the horizon.
    pub depth: f32,
    pub rock: Color,
    /// Part of the height that is under snow.
    pub snow: f32,
    /// Number of peaks in the width of a 2:1 picture.
    pub peaks: u32,
    pub id: u8,
}

/// A summit with the slopes to both sides.
#[derive(Debug, Clone, Copy)]
struct Peak {
    u: f32,
    height: f32,
    slopes: (f32, f32),
    lean: f32,
}

fn peaks(range: &Range, dice: &mut Dice) -> Vec<Peak> {
    let n = range.peaks.max(1);
    let hero = (n / 2 + dice.below(2)).min(n - 1);
    (0..n)
        .map(|i| {
            let spread = 2.4 / n as f32;
            let u = -1.2 + spread * (i as f32 + 0.5) + spread * dice.range(-0.36, 0.36);
            let share = if i == hero { 1.0 } else { dice.range(0.45, 0.86) };
            let steep = range.height * dice.range(1.5, 2.6) * n as f32 / 5.0;
            let skew = dice.range(0.75, 1.3);
            Peak {
                u,
                height: range.height * share,
                slopes: (steep * skew, steep / skew),
                lean: dice.range(-0.35, 0.35),
            }
        })
        .collect()
}

/// The highest peak over u and its height there.
fn summit(peaks: &[Peak], u: f32) -> (usize, f32) {
    let mut best = (0, -9.0);
    for (i, peak) in peaks.iter().enumerate() {
        let d = u - peak.u;
        let fall = if d < 0.0 { -d * peak.slopes.0 } else { d * peak.slopes.1 };
        // Slopes flatten toward the foot.
        let fall = fall / (1.0 + 0.35 * fall / peak.height);
        let height = peak.height - fall;
        if height > best.1 {
            best = (i, height);
        }
    }
    best
}

/// Rock and snow, each mountain with a bright and a shadow face.
pub(super) fn mountains(scene: &mut Scene<'_>, range: &Range, dice: &mut Dice) {
    let peaks = peaks(range, dice);
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, range.id);
    let rough = range.height * 0.16;
    let edge = canvas.edge(|u| {
        let (_, height) = summit(&peaks, u);
        let crag = tex.lines(u * 9.0, id, 5, px * 9.0 * 0.25);
        range.base - (height + rough * crag).max(range.height * 0.08)
    });
    let winners: Vec<usize> = (0..canvas.width).map(|x| summit(&peaks, canvas.u(x)).0).collect();
    let snow = hex(0xf3f8ff);
    let snow_line = range.base - range.height * (1.0 - range.snow);
    canvas.below(&edge, range.base + 0.04, |x, u, v| {
        let i = winners[x];
        let peak = &peaks[i];
        let below = (v - (range.base - peak.height)).max(0.0) + 0.012;
        let wiggle = tex.line(below * 11.0, id + 1 + i as u8) * 0.30 * below;
        let across = u - peak.u - peak.lean * below - wiggle;
        let fan = across / (below + 0.05);
        let gully = tex.planes(
            fan * 3.2 + i as f32 * 9.0,
            below * 7.0 / range.height.max(0.1) * 0.3,
            id + 7,
            (4, px * 3.2 / (below + 0.05)),
        );
        let grain = tex.planes(u * 40.0, v * 40.0, id + 11, (3, px * 40.0));
        let soft = 0.008 + 0.10 * below;
        let face = smooth(-soft, soft, across * light.side + 0.05 * gully * below.min(0.3) * 4.0);
        let lit = unit(0.06 + 0.78 * face + 0.75 * gully * (0.35 + 0.65 * face) + 0.25 * grain);
        let rock = range.rock * (0.92 + 0.35 * grain + 0.3 * gully);
        let white = if range.snow > 0.0 {
            let line = snow_line + 0.16 * range.height * (gully * 2.2 + grain);
            smooth(line + 0.012, line - 0.012, v)
        } else {
            0.0
        };
        let color = rock.mix(snow * (0.94 + 0.1 * grain), white);
        let mist = 0.45 * smooth(range.base - range.height * 0.55, range.base, v);
        let depth = range.depth + (1.0 - range.depth) * mist * (0.4 + 0.6 * range.depth);
        light.far(color, lit, u, depth)
    });
}

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

/// Where u lies in its dune: (dune, part of the way from its windward to its lee foot, width).
fn dune_at(tex: &Texture, x: f32, id: u8) -> (i32, f32, f32) {
    let start = |k: i32| k as f32 + 0.36 * tex.at(k, 0, id);
    let (i, _) = split(x);
    let cell = if x < start(i) {
        i - 1
    } else if x >= start(i + 1) {
        i + 1
    } else {
        i
    };
    let (from, to) = (start(cell), start(cell + 1));
    (cell, (x - from) / (to - from), to - from)
}

/// Windward slopes in the light, lee slopes in shadow, divided by a curved crest.
pub(super) fn dunes(scene: &mut Scene<'_>, spec: &Dunes) {
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, spec.id);
    let crest_at = |cell: i32| 0.58 + 0.12 * tex.at(cell, 1, id);
    let tall = |cell: i32| spec.height * (0.40 + 0.60 * tex.dot(cell, 2, id));
    // Light falls on the windward side, whichever that is.
    let turn = -light.side;
    let height = |u: f32| {
        let (cell, t, _) = dune_at(tex, u * turn * spec.rate + 40.0, id);
        let crest = crest_at(cell);
        let s = if t < crest { t / crest } else { (1.0 - t) / (1.0 - crest) };
        let rise = if t < crest { s * s * (1.9 - 0.9 * s) } else { s * (0.55 + 0.45 * s) };
        tall(cell) * rise + 0.35 * spec.height * tex.line(u * spec.rate * 0.7 + 5.0, id + 1)
    };
    let edge = canvas.edge(|u| spec.base - height(u));
    let freq = 26.0 * (1.2 - spec.depth).max(0.3).recip();
    canvas.below(&edge, 9.0, |x, u, v| {
        let w = u * turn;
        let (cell, t, width) = dune_at(tex, w * spec.rate + 40.0, id);
        let top = edge.column(x)[1];
        let crest_v = spec.base - tall(cell);
        let below = (v - crest_v).max(0.0);
        let size = width / spec.rate;
        let bend = 0.55 * below + 0.03 * wave(below / spec.height * 0.55 + tex.at(cell, 3, id));
        let past = (t - crest_at(cell)) * size + bend * 0.55;
        let past = past.max((t - crest_at(cell)) * size - bend * 1.5);
        let lee = (t - crest_at(cell)) * size - bend * 0.6;
        let foot = smooth(1.0, 0.80, t) * smooth(spec.height * 1.5, spec.height * 0.4, below);
        let soft = px + 0.05 * below;
        let shade = smooth(-soft, soft, lee.min(past)) * foot;
        let swell = tex.plane(u * 5.0, v * 9.0, id + 2);
        let warp = 1.3 * tex.plane(u * 4.0, v * 6.0, id + 3);
        let ripple = wave(v * freq + u * freq * 0.22 + warp * 1.6) * visible(px * freq * 1.4);
        let grain = tex.planes(u * 90.0, v * 90.0, id + 4, (2, px * 90.0));
        let crest_glow = smooth(0.05, 0.0, v - top) * (1.0 - shade);
        let lit = unit(
            0.74 + 0.22 * swell
                + 0.20 * ripple * (1.0 - 0.6 * shade)
                + 0.25 * crest_glow
                + 0.2 * grain
                - 0.80 * shade,
        );
        let color = spec.sand.mix(spec.shadow, 0.72 * shade + 0.10 * unit(-ripple));
        light.far(color, lit, u, spec.depth)
    });
}

/// Table mountains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mesas {
    pub base: f32,
    pub height: f32,
    pub count: u32,
    pub depth: f32,
    pub id: u8,
}

/// Layered red rock: cliffs above, slopes of rubble below.
pub(super) fn mesas(scene: &mut Scene<'_>, spec: &Mesas, dice: &mut Dice) {
    const BANDS: [Color; 5] =
        [hex(0xc9592f), hex(0xe58a4e), hex(0x9a3b2a), hex(0xf0b484), hex(0xb84c34)];
    let n = spec.count;
    let tables: Vec<(f32, f32, f32)> = (0..n)
        .map(|i| {
            let spread = 2.5 / n as f32;
            let u = -1.25 + spread * (i as f32 + 0.5 + dice.range(-0.4, 0.4));
            (u, spread * dice.range(0.12, 0.42), spec.height * dice.range(0.45, 1.0))
        })
        .collect();
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, spec.id);
    let table = |u: f32| {
        let mut best = (0, 0.0);
        for (i, (center, half, height)) in tables.iter().enumerate() {
            let d = (u - center).abs() - half;
            let share = if d < 0.0 {
                1.0 - 0.05 * split(tex.dot((u * 40.0) as i32, 0, id) * 3.0).0 as f32
            } else if d < height * 0.12 {
                1.0 - 0.42 * d / (height * 0.12)
            } else {
                let t = unit(1.0 - (d - height * 0.12) / (height * 1.1));
                0.58 * t * (0.5 + 0.5 * t)
            };
            if share * height > best.1 {
                best = (i, share * height);
            }
        }
        best
    };
    let edge = canvas.edge(|u| {
        spec.base - table(u).1 - spec.height * 0.07 * tex.lines(u * 12.0, id + 1, 5, px * 3.0)
    });
    let winners: Vec<usize> = (0..canvas.width).map(|x| table(canvas.u(x)).0).collect();
    let k = 0.30 / spec.height;
    canvas.below(&edge, spec.base + 0.05, |x, u, v| {
        let (center, half, height) = tables[winners[x]];
        let share = (spec.base - v) / height;
        let warp = 0.02 * tex.plane(u * 5.0, v * 5.0, id + 3);
        let layer = (v + warp) * 34.0 * k;
        let (band, part) = split(layer + 0.6 * tex.line(layer * 0.5, id + 4));
        let pick = |b: i32| BANDS[(tex.dot(b, 5, id) * 4.99) as usize];
        let seen = visible(px * 34.0 * k * 0.8);
        let strata = pick(band).mix(pick(band + 1), smooth(0.7, 1.0, part));
        let strata = BANDS[0].mix(strata, 0.35 + 0.5 * seen);
        let flute = tex.planes(u * 26.0 * k, v * 3.0 * k, id + 5, (3, px * 26.0 * k));
        let grain = tex.planes(u * 60.0, v * 60.0, id + 8, (3, px * 60.0));
        let cliff = smooth(0.50, 0.60, share);
        let across = ((u - center) / (half + height * 0.5)).clamp(-1.0, 1.0) * light.side;
        let lit = 0.48
            + 0.42 * across
            + (0.75 * cliff + 0.25) * flute
            + 0.3 * grain
            + 0.16 * smooth(0.9, 0.99, share)
            - 0.22 * cliff * smooth(0.75, 0.58, share);
        let mist = 0.4 * smooth(0.4, 0.0, share) * spec.depth;
        light.far(strata * (0.95 + 0.3 * grain), unit(lit), u, spec.depth + mist)
    });
}

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
    let wide = 6;
    let n = edge.fine.len();
    let (a, b) = ((x * 4).saturating_sub(wide * 2), (x * 4 + wide * 2).min(n - 1));
    let slope = (edge.fine[b] - edge.fine[a]) / ((b - a).max(1) as f32 * px * 0.25);
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

/// Trees side by side; below them the same color goes on to the bottom.
pub(super) fn trees(scene: &mut Scene<'_>, row: &Row, foot: impl Fn(&Texture, f32) -> f32) {
    let sway = if row.crown == Crown::Grass { 0.25 * row.spacing } else { 0.0 };
    let time = scene.time;
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, row.id);
    let rise = |u: f32| {
        let (i, _) = split(u / row.spacing);
        let mut best = 0.0_f32;
        for k in i - 1..=i + 1 {
            let tall = row.size
                * (0.5 + 0.5 * tex.dot(k, 0, id))
                * (0.8 + 0.4 * tex.line(k as f32 * 0.13, id + 2));
            let lean = sway * wave(time * 0.35 + tex.dot(k, 1, id)) * 0.5;
            let d = (u - lean - (k as f32 + 0.5 + 0.4 * tex.at(k, 1, id)) * row.spacing).abs();
            best = best.max(match row.crown {
                Crown::Fir => {
                    let t = d / (tall * 0.26);
                    // Branches stand out in tiers.
                    let tier = split(t * 4.0).1;
                    tall * (1.0 - t - 0.10 * tier * visible(px / tall * 7.0))
                }
                Crown::Round => {
                    let t = d / (row.spacing * 0.95);
                    tall * (1.0 - t * t).max(0.0).sqrt()
                }
                Crown::Grass => tall * (1.0 - d / (row.spacing * 0.55)),
            });
        }
        best
    };
    let edge = canvas.edge(|u| foot(tex, u) - rise(u));
    canvas.below(&edge, 9.0, |x, u, v| {
        let base = foot(tex, u);
        let (i, t) = split(u / row.spacing);
        let own = tex.at(i, 4, id);
        let up = (base - v) / row.size;
        let leafy = tex.planes(
            u * 3.0 / row.spacing,
            v * 4.0 / row.spacing,
            id + 5,
            (3, px * 4.0 / row.spacing),
        );
        let turned = (t - 0.5) * light.side;
        let lit = unit(0.24 + 0.45 * up + 0.30 * turned + 0.55 * leafy + 0.12 * own);
        let mut color = row.leaf * (0.90 + 0.22 * own + 0.35 * leafy);
        if row.snow > 0.0 {
            let top = smooth(px + 0.22 * row.size, 0.0, v - edge.column(x)[1]);
            let cover = unit(top * 0.8 + 1.1 * leafy + 0.25 * turned) * row.snow;
            color = color.mix(WHITE, cover);
        }
        let depth = row.depth + (1.0 - row.depth) * row.mist * smooth(0.7, -0.4, up);
        light.far(color, lit, u, depth)
    });
}
