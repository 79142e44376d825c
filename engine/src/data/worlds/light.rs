//! Light: palettes of the hours, sun and moon, weather, and how surfaces and distance look in it.

use super::color::{Color, WHITE, hex, rgb, smooth, unit};
use super::noise::Dice;
use super::world::{Biome, Time, Weather, World};

/// Sky colors from the zenith down to the horizon.
type Stops = [Color; 4];

const fn stops(zenith: u32, upper: u32, low: u32, horizon: u32) -> Stops {
    [hex(zenith), hex(upper), hex(low), hex(horizon)]
}

const DAWN: [Stops; 3] = [
    stops(0x4f86c0, 0xa2bede, 0xf8cdb8, 0xffeabc),
    stops(0x3f8cae, 0x8fcaca, 0xf4e2b8, 0xffcf9c),
    stops(0x7f9ccc, 0xb9bce0, 0xf6c6c4, 0xffe8c6),
];
const DAY: [Stops; 3] = [
    stops(0x1c6cc6, 0x4a9ee2, 0x98cef2, 0xe4f3f4),
    stops(0x2590c6, 0x5cb8de, 0xa6deea, 0xf4f3dc),
    stops(0x2a5cb8, 0x5692dc, 0xa2c8ee, 0xe6eef6),
];
const DUSK: [Stops; 4] = [
    stops(0x2a2b66, 0x8a3f7c, 0xee6a48, 0xffc262),
    stops(0x3a4684, 0x9a6ca8, 0xf2928c, 0xffd6a4),
    stops(0x221f58, 0x5e3b90, 0xc85a8c, 0xff9c6a),
    stops(0x2f5578, 0x85889c, 0xeaa068, 0xffdc86),
];
const NIGHT: [Stops; 3] = [
    stops(0x060a24, 0x101f52, 0x24407e, 0x4a6ea4),
    stops(0x03121f, 0x0a2b40, 0x1a5062, 0x3f8080),
    stops(0x0c0928, 0x23194e, 0x453274, 0x74559a),
];

/// Everything that light does in one world.
#[derive(Debug)]
pub(super) struct Light {
    /// Sky colors from the zenith down to the horizon.
    pub stops: Stops,
    /// Where the sun or moon is (u, v).
    pub sun: (f32, f32),
    pub sun_color: Color,
    pub sun_radius: f32,
    glow: f32,
    /// What comes from the whole sky.
    ambient: Color,
    /// What comes from the sun or moon.
    direct: Color,
    /// The color of distance, and how soon it comes (0..1).
    pub haze: Color,
    pub haze_amount: f32,
    /// Side from which light falls: -1 left, 1 right.
    pub side: f32,
    /// 1 at night, 0.4 at dusk, else 0: how much lamps show.
    pub lamps: f32,
    /// How much color is lost to the dark (0..1).
    dark: f32,
    /// 0..1: how strong the stars are.
    pub stars: f32,
    /// Clouds: how much of the sky (0..1), lit side, shadow side.
    pub cover: f32,
    pub cloud_lit: Color,
    pub cloud_dark: Color,
}

