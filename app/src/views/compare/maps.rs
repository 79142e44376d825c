//! Maps of differences: their values, colors and keys.

use std::sync::Arc;

use egui::{Color32, TextureHandle};
use smalti_engine::questions::{Compared, Differences};

use crate::ctx::ViewCtx;
use crate::document::DifferenceKind;
use crate::look::palette::{FULL_DIFFERENCE, GAINS, gain_of};
use crate::look::textures::{Sampling, Source};
use crate::widgets::scale::Scale;

/// How much signed differences are amplified, of one picture or of all that are seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    /// Which of [`GAINS`].
    gain: usize,
    /// The largest difference, of either sign.
    most: f32,
}

impl Default for Reach {
    /// Of no picture.
    fn default() -> Self {
        Self { gain: GAINS.len() - 1, most: 0.0 }
    }
}

impl Reach {
    /// Of one picture.
    pub(super) fn of(signed: &[f32]) -> Self {
        let most = signed.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        Self { gain: gain_of(signed), most }
    }

    /// Of this and another one: maps side by side have the same colors.
    pub(super) fn with(self, other: Self) -> Self {
        Self { gain: self.gain.min(other.gain), most: self.most.max(other.most) }
    }
}

/// What the colors of a map mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// What stands beside the map; its values are shares of `full`.
    pub(super) scale: Scale<'static>,
    /// The value that has the last color.
    full: f32,
    /// How many times the colors are amplified, where that goes by what is seen.
    gain: Option<u32>,
}

/// Words at the ends of signed maps, by [`GAINS`]; the second ones where something is beyond.
const SIGNED_WORDS: [[[&str; 2]; 2]; GAINS.len()] = [
    [["-100", "+100 %"], ["-100", "+100 %"]],
    [["-50", "+50 %"], ["≤-50", "≥+50 %"]],
    [["-25", "+25 %"], ["≤-25", "≥+25 %"]],
    [["-12.5", "+12.5 %"], ["≤-12.5", "≥+12.5 %"]],
    [["-6.25", "+6.25 %"], ["≤-6.25", "≥+6.25 %"]],
    [["-3.13", "+3.13 %"], ["≤-3.13", "≥+3.13 %"]],
    [["-1.56", "+1.56 %"], ["≤-1.56", "≥+1.56 %"]],
];

impl Key {
    /// Of a kind of difference: fixed but for signed ones, whose steps are said, so that maps can be
    /// compared. None for no map.
    pub(super) fn of(kind: DifferenceKind, reach: Reach) -> Option<Self> {
        let viridis = |ends, about| Scale {
            ends,
            values: [0.0, 1.0],
            color: |maps, value| maps.viridis.at(value),
            about,
        };
        match kind {
            DifferenceKind::Absolute => {
                let about = "Of the full range, mean of the channels";
                Some(Self {
                    scale: viridis(["0", "25 %"], about),
                    full: FULL_DIFFERENCE,
                    gain: None,
                })
            }
            DifferenceKind::Signed => {
                let gain = GAINS[reach.gain];
                let full = 1.0 / gain as f32;
                let scale = Scale {
                    ends: SIGNED_WORDS[reach.gain][usize::from(reach.most > full)],
                    values: [-1.0, 1.0],
                    // By the root: what is usual is far from the ends, and near black if it goes evenly.
                    color: |maps, value| {
                        maps.diverging.at(0.5 + value.abs().sqrt().copysign(value) / 2.0)
                    },
                    about: "Blue: the reconstruction is too dark; red: too bright. Of the full range, \
                            mean of the channels. Amplified 1, 2, 4 ... 64 times, all maps here alike, \
                            until one pixel of a hundred has a last color; colors go by the root, as \
                            this bar shows, so that small differences are seen",
                };
                Some(Self { scale, full, gain: Some(gain) })
            }
            DifferenceKind::Structure => {
                let about = "1 - SSIM: where structure is lost";
                Some(Self { scale: viridis(["0", "1"], about), full: 1.0, gain: None })
            }
            DifferenceKind::Hidden => None,
        }
    }

    /// The same between two reconstructions, of which the right one is brighter or darker.
    pub(super) fn between(self) -> Self {
        let is_signed = self.scale.values[0] < 0.0;
        let about = if is_signed {
            "Blue: the second one is darker than the first; red: brighter. Of the full range, mean of the channels"
        } else {
            "How far the two reconstructions are apart, of the full range"
        };
        Self { scale: Scale { about, ..self.scale }, ..self }
    }

    /// How much is amplified, in a word: "×8". None where the ends are always the same.
    pub(super) fn amplified(&self) -> Option<String> {
        self.gain.map(|gain| format!("×{gain}"))
    }

    /// The colors of some values.
    pub(super) fn colors(&self, ctx: &ViewCtx<'_>, values: &[f32]) -> Vec<Color32> {
        let color = |value: &f32| (self.scale.color)(&ctx.theme.maps, value / self.full);
        values.iter().map(color).collect()
    }

    /// Values of pixels as a texture.
    pub(super) fn texture(
        &self,
        ctx: &ViewCtx<'_>,
        values: &Arc<[f32]>,
        size: [u32; 2],
    ) -> TextureHandle {
        let what = (self.full.to_bits(), self.scale.values[0].to_bits(), ctx.theme.choice);
        let key = (("difference", what), Source::of(values));
        let size = size.map(|side| side as usize);
        ctx.textures.colors(key, size, Sampling::Pixels, || self.colors(ctx, values))
    }
}

