//! Landscapes of open ground: dunes, forest, savanna, canyon, meadow.

use super::color::{hex, lerp, smooth, unit};
use super::dunes::{Dunes, dunes};
use super::ground::{
    Cover, Frame, backdrop, bank, bare, boulders, front_flowers, front_grass, ground, track,
};
use super::land::{Crown, Hills, Row, facing, trees};
use super::noise::{split, visible, wave};
use super::objects::paint_zone;
use super::places::{Zone, snow_cover, snowed};
use super::rock::{Mesas, Range, mesas, mountains};
use super::scene::Scene;
use super::water::river;

pub(super) fn desert_dunes(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let palettes = [
        (0xf0bc78, 0xa85a3c, 0xe09048, 0x7c3a34),
        (0xf2cfa0, 0x9a6a78, 0xe6b070, 0x6e4668),
        (0xe8a070, 0x8a4048, 0xd8764a, 0x66303c),
    ];
    let (far, far_shadow, near, near_shadow) = palettes[dice.below(3) as usize];
    let snow = snow_cover(scene.world) * 0.6;
    let layers = 4 + dice.below(2);
    let horizon = scene.horizon;
    for k in 0..layers {
        let t = k as f32 / (layers - 1) as f32;
        let spec = Dunes {
            base: lerp(horizon + 0.03, 0.90, t * (0.55 + 0.45 * t)),
            height: lerp(0.05, 0.22, t) * dice.range(0.8, 1.3),
            rate: lerp(3.4, 1.0, t.min(0.9)) * dice.range(0.85, 1.2),
            depth: 0.80 * (1.0 - t) * (1.0 - 0.3 * t),
            sand: snowed(far, snow).mix(snowed(near, snow), t),
            shadow: hex(far_shadow).mix(hex(near_shadow), t),
            id: 10 + k as u8 * 7,
        };
        if k + 1 == layers {
            paint_zone(scene, Zone::Air);
        }
        dunes(scene, &spec);
    }
    paint_zone(scene, Zone::Ground);
}

pub(super) fn pine_forest(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let snow = snow_cover(scene.world);
    let horizon = scene.horizon;
    if dice.chance(0.6) {
        let range = Range {
            base: horizon - 0.02,
            height: dice.range(0.16, 0.30),
            depth: 0.8,
            rock: hex(0x5d7480),
            snow: snow.max(0.25),
            peaks: 6,
            id: 10,
        };
        mountains(scene, &range, &mut dice);
    } else {
        backdrop(scene, 0.12, 0x5d7a78, &mut dice);
    }
    let leaves = [hex(0x2f6a54), hex(0x2a6048), hex(0x25543c), hex(0x1f4732)];
    for (k, leaf) in leaves.into_iter().enumerate() {
        let t = k as f32 / 3.0;
        let row = Row {
            crown: Crown::Fir,
            size: lerp(0.10, 0.27, t) * dice.range(0.85, 1.15),
            spacing: lerp(0.022, 0.062, t),
            depth: 0.74 * (1.0 - t) + 0.06,
            leaf,
            mist: 0.75 * (1.0 - 0.6 * t),
            snow,
            id: 20 + k as u8 * 11,
        };
        let (foot, swing) = (horizon + lerp(-0.05, 0.12, t), lerp(0.07, 0.03, t));
        let valley = dice.range(-0.2, 0.2);
        let open = 0.30 * t;
        let line = k as u8;
        trees(scene, &row, move |tex, u| {
            // The forest opens toward a clearing in the middle.
            let d = u - valley;
            foot + swing * tex.line(u * 2.2 + 4.0, 70 + line)
                + open * 0.14 * (1.0 - (d * d * 5.0).min(1.0))
        });
    }
    paint_zone(scene, Zone::Air);
    let tones = (hex(0x4f8a8c), hex(0x1f4f58));
    let wet = river(scene, (horizon + 0.135, horizon + 0.3), tones);
    let shore = horizon + if wet { 0.245 } else { 0.155 };
    let hills = Hills { top: shore, swing: 0.025, rate: 1.6, id: 120 };
    let edge = hills.edge(scene);
    let cover = Cover {
        far: snowed(0x6f9450, snow),
        near: snowed(0x3d6638, snow),
        patch: snowed(0x86a04e, snow),
        flowers: if snow == 0.0 && dice.chance(0.5) {
            Some(([hex(0xf2f0d8), hex(0xd9a0d0)], 0.22))
        } else {
            None
        },
        blades: 0.8 * (1.0 - snow),
        grain: 0.25,
        sparkle: snow,
        depth: 0.4,
        id: 124,
    };
    ground(scene, &edge, horizon + 0.08, &cover);
    track(scene, snowed(0xb99a68, snow), shore + 0.015);
    paint_zone(scene, Zone::Ground);
    bank(scene, Frame::Firs, snowed(0x35552f, snow), snow);
}

