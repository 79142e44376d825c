//! From a world to a picture: back to front, then weather, then the last grading.

use std::ops::Range;

use super::canvas::Canvas;
use super::color::smooth;
use super::light::Light;
use super::noise::Texture;
use super::scene::Scene;
use super::sky::paint_sky;
use super::weather::{paint_clouds, paint_weather};
use super::world::{Time, World};
use super::{biomes, places};
use crate::images::{Picture, check_part};
use crate::{EngineError, Result};

/// Longest side that is painted.
const LONGEST: u32 = 16_384;

/// Paints a world, `width` x `height` pixels, at a moment of its clip.
///
/// The composition is the same at every size; finer textures appear with more pixels. Shapes from
/// 1:2 to 2:1 show more of the same world around the middle square.
///
/// # Errors
/// [`EngineError::BadInput`] if a side is zero or above 16384, or the time is not a finite number.
pub fn paint(world: &World, width: u32, height: u32, time_seconds: f32) -> Result<Picture> {
    paint_part(world, [width, height], time_seconds, [0, 0, width, height])
}

/// The pixels [x, y, width, height] of what [`paint`] gives for a [width, height]; little more than
/// they is painted.
///
/// # Errors
/// As [`paint`], and [`EngineError::BadInput`] if the part is empty or not inside.
pub fn paint_part(
    world: &World,
    [width, height]: [u32; 2],
    time_seconds: f32,
    [x, y, wide, high]: [u32; 4],
) -> Result<Picture> {
    if width == 0 || height == 0 || width > LONGEST || height > LONGEST {
        return Err(EngineError::bad_input(
            "size of a world",
            format!("{width}x{height} cannot be painted"),
            format!("Each side must be 1 to {LONGEST} pixels"),
        ));
    }
    if !time_seconds.is_finite() {
        return Err(EngineError::bad_input(
            "time of a world",
            format!("{time_seconds} is not a moment"),
            "Use a number of seconds",
        ));
    }
    check_part([width, height], [x, y, wide, high])?;
    let columns = x as usize..(x + wide) as usize;
    let rows = y as usize..(y + high) as usize;
    let horizon = places::horizon(world);
    let (size, part) = ((width as usize, height as usize), (columns.clone(), rows.clone()));
    let mut scene = Scene {
        world,
        canvas: Canvas::new(size, part, places::has_water(world)),
        tex: Texture::new(world.seed, world.index),
        light: Light::new(world, horizon),
        time: time_seconds.clamp(-100_000.0, 100_000.0),
        horizon,
    };
    paint_sky(&mut scene);
    paint_clouds(&mut scene);
    biomes::paint_land(&mut scene);
    paint_weather(&mut scene);
    Picture::new(wide, high, finish(&scene, columns, rows))
}

/// Vignette, a tint of the hour, a soft shoulder instead of clipping, and dither against banding.
fn finish(scene: &Scene<'_>, columns: Range<usize>, rows: Range<usize>) -> Vec<u8> {
    const DITHER: [u8; 16] = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];
    let canvas = &scene.canvas;
    let color = match scene.world.time {
        Time::Dawn => 1.10,
        Time::Day => 1.06,
        Time::Dusk => 1.08,
        Time::Night => 1.0,
    };
    let mut rgb = Vec::with_capacity(columns.len() * rows.len() * 3);
    for y in rows {
        let v = canvas.v(y) - 0.5;
        for x in columns.clone() {
            let u = canvas.u(x);
            let edge = 1.0 - 0.16 * smooth(0.16, 0.62, u * u + v * v);
            let pixel = canvas.pixels[y * canvas.width + x].saturate(color) * edge;
            let dither = (f32::from(DITHER[(y % 4) * 4 + x % 4]) + 0.5) / 16.0;
            for value in [pixel.r, pixel.g, pixel.b] {
                rgb.push((shoulder(value) * 255.0 + dither) as u8);
            }
        }
    }
    rgb
}

/// Straight up to 0.86, then bent so that 1.2 becomes 1.
#[inline]
fn shoulder(x: f32) -> f32 {
    const KNEE: f32 = 0.86;
    let x = x.max(0.0);
    if x <= KNEE {
        return x;
    }
    let t = ((x - KNEE) / (1.2 - KNEE)).min(1.0);
    KNEE + (1.0 - KNEE) * t * (2.0 - t)
}
