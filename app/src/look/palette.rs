//! Colors of figures: safe for color-blind people, even steps for even numbers.

/// A color, red green blue.
pub type Rgb = [u8; 3];

/// What lies behind figures, as the dark theme's panel.
pub const GROUND: Rgb = [0x16, 0x1a, 0x22];
/// Lines and frames.
pub const LINE: Rgb = [0x2a, 0x30, 0x3c];

/// Marks and figures.
pub const INK: Rgb = [0xe8, 0xe6, 0xe1];

/// The error at which difference maps reach their last color, as a share of the full range: the same
/// in views and figures, and fixed, so that maps of different pictures and tokenizers can be laid side
/// by side. Signed maps of views are amplified where less was lost, and their captions say how much.
pub const FULL_DIFFERENCE: f32 = 0.25;

/// How many times a map of signed differences can be amplified: at 1 its last colors are the full range. Few,
/// so that maps with the same one are told at a glance.
pub const GAINS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Which of [`GAINS`] a map of signed differences is drawn with: the least with which one pixel of a hundred
/// has a last color. So what is usual is seen, and what is rare is not told from what is rarer.
pub fn gain_of(values: &[f32]) -> usize {
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    let place = (sizes.len() * 99 / 100).min(sizes.len().saturating_sub(1));
    let most =
        if sizes.is_empty() { 0.0 } else { *sizes.select_nth_unstable_by(place, f32::total_cmp).1 };
    gain_for(most)
}

/// The same where it is known what one pixel of a hundred is beyond.
pub fn gain_for(most: f32) -> usize {
    GAINS.iter().position(|gain| most * *gain as f32 >= 1.0).unwrap_or(GAINS.len() - 1)
}

/// Control points of viridis (van der Walt and Smith, 2015), evenly spaced.
const VIRIDIS: [Rgb; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Blue, neutral, red: for signed numbers.
const DIVERGING: [Rgb; 7] = [
    [44, 95, 196],
    [91, 141, 239],
    [165, 190, 235],
    [236, 234, 230],
    [240, 178, 164],
    [226, 101, 84],
    [168, 40, 40],
];

/// Viridis at `t` in [0, 1].
pub fn viridis(t: f32) -> Rgb {
    between(&VIRIDIS, t)
}

/// The diverging map at `t` in [-1, 1]; 0 is neutral.
pub fn diverging(t: f32) -> Rgb {
    between(&DIVERGING, t.mul_add(0.5, 0.5))
}

/// A color of its own for every code: the hue moves by the golden angle from code to code.
pub fn by_index(code: u32) -> Rgb {
    let hue = (f64::from(code) * 137.507_764_05) % 360.0;
    // Lightness changes slowly too, so that codes with near hues differ.
    let light = 0.52 + 0.14 * (f64::from(code % 7) / 6.0 - 0.5);
    from_hue(hue, 0.55, light)
}

/// Hue in degrees, saturation and lightness in [0, 1].
fn from_hue(hue: f64, saturation: f64, lightness: f64) -> Rgb {
    let a = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + hue / 30.0) % 12.0;
        let value = lightness - a * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (value * 255.0).round().clamp(0.0, 255.0) as u8
    })
}

fn between(points: &[Rgb], t: f32) -> Rgb {
    let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
    let place = t * (points.len() - 1) as f32;
    let left = (place as usize).min(points.len() - 2);
    let share = place - left as f32;
    let (from, to) = (points[left], points[left + 1]);
    std::array::from_fn(|i| {
        let (a, b) = (f32::from(from[i]), f32::from(to[i]));
        (b - a).mul_add(share, a).round() as u8
    })
}

/// Black or white, whichever is read better on `ground`.
pub fn ink_on(ground: Rgb) -> Rgb {
    let [r, g, b] = ground.map(|value| (f64::from(value) / 255.0).powf(2.2));
    if 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 { [0x0f, 0x12, 0x18] } else { [255, 255, 255] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_only_gets_lighter() {
        let light =
            |[r, g, b]: Rgb| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        let steps: Vec<f32> = (0..=50).map(|i| light(viridis(i as f32 / 50.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[1] > pair[0]), "{steps:?}");
    }

    #[test]
    fn a_signed_map_is_amplified_until_one_pixel_of_a_hundred_has_a_last_color() {
        let with = |usual: f32, beyond: f32, count: usize| {
            let mut values = vec![usual; 1000 - count];
            values.extend(vec![beyond; count]);
            GAINS[gain_of(&values)]
        };
        assert_eq!(with(0.03, -0.9, 5), 64, "a few pixels do not make the others dark");
        assert_eq!(with(0.03, -0.9, 20), 2, "dark ones count as bright ones do");
        assert_eq!(with(0.03, 0.1, 20), 16);
        assert_eq!(with(0.9, 0.9, 0), 2);
        assert_eq!((with(1.0, 1.0, 0), with(0.0, 0.0, 0), GAINS[gain_of(&[])]), (1, 64, 64));
    }

    #[test]
    fn zero_is_neutral_and_signs_are_told_apart() {
        let [r, g, b] = diverging(0.0);
        assert!(r.abs_diff(g) < 10 && g.abs_diff(b) < 10);
        assert!(diverging(-1.0)[2] > diverging(-1.0)[0]);
        assert!(diverging(1.0)[0] > diverging(1.0)[2]);
        assert_eq!(diverging(f32::NAN), diverging(-1.0), "no panic on a number that is none");
    }

    #[test]
    fn neighboring_codes_have_colors_far_apart() {
        let far =
            |a: Rgb, b: Rgb| a.iter().zip(b).map(|(x, y)| u32::from(x.abs_diff(y))).sum::<u32>();
        assert!((0..500).all(|code| far(by_index(code), by_index(code + 1)) > 60));
    }
}