pub(super) fn savanna(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    if dice.chance(0.5) {
        let range = Range {
            base: horizon,
            height: dice.range(0.14, 0.24),
            depth: 0.82,
            rock: hex(0x7a6a78),
            snow: 0.32,
            peaks: 3,
            id: 10,
        };
        mountains(scene, &range, &mut dice);
    } else {
        backdrop(scene, dice.range(0.03, 0.08), 0x8a7460, &mut dice);
    }
    paint_zone(scene, Zone::Air);
    let row = Row {
        crown: Crown::Round,
        size: 0.026,
        spacing: 0.034,
        depth: 0.62,
        leaf: hex(0x66743c),
        mist: 0.4,
        snow: 0.0,
        id: 30,
    };
    trees(scene, &row, move |tex, u| horizon + 0.016 + 0.008 * tex.line(u * 5.0, 41));
    let hills = Hills { top: horizon + 0.018, swing: 0.006, rate: 1.5, id: 44 };
    let edge = hills.edge(scene);
    let dry = dice.unit();
    let cover = Cover {
        far: hex(0xe6c06a).mix(hex(0xc8b458), dry),
        near: hex(0xb88436).mix(hex(0x94882f), dry),
        patch: hex(0xd09a48).mix(hex(0xa89a44), dry),
        flowers: Some(([hex(0x6f7434), hex(0x8a7c3c)], 0.22)),
        blades: 1.0,
        grain: 0.3,
        sparkle: 0.0,
        depth: 0.75,
        id: 50,
    };
    ground(scene, &edge, horizon, &cover);
    let bushes = Row {
        size: 0.034,
        spacing: 0.05,
        depth: 0.34,
        leaf: hex(0x767a38),
        mist: 0.0,
        id: 46,
        ..row
    };
    let line = horizon + 0.055;
    thicket(scene, &bushes, line, &cover, horizon);
    let tones = (hex(0x6a9aa4), hex(0x2f5a6c));
    let mut from = horizon + 0.02;
    if river(scene, (horizon + 0.065, horizon + 0.2), tones) {
        let bank = Hills { top: horizon + 0.145, swing: 0.02, rate: dice.range(1.2, 2.2), id: 54 };
        let edge = bank.edge(scene);
        ground(scene, &edge, horizon + 0.02, &Cover { depth: 0.2, ..cover });
        from = horizon + 0.165;
    }
    track(scene, hex(0xdca868), from);
    boulders(scene, hex(0xa8795a), (from + 0.03, from + 0.12));
    paint_zone(scene, Zone::Ground);
    front_grass(scene, hex(0x8a6428), 0.085);
}

/// Bushes in loose groups; the ground goes on before them.
fn thicket(scene: &mut Scene<'_>, row: &Row, line: f32, cover: &Cover, vanish: f32) {
    let id = row.id;
    trees(scene, row, move |tex, u| {
        line + 0.006 * tex.line(u * 3.0, id + 9)
            + 0.05 * smooth(-0.15, 0.2, tex.line(u * 3.3, id + 7))
    });
    let edge = scene.canvas.edge(|u| line + 0.006 * scene.tex.line(u * 3.0, id + 9) + 0.001);
    ground(scene, &edge, vanish, cover);
}

pub(super) fn canyon(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    let snow = snow_cover(scene.world);
    for (k, (lift, height, count, depth)) in
        [(-0.03, 0.17, 6, 0.78), (-0.01, 0.29, 5, 0.46), (0.03, 0.34, 3, 0.12)]
            .into_iter()
            .enumerate()
    {
        let spec = Mesas {
            base: horizon + lift,
            height: height * dice.range(0.8, 1.2),
            count: count + dice.below(2),
            depth,
            id: 10 + 20 * k as u8,
        };
        if k == 2 {
            paint_zone(scene, Zone::Air);
        }
        mesas(scene, &spec, &mut dice);
    }
    let hills = Hills { top: horizon + 0.035, swing: 0.018, rate: 2.0, id: 80 };
    let edge = hills.edge(scene);
    let mut cover =
        bare(snowed(0xe0905a, snow), snowed(0xc26a3e, snow), snowed(0xb08048, snow), 84);
    cover.flowers = Some(([hex(0x7d8a4c), hex(0x98964e)], 0.35));
    cover.grain = 0.55;
    ground(scene, &edge, horizon - 0.02, &cover);
    track(scene, snowed(0xe8a878, snow), horizon + 0.06);
    boulders(scene, hex(0xb5603c), (horizon + 0.09, horizon + 0.2));
    paint_zone(scene, Zone::Ground);
    bank(scene, Frame::Rocks, hex(0xb0583a), 0.0);
}

