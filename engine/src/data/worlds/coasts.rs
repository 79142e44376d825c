//! Landscapes with water: alpine lake, tropical coast, polar sea.

use super::color::{WHITE, hex, smooth, unit};
use super::ground::{Cover, Frame, bank, bare, ground};
use super::land::{Crown, Hills, Row, trees};
use super::noise::wave;
use super::objects::paint_zone;
use super::places::{Zone, snow_cover, snowed};
use super::plants;
use super::rock::{Range, mountains};
use super::scene::Scene;
use super::shapes::Pen;
use super::water::{Water, water};

pub(super) fn alpine_lake(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    let snow = snow_cover(scene.world);
    let far = Range {
        base: horizon,
        height: dice.range(0.2, 0.32),
        depth: 0.78,
        rock: hex(0x6c82a6),
        snow: 0.6,
        peaks: 7 + dice.below(3),
        id: 10,
    };
    mountains(scene, &far, &mut dice);
    let near = Range {
        base: horizon + 0.01,
        height: dice.range(0.30, 0.46),
        depth: 0.34,
        rock: hex(0x586680),
        snow: dice.range(0.42, 0.62),
        peaks: 4 + dice.below(3),
        id: 30,
    };
    mountains(scene, &near, &mut dice);
    paint_zone(scene, Zone::Air);
    for k in 0..2_u8 {
        let front = f32::from(k);
        let row = Row {
            crown: Crown::Fir,
            size: 0.055 + 0.03 * front,
            spacing: 0.013 + 0.008 * front,
            depth: 0.34 - 0.2 * front,
            leaf: hex(0x2d5f4c) * (1.0 - 0.12 * front),
            mist: 0.3,
            snow,
            id: 60 + 12 * k,
        };
        let (lift, swing) = (0.022 * (1.0 - front), 0.035 - 0.012 * front);
        let slope = dice.range(-0.06, 0.06);
        trees(scene, &row, move |tex, u| {
            let bay = smooth(-0.1, 0.5, tex.line(u * 1.7 + 5.0, 90 + k)) * swing;
            horizon - lift + 0.004 - 0.4 * bay
                + (slope * u).min(0.0)
                + 0.02 * front * smooth(0.1, 0.4, bay / swing)
        });
    }
    paint_zone(scene, Zone::Shore);
    let palettes = [(0x3f8aa0, 0x0f4c62), (0x3aa0a4, 0x0d5a66), (0x4a7fb0, 0x163f6c)];
    let (shallow, deep) = palettes[dice.below(3) as usize];
    let spec = Water {
        top: horizon + 0.004,
        bottom: 9.0,
        far: hex(shallow),
        near: hex(deep),
        mirror: 0.88,
        chop: dice.range(0.25, 0.8),
    };
    water(scene, &spec);
    islet(scene, snow);
    paint_zone(scene, Zone::Water);
    bank(scene, Frame::Firs, snowed(0x4a6a38, snow), snow);
}

/// A rock with a few firs in the lake, in some of the pictures.
fn islet(scene: &mut Scene<'_>, snow: f32) {
    let mut dice = scene.dice(37);
    if dice.chance(0.6) {
        return;
    }
    let (u, v) = (dice.range(-0.38, 0.38), scene.horizon + dice.range(0.03, 0.055));
    let (wide, n) = (dice.range(0.07, 0.12), 2 + dice.below(3));
    let firs: Vec<(f32, f32, f32)> = (0..n)
        .map(|i| {
            let along = (i as f32 + 0.5) / n as f32 * 2.0 - 1.0;
            (
                u + along * wide * 0.62,
                dice.range(0.07, 0.13) * (1.0 - 0.3 * along.abs()),
                dice.unit(),
            )
        })
        .collect();
    for up in [-1.0, 1.0] {
        let mut pen = Pen {
            canvas: &mut scene.canvas,
            light: &scene.light,
            at: (u, v),
            size: wide,
            flip: 1.0,
            up,
            alpha: if up > 0.0 { 1.0 } else { 0.42 },
            depth: 0.14,
        };
        for &(u, tall, own) in &firs {
            (pen.at, pen.size) = ((u, v - 0.006 * up), tall);
            plants::fir(&mut pen, own, snow);
        }
        (pen.at, pen.size) = ((u, v), wide);
        let (stone, moss) = (pen.tone(hex(0x5a5c62), 0.35), pen.tone(snowed(0x5d7a44, snow), 0.8));
        pen.poly(&[(-1.0, -0.02), (-0.8, 0.09), (0.75, 0.10), (1.0, -0.02)], stone);
        pen.poly(&[(-0.86, 0.07), (-0.5, 0.14), (0.1, 0.17), (0.55, 0.13), (0.82, 0.07)], moss);
    }
}

