//! Single plants: countable ones, and the firs, palms and rocks that frame a picture.

use super::color::{Color, WHITE, hex, smooth, unit};
use super::noise::{split, wave};
use super::shapes::Pen;

/// A number in 0..1 that depends on `own` and a counter.
fn vary(own: f32, k: f32) -> f32 {
    split(own * 61.7 + k * 0.618_034).1
}

/// A mass of leaves in an ellipse: a dark body, then clumps from below to above, lit from one side.
fn foliage(pen: &mut Pen<'_>, center: (f32, f32), radii: (f32, f32), (leaf, own): (Color, f32)) {
    let side = pen.side();
    let dark = pen.tone(leaf * 0.62, 0.2);
    pen.oval(center, (radii.0 * 0.92, radii.1 * 0.86), dark);
    let n = 26;
    for i in 0..n {
        let up = (i as f32 + 0.5) / n as f32 * 2.0 - 1.0;
        let reach = (1.0 - up * up).max(0.0).sqrt();
        let across = (2.0 * vary(own, i as f32) - 1.0) * reach;
        let lit = unit(
            0.42 + 0.34 * up + 0.34 * across * side + 0.16 * (vary(own, i as f32 + 40.0) - 0.5),
        );
        let color = pen.tone(leaf * (0.74 + 0.42 * lit), lit);
        let at = (center.0 + across * radii.0 * 0.86, center.1 + up * radii.1 * 0.84);
        let size = 0.26 + 0.12 * vary(own, i as f32 + 80.0);
        pen.oval(at, (radii.0 * size, radii.1.min(radii.0 * 0.8) * size * 0.86), color);
    }
}

/// A broad-leaved tree.
pub(super) fn round_tree(pen: &mut Pen<'_>, own: f32) {
    pen.shadow(0.36, 0.6);
    let bark = pen.tone(hex(0x5a4030), 0.4);
    pen.line((0.0, 0.0), (0.01, 0.5), (0.055, 0.035), bark);
    pen.line((0.0, 0.22), (0.15, 0.48), (0.03, 0.02), bark);
    pen.line((0.0, 0.27), (-0.14, 0.48), (0.026, 0.018), bark);
    let leaves = [hex(0x4f8f3a), hex(0x6aa040), hex(0x3f7f44), hex(0x86a83e)];
    let leaf = leaves[(own * 3.99) as usize];
    let wide = 0.30 + 0.08 * vary(own, 1.0);
    foliage(pen, (-0.15, 0.55), (wide * 0.62, 0.20), (leaf * 0.92, own));
    foliage(pen, (0.16, 0.56), (wide * 0.62, 0.20), (leaf * 0.92, vary(own, 5.0)));
    foliage(pen, (0.0, 0.70), (wide, 0.30), (leaf, vary(own, 9.0)));
}

/// A palm that leans and waves.
pub(super) fn palm(pen: &mut Pen<'_>, own: f32, t: f32) {
    pen.shadow(0.22, 0.45);
    let lean = 0.10 + 0.22 * own;
    let bark = pen.tone(hex(0x7a5636), 0.55);
    let mut last = (0.0, 0.0);
    for i in 1..=5 {
        let k = i as f32 / 5.0;
        let next = (lean * k * k, 0.74 * k);
        let r = 0.030 - 0.012 * k;
        pen.line(last, next, (r + 0.003, r), bark);
        last = next;
    }
    let crown = last;
    let side = pen.side();
    let fronds = 11;
    for i in 0..fronds {
        // From the back of the crown to its front: every other frond first.
        let k = ((i * 2) % fronds) as f32 / (fronds - 1) as f32;
        let turn = 0.60 * (k - 0.5) + 0.25 + 0.014 * wave(t * 0.11 + k);
        let (dx, dy) = (wave(turn + 0.25), wave(turn));
        let long = 0.34 + 0.09 * vary(own, i as f32);
        let lit = unit(0.42 + 0.45 * dx * side + 0.25 * dy);
        let leaf = hex(0x3c8a40).mix(hex(0x8fb848), 0.35 * lit) * (0.72 + 0.5 * lit);
        let green = pen.tone(leaf, lit);
        let mut from = crown;
        for part in 1..=5 {
            let s = part as f32 / 5.0;
            // Fronds rise, then fall the more the flatter they leave the crown.
            let fall = 0.30 * s * s * (0.35 + 0.65 * dx * dx);
            let to = (crown.0 + dx * long * s, crown.1 + 0.03 * s + dy * long * s * 0.9 - fall);
            let wide = 0.021 * (1.1 - s) + 0.003;
            pen.line(from, to, (wide + 0.004, wide), green);
            // Leaflets hang from the rib.
            let hang = 0.075 * (1.15 - s);
            pen.line(to, (to.0 + 0.35 * dx * hang, to.1 - hang), (0.011, 0.003), green);
            from = to;
        }
    }
    let nut = pen.tone(hex(0x6a4426), 0.5);
    pen.oval((crown.0 - 0.03, crown.1 - 0.02), (0.028, 0.028), nut);
    pen.oval((crown.0 + 0.03, crown.1 - 0.03), (0.028, 0.028), nut);
}

