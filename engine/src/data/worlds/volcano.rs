//! The volcano: a burning cone, smoke, lava, black ground.

use super::color::{hex, smooth, unit};
use super::ground::{Frame, bank, bare, ground};
use super::land::Hills;
use super::noise::{Dice, wave};
use super::objects::paint_zone;
use super::places::{Zone, snow_cover, snowed};
use super::rock::{Range, mountains};
use super::scene::Scene;
use super::water::river;

/// The cone's place and shape.
#[derive(Debug, Clone, Copy)]
struct Cone {
    u: f32,
    base: f32,
    height: f32,
    /// Half width of the crater.
    mouth: f32,
}

pub(super) fn volcano(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(10);
    let horizon = scene.horizon;
    let range = Range {
        base: horizon,
        height: dice.range(0.10, 0.18),
        depth: 0.75,
        rock: hex(0x5a4a5c),
        snow: 0.0,
        peaks: 7,
        id: 10,
    };
    mountains(scene, &range, &mut dice);
    let cone = Cone {
        u: dice.range(-0.22, 0.22),
        base: horizon + 0.02,
        height: dice.range(0.34, 0.46),
        mouth: dice.range(0.045, 0.075),
    };
    smoke(scene, cone, &mut dice);
    paint_cone(scene, cone);
    paint_zone(scene, Zone::Air);
    let near = Range {
        base: horizon + 0.06,
        height: dice.range(0.07, 0.12),
        depth: 0.22,
        rock: hex(0x3a3038),
        snow: 0.0,
        peaks: 9,
        id: 60,
    };
    mountains(scene, &near, &mut dice);
    let tones = (hex(0x5a6a7c), hex(0x2a3444));
    let wet = river(scene, (horizon + 0.05, horizon + 0.21), tones);
    let shore = horizon + if wet { 0.155 } else { 0.06 };
    let hills = Hills { top: shore, swing: 0.02, rate: 1.8, id: 80 };
    let edge = hills.edge(scene);
    let snow = snow_cover(scene.world) * 0.7;
    let mut cover =
        bare(snowed(0x54444a, snow), snowed(0x30282e, snow), snowed(0x5e4646, snow), 84);
    cover.depth = 0.35;
    ground(scene, &edge, horizon, &cover);
    cracks(scene, shore + 0.03);
    paint_zone(scene, Zone::Ground);
    bank(scene, Frame::Rocks, hex(0x5a4a50), 0.0);
}

/// A plume that leans with the wind, lit from below.
fn smoke(scene: &mut Scene<'_>, cone: Cone, dice: &mut Dice) {
    let wind = dice.sign() * dice.range(0.15, 0.5);
    let t = scene.time * 0.05;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    let top = cone.base - cone.height;
    let (dark, pale) = (hex(0x4a3f4c), hex(0xb8a4a4));
    for y in canvas.rows(canvas.upper(), top + 0.03) {
        let v = canvas.v(y);
        let rise = (top + 0.03 - v).max(0.0);
        let center = cone.u + wind * rise * (0.4 + 1.1 * rise);
        let wide = cone.mouth * 0.9 + 0.34 * rise;
        for x in canvas.columns(center - wide * 1.9, center + wide * 1.9) {
            let u = canvas.u(x);
            let (a, b) = (u * 7.0 - wind * t, v * 8.0 + t * 2.2);
            let puff = tex.planes(a, b, 40, (4, px * 8.0));
            let d = ((u - center) / wide).abs();
            let alpha = smooth(1.05, 0.35, d - 0.95 * puff)
                * smooth(0.0, 0.03, rise)
                * smooth(0.75, 0.25, rise);
            if alpha > 0.004 {
                let other = tex.planes(a + 0.25 * light.side, b - 0.22, 40, (3, px * 8.0));
                let lit =
                    unit(0.35 + 1.3 * (puff - other) + 0.35 * (u - center) / wide * light.side);
                let color = light.far(dark.mix(pale, lit), lit, u, 0.25);
                let fire = hex(0xff6a28) * (0.85 * smooth(0.26, 0.0, rise) * (0.6 + 0.4 * puff));
                canvas.blend(x, y, color.screen(fire), alpha * 0.92);
            }
        }
    }
}

