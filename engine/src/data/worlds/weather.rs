//! Clouds, fog banks, rain and snow.

use super::color::{Color, WHITE, rgb, smooth, unit};
use super::noise::{Dice, split, visible, wave};
use super::scene::Scene;
use super::world::{Time, Weather};

/// The clouds of the weather, drifting with time.
pub(super) fn paint_clouds(scene: &mut Scene<'_>) {
    let mut dice = scene.dice(5);
    sheet(scene, &mut dice);
    let piles = match scene.world.weather {
        Weather::Clouds => 4 + dice.below(4),
        Weather::Clear if scene.world.time != Time::Night => dice.below(3),
        _ => 0,
    };
    let drift = scene.time * 0.010;
    for k in 0..piles {
        let size = dice.range(0.10, 0.24);
        let v = dice.range(0.10, (scene.horizon - 0.10).max(0.2));
        // Clouds shrink toward the horizon.
        let size = size * (0.35 + 0.9 * unit((scene.horizon - v) / 0.5));
        let wide = scene.canvas.right() + 0.35;
        let along = dice.range(-0.75, 0.75) + drift;
        let u = (along + 0.9).rem_euclid(1.8) - 0.9;
        pile(scene, &mut dice, (if wide > 0.95 { u * wide / 0.85 } else { u }, v, size), k as u8);
    }
}

/// A thin sheet seen from below, flattened toward the horizon.
fn sheet(scene: &mut Scene<'_>, dice: &mut Dice) {
    let light = &scene.light;
    let (tex, px) = (&scene.tex, scene.canvas.px);
    let cover = light.cover;
    let threshold = 0.42 - cover * 0.72;
    let soft = if cover > 0.7 { 0.5 } else { 0.3 };
    let stretch = dice.range(1.0, 1.9);
    let drift = scene.time * 0.028;
    let (lit, dark, sun) = (light.cloud_lit, light.cloud_dark, light.sun);
    let strength = if cover > 0.7 { 0.95 } else { 0.85 };
    for y in scene.canvas.rows(scene.canvas.upper(), scene.horizon) {
        let v = scene.canvas.v(y);
        let z = 1.0 / ((scene.horizon - v).max(0.0) + 0.16);
        let step = px * z * z * 0.55;
        let fade = smooth(0.0, 0.10, scene.horizon - v);
        for x in scene.canvas.across() {
            let u = scene.canvas.u(x);
            let (a, b) = (u * z * 0.62 + drift + 20.0, z * stretch + 3.0);
            let warp = tex.plane(a * 0.7, b * 0.7, 20);
            let density = tex.planes(a + 0.35 * warp, b + 0.35 * warp, 21, (5, step));
            let alpha = smooth(threshold, threshold + soft, density) * fade * strength;
            if alpha > 0.004 {
                let toward = ((sun.0 - u) * 2.5).clamp(-1.0, 1.0) * 0.22;
                let other = tex.planes(a + toward, b - 0.25, 21, (3, step));
                let (du, dv) = (u - sun.0, v - sun.1);
                let near = 1.0 / (1.0 + 9.0 * (du * du + dv * dv));
                let shine = unit(0.42 + 0.95 * (density - other) + 0.45 * near - 0.2 * alpha);
                let color = dark.mix(lit, shine);
                scene.canvas.blend(x, y, color, alpha);
            }
        }
    }
}

/// A heaped cloud with a flat base at (u, v), `size` wide to each side.
fn pile(scene: &mut Scene<'_>, dice: &mut Dice, place: (f32, f32, f32), id: u8) {
    let (u0, v0, size) = place;
    let mut puffs = [(0.0_f32, 0.0_f32, 0.0_f32); 9];
    for (i, puff) in puffs.iter_mut().enumerate() {
        let along = (i as f32 - 4.0) / 4.0 + dice.range(-0.1, 0.1);
        let radius = size * (0.44 - 0.26 * along.abs()) * dice.range(0.85, 1.12);
        let lift =
            radius * dice.range(0.1, 0.4) + size * 0.22 * (1.0 - along * along) * dice.unit();
        *puff = (u0 + along * size * 0.74, v0 - lift, radius.max(size * 0.1));
    }
    let (light, tex, px) = (&scene.light, &scene.tex, scene.canvas.px);
    let (lit, dark) = (light.cloud_lit, light.cloud_dark);
    let (du, dv) = (light.sun.0 - u0, light.sun.1 - v0);
    let far = (du * du + dv * dv).sqrt().max(0.05);
    let toward = (du / far, (dv / far - 0.6) * 0.8);
    let haze = light.haze_at(u0);
    let hazy = 0.35 * unit(1.0 - (scene.horizon - v0) / 0.35);
    let grain = 5.0 / size;
    let rows = scene.canvas.rows(v0 - size * 0.9, v0 + size * 0.12);
    for y in rows {
        let v = scene.canvas.v(y);
        for x in scene.canvas.columns(u0 - size * 1.25, u0 + size * 1.25) {
            let u = scene.canvas.u(x);
            let rough =
                tex.planes((u - u0) * grain + 9.0, (v - v0) * grain, 30 + id, (4, px * grain));
            let (mut best, mut nu, mut nv, mut sum) = (-1.0_f32, 0.0, 0.0, 0.0001_f32);
            for (pu, pv, pr) in puffs {
                let (a, b) = ((u - pu) / pr, (v - pv) / pr);
                let inside = 1.0 - (a * a + b * b);
                best = best.max(inside);
                if inside > -0.2 {
                    let w = (inside + 0.2) * (inside + 0.2);
                    nu += a * w;
                    nv += b * w;
                    sum += w;
                }
            }
            let flat = (v0 + size * 0.05 - v) / (size * 0.16);
            let alpha = smooth(-0.05, 0.35, best + rough * 0.7) * smooth(-0.3, 0.6, flat + rough);
            if alpha > 0.004 {
                let facing = (nu * toward.0 + nv * toward.1) / sum;
                let base = unit((v - v0 + size * 0.30) / (size * 0.4));
                let shine = unit(0.55 + 0.42 * facing + 0.4 * rough - 0.5 * base);
                let color = dark.mix(lit, shine).mix(haze, hazy);
                scene.canvas.blend(x, y, color, alpha * 0.96);
            }
        }
    }
}

