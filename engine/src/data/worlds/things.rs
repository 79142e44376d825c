//! Things people made: houses, boats, balloons, tents, parasols, lighthouses, windmills, igloos.

use super::color::{BLACK, Color, WHITE, hex, smooth, unit};
use super::noise::wave;
use super::shapes::Pen;
use super::world::Tint;

/// The paint of a tint.
pub(super) fn paint_of(tint: Option<Tint>) -> Color {
    match tint {
        Some(Tint::Red) => hex(0xe0322b),
        Some(Tint::Orange) => hex(0xff8420),
        Some(Tint::Yellow) => hex(0xffd02e),
        Some(Tint::Blue) => hex(0x2f74dc),
        Some(Tint::Purple) => hex(0x8e45c8),
        Some(Tint::Black) => hex(0x24262e),
        Some(Tint::White) | None => hex(0xf8f4ea),
    }
}

const LAMP: Color = hex(0xffcf70);

/// A window: dark glass by day, lamplight by night.
fn window(pen: &mut Pen<'_>, x: f32, y: f32, half: (f32, f32)) {
    let glass = pen.tone(hex(0x34465c), 0.5);
    let color = glass.mix(LAMP, pen.light.lamps.min(1.0));
    pen.poly(
        &[
            (x - half.0, y - half.1),
            (x + half.0, y - half.1),
            (x + half.0, y + half.1),
            (x - half.0, y + half.1),
        ],
        color,
    );
}

/// A gabled house seen from a corner, with smoke from its chimney.
pub(super) fn house(pen: &mut Pen<'_>, tint: Option<Tint>, t: f32) {
    let wall = paint_of(tint);
    let roof = match tint {
        Some(Tint::Red | Tint::Yellow) => hex(0x4a3a3c),
        Some(Tint::Blue) => hex(0x3a3f52),
        _ => hex(0x59606e),
    };
    let side = pen.side();
    let (front, flank) = (unit(0.55 - 0.4 * side), unit(0.55 + 0.4 * side));
    pen.shadow(0.55, 0.55);
    for i in 0..4 {
        let rise = (t * 0.13 + i as f32 * 0.25).rem_euclid(1.0);
        let puff = pen.tone(hex(0xd8d8de), 0.7);
        let alpha = pen.alpha;
        pen.alpha *= 0.5 * (1.0 - rise) * smooth(0.0, 0.15, rise);
        let drift = 0.30 * rise + 0.05 * wave(rise * 1.3 + t * 0.1);
        pen.oval((0.36 + drift, 1.02 + 0.6 * rise), (0.05 + 0.09 * rise, 0.04 + 0.07 * rise), puff);
        pen.alpha = alpha;
    }
    let brick = pen.tone(hex(0x7a4a40), flank);
    pen.poly(&[(0.31, 0.7), (0.41, 0.7), (0.41, 1.0), (0.31, 1.0)], brick);
    let (a, b) = (pen.tone(wall, front), pen.tone(wall * 0.86, flank));
    pen.poly(&[(0.02, 0.0), (0.62, 0.0), (0.62, 0.52), (0.02, 0.52)], b);
    pen.poly(&[(-0.5, 0.0), (0.04, 0.0), (0.04, 0.5), (-0.23, 0.88), (-0.5, 0.5)], a);
    let tiles = pen.tone(roof, unit(flank + 0.15));
    pen.poly(&[(-0.24, 0.94), (0.40, 0.94), (0.70, 0.46), (0.06, 0.46)], tiles);
    let eave = pen.tone(roof * 0.8, front);
    pen.line((-0.24, 0.92), (-0.54, 0.47), (0.028, 0.028), eave);
    pen.line((-0.24, 0.92), (0.07, 0.47), (0.022, 0.022), eave);
    let door = pen.tone(hex(0x5a3a2a), front);
    pen.poly(&[(-0.31, 0.0), (-0.15, 0.0), (-0.15, 0.29), (-0.31, 0.29)], door);
    window(pen, -0.23, 0.56, (0.06, 0.07));
    window(pen, 0.20, 0.28, (0.065, 0.08));
    window(pen, 0.45, 0.28, (0.065, 0.08));
    if pen.light.lamps > 0.45 {
        pen.shine((0.1, 0.3), 1.1, LAMP, 0.42 * pen.light.lamps);
    }
}

