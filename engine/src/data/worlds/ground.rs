//! Open ground in perspective: grass and flowers, sand, snow, ash; and banks in the foreground.

use super::canvas::Edge;
use super::color::{Color, WHITE, hex, lerp, smooth, unit};
use super::noise::{Dice, Texture, split, visible, wave};
use super::plants;
use super::scene::Scene;
use super::shapes::Pen;

/// What covers the ground.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cover {
    pub far: Color,
    pub near: Color,
    /// Second color, in patches.
    pub patch: Color,
    /// Two flower (or bush) colors and how dense they stand (0..1).
    pub flowers: Option<([Color; 2], f32)>,
    /// Tufts of grass (1) or none (0).
    pub blades: f32,
    /// Roughness of bare ground (0..1).
    pub grain: f32,
    /// Sparkle of snow.
    pub sparkle: f32,
    pub depth: f32,
    pub id: u8,
}

/// Bare ground of one color with a second in patches.
pub(super) fn bare(far: Color, near: Color, patch: Color, id: u8) -> Cover {
    Cover { far, near, patch, flowers: None, blades: 0.0, grain: 0.8, sparkle: 0.0, depth: 0.5, id }
}

/// Paints everything below an edge as ground that recedes toward `vanish` (v).
pub(super) fn ground(scene: &mut Scene<'_>, edge: &Edge, vanish: f32, cover: &Cover) {
    let Scene { canvas, tex, light, time, .. } = scene;
    let (px, id) = (canvas.px, cover.id);
    let (side, drift) = (light.side, *time * 0.03);
    let facing = canvas.each_column(|x| super::land::facing(edge, x, px, side));
    canvas.below(edge, 9.0, |x, u, v| {
        let down = (v - vanish).max(0.0);
        let q = 1.0 / (down + 0.10);
        let near = smooth(0.0, 0.5, down);
        let (a, b) = (u * q, q * 2.6);
        let step = px * q * q;
        let broad = tex.planes(a * 1.6, b * 1.3, id, (3, step * 1.3));
        let fine = if cover.grain > 0.0 {
            cover.grain * tex.planes(a * 20.0 + broad, b * 9.0, id + 3, (3, step * 20.0))
        } else {
            0.0
        };
        let blade =
            if cover.blades > 0.0 { cover.blades * tufts(tex, (u, down), px, id + 6) } else { 0.0 };
        let mut color = cover.far.mix(cover.near, near).mix(cover.patch, smooth(-0.05, 0.4, broad));
        color = color * (0.97 + 0.28 * fine + 0.34 * blade);
        let crest = smooth(0.04, 0.0, v - edge.column(x)[1]);
        let lit = 0.40
            + 0.25 * cover.sparkle
            + 0.52 * facing[x]
            + 0.30 * broad
            + 0.25 * fine
            + 0.24 * blade
            + 0.12 * crest;
        // Shadows of clouds wander over the land.
        let shadow = smooth(0.02, 0.5, tex.plane(a * 0.9 + drift, b * 0.55, 148));
        let mut shaded = light.shade(color, unit(lit) * (1.0 - 0.36 * shadow));
        if let Some((kinds, density)) = cover.flowers {
            let (flower, alpha) = flower(tex, (a * 11.0, b * 5.0), (step * 12.0, density), id + 9);
            let kind = kinds[usize::from(flower > 0.5)];
            let patch = smooth(-0.25, 0.25, tex.plane(a * 1.1 + 7.0, b * 1.7, id + 12));
            shaded = shaded.mix(light.shade(kind, 0.55 + 0.45 * lit), alpha * patch);
        }
        if cover.sparkle > 0.0 {
            let (i, _) = split(u * 170.0);
            let (j, _) = split(v * 170.0);
            let glint = smooth(0.95, 1.0, tex.dot(i, j, id + 13)) * visible(px * 110.0);
            shaded = shaded.screen(WHITE * (glint * cover.sparkle * lit * 0.5));
        }
        let depth = cover.depth * (1.0 - near);
        shaded.mix(light.haze_at(u), light.haze_amount * depth)
    });
}

/// Rows of upright tufts that overlap toward the viewer: -0.5 between them, 0.5 at their tips.
fn tufts(tex: &Texture, (u, down): (f32, f32), px: f32, id: u8) -> f32 {
    const ROWS: f32 = 9.0;
    let q = 1.0 / (down + 0.10);
    let seen = visible(px * q * q * ROWS * 0.7);
    if seen <= 0.0 {
        return 0.0;
    }
    let (row, part) = split(-q * ROWS);
    // All blades of a row have the row's own distance, so that they stand upright.
    let rate = 40.0 * (0.5 - row as f32) / ROWS;
    let mut shade = -0.45;
    for back in 0..2 {
        let (j, rise) = (row + back, 1.0 - part + back as f32);
        let (i, across) = split(u * rate * 0.9 + 31.0 * tex.dot(j, 5, id));
        let tall = 0.5 + 1.3 * tex.dot(i, j, id);
        let tip = tall * (1.0 - (2.0 * across - 1.0).abs() * (0.55 + 0.45 * tex.dot(j, i, id + 1)));
        let cover = smooth(-0.25, 0.15, tip - rise);
        let tone = 0.55 * rise / tall - 0.30 + 0.35 * tex.at(i, j, id + 2);
        shade += (tone - shade) * cover;
    }
    shade * seen
}