/// Mist that lies over the ground, and what falls from the sky.
pub(super) fn paint_weather(scene: &mut Scene<'_>) {
    match scene.world.weather {
        Weather::Fog => fog(scene),
        Weather::Rain => rain(scene),
        Weather::Snow => snow(scene),
        Weather::Clear | Weather::Clouds => {}
    }
}

fn fog(scene: &mut Scene<'_>) {
    let (tex, light) = (&scene.tex, &scene.light);
    let drift = scene.time * 0.01;
    for y in scene.canvas.down() {
        let v = scene.canvas.v(y);
        let band =
            smooth(scene.horizon - 0.32, scene.horizon, v) * smooth(1.05, scene.horizon + 0.1, v);
        for x in scene.canvas.across() {
            let u = scene.canvas.u(x);
            let swirl = tex.planes(u * 2.2 + drift, v * 7.0 - drift * 0.4, 40, (3, 0.05));
            let alpha = unit(0.50 * band + 0.12 + 0.55 * swirl * (0.35 + band));
            scene.canvas.blend(x, y, light.haze_at(u), alpha * 0.8);
        }
    }
}

/// Slanted streaks in three depths.
fn rain(scene: &mut Scene<'_>) {
    let (tex, px, t) = (&scene.tex, scene.canvas.px, scene.time);
    let color = scene.light.stops[3].mix(WHITE, 0.5);
    for (k, cells) in [22.0_f32, 34.0, 50.0].into_iter().enumerate() {
        let id = 50 + k as u8 * 3;
        let speed = 26.0 / cells;
        let strength = 0.34 - 0.07 * k as f32;
        let width = 0.0013 * 30.0 / cells;
        for y in scene.canvas.down() {
            let v = scene.canvas.v(y);
            for x in scene.canvas.across() {
                let u = scene.canvas.u(x) + v * 0.16;
                let (i, fx) = split(u * cells);
                let shift = tex.dot(i, 7, id) * 8.0;
                let (j, fy) = split((v - t * speed) * cells * 0.16 + shift);
                if tex.dot(i, j, id + 1) < 0.45 {
                    continue;
                }
                let d = (fx - 0.25 - 0.5 * tex.dot(i, j, id + 2)).abs() / cells;
                let cover = unit((width - d) / px + 0.5) * (width * 2.0 / px).min(1.0);
                let along = smooth(0.0, 0.6, fy) * smooth(1.0, 0.9, fy);
                scene.canvas.blend(x, y, color, cover * along * strength * 1.25);
            }
        }
    }
    // Wet air: contrast falls with distance from the viewer.
    let haze = scene.light.haze;
    for y in scene.canvas.down() {
        let amount = 0.14 * smooth(1.0, scene.horizon - 0.1, scene.canvas.v(y));
        for pixel in scene.canvas.row_mut(y) {
            *pixel = pixel.mix(haze, amount);
        }
    }
}

/// Flakes in four depths.
fn snow(scene: &mut Scene<'_>) {
    let (tex, px, t) = (&scene.tex, scene.canvas.px, scene.time);
    let color: Color = scene.light.stops[3].mix(rgb(1.0, 1.0, 1.0), 0.75);
    for (k, cells) in [6.0_f32, 11.0, 19.0, 32.0].into_iter().enumerate() {
        let id = 60 + k as u8 * 4;
        let fall = t * 0.9 / cells;
        for y in scene.canvas.down() {
            let v = scene.canvas.v(y);
            for x in scene.canvas.across() {
                let (j, fy) = split((v - fall * 1.2) * cells);
                let sway = 0.14 * wave(t * 0.13 + tex.dot(j, 3, id));
                let (i, fx) = split(scene.canvas.u(x) * cells + sway + tex.dot(j, 1, id));
                if tex.dot(i, j, id + 1) < 0.5 {
                    continue;
                }
                let (cx, cy) =
                    (0.2 + 0.6 * tex.dot(i, j, id + 2), 0.2 + 0.6 * tex.dot(i, j, id + 3));
                let d = ((fx - cx) * (fx - cx) + (fy - cy) * (fy - cy)).sqrt() / cells;
                let radius = 0.0042 * (10.0 / cells).sqrt() * (0.7 + 0.6 * tex.dot(j, i, id));
                let seen = visible(px * cells * 0.8);
                let soft = px + radius;
                let cover = unit((radius - d) / soft + 0.5) * (2.2 * radius / px).min(1.0);
                scene.canvas.blend(x, y, color, cover * 0.9 * seen);
            }
        }
    }
}
