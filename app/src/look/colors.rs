//! Colors that stand for values: color maps and the colors of codes.

use colorgrad::Gradient;
use egui::Color32;

/// A perceptually uniform color map as a table of 256.
#[derive(Debug, Clone, PartialEq)]
pub struct ColorMap(Vec<Color32>);

impl ColorMap {
    fn sampled(gradient: &dyn Gradient) -> Self {
        let at = |i: u16| {
            let [r, g, b, _] = gradient.at(f32::from(i) / 255.0).to_rgba8();
            Color32::from_rgb(r, g, b)
        };
        Self((0..256).map(at).collect())
    }

    fn of(color: impl Fn(f32) -> [u8; 3]) -> Self {
        let at = |i: u16| {
            let [r, g, b] = color(f32::from(i) / 255.0);
            Color32::from_rgb(r, g, b)
        };
        Self((0..256).map(at).collect())
    }

    fn between(colors: &[Color32]) -> Self {
        let steps = (colors.len() - 1) as f32;
        let at = |i: u16| {
            let place = f32::from(i) / 255.0 * steps;
            let left = (place as usize).min(colors.len() - 2);
            mix_oklab(colors[left], colors[left + 1], place - left as f32)
        };
        Self((0..256).map(at).collect())
    }

    /// The color of a value in 0 to 1; values outside are brought inside, NaN is the lowest.
    pub fn at(&self, value: f32) -> Color32 {
        let place = (value.clamp(0.0, 1.0) * 255.0).round() as usize;
        self.0.get(place).copied().unwrap_or(Color32::TRANSPARENT)
    }

    /// All 256 colors, lowest value first.
    pub fn table(&self) -> &[Color32] {
        &self.0
    }
}

/// The color maps of a theme.
#[derive(Debug, Clone, PartialEq)]
pub struct ColorMaps {
    /// For heatmaps.
    pub viridis: ColorMap,
    /// The same for the most color-blind eyes.
    pub cividis: ColorMap,
    /// For signed values in -1 to 1, mapped to 0 to 1: blue, neutral, red.
    pub diverging: ColorMap,
}

impl ColorMaps {
    pub(super) fn new(blue: Color32, neutral: Color32, red: Color32) -> Self {
        Self {
            viridis: ColorMap::of(crate::look::palette::viridis),
            cividis: ColorMap::sampled(&colorgrad::preset::cividis()),
            diverging: ColorMap::between(&[blue, neutral, red]),
        }
    }
}

fn mix_oklab(a: Color32, b: Color32, t: f32) -> Color32 {
    let oklab = |c: Color32| colorgrad::Color::from_rgba8(c.r(), c.g(), c.b(), 255).to_oklaba();
    let (a, b) = (oklab(a), oklab(b));
    let [l, x, y] = std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t);
    from_oklab(l, x, y)
}

/// The nearest color of the screen: chroma is taken back until it is inside.
fn from_oklab(l: f32, a: f32, b: f32) -> Color32 {
    let mut scale = 1.0_f32;
    for _ in 0..12 {
        let color = colorgrad::Color::from_oklaba(l, a * scale, b * scale, 1.0);
        let inside = |v: f32| (-0.002..=1.002).contains(&v);
        if inside(color.r) && inside(color.g) && inside(color.b) {
            break;
        }
        scale *= 0.88;
    }
    let [r, g, b, _] =
        colorgrad::Color::from_oklaba(l, a * scale, b * scale, 1.0).clamp().to_rgba8();
    Color32::from_rgb(r, g, b)
}

/// The color of a code that has no order among others: hue by the golden angle, lightness and
/// chroma in small steps, so that neighbors in the codebook are told apart.
pub fn code_color(code: u32) -> Color32 {
    let hue = (f64::from(code) * 137.507_764_050_037_85).to_radians();
    let lightness = [0.68, 0.56, 0.76, 0.62][code as usize % 4];
    let chroma = [0.13, 0.15, 0.11][code as usize % 3];
    let (sin, cos) = hue.sin_cos();
    from_oklab(lightness, chroma * cos as f32, chroma * sin as f32)
}

/// The color of a code that is a vector of levels (FSQ, LFQ; lowest digit first): near vectors are
/// near colors.
pub fn level_color(code: u32, levels: &[u32]) -> Color32 {
    // Each level moves the color along its own direction of the plane of hues; the last one moves
    // the lightness as well.
    let (mut a, mut b, mut rest, mut last) = (0.0_f32, 0.0_f32, code, 0.0_f32);
    for (i, levels_here) in levels.iter().enumerate() {
        let levels_here = (*levels_here).max(1);
        let place = (rest % levels_here) as f32 / (levels_here - 1).max(1) as f32 * 2.0 - 1.0;
        rest /= levels_here;
        let angle = std::f32::consts::PI * i as f32 / levels.len() as f32;
        let weight = if i < 2 { 1.0 } else { 0.55 };
        a += place * angle.cos() * weight;
        b += place * angle.sin() * weight;
        last = place;
    }
    let norm = 0.19 / (levels.len().max(1) as f32).sqrt();
    from_oklab(0.64 + 0.13 * last, a * norm, b * norm)
}

/// The color of a code: by level vector where there are levels, else by the golden angle.
pub fn color_of(code: u32, levels: &[u32]) -> Color32 {
    if levels.is_empty() { code_color(code) } else { level_color(code, levels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_level_vectors_look_nearer_than_far_ones() {
        let levels = [8, 5, 5, 5];
        let distance = |a: Color32, b: Color32| {
            let d = |x: u8, y: u8| (i32::from(x) - i32::from(y)).pow(2);
            d(a.r(), b.r()) + d(a.g(), b.g()) + d(a.b(), b.b())
        };
        // One step of the first level against the other end of it.
        let (near, far) = (level_color(1, &levels), level_color(7, &levels));
        let own = level_color(0, &levels);
        assert!(distance(own, near) < distance(own, far));
        assert_ne!(code_color(0), code_color(1));
    }

    #[test]
    fn viridis_is_the_published_map_and_out_of_range_values_are_its_ends() {
        let map = ColorMaps::new(Color32::BLUE, Color32::WHITE, Color32::RED).viridis;
        // matplotlib's table at 0, 64, 128, 192 and 255.
        let near = |a: Color32, b: [u8; 3]| {
            a.r().abs_diff(b[0]) <= 3 && a.g().abs_diff(b[1]) <= 3 && a.b().abs_diff(b[2]) <= 3
        };
        assert!(near(map.at(-4.0), [0x44, 0x01, 0x54]), "{:?}", map.at(0.0));
        assert!(near(map.at(9.0), [0xfd, 0xe7, 0x25]), "{:?}", map.at(1.0));
        let inside =
            [(64, [0x3b, 0x52, 0x8b]), (128, [0x21, 0x91, 0x8c]), (192, [0x5e, 0xc9, 0x62])];
        for (place, color) in inside {
            let got = map.table()[place];
            assert!(near(got, color), "{place}: {got:?}, should be {color:?}");
        }
        assert_eq!(map.at(f32::NAN), map.at(0.0));
    }
}