pub(super) fn flower_meadow(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    let snow = snow_cover(scene.world);
    if dice.chance(0.45) {
        let range = Range {
            base: horizon + 0.04,
            height: dice.range(0.16, 0.26),
            depth: 0.8,
            rock: hex(0x6f86a8),
            snow: 0.35,
            peaks: 7,
            id: 10,
        };
        mountains(scene, &range, &mut dice);
    } else {
        backdrop(scene, 0.09, 0x6f92a0, &mut dice);
    }
    paint_zone(scene, Zone::Air);
    for k in 0..3_u8 {
        let t = f32::from(k) / 2.0;
        let top = horizon + lerp(0.0, 0.15, t);
        let hills =
            Hills { top, swing: lerp(0.05, 0.06, t), rate: dice.range(1.2, 2.2), id: 20 + 10 * k };
        fields(scene, &hills, 0.62 * (1.0 - t) + 0.08, t, snow);
    }
    let hills = Hills { top: horizon + 0.225, swing: 0.03, rate: dice.range(1.0, 1.6), id: 60 };
    let edge = hills.edge(scene);
    let sets = [
        [hex(0xe23b34), hex(0xf8e8c8)],
        [hex(0xf7c832), hex(0xfaf4e0)],
        [hex(0x9a6ad0), hex(0xe07ab0)],
        [hex(0xe8508a), hex(0xf8d040)],
        [hex(0x5a78e0), hex(0xf4f0ff)],
    ];
    let set = sets[dice.below(5) as usize];
    let cover = Cover {
        far: snowed(0x9cc457, snow),
        near: snowed(0x4f8f36, snow),
        patch: snowed(0x74a83e, snow),
        flowers: Some((set, dice.range(0.6, 0.9))),
        blades: 0.9 * (1.0 - snow),
        grain: 0.2,
        sparkle: snow,
        depth: 0.2,
        id: 64,
    };
    ground(scene, &edge, horizon + 0.12, &cover);
    track(scene, snowed(0xcfae78, snow), horizon + 0.245);
    paint_zone(scene, Zone::Ground);
    front_grass(scene, snowed(0x3f7a30, snow * 0.5), 0.05);
    if snow == 0.0 {
        front_flowers(scene, set);
    }
}

/// A hill with fields of several crops, rows in them, and hedges on its crest.
fn fields(scene: &mut Scene<'_>, hills: &Hills, depth: f32, t: f32, snow: f32) {
    const CROPS: [u32; 6] = [0x8fbb4e, 0x6fa544, 0xd8c25a, 0xa9c85c, 0x5b9448, 0xc7d06e];
    let edge = hills.edge(scene);
    let id = hills.id;
    let row = Row {
        crown: Crown::Round,
        size: lerp(0.016, 0.036, t),
        spacing: lerp(0.020, 0.044, t),
        depth,
        leaf: snowed(0x3f7040, snow * 0.6),
        mist: 0.1,
        snow,
        id: id + 100,
    };
    let (top, swing, rate) = (hills.top, hills.swing, hills.rate);
    let hedge = lerp(0.010, 0.022, t);
    trees(scene, &row, move |tex, u| {
        let broad = tex.line(u * rate + 11.0, id);
        let gaps = tex.line(u * 4.0, id + 5);
        top - swing * 0.85 * broad + hedge * smooth(0.25, -0.2, gaps) * 2.0
    });
    let Scene { canvas, tex, light, .. } = scene;
    let (px, side) = (canvas.px, light.side);
    let turned = canvas.each_column(|x| facing(&edge, x, px, side));
    canvas.below(&edge, 9.0, |x, u, v| {
        let down = v - edge.column(x)[1];
        let warp = tex.plane(u * 2.4, v * 5.0, id + 6);
        let (a, b) = (
            u * lerp(5.0, 3.0, t) + 0.6 * warp + down * 3.0,
            down * lerp(30.0, 16.0, t) + 0.7 * warp + u * 1.3,
        );
        let ((i, fx), (j, fy)) = (split(a), split(b));
        let crop = snowed(CROPS[(tex.dot(i, j, id + 7) * 5.99) as usize], snow);
        let border = smooth(0.07, 0.03, fx.min(1.0 - fx)).max(smooth(0.16, 0.06, fy.min(1.0 - fy)));
        // Furrows run along one field and across the next.
        let (along, rate) = if tex.dot(i, j, id + 4) < 0.5 { (fx, 9.0) } else { (fy, 5.0) };
        let seen = visible(px * rate * lerp(9.0, 5.0, t));
        let rows = 0.13 * seen * wave(along * rate);
        let fine = tex.planes(u * 50.0, v * 110.0, id + 8, (2, px * 110.0));
        let color = crop.mix(snowed(0x3f6c38, snow), border * 0.6) * (1.0 + rows + 0.12 * fine);
        let lit = unit(0.34 + 0.60 * turned[x] + 0.2 * warp + 0.12 * fine);
        light.far(color, lit, u, depth * (1.0 - 0.4 * unit(down * 6.0)))
    });
}