/// A flat-topped tree of the savanna.
pub(super) fn acacia(pen: &mut Pen<'_>, own: f32) {
    pen.shadow(0.5, 0.6);
    let bark = pen.tone(hex(0x4a3526), 0.35);
    let lean = 0.12 * (own - 0.5);
    pen.line((0.0, 0.0), (lean, 0.42), (0.040, 0.026), bark);
    for (x, y) in [(-0.34, 0.74), (-0.12, 0.80), (0.14, 0.82), (0.36, 0.72)] {
        pen.line((lean, 0.40), (lean + x * 0.8, y - 0.02), (0.024, 0.010), bark);
    }
    let leaf = hex(0x65803a);
    let layers = [
        (-0.35, 0.72, 0.20),
        (0.36, 0.71, 0.21),
        (-0.04, 0.79, 0.32),
        (-0.20, 0.86, 0.22),
        (0.16, 0.88, 0.24),
    ];
    for (i, (x, y, rx)) in layers.into_iter().enumerate() {
        let own = vary(own, i as f32);
        let tone = leaf * (0.82 + 0.06 * i as f32);
        foliage(pen, (lean + x, y), (rx * (0.92 + 0.25 * own), 0.082), (tone, own));
    }
}

/// A dead tree.
pub(super) fn bare_tree(pen: &mut Pen<'_>, own: f32) {
    pen.shadow(0.18, 0.4);
    let bark = pen.tone(hex(0x2c2428), 0.3);
    pen.line((0.0, 0.0), (0.02, 0.45), (0.055, 0.036), bark);
    pen.line((0.02, 0.45), (-0.04, 0.75), (0.036, 0.020), bark);
    pen.line((-0.04, 0.75), (0.05, 1.0), (0.020, 0.006), bark);
    for i in 0..7 {
        let way = if i % 2 == 0 { 1.0 } else { -1.0 };
        let y = 0.34 + 0.085 * i as f32;
        let long = (0.42 - 0.04 * i as f32) * (0.7 + 0.5 * vary(own, i as f32));
        let elbow = (way * long * 0.55, y + long * 0.35);
        let tip = (way * long * (0.75 + 0.3 * vary(own, i as f32 + 9.0)), y + long * 0.95);
        pen.line((0.0, y), elbow, (0.024, 0.015), bark);
        pen.line(elbow, tip, (0.015, 0.004), bark);
        pen.line(elbow, (elbow.0 + way * long * 0.4, elbow.1 + 0.02), (0.011, 0.003), bark);
    }
}

/// A saguaro.
pub(super) fn cactus(pen: &mut Pen<'_>, own: f32) {
    pen.shadow(0.25, 0.5);
    let side = pen.side();
    let (lit, mid, dark) = (
        pen.tone(hex(0x6fa04a), 0.95),
        pen.tone(hex(0x4c8240), 0.6),
        pen.tone(hex(0x2f5c3c), 0.25),
    );
    let (left, right) = (0.34 + 0.16 * own, 0.30 + 0.25 * vary(own, 1.0));
    let paths: [[(f32, f32); 2]; 5] = [
        [(0.0, 0.02), (0.0, 0.90)],
        [(0.0, left), (-0.25, left + 0.04)],
        [(-0.25, left + 0.04), (-0.25, left + 0.32)],
        [(0.0, right), (0.24, right + 0.03)],
        [(0.24, right + 0.03), (0.24, right + 0.26)],
    ];
    for (shift, share, color) in [(0.0, 1.0, dark), (0.22, 0.76, mid), (0.45, 0.36, lit)] {
        for (i, [a, b]) in paths.into_iter().enumerate() {
            let r = if i == 0 { 0.095 } else { 0.066 };
            let dx = shift * r * side;
            pen.line((a.0 + dx, a.1), (b.0 + dx, b.1), (r * share, r * share * 0.96), color);
        }
    }
}

