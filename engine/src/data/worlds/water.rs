//! Water: what stands above it, mirrored and broken by ripples.

use super::color::{Color, WHITE, smooth, unit};
use super::noise::wave;
use super::scene::Scene;
use super::world::Weather;

/// A surface of water from `top` down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Water {
    /// The far shore (v).
    pub top: f32,
    /// How far down it is seen (v).
    pub bottom: f32,
    /// The water's own color far away and near.
    pub far: Color,
    pub near: Color,
    /// How much it mirrors (0..1), and how rough it is (1 is a breeze).
    pub mirror: f32,
    pub chop: f32,
}

/// Paints the water over everything below its far shore.
pub(super) fn water(scene: &mut Scene<'_>, spec: &Water) {
    let Scene { canvas, tex, light, time, .. } = scene;
    let (px, t) = (canvas.px, *time);
    let (sun, sun_color) = (light.sun, light.sun_color);
    let glitter = match scene.world.weather {
        Weather::Rain | super::Weather::Snow => 0.0,
        Weather::Fog => 0.35,
        _ => 1.0,
    } * if sun.1 < 0.2 { 0.7 } else { 1.0 };
    for y in canvas.rows(spec.top, spec.bottom) {
        let v = canvas.v(y);
        let cover = unit((v - spec.top) / px + 0.5);
        if cover <= 0.0 {
            continue;
        }
        let down = (v - spec.top).max(0.0);
        let q = 1.0 / (down + 0.05);
        let (su, sv) = (px * q * 3.0, px * q * q * 1.3);
        let step = su.max(sv * 0.6);
        let body = spec.far.mix(spec.near, smooth(0.0, 0.42, down));
        let body = light.shade(body, 0.62);
        // Looking down into near water, it mirrors less.
        let mirror = spec.mirror * (1.0 - 0.62 * smooth(0.0, 0.5, down));
        let shore = smooth(0.0, 0.02, down);
        for x in canvas.across() {
            let u = canvas.u(x);
            let (a, b) = (u * q * 0.9, q * 2.2);
            let n = tex.planes(a * 2.4 + 0.1 * t, b * 1.5 + t * 0.22, 70, (4, step * 0.6));
            let n2 = tex.planes(a * 4.3 - 0.13 * t, b * 2.4 + t * 0.31, 74, (3, step));
            let bend = (0.030 + 0.16 * down) * spec.chop;
            let mut seen = canvas
                .sample(u + n * 0.05 * spec.chop * shore, spec.top - down - bend * n2 - 0.5 * px);
            if spec.chop > 0.5 {
                let longer = canvas.sample(u, spec.top - down * 1.25 - bend * n);
                seen = seen.mix(longer, 0.4);
            }
            let facing = unit(mirror + 0.55 * n * spec.chop * mirror * shore);
            let mut color = body.mix(seen * 0.94, facing);
            let crest = smooth(0.16, 0.46, n + 0.6 * n2) * spec.chop;
            color = color.mix(light.haze, crest * 0.22 * shore);
            if glitter > 0.0 {
                let width = 0.035 + 0.20 * down;
                let d = (u - sun.0 + 0.06 * n) / width;
                let path = 1.0 / (1.0 + d * d * d * d);
                let spark = smooth(0.02, 0.34, n2 + 0.5 * n + 0.05 * wave(t * 0.3 + u * 9.0));
                let strength =
                    glitter * path * (0.14 + 0.75 * spark) * (0.9 - 0.55 * smooth(0.0, 0.5, down));
                color = color.screen(sun_color.mix(light.stops[3], 0.35) * strength * 0.8);
            }
            if down < 0.012 {
                // A bright line where the far shore meets the water.
                color = color.mix(light.haze.mix(WHITE, 0.2), 0.22 * (1.0 - down / 0.012));
            }
            canvas.blend(x, y, color, cover);
        }
    }
}

/// A river across the picture from `top` to `bottom` (v), where the world has one.
pub(super) fn river(
    scene: &mut Scene<'_>,
    (top, bottom): (f32, f32),
    (far, near): (Color, Color),
) -> bool {
    if !super::places::has_river(scene.world) {
        return false;
    }
    let chop = scene.dice(39).range(0.2, 0.55);
    water(scene, &Water { top, bottom, far, near, mirror: 0.86, chop });
    true
}