/// A sailing boat that rocks.
pub(super) fn boat(pen: &mut Pen<'_>, tint: Option<Tint>, t: f32) {
    let cloth = paint_of(tint);
    let hull = if tint == Some(Tint::White) { hex(0x2b3f63) } else { cloth * 0.72 };
    let rock = 0.03 * wave(t * 0.17);
    let tip = |x: f32, y: f32| (x + rock * y, y - rock * x);
    let side = pen.side();
    let wood = pen.tone(hex(0x5b4334), 0.5);
    pen.line(tip(0.02, 0.1), tip(0.02, 1.0), (0.014, 0.010), wood);
    let (main, jib) =
        (pen.tone(cloth, unit(0.8 + 0.2 * side)), pen.tone(cloth * 0.9, unit(0.75 - 0.2 * side)));
    pen.poly(&[tip(0.05, 0.97), tip(0.17, 0.62), tip(0.45, 0.22), tip(0.05, 0.20)], main);
    pen.poly(&[tip(-0.01, 0.90), tip(-0.16, 0.50), tip(-0.36, 0.21), tip(-0.01, 0.24)], jib);
    let (deck, keel) = (pen.tone(hull, 0.75), pen.tone(hull * 0.62, 0.4));
    pen.poly(&[tip(-0.50, 0.17), tip(0.52, 0.15), tip(0.38, 0.0), tip(-0.36, 0.0)], deck);
    pen.poly(&[tip(-0.42, 0.07), tip(0.45, 0.06), tip(0.38, -0.02), tip(-0.36, -0.02)], keel);
    if pen.light.lamps > 0.6 && pen.up > 0.0 {
        pen.oval(tip(-0.20, 0.2), (0.035, 0.035), LAMP);
        pen.shine(tip(-0.20, 0.2), 0.5, LAMP, 0.6);
    }
}

/// A striped hot-air balloon; its middle is its place.
pub(super) fn balloon(pen: &mut Pen<'_>, tint: Option<Tint>, t: f32) {
    let cloth = paint_of(tint);
    let band = cloth.mix(hex(0xfff3d8), 0.62);
    let (side, light, u, depth) = (pen.side(), pen.light, pen.at.0, pen.depth);
    let flame = light.lamps * (0.75 + 0.25 * wave(t * 0.9));
    let step = pen.step();
    let cloth_at = move |x: f32, y: f32| {
        // Gores run from pole to pole: equal steps of the angle whose sine is x.
        let round = (1.0 - (y * y).min(0.98)).sqrt();
        let across = (x / round.max(0.2)).clamp(-1.0, 1.0);
        let angle = across * (1.0 + 0.3 * across * across) / 1.3;
        let gore = wave(angle * 1.75 + 0.25);
        let soft = (2.5 * step).clamp(0.12, 0.9);
        let stripe = smooth(-soft, soft, gore - 0.25);
        let albedo = cloth.mix(band, stripe * 0.62);
        let lit = unit(0.50 + 0.45 * x * side + 0.30 * y);
        let color = light.vivid(albedo, lit, u, depth);
        color.screen(cloth.mix(LAMP, 0.5) * (flame * 0.75 * smooth(1.1, -1.2, y)))
    };
    let rope = pen.tone(hex(0x4a3a30), 0.5);
    pen.line((-0.11, -0.22), (-0.05, -0.42), (0.008, 0.008), rope);
    pen.line((0.11, -0.22), (0.05, -0.42), (0.008, 0.008), rope);
    let cone = [(-0.352, 0.06), (0.352, 0.06), (0.12, -0.28), (-0.12, -0.28)];
    pen.painted_poly(&cone, |x, y| {
        cloth_at(x / (0.37 + 0.6 * (y - 0.06)).max(0.12), (y - 0.14) / 0.37)
    });
    pen.painted_oval((0.0, 0.14), (0.37, 0.36), cloth_at);
    let skirt = pen.tone(cloth * 0.6, 0.4);
    pen.poly(&[(-0.12, -0.27), (0.12, -0.27), (0.09, -0.31), (-0.09, -0.31)], skirt);
    let basket = pen.tone(hex(0x8a5a34), 0.55);
    pen.poly(&[(-0.075, -0.40), (0.075, -0.40), (0.06, -0.50), (-0.06, -0.50)], basket);
    if flame > 0.1 {
        pen.shine((0.0, -0.33), 0.35, LAMP, flame);
        pen.shine((0.0, 0.05), 1.0, cloth, flame * 0.35);
    }
}