impl Light {
    /// The light of a world whose horizon lies at v = `horizon`.
    pub(super) fn new(world: &World, horizon: f32) -> Self {
        let mut dice = Dice::new(world.seed, world.index, 1);
        let time = world.time;
        let mut stops = match time {
            Time::Dawn => DAWN[dice.below(3) as usize],
            Time::Day => DAY[dice.below(3) as usize],
            Time::Dusk => DUSK[dice.below(4) as usize],
            Time::Night => NIGHT[dice.below(3) as usize],
        };
        tune(&mut stops, world.biome, time);
        let side = dice.sign();
        let tall = matches!(world.biome, Biome::AlpineLake | Biome::Volcano | Biome::Canyon);
        let lift = if tall { 0.13 } else { 0.02 };
        let u = side * dice.range(0.06, 0.4);
        let sun = match time {
            Time::Dawn => (u, horizon - lift - dice.range(0.02, 0.14)),
            Time::Dusk => (u, horizon - lift - dice.range(0.0, 0.12)),
            Time::Day => (side * dice.range(0.15, 0.46), dice.range(0.05, 0.17)),
            Time::Night => (side * dice.range(0.08, 0.4), dice.range(0.09, 0.24)),
        };
        let (ambient, direct, sun_color) = match time {
            Time::Dawn => (rgb(0.52, 0.54, 0.66), rgb(0.60, 0.46, 0.28), hex(0xfff0c4)),
            Time::Day => (rgb(0.50, 0.57, 0.68), rgb(0.56, 0.51, 0.38), hex(0xfffbe8)),
            Time::Dusk => (rgb(0.40, 0.33, 0.50), rgb(0.74, 0.46, 0.22), hex(0xffd890)),
            Time::Night => (rgb(0.19, 0.25, 0.45), rgb(0.27, 0.34, 0.44), hex(0xf2f2dc)),
        };
        let large = if world.biome == Biome::Savanna && time != Time::Day { 1.7 } else { 1.0 };
        let sun_radius = large
            * match time {
                Time::Dawn => 0.042,
                Time::Day => 0.036,
                Time::Dusk => dice.range(0.045, 0.065),
                Time::Night => dice.range(0.032, 0.05),
            };
        let (lit, dark) = match time {
            Time::Day => (WHITE, stops[1].mix(WHITE, 0.45)),
            Time::Night => (stops[3].mix(stops[2], 0.4), stops[1]),
            Time::Dawn => (stops[3].mix(sun_color, 0.5), stops[1].mix(stops[2], 0.35)),
            Time::Dusk => (stops[3].mix(sun_color, 0.2), stops[1].mix(stops[2], 0.25) * 0.92),
        };
        let mut light = Self {
            stops,
            sun,
            sun_color,
            sun_radius,
            glow: match time {
                Time::Dawn => 0.62,
                Time::Day => 0.55,
                Time::Dusk => 0.7,
                Time::Night => 0.22,
            },
            ambient,
            direct,
            haze: stops[3].mix(stops[2], if time == Time::Night { 0.8 } else { 0.4 }),
            haze_amount: dice.range(0.5, 0.68),
            side,
            lamps: match time {
                Time::Night => 1.0,
                Time::Dusk => 0.55,
                _ => 0.0,
            },
            dark: if time == Time::Night { 0.5 } else { 0.0 },
            stars: if time == Time::Night { 1.0 } else { 0.0 },
            cover: dice.range(0.05, 0.3),
            cloud_lit: lit,
            cloud_dark: dark,
        };
        light.weather(world, &mut dice);
        light
    }

    /// Clouds, rain, snow and fog change sky, light and distance.
    fn weather(&mut self, world: &World, dice: &mut Dice) {
        let night = if world.time == Time::Night { 1.25 } else { 1.0 };
        let tone = match world.time {
            Time::Dawn => rgb(0.95, 0.86, 0.90),
            Time::Day => WHITE,
            Time::Dusk => rgb(0.80, 0.58, 0.66),
            Time::Night => rgb(0.23, 0.30, 0.47),
        };
        let veil = |light: &mut Self, dark: u32, pale: u32, amount: f32| {
            let (dark, pale) = (hex(dark) * tone, hex(pale) * tone);
            for (i, stop) in light.stops.iter_mut().enumerate() {
                *stop = stop.mix(dark.mix(pale, i as f32 / 3.0), amount);
            }
            light.haze = light.haze.mix(pale, amount * 0.8);
            light.cloud_lit = light.cloud_lit.mix(pale, amount);
            light.cloud_dark = light.cloud_dark.mix(dark, amount);
        };
        match world.weather {
            Weather::Clear => {}
            Weather::Clouds => self.cover = dice.range(0.5, 0.75),
            Weather::Rain => {
                veil(self, 0x46586e, 0xaebcc4, 0.72);
                self.cover = 0.95;
                self.glow *= 0.45;
                self.stars = 0.0;
                self.direct = self.direct * 0.3;
                self.ambient = self.ambient * (1.12 * night);
                self.haze_amount += 0.15;
                self.lamps = self.lamps.max(0.5);
            }
            Weather::Snow => {
                veil(self, 0x8fa3bb, 0xe6ebf0, 0.66);
                self.cover = 0.8;
                self.glow *= 0.6;
                self.stars = 0.0;
                self.direct = self.direct * 0.5;
                self.ambient = self.ambient * (1.2 * night);
                self.haze_amount += 0.12;
                self.lamps = self.lamps.max(0.4);
            }
            Weather::Fog => {
                veil(self, 0x9fb0bc, 0xe8e6de, 0.5);
                self.cover = 0.15;
                self.stars *= 0.25;
                self.direct = self.direct * 0.55;
                self.ambient = self.ambient * (1.2 * night);
                self.haze_amount = 0.92;
                self.lamps = self.lamps.max(0.3);
            }
        }
    }

