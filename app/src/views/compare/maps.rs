//! Maps of differences: their values, colors and keys.

use std::sync::Arc;

use egui::{Color32, TextureHandle};
use smalti_engine::questions::{Compared, Differences};

use crate::ctx::ViewCtx;
use crate::document::DifferenceKind;
use crate::look::palette::{FULL_DIFFERENCE, SIGNED_ENDS, signed_end};
use crate::look::textures::{Sampling, Source};
use crate::widgets::scale::Scale;

/// How far signed differences go, of one picture or of all that are seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Reach {
    /// Where a map of them ends, of [`SIGNED_ENDS`].
    end: usize,
    /// The largest one, of either sign.
    most: f32,
}

impl Reach {
    /// Of one picture.
    pub(super) fn of(signed: &[f32]) -> Self {
        let most = signed.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        Self { end: signed_end(signed), most }
    }

    /// Of this and another one: maps side by side have the same colors.
    pub(super) fn with(self, other: Self) -> Self {
        Self { end: self.end.max(other.end), most: self.most.max(other.most) }
    }
}

/// What the colors of a map mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// What stands beside the map; its values are shares of `full`.
    pub(super) scale: Scale<'static>,
    /// The value that has the last color.
    full: f32,
}

/// Words at the ends of signed maps, by [`SIGNED_ENDS`]; the second ones where something is beyond.
const SIGNED_WORDS: [[[&str; 2]; 2]; SIGNED_ENDS.len()] = [
    [["-2", "+2 %"], ["≤-2", "≥+2 %"]],
    [["-5", "+5 %"], ["≤-5", "≥+5 %"]],
    [["-10", "+10 %"], ["≤-10", "≥+10 %"]],
    [["-25", "+25 %"], ["≤-25", "≥+25 %"]],
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
                Some(Self { scale: viridis(["0", "25 %"], about), full: FULL_DIFFERENCE })
            }
            DifferenceKind::Signed => {
                let full = SIGNED_ENDS[reach.end];
                let scale = Scale {
                    ends: SIGNED_WORDS[reach.end][usize::from(reach.most > full)],
                    values: [-1.0, 1.0],
                    color: |maps, value| maps.diverging.at(0.5 + value / 2.0),
                    about: "Blue: the reconstruction is too dark; red: too bright. Of the full range, \
                            mean of the channels; it ends at 2, 5, 10 or 25 %, where nine of \
                            ten pixels of every map here are inside",
                };
                Some(Self { scale, full })
            }
            DifferenceKind::Structure => {
                let about = "1 - SSIM: where structure is lost";
                Some(Self { scale: viridis(["0", "1"], about), full: 1.0 })
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
        let reaches = SIGNED_ENDS.map(|end| Reach::of(&[end * 0.99, -end * 0.8]));
        let signed = reaches.map(|reach| (DifferenceKind::Signed, reach, &maps.diverging));
        let absolute = (DifferenceKind::Absolute, Reach::default(), &maps.viridis);
        for (kind, reach, map) in signed.into_iter().chain([absolute]) {
            let key = Key::of(kind, reach).unwrap();
            let last = key.scale.ends[1].trim_matches(['+', '%', ' ']);
            let last = last.parse::<f32>().unwrap() / 100.0;
            assert!((key.full - last).abs() < 1e-6, "{kind:?}");
            let color = |value: f32| (key.scale.color)(&maps, value / key.full);
            assert_eq!(color(last), map.at(1.0), "{kind:?}");
            assert_ne!(color(last * 0.9), map.at(1.0), "{kind:?}");
        }
        let shown = crate::figures::difference::Shown::Absolute;
        let map = crate::figures::difference::difference_map(&[0.2, 0.25], 2, shown).unwrap();
        let last = crate::look::palette::viridis(1.0);
        assert!(map.pixel(0, 0) != Some(last) && map.pixel(1, 0) == Some(last));
    }

    #[test]
    fn a_signed_key_says_that_something_is_beyond_its_ends() {
        let mut values = vec![0.01; 500];
        values.push(-0.3);
        let key = Key::of(DifferenceKind::Signed, Reach::of(&values)).unwrap();
        assert_eq!(key.scale.ends, ["≤-2", "≥+2 %"]);
        let all = Reach::of(&values).with(Reach::of(&[0.04]));
        assert_eq!(Key::of(DifferenceKind::Signed, all).unwrap().scale.ends, ["≤-5", "≥+5 %"]);
    }
}
