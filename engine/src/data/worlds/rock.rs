//! Rock: mountains with a bright and a shadow face, and layered table mountains.
//!
//! Peaks are drawn one before the other, so that they meet along slopes and never along a seam.

use super::canvas::{Canvas, Columns};
use super::color::{BLACK, Color, hex, smooth, unit};
use super::noise::{Dice, split, visible};
use super::scene::Scene;

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

impl Peak {
    /// Height above the foot at u; negative where the mountain has ended.
    fn rise(&self, u: f32) -> f32 {
        let d = u - self.u;
        let fall = if d < 0.0 { -d * self.slopes.0 } else { d * self.slopes.1 };
        // Slopes flatten toward the foot.
        self.height - fall / (1.0 + 0.30 * fall / self.height)
    }
}

/// Peaks from the farthest, which are the tallest, to the nearest.
fn peaks(range: &Range, dice: &mut Dice) -> Vec<Peak> {
    let n = range.peaks.max(1);
    let hero = (n / 2 + dice.below(2)).min(n - 1);
    let spread = 2.4 / n as f32;
    let mut peaks: Vec<Peak> = (0..n)
        .map(|i| {
            let u = -1.2 + spread * (i as f32 + 0.5) + spread * dice.range(-0.38, 0.38);
            let share = if i == hero { 1.0 } else { dice.range(0.42, 0.86) };
            let steep = range.height * dice.range(1.7, 2.7) * n as f32 / 5.0;
            let skew = dice.range(0.75, 1.3);
            Peak {
                u,
                height: range.height * share,
                slopes: (steep * skew, steep / skew),
                lean: dice.range(-0.35, 0.35),
            }
        })
        .collect();
    peaks.sort_by(|a, b| b.height.total_cmp(&a.height));
    peaks
}

/// Tops (v) in every column of every part.
fn tops(canvas: &Canvas, parts: usize, top: impl Fn(usize, f32) -> f32) -> Vec<Columns<f32>> {
    (0..parts).map(|i| canvas.each_column(|x| top(i, canvas.u(x)))).collect()
}

/// The color where parts lie one before the other: `paint` is asked for the visible ones only.
fn layered(tops: &[Columns<f32>], at: (usize, f32, f32), paint: impl Fn(usize) -> Color) -> Color {
    let (x, v, px) = at;
    let mut sum = BLACK;
    let mut left = 1.0;
    for (i, tops) in tops.iter().enumerate().rev() {
        let cover = unit((v - tops[x]) / px + 0.5);
        if cover > 0.0 {
            sum = sum + paint(i) * (left * cover);
            left *= 1.0 - cover;
            if left < 0.02 {
                break;
            }
        }
    }
    if left < 0.98 { sum * (1.0 / (1.0 - left)) } else { paint(0) }
}

