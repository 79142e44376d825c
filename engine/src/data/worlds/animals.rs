//! Animals as a few strokes and ovals; the object's height is 1.

use super::color::hex;
use super::noise::wave;
use super::shapes::Pen;
use super::things::paint_of;
use super::world::Tint;

/// A gull in flight; its middle is its place, its span about 2.
pub(super) fn bird(pen: &mut Pen<'_>, tint: Option<Tint>, t: f32) {
    // Feathers keep their own color a little, or a white bird is lost in an evening sky.
    let plain = paint_of(tint) * (1.0 - 0.30 * pen.light.lamps * pen.light.lamps);
    let color = pen.tone(paint_of(tint), 1.0).mix(plain, 0.75);
    let lift = 0.36 + 0.30 * wave(t * 0.55);
    let dip = 0.16 * wave(t * 0.55 + 0.2);
    for way in [-1.0, 1.0] {
        let joints = [
            (0.0, 0.0, 0.085),
            (way * 0.30, lift * 0.85, 0.075),
            (way * 0.62, lift * 0.92 - 0.3 * dip, 0.055),
            (way * 1.0, lift * 0.45 - dip, 0.012),
        ];
        for pair in joints.windows(2) {
            let [(x0, y0, r0), (x1, y1, r1)] = [pair[0], pair[1]];
            pen.line((x0, y0), (x1, y1), (r0, r1), color);
        }
    }
    pen.line((-0.16, -0.03), (0.2, 0.03), (0.075, 0.05), color);
}

/// A dromedary.
pub(super) fn camel(pen: &mut Pen<'_>) {
    let side = pen.side();
    pen.shadow(0.45, 0.5);
    let (light, dark) = (pen.tone(hex(0xb8814a), 0.75), pen.tone(hex(0x8a5a30), 0.35));
    for (x, shade) in [(-0.30, true), (0.20, true), (-0.24, false), (0.27, false)] {
        let color = if shade { dark } else { light };
        pen.line((x, 0.42), (x + 0.02, 0.0), (0.055, 0.03), color);
    }
    pen.ball((0.0, 0.50), (0.40, 0.17), hex(0xc08850));
    pen.ball((-0.02, 0.68), (0.17, 0.17), hex(0xb27c46));
    let cloth = pen.tone(hex(0xc23b3b), 0.6 + 0.2 * side);
    pen.poly(&[(-0.16, 0.70), (0.13, 0.70), (0.17, 0.50), (-0.19, 0.50)], cloth);
    pen.line((0.34, 0.52), (0.50, 0.60), (0.085, 0.06), light);
    pen.line((0.50, 0.60), (0.56, 0.88), (0.06, 0.045), light);
    pen.line((0.54, 0.91), (0.70, 0.87), (0.06, 0.04), light);
    pen.line((-0.38, 0.55), (-0.44, 0.34), (0.025, 0.012), dark);
}

/// A giraffe.
pub(super) fn giraffe(pen: &mut Pen<'_>) {
    pen.shadow(0.24, 0.5);
    let (coat, dark) = (pen.tone(hex(0xe0a54c), 0.75), pen.tone(hex(0xa06a30), 0.35));
    for (x, shade) in [(-0.17, true), (0.11, true), (-0.12, false), (0.16, false)] {
        let color = if shade { dark } else { coat };
        pen.line((x, 0.40), (x + 0.01, 0.0), (0.030, 0.017), color);
    }
    pen.ball((0.0, 0.44), (0.21, 0.105), hex(0xe2a850));
    pen.line((0.15, 0.46), (0.27, 0.88), (0.062, 0.034), coat);
    pen.line((0.26, 0.92), (0.37, 0.87), (0.040, 0.024), coat);
    pen.line((0.25, 0.93), (0.235, 1.0), (0.011, 0.014), dark);
    pen.line((-0.20, 0.48), (-0.25, 0.28), (0.012, 0.008), dark);
    let spot = pen.tone(hex(0x8a4f22), 0.5);
    for (x, y, r) in [
        (-0.12, 0.47, 0.034),
        (-0.03, 0.42, 0.036),
        (0.05, 0.48, 0.034),
        (0.12, 0.42, 0.030),
        (-0.08, 0.385, 0.025),
        (0.185, 0.55, 0.026),
        (0.215, 0.66, 0.023),
        (0.245, 0.77, 0.019),
    ] {
        pen.oval((x, y), (r, r * 0.9), spot);
    }
}

/// A penguin that looks sideways.
pub(super) fn penguin(pen: &mut Pen<'_>) {
    pen.shadow(0.30, 0.4);
    let foot = pen.tone(hex(0xf28a24), 0.7);
    pen.oval((-0.10, 0.02), (0.11, 0.04), foot);
    pen.oval((0.14, 0.02), (0.11, 0.04), foot);
    pen.ball((0.0, 0.42), (0.27, 0.41), hex(0x2a3040));
    pen.oval((0.07, 0.38), (0.18, 0.33), pen.tone(hex(0xfafafa), 0.8));
    pen.line((-0.20, 0.58), (-0.29, 0.26), (0.07, 0.035), pen.tone(hex(0x20242f), 0.4));
    pen.ball((0.02, 0.82), (0.18, 0.18), hex(0x262b38));
    pen.oval((0.10, 0.80), (0.07, 0.08), pen.tone(hex(0xfaf6e8), 0.8));
    pen.line((0.17, 0.80), (0.32, 0.77), (0.045, 0.012), pen.tone(hex(0xffa030), 0.8));
}

/// A woolly sheep.
pub(super) fn sheep(pen: &mut Pen<'_>) {
    pen.shadow(0.55, 0.5);
    let dark = pen.tone(hex(0x38343a), 0.4);
    for x in [-0.32, -0.14, 0.16, 0.34] {
        pen.line((x, 0.35), (x, 0.0), (0.06, 0.05), dark);
    }
    for (x, y, r) in [
        (-0.34, 0.56, 0.26),
        (0.32, 0.56, 0.26),
        (-0.12, 0.68, 0.30),
        (0.14, 0.66, 0.30),
        (0.0, 0.50, 0.36),
    ] {
        pen.ball((x, y), (r, r * 0.88), hex(0xfaf4e8));
    }
    pen.oval((0.60, 0.68), (0.15, 0.19), dark);
    pen.ball((0.50, 0.84), (0.13, 0.11), hex(0xfaf4e8));
}