fn paint_cone(scene: &mut Scene<'_>, cone: Cone) {
    let t = scene.time;
    let night = 0.55 + 0.45 * scene.light.lamps;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    let rise = |u: f32| {
        let d = (u - cone.u).abs();
        let out = (d - cone.mouth).max(0.0);
        // Concave flanks, and a rim that dips between two lips.
        let flank =
            1.0 / (1.0 + 3.6 * out / cone.height + 4.0 * out * out / (cone.height * cone.height));
        let dip =
            if d < cone.mouth { 0.07 * (1.0 - (d / cone.mouth) * (d / cone.mouth)) } else { 0.0 };
        cone.height * (flank - dip)
    };
    let edge = canvas.edge(|u| cone.base - rise(u) - 0.012 * tex.lines(u * 14.0, 50, 4, px * 6.0));
    let top = cone.base - cone.height;
    canvas.below(&edge, cone.base + 0.05, |_, u, v| {
        let below = (v - top).max(0.0);
        let fan = (u - cone.u) / (below + 0.10);
        let gully = tex.planes(fan * 7.0, below * 5.0, 52, (4, px * 7.0 / (below + 0.10)));
        let grain = tex.planes(u * 45.0, v * 45.0, 56, (3, px * 45.0));
        let across = fan * light.side;
        let facet = smooth(-0.12, 0.12, gully + 0.2 * grain);
        let lit = unit(0.32 + 0.55 * across + 0.42 * (facet - 0.5) + 0.16 * grain);
        let rock = hex(0x4d3c46).mix(hex(0x6a4a48), facet) * (0.94 + 0.14 * grain);
        let mist = 0.5 * smooth(cone.height * 0.6, cone.height, below);
        let mut color = light.far(rock, lit, u, 0.32 + mist);
        // Streams of lava run down some of the gullies.
        let bend = 0.10 * tex.line(below * 9.0, 60);
        for (k, place) in [(0_u8, -0.42_f32), (1, 0.10), (2, 0.52)] {
            let long = cone.height * (0.45 + 0.5 * tex.dot(i32::from(k), 9, 61));
            let at = place
                + 0.3 * tex.at(i32::from(k), 3, 62)
                + bend * 2.0
                + 0.05 * tex.line(below * 30.0, 63 + k);
            let d = (fan - at).abs() * (below + 0.10);
            let width = 0.004 + 0.010 * smooth(0.0, long, below) * (1.0 - below / long).max(0.0);
            let on = smooth(long, long * 0.7, below) * smooth(0.0, 0.03, below);
            let pulse = 0.85 + 0.15 * wave(t * 0.12 - below * 4.0 + f32::from(k) * 0.3);
            let core = unit((width - d) / px.max(0.004) + 0.5) * on * pulse;
            let halo = on * pulse * 0.0009 / (d * d + 0.0009);
            color = color.screen(hex(0xff4a1c) * (halo * 0.55 * night));
            color = color.mix(hex(0xffb040), core);
        }
        let mouth = ((u - cone.u) / (cone.mouth * 1.6)).abs();
        let rim = smooth(1.0, 0.2, mouth) * smooth(0.10, 0.0, below);
        color.screen(hex(0xff7a30) * (rim * 0.9))
    });
    let (u0, v0) = (cone.u, top + 0.01);
    let flicker = 0.9 + 0.1 * wave(t * 0.7);
    for y in canvas.rows(v0 - 0.35, v0 + 0.3) {
        let v = canvas.v(y);
        for x in canvas.columns(u0 - 0.4, u0 + 0.4) {
            let u = canvas.u(x);
            let d2 = (u - u0) * (u - u0) + (v - v0) * (v - v0);
            let fall = unit(1.0 - d2 / 0.12);
            let glow = fall * fall / (1.0 + d2 * 260.0);
            let pixel = &mut canvas.pixels[y * canvas.width + x];
            *pixel = pixel.screen(hex(0xff6426) * (glow * night * flicker));
        }
    }
}

/// Glowing cracks in the ground.
fn cracks(scene: &mut Scene<'_>, top: f32) {
    let horizon = scene.horizon;
    let t = scene.time;
    let Scene { canvas, tex, light, .. } = scene;
    let px = canvas.px;
    let strength = 0.55 + 0.45 * light.lamps;
    for y in canvas.rows(top, 9.0) {
        let v = canvas.v(y);
        let q = 1.0 / (v - horizon + 0.06);
        let step = px * q * q * 1.6;
        let fade = smooth(top, top + 0.1, v);
        for x in canvas.across() {
            let u = canvas.u(x);
            let n = tex.planes(u * q * 1.5, q * 2.3, 120, (3, step * 0.5));
            let m = tex.plane(u * q * 0.6 + 4.0, q * 0.9, 124);
            let vein = smooth(0.05 + step * 0.03, 0.0, n.abs()) * smooth(-0.1, 0.4, m) * fade;
            let pulse = 0.8 + 0.2 * wave(t * 0.15 + m * 2.0);
            let pixel = &mut canvas.pixels[y * canvas.width + x];
            let halo = smooth(0.22, 0.0, n.abs()) * smooth(-0.1, 0.4, m) * fade;
            *pixel = pixel.screen(hex(0xd8341a) * (halo * 0.35 * strength * pulse));
            *pixel = pixel.mix(hex(0xffa03c), vein * pulse * (0.55 + 0.4 * strength));
        }
    }
}
