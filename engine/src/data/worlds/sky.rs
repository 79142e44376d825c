//! The sky: its gradient, sun and moon, stars, aurora.

use super::color::{BLACK, WHITE, hex, lerp, smooth, unit};
use super::noise::wave;
use super::scene::Scene;
use super::world::{Biome, Time, Weather, World};

/// Sky, stars, sun or moon, down to the bottom of the picture.
pub(super) fn paint_sky(scene: &mut Scene<'_>) {
    let (light, tex) = (&scene.light, &scene.tex);
    let span = scene.horizon + 0.12;
    for y in scene.canvas.down() {
        let v = scene.canvas.v(y);
        let row = light.gradient((scene.horizon - v) / span);
        for x in scene.canvas.across() {
            let u = scene.canvas.u(x);
            let mut color = light.clear(u, v, row);
            if light.stars > 0.0 && v < scene.horizon {
                let milky = tex.plane((u + v * 0.6) * 3.0, (v - u * 0.5) * 1.5, 90)
                    + 0.5 * tex.plane(u * 11.0, v * 11.0, 91);
                let band = smooth(0.32, 0.0, (v - 0.22 - u * 0.45).abs()) * (0.6 + 0.5 * milky);
                color = color.screen(light.stops[3] * (band.max(0.0) * 0.30 * light.stars));
                color = color.screen(WHITE * (star(scene, u, v) * light.stars));
            }
            scene.canvas.pixels[y * scene.canvas.width + x] = color;
        }
    }
    if scene.world.weather != Weather::Rain && scene.world.weather != Weather::Snow {
        disc(scene);
    }
    let aurora = match scene.world.biome {
        Biome::PolarSea => true,
        Biome::AlpineLake | Biome::PineForest => scene.dice(3).chance(0.3),
        _ => false,
    };
    if aurora && light_is_dark(scene.world) {
        paint_aurora(scene);
    }
}

fn light_is_dark(world: &World) -> bool {
    world.time == Time::Night && matches!(world.weather, Weather::Clear | Weather::Clouds)
}

/// One star at most in each cell of a grid; it keeps its light when pixels are coarse.
fn star(scene: &Scene<'_>, u: f32, v: f32) -> f32 {
    const CELLS: f32 = 30.0;
    let (x, fx) = super::noise::split(u * CELLS);
    let (y, fy) = super::noise::split(v * CELLS);
    let tex = &scene.tex;
    let chance = tex.dot(x, y, 92);
    if chance < 0.35 {
        return 0.0;
    }
    let (cx, cy) = (0.2 + 0.6 * tex.dot(x, y, 93), 0.2 + 0.6 * tex.dot(x, y, 94));
    // Many faint stars, few bright ones.
    let rank = (chance - 0.35) * 1.54;
    let bright = 0.16 + 0.84 * rank * rank * rank * rank;
    let size = 0.045 + 0.075 * bright;
    let radius = size.max(0.42 * CELLS * scene.canvas.px);
    let d2 = ((fx - cx) * (fx - cx) + (fy - cy) * (fy - cy)) / (radius * radius);
    let falloff = 1.0 / (1.0 + d2);
    let twinkle = 0.8 + 0.2 * wave(scene.time * 0.6 + chance * 37.0);
    let energy = (size / radius) * (0.30 + 0.80 * bright);
    let dim = smooth(scene.horizon, scene.horizon - 0.2, v);
    (1.5 * energy * falloff * falloff * falloff * twinkle * dim).min(1.0)
}

/// The sun's or moon's disc.
fn disc(scene: &mut Scene<'_>) {
    let (u0, v0) = scene.light.sun;
    let r = scene.light.sun_radius;
    let night = scene.world.time == Time::Night;
    let fog = scene.world.weather == Weather::Fog;
    // How far the shadow's disc has moved aside, in radii; a full moon has none.
    let mut dice = scene.dice(4);
    let phase = if dice.chance(0.35) { 3.0 } else { dice.sign() * dice.range(0.4, 0.95) };
    let (color, tex) = (scene.light.sun_color, &scene.tex);
    let core = if night { color } else { color.mix(WHITE, 0.55) * 1.15 };
    let low = scene.light.stops[2];
    let dusk = scene.world.time == Time::Dusk;
    scene.canvas.shape(
        [u0 - r, v0 - r, u0 + r, v0 + r],
        if fog { 0.7 } else { 1.0 },
        |u, v| {
            let d = ((u - u0) * (u - u0) + (v - v0) * (v - v0)).sqrt() - r;
            if night {
                // A crescent is the disc without a second disc.
                let c = u0 + phase * r;
                d.max(r * 0.95 - ((u - c) * (u - c) + (v - v0) * (v - v0)).sqrt())
            } else {
                d
            }
        },
        |u, v| {
            if night {
                let sea = tex.plane(u / r * 1.4, v / r * 1.4, 96);
                core * (0.93 + 0.10 * sea)
            } else if dusk {
                core.mix(low, 0.45 * unit((v - v0) / r * 0.5 + 0.5))
            } else {
                core
            }
        },
    );
}

/// Curtains of green light.
fn paint_aurora(scene: &mut Scene<'_>) {
    let (tex, t) = (&scene.tex, scene.time);
    let (green, violet) = (hex(0x4dffa6), hex(0x9a5cff));
    for x in scene.canvas.across() {
        let u = scene.canvas.u(x);
        let mut foot = [0.0; 2];
        let mut power = [0.0; 2];
        for (k, (foot, power)) in foot.iter_mut().zip(&mut power).enumerate() {
            let id = 100 + k as u8 * 3;
            let sway = t * 0.03;
            *foot = lerp(0.24, 0.40, k as f32)
                + 0.13 * tex.line(u * 1.6 + sway + 7.0, id)
                + 0.03 * tex.line(u * 6.0 - sway * 2.0, id + 1);
            let rays = 0.6 + 0.4 * tex.line(u * 24.0 + 2.0 * sway, id + 2);
            *power = rays * smooth(-0.5, 0.4, tex.line(u * 2.3 - sway + 3.0, id + 1));
        }
        for y in scene.canvas.rows(scene.canvas.upper(), scene.horizon) {
            let v = scene.canvas.v(y);
            let mut add = BLACK;
            for k in 0..2 {
                let above = foot[k] - v;
                if above > -0.03 {
                    let up = unit(above / 0.36);
                    let strength = smooth(-0.03, 0.015, above) * (1.0 - up) * (1.0 - up);
                    add = add
                        + green.mix(violet, smooth(0.1, 0.7, up)) * (strength * power[k] * 0.75);
                }
            }
            let pixel = &mut scene.canvas.pixels[y * scene.canvas.width + x];
            *pixel = pixel.screen(add);
        }
    }
}