/// A ridge tent with an open front.
pub(super) fn tent(pen: &mut Pen<'_>, tint: Option<Tint>) {
    let cloth = paint_of(tint);
    let side = pen.side();
    pen.shadow(0.8, 0.5);
    let flank = pen.tone(cloth * 0.92, unit(0.6 + 0.4 * side));
    pen.poly(&[(-0.18, 1.0), (0.62, 0.9), (1.0, 0.0), (0.25, 0.0)], flank);
    let front = pen.tone(cloth, unit(0.55 - 0.35 * side));
    pen.poly(&[(-0.85, 0.0), (0.27, 0.0), (-0.18, 1.0)], front);
    let inside = pen.tone(hex(0x2c2630), 0.2).mix(LAMP, 0.95 * pen.light.lamps);
    pen.poly(&[(-0.42, 0.0), (0.02, 0.0), (-0.19, 0.68)], inside);
    if pen.light.lamps > 0.45 {
        pen.shine((-0.15, 0.3), 1.5, LAMP, 0.4 * pen.light.lamps);
    }
}

/// A striped parasol with a towel in its shade.
pub(super) fn parasol(pen: &mut Pen<'_>, tint: Option<Tint>) {
    let cloth = paint_of(tint);
    pen.shadow(0.5, 0.5);
    let towel = pen.tone(cloth.mix(WHITE, 0.35), 0.8);
    pen.poly(&[(0.05, 0.0), (0.62, 0.02), (0.70, -0.10), (0.10, -0.13)], towel);
    let pole = pen.tone(hex(0xf0e8dc), 0.7);
    pen.line((0.0, -0.02), (0.0, 0.95), (0.018, 0.018), pole);
    let (side, light, u, depth) = (pen.side(), pen.light, pen.at.0, pen.depth);
    let soft = (3.0 * pen.step()).clamp(0.1, 0.9);
    let rim: Vec<(f32, f32)> = (0..=10)
        .map(|i| {
            let x = i as f32 / 5.0 - 1.0;
            (x * 0.55, 0.62 + 0.38 * (1.0 - x * x).max(0.0).sqrt())
        })
        .collect();
    pen.painted_poly(&rim, |x, y| {
        let spread = (1.0 - ((y - 0.62) / 0.38) * ((y - 0.62) / 0.38)).max(0.05).sqrt();
        let stripe = smooth(-soft, soft, wave(x / 0.55 / spread * 1.25 + 0.25) - 0.1);
        let lit = unit(0.62 + 0.5 * x * side + 0.35 * (y - 0.75));
        light.vivid(cloth.mix(WHITE, stripe * 0.85), lit, u, depth)
    });
}

/// A lighthouse on its rock, with a turning beam after dark.
pub(super) fn lighthouse(pen: &mut Pen<'_>, tint: Option<Tint>, t: f32) {
    let band = paint_of(tint);
    let pale = if tint == Some(Tint::White) { hex(0xf4efe4) } else { hex(0xfbf6ea) };
    let (side, light, u, depth) = (pen.side(), pen.light, pen.at.0, pen.depth);
    let stone = |k: f32| light.vivid(hex(0x5a5560), k, u, depth);
    pen.poly(
        &[(-0.34, -0.03), (-0.25, 0.07), (-0.1, 0.11), (0.12, 0.11), (0.26, 0.05), (0.36, -0.03)],
        stone(0.4),
    );
    pen.poly(&[(-0.20, 0.02), (-0.08, 0.11), (0.12, 0.11), (0.20, 0.0)], stone(0.75));
    let tower = [(-0.13, 0.08), (0.13, 0.08), (0.085, 0.78), (-0.085, 0.78)];
    let soft = (3.0 * pen.step()).clamp(0.08, 0.8);
    pen.painted_poly(&tower, |x, y| {
        let stripe = smooth(-soft, soft, wave((y - 0.08) * 2.86 + 0.02));
        let lit = unit(0.55 + 3.6 * x * side);
        light.vivid(pale.mix(band, stripe), lit, u, depth)
    });
    let dark = pen.tone(hex(0x30343e), 0.5);
    pen.poly(&[(-0.125, 0.77), (0.125, 0.77), (0.125, 0.80), (-0.125, 0.80)], dark);
    let glass = pen.tone(hex(0xbcd6dc), 0.6).mix(hex(0xfff2b8), light.lamps.max(0.25));
    pen.poly(&[(-0.06, 0.80), (0.06, 0.80), (0.06, 0.90), (-0.06, 0.90)], glass);
    let cap = pen.tone(if tint == Some(Tint::White) { hex(0x4a4f5a) } else { band * 0.85 }, 0.6);
    pen.poly(&[(-0.085, 0.895), (0.085, 0.895), (0.0, 1.0)], cap);
    if light.lamps > 0.3 && pen.up > 0.0 {
        let turn = wave(t * 0.08);
        for way in [1.0, -1.0] {
            let alpha = pen.alpha;
            for part in 0..9 {
                let (near, far) = (part as f32 / 9.0, (part + 1) as f32 / 9.0);
                let edge = |k: f32, up: f32| (way * turn * 2.4 * k, 0.85 + up * (0.02 + 0.14 * k));
                pen.alpha = alpha * 0.42 * light.lamps * turn.abs() * (1.0 - near) * (1.0 - near);
                let beam = [edge(near, 1.0), edge(far, 1.0), edge(far, -1.0), edge(near, -1.0)];
                pen.poly(&beam, hex(0xfff0b0));
            }
            pen.alpha = alpha;
        }
        pen.shine((0.0, 0.85), 0.55, hex(0xfff0b0), 1.0 * light.lamps);
    }
}