/// Rock and snow.
pub(super) fn mountains(scene: &mut Scene<'_>, range: &Range, dice: &mut Dice) {
    let peaks = peaks(range, dice);
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, range.id);
    let rough = range.height * 0.13;
    let crag = |u: f32, i: usize| rough * tex.lines(u * 9.0 + 13.0 * i as f32, id, 5, px * 2.2);
    let top = |i: usize, u: f32| range.base - peaks[i].rise(u) - crag(u, i);
    let edge = canvas.edge(|u| {
        let least = range.base - range.height * 0.06;
        (0..peaks.len()).fold(least, |high, i| high.min(top(i, u)))
    });
    let tops = tops(canvas, peaks.len(), top);
    let snow_line = range.base - range.height * (1.0 - range.snow);
    canvas.below(&edge, range.base + 0.04, |x, u, v| {
        layered(&tops, (x, v, px), |i| {
            let peak = &peaks[i];
            let below = (v - (range.base - peak.height)).max(0.0);
            let own = i as f32 * 7.3;
            let wiggle = 0.32 * below * tex.line(below * 12.0 + own, id + 1);
            let across = u - peak.u - peak.lean * below - wiggle;
            let fan = across / (below + 0.05);
            let step = px / (below + 0.05);
            let fold = tex.planes(fan * 2.7 + own, below * 5.0 + own, id + 7, (4, step * 2.7));
            let fine = tex.planes(u * 34.0, v * 26.0, id + 11, (3, px * 34.0));
            let soft = 0.5 * px + 0.006 + 0.025 * below;
            let face =
                smooth(-soft, soft, across * light.side + 0.05 * fold * below.min(0.2) * 5.0);
            let facet = smooth(-0.10, 0.10, fold + 0.25 * fine);
            let lit = unit(0.06 + 0.16 * facet + face * (0.46 + 0.30 * facet) + 0.14 * fine);
            let streak = tex.planes(fan * 6.0 + own, below * 4.0, id + 13, (3, step * 6.0));
            let line = snow_line + range.height * (0.62 * streak + 0.20 * fold);
            let edge = 0.5 * px + 0.004;
            let white = if range.snow > 0.0 { smooth(line + edge, line - edge, v) } else { 0.0 };
            let rock = range.rock * (0.90 + 0.25 * facet + 0.18 * fine);
            let ice = hex(0xc3d5f0).mix(hex(0xfdfdff), face);
            let color = rock.mix(ice * (0.98 + 0.06 * fine), white);
            let mist = 0.5 * smooth(range.base - range.height * 0.55, range.base, v);
            let back = 0.05 * (peaks.len() - i) as f32 / peaks.len() as f32;
            let depth =
                range.depth + back + (1.0 - range.depth) * mist * (0.35 + 0.65 * range.depth);
            light.far(color, lit, u, depth)
        })
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

/// A table: flat above, a cliff, and a slope of rubble.
#[derive(Debug, Clone, Copy)]
struct Table {
    u: f32,
    half: f32,
    height: f32,
    /// How much of the height is cliff.
    cliff: f32,
}

impl Table {
    fn rise(&self, u: f32) -> f32 {
        let d = (u - self.u).abs() - self.half;
        let wall = self.height * 0.10;
        let talus = 1.0 - self.cliff;
        let share = if d < 0.0 {
            1.0
        } else if d < wall {
            // The wall stands in two steps.
            let t = d / wall;
            1.0 - self.cliff * (0.5 * smooth(0.0, 0.25, t) + 0.5 * smooth(0.55, 0.9, t))
        } else {
            let t = unit(1.0 - (d - wall) / (self.height * 1.2));
            talus * t * (0.45 + 0.55 * t)
        };
        self.height * share
    }
}

/// Layered red rock: cliffs above, slopes of rubble below.
pub(super) fn mesas(scene: &mut Scene<'_>, spec: &Mesas, dice: &mut Dice) {
    const BANDS: [Color; 6] =
        [hex(0xc85a32), hex(0xdd7f48), hex(0xa8412c), hex(0xecaa78), hex(0xb94f35), hex(0xd46a3c)];
    let spread = 2.5 / spec.count as f32;
    let mut tables: Vec<Table> = (0..spec.count)
        .map(|i| Table {
            u: -1.25 + spread * (i as f32 + 0.5 + dice.range(-0.4, 0.4)),
            half: spread
                * if dice.chance(0.3) { dice.range(0.05, 0.10) } else { dice.range(0.14, 0.40) },
            height: spec.height * dice.range(0.42, 1.0),
            cliff: dice.range(0.42, 0.62),
        })
        .collect();
    tables.sort_by(|a, b| b.height.total_cmp(&a.height));
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, spec.id);
    let top = |i: usize, u: f32| {
        let notch = tex.lines(u * 16.0 + 5.0 * i as f32, id + 1, 4, px * 5.0);
        let rise = tables[i].rise(u);
        spec.base
            - rise
            - notch * spec.height * (0.035 + 0.05 * smooth(0.6, 0.2, rise / tables[i].height))
    };
    let edge = canvas.edge(|u| (0..tables.len()).fold(spec.base, |high, i| high.min(top(i, u))));
    let tops = tops(canvas, tables.len(), top);
    let k = 0.30 / spec.height;
    canvas.below(&edge, spec.base + 0.05, |x, u, v| {
        // The strata run through all tables at the same height.
        let warp = 0.012 * tex.plane(u * 4.0, v * 6.0, id + 3);
        let layer = (spec.base - v + warp) * 38.0 * k;
        let (band, part) = split(layer + 0.7 * tex.line(layer * 0.6, id + 4));
        let pick = |b: i32| BANDS[(tex.dot(b, 5, id) * 5.99) as usize];
        let seen = visible(px * 38.0 * k * 0.8);
        let strata = pick(band).mix(pick(band + 1), smooth(0.82, 1.0, part));
        let strata = BANDS[0].mix(strata, 0.45 + 0.45 * seen);
        let seam = smooth(0.12, 0.0, (part - 0.86).abs()) * seen;
        let fine = tex.planes(u * 44.0, v * 60.0, id + 8, (3, px * 60.0));
        layered(&tops, (x, v, px), |i| {
            let table = &tables[i];
            let share = (spec.base - v) / table.height;
            let cliff = smooth(0.96 - table.cliff, 1.04 - table.cliff, share);
            let flute =
                tex.planes(u * 24.0 * k + 3.0 * i as f32, v * 2.5 * k, id + 5, (3, px * 24.0 * k));
            let rib = smooth(-0.14, 0.14, flute);
            let across =
                ((u - table.u) / (table.half + table.height * 0.5)).clamp(-1.0, 1.0) * light.side;
            let ledge = smooth(0.93, 0.99, share)
                - 0.9 * cliff * smooth(1.16 - table.cliff, 1.0 - table.cliff, share);
            let lit = 0.40
                + 0.40 * across
                + (0.34 * cliff + 0.06) * (rib - 0.5) * 2.0
                + 0.22 * fine
                + 0.14 * ledge
                - 0.14 * seam;
            let rubble = strata.mix(hex(0xc9693f), 0.6 * (1.0 - cliff));
            let color = rubble * (0.94 + 0.14 * fine + 0.06 * rib) * (1.0 - 0.12 * seam * cliff);
            let mist = 0.4 * smooth(0.4, 0.0, share) * spec.depth;
            light.far(color, unit(lit), u, spec.depth + mist)
        })
    });
}
