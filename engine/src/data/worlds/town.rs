//! The harbor town: gabled houses in rows on a quay, a hill behind, water before.

use super::color::{Color, WHITE, hex, unit};
use super::ground::backdrop;
use super::land::{Crown, Row, trees};
use super::noise::Dice;
use super::objects::paint_zone;
use super::places::{Zone, snow_cover, snowed};
use super::scene::Scene;
use super::shapes::Pen;
use super::water::{Water, water};

pub(super) fn harbor_town(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    let snow = snow_cover(scene.world);
    backdrop(scene, dice.range(0.10, 0.2), 0x6a8498, &mut dice);
    let hill = dice.range(0.05, 0.26);
    let top = dice.range(-0.35, 0.35);
    let row = Row {
        crown: Crown::Round,
        size: 0.045,
        spacing: 0.042,
        depth: 0.42,
        leaf: snowed(0x4f7f4c, snow * 0.5),
        mist: 0.2,
        snow,
        id: 20,
    };
    let slope = move |u: f32| {
        let d = u - top;
        hill / (1.0 + 5.0 * d * d)
    };
    trees(scene, &row, move |tex, u| horizon - 0.03 - slope(u) + 0.012 * tex.line(u * 6.0, 31));
    for level in (0..3_u8).rev() {
        let far = f32::from(level);
        let lift = move |u: f32| far * (0.028 + 0.36 * slope(u));
        houses(scene, &mut dice, &lift, (level, snow));
        if level == 1 {
            church(scene, snow);
        }
    }
    quay(scene);
    paint_zone(scene, Zone::Air);
    paint_zone(scene, Zone::Shore);
    let spec = Water {
        top: horizon + 0.018,
        bottom: 9.0,
        far: hex(0x3f7f98),
        near: hex(0x17465e),
        mirror: 0.78,
        chop: dice.range(0.5, 0.95),
    };
    water(scene, &spec);
    paint_zone(scene, Zone::Water);
    pier(scene, snow);
}

/// One row of houses from edge to edge.
fn houses(
    scene: &mut Scene<'_>,
    dice: &mut Dice,
    lift: &dyn Fn(f32) -> f32,
    (level, snow): (u8, f32),
) {
    const WALLS: [u32; 9] =
        [0xd9553f, 0xf0c05a, 0xf4ead6, 0x6fa3b8, 0xe88f52, 0xc9d6c0, 0xb8504c, 0xe9d8b0, 0x5f8f8c];
    const ROOFS: [u32; 4] = [0x8a4034, 0x54505c, 0xa65238, 0x4a4048];
    let far = f32::from(level);
    let (horizon, right) = (scene.horizon, 1.15_f32);
    let mut u = -right + dice.range(0.0, 0.05);
    let scale = 1.0 - 0.16 * far;
    while u < right {
        let wide = dice.range(0.062, 0.11) * scale;
        let tall = dice.range(0.075, 0.15) * scale;
        let (wall, roof) = (WALLS[dice.below(9) as usize], ROOFS[dice.below(4) as usize]);
        let (gable, shift, lamp) = (dice.chance(0.6), dice.unit(), dice.unit());
        let middle = u + wide * 0.5;
        let mut pen = Pen {
            canvas: &mut scene.canvas,
            light: &scene.light,
            at: (middle, horizon + 0.006 - lift(middle)),
            size: wide,
            flip: 1.0,
            up: 1.0,
            alpha: 1.0,
            depth: 0.06 + 0.16 * far,
        };
        if middle.abs() < pen.canvas.right() + wide {
            facade(&mut pen, tall / wide, (hex(wall), snowed(roof, snow)), (gable, shift, lamp));
        }
        u += wide * if level == 0 { 1.0 } else { dice.range(1.0, 1.3) };
    }
}