pub(super) fn tropical_coast(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    if dice.chance(0.75) {
        let (center, half, height) =
            (dice.range(-0.4, 0.4), dice.range(0.16, 0.34), dice.range(0.05, 0.12));
        let row = Row {
            crown: Crown::Round,
            size: 0.022,
            spacing: 0.026,
            depth: 0.55,
            leaf: hex(0x3f8a58),
            mist: 0.3,
            snow: 0.0,
            id: 20,
        };
        trees(scene, &row, move |tex, u| {
            let d = ((u - center) / half).abs();
            let hump =
                if d < 1.0 { (1.0 - d * d) * (0.75 + 0.4 * tex.line(u * 9.0, 31)) } else { -0.8 };
            horizon - height * hump
        });
    }
    paint_zone(scene, Zone::Air);
    let spec = Water {
        top: horizon,
        bottom: 9.0,
        far: hex(0x1a76b8),
        near: hex(0x3ad6c8),
        mirror: 0.34,
        chop: dice.range(0.9, 1.3),
    };
    water(scene, &spec);
    beach(scene, dice.sign() * dice.range(0.05, 0.22));
    paint_zone(scene, Zone::Water);
    paint_zone(scene, Zone::Ground);
    bank(scene, Frame::Palms, hex(0x6a8a3c), 0.0);
}

/// Shallows, foam that comes and goes, wet sand, dry sand.
fn beach(scene: &mut Scene<'_>, tilt: f32) {
    let t = scene.time;
    let shore = scene
        .canvas
        .edge(|u| 0.745 + tilt * u + 0.022 * scene.tex.line(u * 2.4, 50) + 0.006 * wave(t * 0.11));
    let horizon = scene.horizon;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    for y in canvas.rows(horizon + 0.02, 0.95) {
        let v = canvas.v(y);
        for x in canvas.across() {
            let gap = shore.column(x)[1] - v;
            if gap < -0.05 {
                continue;
            }
            let u = canvas.u(x);
            let shallow = smooth(0.22, 0.0, gap);
            let web = tex.planes(u * 9.0 + 0.1 * t, v * 22.0, 52, (3, px * 22.0));
            let lace = smooth(0.16, 0.0, web.abs()) * smooth(0.12, 0.02, gap);
            let clear = light.shade(hex(0x9cf0dc), 0.8);
            canvas.blend(x, y, clear, shallow * 0.62);
            canvas.blend(x, y, light.shade(WHITE, 0.9), lace * 0.30);
            // Breakers roll in as bands along the shore.
            let roll = (gap + 0.018 * web) * 16.0 + t * 0.12;
            let (_, part) = super::noise::split(roll);
            let breaker =
                smooth(0.80, 0.97, part) * smooth(0.24, 0.04, gap) * smooth(-0.2, 0.25, web + 0.15);
            canvas.blend(x, y, light.shade(WHITE, 0.95), breaker * 0.75);
        }
    }
    let wide = 0.012;
    let foam = canvas
        .edge(|u| edge_at(u, tilt, t, tex) - wide + 0.010 * tex.lines(u * 14.0, 56, 3, px * 14.0));
    canvas.below(&foam, 9.0, |_, _, _| light.shade(hex(0xfdfcf6), 0.92));
    let wet =
        canvas.edge(|u| edge_at(u, tilt, t, tex) + 0.010 * tex.lines(u * 10.0, 59, 3, px * 10.0));
    canvas.below(&wet, 9.0, |_, u, _| light.shade(hex(0xd6aa74), 0.75).mix(light.haze_at(u), 0.14));
    let dry = canvas.edge(|u| edge_at(u, tilt, 0.0, tex) + 0.045 + 0.012 * tex.line(u * 4.0, 62));
    let mut cover = bare(hex(0xfff0c4) * 1.05, hex(0xf8d898) * 1.05, hex(0xf2cf98), 64);
    cover.depth = 0.1;
    cover.grain = 0.35;
    ground(scene, &dry, 0.62, &cover);
}

fn edge_at(u: f32, tilt: f32, t: f32, tex: &super::noise::Texture) -> f32 {
    0.745 + tilt * u + 0.022 * tex.line(u * 2.4, 50) + 0.006 * wave(t * 0.11)
}