/// A windmill with turning sails.
pub(super) fn windmill(pen: &mut Pen<'_>, t: f32) {
    let (side, light, u, depth) = (pen.side(), pen.light, pen.at.0, pen.depth);
    pen.shadow(0.25, 0.5);
    pen.painted_poly(&[(-0.17, 0.0), (0.17, 0.0), (0.10, 0.60), (-0.10, 0.60)], |x, _| {
        light.vivid(hex(0xf2ece0), unit(0.55 + 3.0 * x * side), u, depth)
    });
    let cap = pen.tone(hex(0x8a3f34), 0.6);
    pen.poly(&[(-0.12, 0.59), (0.12, 0.59), (0.07, 0.68), (0.0, 0.71), (-0.07, 0.68)], cap);
    let door = pen.tone(hex(0x5a4030), 0.4);
    pen.poly(&[(-0.04, 0.0), (0.04, 0.0), (0.04, 0.13), (-0.04, 0.13)], door);
    window(pen, 0.0, 0.40, (0.025, 0.035));
    let (spar, cloth) = (pen.tone(hex(0x5c4534), 0.5), pen.tone(hex(0xfaf6ee), 0.85));
    for i in 0..4 {
        let turn = t * 0.05 + i as f32 * 0.25;
        let (s, c) = (wave(turn), wave(turn + 0.25));
        let at = |along: f32, off: f32| (c * along - s * off, 0.63 + s * along + c * off);
        pen.poly(&[at(0.07, 0.01), at(0.37, 0.01), at(0.37, 0.10), at(0.07, 0.08)], cloth);
        pen.line(at(0.0, 0.0), at(0.38, 0.0), (0.012, 0.010), spar);
    }
}

/// A dome of snow blocks.
pub(super) fn igloo(pen: &mut Pen<'_>) {
    let (side, light, u, depth) = (pen.side(), pen.light, pen.at.0, pen.depth);
    let seen = super::noise::visible(pen.step() * 14.0);
    pen.shadow(0.9, 0.4);
    let dome: Vec<(f32, f32)> = (0..=12)
        .map(|i| {
            let x = i as f32 / 6.0 - 1.0;
            (x * 0.85, (1.0 - x * x).max(0.0).sqrt())
        })
        .collect();
    let block = move |x: f32, y: f32| {
        let row = super::noise::split(y * 4.5);
        let column = super::noise::split(x * 3.2 + 0.5 * (row.0 & 1) as f32);
        let seam = smooth(0.12, 0.0, row.1.min(column.1)) * seen;
        light.vivid(hex(0xeef6fd), unit(0.52 + 0.48 * x * side + 0.28 * y - 0.4 * seam), u, depth)
    };
    pen.painted_poly(&dome, block);
    pen.painted_oval((-0.62, 0.14), (0.36, 0.40), |x, y| block(x * 0.4 - 0.5, y * 0.4));
    let inside = pen.tone(hex(0x2a3f58), 0.1).mix(LAMP, pen.light.lamps);
    pen.oval((-0.66, 0.10), (0.20, 0.26), inside);
    if pen.light.lamps > 0.45 {
        pen.shine((-0.66, 0.15), 0.9, LAMP, 0.5 * pen.light.lamps);
        pen.shine((0.1, 0.4), 0.9, BLACK.mix(LAMP, 0.5), 0.4 * pen.light.lamps);
    }
}