/// A wooden pier that comes into the picture from a lower corner.
fn pier(scene: &mut Scene<'_>, snow: f32) {
    let Some(side) = super::places::bank_side(scene.world) else {
        return;
    };
    let mut dice = scene.dice(30);
    let (reach, back) = (dice.range(0.26, 0.36), dice.range(0.80, 0.86));
    let (border, lower) = (scene.canvas.right().min(0.62), scene.canvas.lower());
    let base = lower - 1.0;
    let back = back + base * 0.8;
    let mut pen = Pen {
        canvas: &mut scene.canvas,
        light: &scene.light,
        at: (border * side, 0.0),
        size: 1.0,
        flip: -side,
        up: -1.0,
        alpha: 1.0,
        depth: 0.0,
    };
    // The deck in its own coordinates: x inward from the border, y downward.
    let (near, far) = (lower + 0.05, back);
    let (bright, dim) = (pen.tone(snowed(0x8a6a4c, snow), 0.75), pen.tone(hex(0x4a382c), 0.3));
    let inner = |y: f32| reach * (0.62 + 0.38 * (y - far) / (near - far));
    pen.poly(
        &[
            (inner(far), far),
            (inner(far), far + 0.03),
            (inner(near), near + 0.05),
            (inner(near), near),
        ],
        dim,
    );
    pen.poly(&[(-0.1, far), (inner(far), far), (inner(near), near), (-0.1, near)], bright);
    pen.poly(
        &[(-0.1, far), (inner(far), far), (inner(far), far + 0.006), (-0.1, far + 0.006)],
        dim,
    );
    let mut y = far;
    let mut gap = 0.012;
    while y < near {
        let shade = pen.tone(snowed(0x6a4e38, snow), 0.45);
        let thick = gap * 0.13;
        pen.poly(
            &[(-0.1, y), (inner(y), y), (inner(y + thick), y + thick), (-0.1, y + thick)],
            shade,
        );
        y += gap;
        gap *= 1.22;
    }
    for (y, tall, wide) in [(far, 0.075, 0.010), (far + (near - far) * 0.45, 0.11, 0.014)] {
        let x = inner(y) - 0.008;
        let (lit, dark) = (pen.tone(hex(0x7c5e44), 0.8), pen.tone(hex(0x4a382c), 0.25));
        pen.poly(
            &[
                (x - wide, y - tall),
                (x + wide, y - tall),
                (x + wide, y + 0.06),
                (x - wide, y + 0.06),
            ],
            dark,
        );
        let (a, b) = if pen.side() < 0.0 { (x - wide, x) } else { (x, x + wide) };
        pen.poly(&[(a, y - tall), (b, y - tall), (b, y + 0.06), (a, y + 0.06)], lit);
        pen.oval((x, y - tall), (wide, wide * 0.4), pen.tone(snowed(0x9a7a58, snow), 0.9));
    }
}

/// The tower of a church above the roofs.
fn church(scene: &mut Scene<'_>, snow: f32) {
    let mut dice = scene.dice(34);
    if dice.chance(0.3) {
        return;
    }
    let (u, tall) = (dice.range(-0.42, 0.42), dice.range(0.27, 0.36));
    let mut pen = Pen {
        canvas: &mut scene.canvas,
        light: &scene.light,
        at: (u, scene.horizon - 0.02),
        size: tall,
        flip: 1.0,
        up: 1.0,
        alpha: 1.0,
        depth: 0.16,
    };
    let side = pen.side();
    let walls = [hex(0xf2ead8), hex(0xd9a066), hex(0xb8685a)];
    let wall = walls[dice.below(3) as usize];
    let (bright, dim) = (pen.tone(wall, 0.85), pen.tone(wall * 0.82, 0.3));
    pen.poly(&[(-0.11, -0.2), (0.11, -0.2), (0.11, 0.62), (-0.11, 0.62)], bright);
    let edge = if side < 0.0 { 0.04 } else { -0.11 };
    pen.poly(&[(edge, -0.2), (edge + 0.07, -0.2), (edge + 0.07, 0.62), (edge, 0.62)], dim);
    let copper = snowed(if dice.chance(0.5) { 0x4f8f80 } else { 0x5a4a54 }, snow * 0.7);
    let (a, b) = (pen.tone(copper, 0.8), pen.tone(copper * 0.75, 0.3));
    pen.poly(&[(-0.13, 0.61), (0.13, 0.61), (0.0, 1.0)], a);
    let shade = if side < 0.0 { 0.13 } else { -0.13 };
    pen.poly(&[(0.0, 0.61), (shade, 0.61), (0.0, 1.0)], b);
    let lamp = pen.tone(hex(0x4a4654), 0.5).mix(hex(0xffc864), pen.light.lamps.min(1.0));
    pen.oval(
        (0.0, 0.53),
        (0.045, 0.045),
        pen.tone(hex(0xf8f0dc), 0.9).mix(hex(0xffe0a0), pen.light.lamps * 0.5),
    );
    for y in [0.18, 0.34] {
        pen.poly(
            &[
                (-0.025, y - 0.05),
                (0.025, y - 0.05),
                (0.025, y + 0.04),
                (0.0, y + 0.065),
                (-0.025, y + 0.04),
            ],
            lamp,
        );
    }
}