pub(super) fn polar_sea(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    let far = Range {
        base: horizon,
        height: dice.range(0.08, 0.18),
        depth: 0.72,
        rock: hex(0x7f9cc0),
        snow: 0.95,
        peaks: 8 + dice.below(4),
        id: 10,
    };
    mountains(scene, &far, &mut dice);
    paint_zone(scene, Zone::Air);
    let bergs = Range {
        base: horizon + 0.012,
        height: dice.range(0.10, 0.24),
        depth: 0.22,
        rock: hex(0x8fc4de),
        snow: 0.78,
        peaks: 3 + dice.below(3),
        id: 30,
    };
    icebergs(scene, &bergs, &mut dice);
    let spec = Water {
        top: horizon + 0.012,
        bottom: 9.0,
        far: hex(0x3f86a8),
        near: hex(0x124a6c),
        mirror: 0.8,
        chop: dice.range(0.3, 0.7),
    };
    water(scene, &spec);
    floes(scene);
    paint_zone(scene, Zone::Water);
    let hills = Hills { top: 0.745, swing: 0.035, rate: dice.range(0.9, 1.5), id: 90 };
    let edge = hills.edge(scene);
    let cover = Cover {
        far: hex(0xf2f7fc),
        near: hex(0xd4e4f2),
        patch: hex(0xc2d8ec),
        flowers: None,
        blades: 0.0,
        grain: 0.25,
        sparkle: 1.0,
        depth: 0.1,
        id: 94,
    };
    ground(scene, &edge, 0.62, &cover);
    paint_zone(scene, Zone::Ground);
}

/// Islands of ice with steep faces.
fn icebergs(scene: &mut Scene<'_>, range: &Range, dice: &mut super::noise::Dice) {
    let n = range.peaks;
    let bergs: Vec<(f32, f32, f32, f32)> = (0..n)
        .map(|i| {
            let u = -1.1 + 2.2 * (i as f32 + dice.range(0.15, 0.85)) / n as f32;
            (u, dice.range(0.09, 0.20), range.height * dice.range(0.45, 1.0), dice.range(-0.6, 0.6))
        })
        .collect();
    let Scene { canvas, tex, light, .. } = scene;
    let (px, id) = (canvas.px, range.id);
    let berg = |u: f32| {
        let mut best = (0, -0.02);
        for (i, (center, half, height, lean)) in bergs.iter().enumerate() {
            let d = (u - center) / half;
            let slope = if d < *lean { (d + 1.0) / (1.0 + lean) } else { (1.0 - d) / (1.0 - lean) };
            let steep = (slope * 2.6).min(0.55 + 0.45 * slope);
            let h = height * steep;
            if h > best.1 {
                best = (i, h);
            }
        }
        best
    };
    let edge = canvas.edge(|u| {
        let (_, h) = berg(u);
        range.base
            - h
            - if h > 0.0 { range.height * 0.14 * tex.lines(u * 16.0, id, 4, px * 6.0) } else { 0.0 }
    });
    let winners = canvas.each_column(|x| berg(canvas.u(x)).0);
    canvas.below(&edge, range.base + 0.01, |x, u, v| {
        let (center, half, height, lean) = bergs[winners[x]];
        let up = (range.base - v) / height;
        let across = (u - center) / half - lean;
        let facet = tex.planes(u * 14.0, v * 9.0, id + 5, (3, px * 14.0));
        let plane = smooth(-0.08, 0.08, facet);
        let line = smooth(-0.05, 0.05, (across + 0.45 * facet + 0.25 * (1.0 - up)) * light.side);
        let lit = unit(0.12 + 0.62 * line + 0.30 * plane);
        let ice = hex(0x86cbe4).mix(hex(0xf6fbff), unit(0.35 * up + 0.35 * line + 0.30 * plane));
        let glow = hex(0x3fb4d2);
        light.far(ice.mix(glow, smooth(0.22, 0.0, up) * 0.55), lit, u, range.depth)
    });
}

/// Flat ice adrift.
fn floes(scene: &mut Scene<'_>) {
    let horizon = scene.horizon;
    let drift = scene.time * 0.006;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    for y in canvas.rows(horizon + 0.02, 9.0) {
        let v = canvas.v(y);
        let down = v - horizon;
        let q = 1.0 / (down + 0.06);
        let (su, sv) = (px * q * 2.6, px * q * q * 1.5);
        for x in canvas.across() {
            let u = canvas.u(x);
            let (a, b) = (u * q * 2.0 + drift * q, q * 3.1);
            let n = tex.planes(a, b, 80, (4, su.max(sv * 0.5)));
            let thick = tex.planes(a, b + 0.10 + 0.02 * q, 80, (4, su.max(sv * 0.5)));
            let soft = 0.03 + 0.25 * sv;
            let side = smooth(0.11 - soft, 0.11 + soft, thick.max(n));
            let top = smooth(0.13 - soft, 0.13 + soft, n);
            canvas.blend(x, y, light.far(hex(0x6db8d4), 0.35, u, 0.3), side * 0.85);
            canvas.blend(x, y, light.far(hex(0xf2f8fd), 0.85, u, 0.25), top);
        }
    }
}