/// What is between two reconstructions, with what is found out of it once.
#[derive(Debug)]
pub(super) struct Apart {
    of: Arc<Differences>,
    /// How far its signed differences go.
    pub(super) reach: Reach,
    /// The mean difference, a share of the full range.
    pub(super) mean: f32,
}

impl Apart {
    /// Of an answer; what is kept is that of the last one.
    pub(super) fn of<'a>(kept: &'a mut Option<Self>, found: &Arc<Differences>) -> &'a Self {
        let is_same = |apart: &Self| Arc::ptr_eq(&apart.of, found);
        let known = kept.take().filter(is_same);
        kept.insert(known.unwrap_or_else(|| {
            let mean = found.absolute.iter().sum::<f32>() / found.absolute.len().max(1) as f32;
            Self { of: Arc::clone(found), reach: Reach::of(&found.signed), mean }
        }))
    }
}

/// The values of a kind of difference between two reconstructions.
pub(super) fn values_between(found: &Differences, kind: DifferenceKind) -> &Arc<[f32]> {
    match kind {
        DifferenceKind::Absolute | DifferenceKind::Hidden => &found.absolute,
        DifferenceKind::Signed => &found.signed,
        DifferenceKind::Structure => &found.structure,
    }
}

/// The values of a kind of difference.
pub(super) fn values_of(compared: &Compared, kind: DifferenceKind) -> &Arc<[f32]> {
    match kind {
        DifferenceKind::Absolute | DifferenceKind::Hidden => &compared.absolute,
        DifferenceKind::Signed => &compared.signed,
        DifferenceKind::Structure => &compared.structure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::theme::Theme;
    use crate::settings::ThemeChoice;

    #[test]
    fn the_ends_of_keys_say_what_their_last_colors_mean_in_figures_too() {
        let maps = Theme::new(ThemeChoice::Dark, 1.0, false).maps;
        let reaches = GAINS.map(|gain| Reach::of(&[1.0 / gain as f32, -0.9 / gain as f32]));
        let signed = reaches.map(|reach| (DifferenceKind::Signed, reach, &maps.diverging));
        let absolute = (DifferenceKind::Absolute, Reach::default(), &maps.viridis);
        for (kind, reach, map) in signed.into_iter().chain([absolute]) {
            let key = Key::of(kind, reach).unwrap();
            let last = key.scale.ends[1].trim_matches(['+', '%', ' ']);
            let last = last.parse::<f32>().unwrap() / 100.0;
            // Said to a hundredth of a percent.
            assert!((key.full - last).abs() < 6e-5, "{kind:?}: {} is not {last}", key.full);
            let color = |value: f32| (key.scale.color)(&maps, value / key.full);
            assert_eq!(color(key.full), map.at(1.0), "{kind:?}");
            assert_ne!(color(last * 0.9), map.at(1.0), "{kind:?}");
        }
        let map = crate::figures::difference::difference_map(&[0.2, 0.25], 2).unwrap();
        let last = crate::look::palette::viridis(1.0);
        assert!(map.pixel(0, 0) != Some(last) && map.pixel(1, 0) == Some(last));
    }

    #[test]
    fn a_signed_key_says_how_much_is_amplified_and_what_is_beyond_its_ends() {
        let mut values = vec![0.01; 500];
        values.push(-0.3);
        let key = |reach: Reach| Key::of(DifferenceKind::Signed, reach).unwrap();
        let alone = key(Reach::of(&values));
        assert_eq!(alone.scale.ends, ["≤-1.56", "≥+1.56 %"]);
        assert_eq!(alone.amplified().as_deref(), Some("×64"));
        // Side by side the one that is amplified least decides.
        let both = key(Reach::default().with(Reach::of(&values)).with(Reach::of(&[0.04])));
        assert_eq!(both.scale.ends, ["≤-3.13", "≥+3.13 %"]);
        assert_eq!(both.amplified().as_deref(), Some("×32"));
        let absolute = Key::of(DifferenceKind::Absolute, Reach::of(&values)).unwrap();
        assert_eq!(absolute.amplified(), None, "its ends are always the same");
    }

    #[test]
    fn differences_of_a_few_percent_are_seen_in_every_theme() {
        // As of a reconstruction of 30 dB: most below 3 %, edges up to 20 %.
        let signed: Vec<f32> = (0..1000)
            .map(|at| {
                let size = if at % 50 == 0 { 0.2 } else { 0.03 * (at % 10) as f32 / 9.0 };
                if at % 2 == 0 { size } else { -size }
            })
            .collect();
        for theme in [ThemeChoice::Dark, ThemeChoice::Light, ThemeChoice::HighContrast] {
            let maps = Theme::new(theme, 1.0, false).maps;
            let key = Key::of(DifferenceKind::Signed, Reach::of(&signed)).unwrap();
            let color = |value: f32| (key.scale.color)(&maps, value / key.full);
            let (none, few) = (color(0.0), [color(0.03), color(-0.03)]);
            for few in few {
                let apart = |a: u8, b: u8| i32::from(a.abs_diff(b));
                let all =
                    apart(few.r(), none.r()) + apart(few.g(), none.g()) + apart(few.b(), none.b());
                assert!(all > 100, "{theme:?}: {few:?} beside {none:?}");
            }
        }
    }
}