/// A flower in its cell: which color (0..1) and how much of the pixel it covers.
fn flower(tex: &Texture, place: (f32, f32), detail: (f32, f32), id: u8) -> (f32, f32) {
    let ((i, fx), (j, fy)) = (split(place.0), split(place.1));
    let (step, density) = detail;
    if tex.dot(i, j, id) > density {
        return (0.0, 0.0);
    }
    let (cx, cy) = (0.3 + 0.4 * tex.dot(i, j, id + 1), 0.3 + 0.4 * tex.dot(i, j, id + 2));
    let d = ((fx - cx) * (fx - cx) + (fy - cy) * (fy - cy)).sqrt();
    let radius = 0.17 + 0.10 * tex.dot(i, j, id + 2);
    // Far flowers run together into a tint.
    let single = smooth(radius + 0.5 * step.min(0.6), radius - 0.5 * step.min(0.6) - 0.05, d);
    let merged = 0.30;
    (tex.dot(i, j, id + 3), lerp(single, merged, unit(step * 1.4 - 0.35)))
}

/// What frames the picture from the foreground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    Firs,
    Palms,
    Rocks,
}

/// A bank that rises in one lower corner, with plants or rocks at the picture's edge.
pub(super) fn bank(scene: &mut Scene<'_>, frame: Frame, soil: Color, snow: f32) {
    let Some(side) = super::places::bank_side(scene.world) else {
        return;
    };
    let mut dice = scene.dice(30);
    let (rise, reach) = (dice.range(0.08, 0.17), dice.range(0.42, 0.8));
    let (border, lower) = (scene.canvas.right().min(0.62), scene.canvas.lower());
    let foot = move |tex: &Texture, u: f32| {
        let t = unit((border - u * side) / reach);
        let fall = (1.0 - t) * (1.0 - t);
        lower + 0.03 - rise * fall - 0.012 * tex.line(u * 11.0, 140) * smooth(0.0, 0.2, fall)
            + 0.2 * smooth(0.8, 1.0, t)
    };
    let edge = scene.canvas.edge(|u| foot(&scene.tex, u));
    let cover = Cover {
        far: soil,
        near: soil * 0.72,
        patch: soil * 0.85,
        flowers: None,
        blades: if frame == Frame::Rocks { 0.0 } else { 0.9 * (1.0 - snow) },
        grain: 0.5,
        sparkle: snow,
        depth: 0.0,
        id: 142,
    };
    ground(scene, &edge, 0.6, &cover);
    let n = 2 + dice.below(2);
    let mut plants: Vec<(f32, f32, f32)> = (0..n)
        .map(|i| {
            let inward = (i as f32 + dice.range(0.0, 0.8)) * 0.058;
            let tall = dice.range(0.32, 0.62) * (1.0 - inward * 1.6);
            (side * (border - 0.03 - inward), tall.max(0.16), dice.unit())
        })
        .collect();
    plants.sort_by(|a, b| (a.0 * side).total_cmp(&(b.0 * side)));
    let time = scene.time;
    for (u, tall, own) in plants {
        let v = foot(&scene.tex, u) + 0.015;
        let mut pen = Pen {
            canvas: &mut scene.canvas,
            light: &scene.light,
            at: (u, v),
            size: tall,
            flip: -side,
            up: 1.0,
            alpha: 1.0,
            depth: 0.0,
        };
        match frame {
            Frame::Firs => plants::fir(&mut pen, own, snow),
            Frame::Palms => {
                pen.size = tall * 1.08;
                plants::palm(&mut pen, own, time);
            }
            Frame::Rocks => {
                pen.size = tall * 0.35;
                plants::rock(&mut pen, own, soil);
            }
        }
    }
}

/// Two rows of high grass along the lower edge.
pub(super) fn front_grass(scene: &mut Scene<'_>, leaf: Color, height: f32) {
    let lower = scene.canvas.lower();
    for (k, low) in [(0_u8, lower - 0.015), (1, lower + 0.02)] {
        let row = super::land::Row {
            crown: super::land::Crown::Grass,
            size: height * (1.0 + 0.25 * f32::from(k)),
            spacing: 0.013 + 0.004 * f32::from(k),
            depth: 0.0,
            leaf: leaf * (1.0 - 0.28 * f32::from(k)),
            mist: 0.0,
            snow: 0.0,
            id: 150 + 8 * k,
        };
        super::land::trees(scene, &row, |tex, u| low + 0.02 * tex.line(u * 3.0, 149 - k));
    }
}