/// A tall fir in tiers, lit from one side.
pub(super) fn fir(pen: &mut Pen<'_>, own: f32, snow: f32) {
    let bark = pen.tone(hex(0x4a3428), 0.35);
    pen.line((0.0, 0.0), (0.0, 0.3), (0.022, 0.02), bark);
    let side = pen.side();
    let leaf = hex(0x2c5b46);
    let n = 8;
    for i in 0..n {
        let k = i as f32 / n as f32;
        let wide = (0.27 - 0.235 * k) * (0.88 + 0.24 * vary(own, i as f32));
        let (y0, y1) = (0.10 + 0.80 * k, 0.10 + 0.80 * k + 0.25 - 0.10 * k);
        let skew = 0.05 * (vary(own, i as f32 + 20.0) - 0.5);
        let points = [
            (-wide, y0 - 0.02),
            (-wide * 0.5, y0 + 0.02),
            (0.0, y0 - 0.01),
            (wide * 0.5, y0 + 0.02),
            (wide, y0 - 0.02 + skew),
            (0.0, y1),
        ];
        let (light, u, depth) = (pen.light, pen.at.0, pen.depth);
        pen.painted_poly(&points, |x, y| {
            let across = x / wide;
            let up = (y - y0) / (y1 - y0);
            let lit = unit(0.22 + 0.55 * across * side - 0.25 * up + 0.25 * k);
            let color = leaf * (0.82 + 0.3 * (1.0 - up));
            let white = smooth(0.5, 0.1, up + 0.25 * across.abs()) * snow;
            light.far(color.mix(WHITE, white), lit, u, depth)
        });
    }
}

/// A boulder of the ground's own stone.
pub(super) fn rock(pen: &mut Pen<'_>, own: f32, stone: Color) {
    let side = pen.side();
    let (lit, mid, dark) = (
        pen.tone(stone * 1.1, 0.9),
        pen.tone(stone * 0.9, unit(0.5 + 0.2 * side)),
        pen.tone(stone * 0.74, 0.3),
    );
    let k = 0.8 + 0.4 * own;
    pen.poly(
        &[
            (-0.75, -0.7),
            (-0.6 * k, 0.45),
            (-0.2, 0.95),
            (0.25, 0.88 * k),
            (0.62, 0.4),
            (0.8, -0.7),
        ],
        mid,
    );
    let bright = [(-0.75, -0.7), (-0.6 * k, 0.45), (-0.2, 0.95), (0.02, 0.5), (-0.14, -0.7)];
    let shadow = [(0.25, 0.88 * k), (0.62, 0.4), (0.8, -0.7), (0.22, -0.7), (0.10, 0.5)];
    if side < 0.0 {
        pen.poly(&bright, lit);
        pen.poly(&shadow, dark);
    } else {
        pen.poly(&shadow, lit);
        pen.poly(&bright, dark);
    }
}

/// A single flower with five petals.
pub(super) fn flower(pen: &mut Pen<'_>, petal: Color, own: f32, t: f32) {
    let nod = 0.10 * (own - 0.5) + 0.05 * wave(t * 0.23 + own);
    let stem = pen.tone(hex(0x4c8a34), 0.6);
    pen.line((0.0, -0.1), (nod, 0.86), (0.022, 0.016), stem);
    pen.line((0.0, 0.2), (0.16 - 0.32 * own, 0.42), (0.03, 0.006), stem);
    let round = 0.125 + 0.035 * vary(own, 2.0);
    for i in 0..5 {
        let turn = i as f32 * 0.2 + own;
        let (dx, dy) = (wave(turn + 0.25), wave(turn));
        let lit = unit(0.62 + 0.30 * dy + 0.25 * dx * pen.side());
        let color = pen.tone(petal * (0.86 + 0.2 * lit), lit);
        let at = (nod + dx * round * 0.8, 0.88 + dy * round * 0.62);
        pen.oval(at, (round * 0.78, round * 0.66), color);
    }
    let heart = pen
        .tone(hex(0xf4c234).mix(hex(0x3a2c28), if petal.luma() > 0.7 { 0.0 } else { 0.75 }), 0.7);
    pen.oval((nod, 0.88), (round * 0.42, round * 0.34), heart);
}

/// A boulder that lies on open ground.
pub(super) fn boulder(pen: &mut Pen<'_>, own: f32, stone: Color) {
    let side = pen.side();
    let (lit, mid, dark) =
        (pen.tone(stone * 1.1, 0.95), pen.tone(stone * 0.92, 0.6), pen.tone(stone * 0.66, 0.2));
    let k = 0.75 + 0.4 * own;
    let (left, right) = if side < 0.0 { (lit, dark) } else { (dark, lit) };
    pen.poly(
        &[(-0.9, 0.0), (-0.72 * k, 0.5), (-0.25, 0.95), (0.3, 0.85 * k), (0.7, 0.42), (0.95, 0.0)],
        mid,
    );
    pen.poly(&[(-0.9, 0.0), (-0.72 * k, 0.5), (-0.25, 0.95), (-0.05, 0.5), (-0.3, 0.0)], left);
    pen.poly(&[(0.3, 0.85 * k), (0.7, 0.42), (0.95, 0.0), (0.4, 0.0), (0.18, 0.5)], right);
}