/// A front with windows; coordinates in widths.
fn facade(
    pen: &mut Pen<'_>,
    tall: f32,
    (wall, roof): (Color, Color),
    (gable, shift, lamp): (bool, f32, f32),
) {
    let side = pen.side();
    let light = pen.tone(wall, unit(0.62 + 0.25 * (shift - 0.5)));
    let dark = pen.tone(wall * 0.8, 0.25);
    let (tiles, tiles_dark) = (pen.tone(roof, 0.75), pen.tone(roof * 0.75, 0.3));
    let half = 0.5;
    if gable {
        pen.poly(
            &[(-half, -1.2), (half, -1.2), (half, tall), (0.0, tall + 0.42), (-half, tall)],
            light,
        );
        let (a, b) = if side < 0.0 { (tiles, tiles_dark) } else { (tiles_dark, tiles) };
        pen.line((-half - 0.04, tall - 0.02), (0.0, tall + 0.45), (0.055, 0.055), a);
        pen.line((half + 0.04, tall - 0.02), (0.0, tall + 0.45), (0.055, 0.055), b);
    } else {
        pen.poly(&[(-half, -1.2), (half, -1.2), (half, tall), (-half, tall)], light);
        pen.poly(
            &[
                (-half - 0.05, tall),
                (half + 0.05, tall),
                (half - 0.12, tall + 0.38),
                (-half + 0.12, tall + 0.38),
            ],
            tiles,
        );
        pen.poly(
            &[(0.18, tall + 0.2), (0.30, tall + 0.2), (0.30, tall + 0.55), (0.18, tall + 0.55)],
            tiles_dark,
        );
    }
    let edge = if side < 0.0 { half - 0.07 } else { -half };
    pen.poly(&[(edge, -1.2), (edge + 0.07, -1.2), (edge + 0.07, tall), (edge, tall)], dark);
    let floors = ((tall / 0.48) as i32).max(1);
    let glass = pen.tone(hex(0x38485c), 0.5);
    let shine = hex(0xffc864);
    for floor in 0..floors {
        for column in 0..3 {
            let x = -0.28 + 0.28 * column as f32;
            let y = 0.28 + 0.46 * floor as f32;
            let lit = super::noise::split(lamp * 17.3 + (floor * 3 + column) as f32 * 0.618).1;
            let on = if lit < 0.62 { pen.light.lamps.min(1.0) } else { 0.0 };
            let color = glass.mix(shine, on);
            pen.poly(
                &[
                    (x - 0.07, y - 0.11),
                    (x + 0.07, y - 0.11),
                    (x + 0.07, y + 0.11),
                    (x - 0.07, y + 0.11),
                ],
                color,
            );
            if on > 0.5 {
                pen.shine((x, y), 0.6, shine, 0.25 * on);
            }
        }
    }
}

/// The wall along the water, with lamps.
fn quay(scene: &mut Scene<'_>) {
    let horizon = scene.horizon;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    let edge = canvas.edge(|_| horizon + 0.004);
    canvas.below(&edge, horizon + 0.03, |_, u, v| {
        let stone = tex.planes(u * 60.0, v * 120.0, 44, (2, px * 120.0));
        let top = unit(1.0 - (v - horizon - 0.004) / 0.006);
        light.far(
            hex(0x8a8078).mix(WHITE, 0.25 * top) * (0.8 + 0.3 * stone),
            0.4 + 0.4 * top,
            u,
            0.05,
        )
    });
}