/// A track that winds from the foreground into the distance, in about half of the pictures.
pub(super) fn track(scene: &mut Scene<'_>, soil: Color, top: f32) {
    let mut dice = scene.dice(35);
    if dice.chance(0.45) {
        return;
    }
    let (start, turn) = (dice.range(-0.3, 0.3), dice.unit());
    let (swing, rate) = (dice.range(0.10, 0.24), dice.range(0.5, 0.9));
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    for y in canvas.rows(top, 9.0) {
        let v = canvas.v(y);
        let down = v - top;
        let near = unit(down / (1.0 - top));
        // Bends are wide near the viewer and close together far away.
        let bend = wave(turn + rate * 2.2 / (down + 0.22)) * swing * (0.25 + 1.1 * near);
        let center = start * (0.35 + 0.65 * near) + bend;
        let half = 0.006 + 0.085 * near * (0.35 + 0.65 * near);
        let fade = smooth(0.0, 0.03, down);
        for x in canvas.columns(center - half * 1.6, center + half * 1.6) {
            let u = canvas.u(x);
            let rough = tex.planes(u * 26.0, v * 60.0, 170, (3, px * 60.0));
            let d = (u - center).abs() / half;
            let soft = (px / half).max(0.12);
            let cover = smooth(1.0 + soft, 1.0 - soft, d + 0.45 * rough) * fade;
            if cover > 0.0 {
                // Two ruts, with some grass left between them.
                let rut = smooth(0.30, 0.0, (d - 0.55).abs());
                let color =
                    light.shade(soil * (0.98 + 0.22 * rough - 0.10 * rut), 0.62 + 0.2 * rough);
                let far = light.haze_amount * 0.45 * (1.0 - near);
                canvas.blend(x, y, color.mix(light.haze_at(u), far), cover * 0.82);
            }
        }
    }
}

/// Boulders in the middle distance, farthest first.
pub(super) fn boulders(scene: &mut Scene<'_>, stone: Color, rows: (f32, f32)) {
    let mut dice = scene.dice(36);
    let n = dice.below(4);
    let side = dice.sign();
    for i in 0..n {
        let (t, own) = (i as f32 / 3.0, dice.unit());
        let mut pen = Pen {
            canvas: &mut scene.canvas,
            light: &scene.light,
            at: (side * dice.range(0.2, 0.5), lerp(rows.0, rows.1, t)),
            size: dice.range(0.035, 0.06) * (1.0 + 0.7 * t),
            flip: dice.sign(),
            up: 1.0,
            alpha: 1.0,
            depth: 0.4 * (1.0 - t),
        };
        pen.shadow(0.8, 0.5);
        plants::boulder(&mut pen, own, stone);
    }
}

/// Flowers on long stems along the lower edge, nodding in the wind.
pub(super) fn front_flowers(scene: &mut Scene<'_>, colors: [Color; 2]) {
    let mut dice = scene.dice(33);
    let n = 9 + dice.below(12);
    let lower = scene.canvas.lower();
    let time = scene.time;
    for _ in 0..n {
        // They stand in clumps, more to the sides than in the middle.
        let u = dice.sign() * (0.08 + 0.44 * dice.unit().sqrt()) + dice.range(-0.04, 0.04);
        let (tall, own) = (dice.range(0.05, 0.125), dice.unit());
        let color = colors[usize::from(dice.chance(0.35))];
        let mut pen = Pen {
            canvas: &mut scene.canvas,
            light: &scene.light,
            at: (u, lower + 0.005),
            size: tall,
            flip: 1.0,
            up: 1.0,
            alpha: 1.0,
            depth: 0.0,
        };
        plants::flower(&mut pen, color, own, time);
    }
}

/// A distant row of hills in one quiet tone.
pub(super) fn backdrop(scene: &mut Scene<'_>, height: f32, albedo: u32, dice: &mut Dice) {
    let hills = super::land::Hills {
        top: scene.horizon - height * 0.5,
        swing: height,
        rate: dice.range(1.6, 3.2),
        id: 160,
    };
    let edge = hills.edge(scene);
    let horizon = scene.horizon;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    canvas.below(&edge, horizon + 0.2, |_, u, v| {
        let fold = tex.planes(u * 7.0, v * 16.0, 164, (3, px * 16.0));
        let depth = 0.86 + 0.14 * smooth(horizon - height, horizon, v);
        light.far(hex(albedo), unit(0.45 + 0.8 * fold), u, depth)
    });
}