    /// A surface of color `albedo` that the sun reaches with strength `lit` (0..1).
    #[inline]
    pub(super) fn shade(&self, albedo: Color, lit: f32) -> Color {
        // In the dark the eye sees little color, and that little is blue.
        let pale = rgb(0.68, 0.81, 1.05) * albedo.luma();
        albedo.mix(pale, self.dark) * (self.ambient + self.direct * lit)
    }

    /// A surface whose color is kept in the dark.
    #[inline]
    pub(super) fn color_of(&self, albedo: Color, lit: f32) -> Color {
        let tint = self.ambient + self.direct * lit;
        albedo * tint.mix(rgb(0.62, 0.60, 0.66), self.dark)
    }

    /// The color of distance in the direction of u: brighter and warmer toward the sun.
    #[inline]
    pub(super) fn haze_at(&self, u: f32) -> Color {
        let d = (u - self.sun.0) * 2.6;
        self.haze.screen(self.sun_color * (self.glow * 0.42 / (1.0 + d * d)))
    }

    /// As [`Self::far`], for what people name by its color: it keeps its color in the dark.
    #[inline]
    pub(super) fn vivid(&self, albedo: Color, lit: f32, u: f32, depth: f32) -> Color {
        self.color_of(albedo, lit).mix(self.haze_at(u), (self.haze_amount * depth).min(1.0))
    }

    /// A lit surface seen through `depth` (0 here, 1 at the horizon) of air.
    #[inline]
    pub(super) fn far(&self, albedo: Color, lit: f32, u: f32, depth: f32) -> Color {
        self.shade(albedo, lit).mix(self.haze_at(u), (self.haze_amount * depth).min(1.0))
    }

    /// The sky without clouds.
    #[inline]
    pub(super) fn clear(&self, u: f32, v: f32, row: Color) -> Color {
        let (du, dv) = (u - self.sun.0, v - self.sun.1);
        let d2 = du * du * 0.7 + dv * dv * 1.5;
        let near = self.glow / (1.0 + d2 * 160.0);
        let wide = self.glow * 0.45 / (1.0 + d2 * 14.0);
        row.screen(self.sun_color * (near + wide))
    }

    /// The gradient at elevation `e`: 0 at the horizon, 1 at the zenith.
    pub(super) fn gradient(&self, e: f32) -> Color {
        let [zenith, upper, low, horizon] = self.stops;
        let e = unit(e);
        horizon
            .mix(low, smooth(0.0, 0.22, e))
            .mix(upper, smooth(0.12, 0.55, e))
            .mix(zenith, smooth(0.42, 1.0, e))
    }
}

/// Each landscape bends the hour's palette a little its own way.
fn tune(stops: &mut Stops, biome: Biome, time: Time) {
    let (tint, amount) = match (biome, time) {
        (Biome::DesertDunes, Time::Day) => (hex(0x1f7fb8), 0.25),
        (Biome::DesertDunes | Biome::Savanna, _) => (hex(0xf2a65a), 0.14),
        (Biome::Canyon, Time::Day) => (hex(0x2aa5bd), 0.35),
        (Biome::TropicalCoast, Time::Day) => (hex(0x19a0d8), 0.3),
        (Biome::PolarSea, Time::Day | Time::Dawn) => (hex(0xa8d4ea), 0.3),
        (Biome::Volcano, Time::Day) => (hex(0xb08a94), 0.4),
        (Biome::Volcano, _) => (hex(0x8a2f3c), 0.26),
        (Biome::PineForest, Time::Day) => (hex(0x9cc9c4), 0.3),
        (Biome::HarborTown, Time::Day) => (hex(0x8cc4e8), 0.2),
        _ => return,
    };
    let amount = if time == Time::Night { amount * 0.25 } else { amount };
    for stop in stops.iter_mut() {
        *stop = stop.mix(tint, amount);
    }
}
