//! What can be seen of a comparison: pictures and maps with their captions, and what is there instead
//! of one that is not there yet or cannot be had.

use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::images::Picture;
use smalti_engine::questions::Between;
use smalti_engine::session::Reply;

use super::captions::Caption;
use super::maps::{Apart, Key, Reach, values_between, values_of};
use super::sides::{Good, Original, Side, State};
use crate::ctx::ViewCtx;
use crate::document::{Column, DifferenceKind, Slot, Table};
use crate::look::textures::Sampling;
use crate::widgets::export::{Exported, picture_of};

/// What is in a pane.
pub(super) enum Content {
    /// A picture, or the colors of a map.
    Picture {
        texture: egui::TextureHandle,
        /// The picture; of a map, the one that it is a map of.
        picture: Picture,
        /// The values of a map, one a pixel, and what their colors mean.
        map: Option<(Arc<[f32]>, Key)>,
    },
    /// Nothing yet.
    Waiting,
    /// Nothing, and why.
    Failed(Problem),
}

/// A pane.
pub(super) struct Shown {
    /// What it is, for those who cannot see it.
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) caption: Caption,
    /// What is said over a picture of something else than what is wanted now.
    pub(super) sign: Option<String>,
    /// What it is in words that a file keeps, and in a file's name.
    about: String,
    file: String,
}

impl Shown {
    /// Its own menu.
    pub(super) fn menu(&self, response: &egui::Response, ctx: &ViewCtx<'_>) {
        let Content::Picture { picture, map, .. } = &self.content else { return };
        let [width, height] = [picture.width() as usize, picture.height() as usize];
        let drawn = || match map {
            Some((values, key)) => picture_of(&key.colors(ctx, values), [width, height]),
            None => Some(picture.clone()),
        };
        let numbers = || {
            let values = map.as_ref().map(|(values, _)| Arc::clone(values)).unwrap_or_default();
            Table::Map { values: Column::Values(values), columns: width }
        };
        let numbers: &dyn Fn() -> Table = &numbers;
        let exported = Exported {
            name: &self.file,
            about: &self.about,
            // It is named in `about`: it may be another one than is worked with.
            by: None,
            picture: Some(&drawn),
            numbers: map.is_some().then_some(numbers),
            // A picture of something else than its name would say.
            is_old: self.sign.is_some(),
            ..Exported::default()
        };
        exported.menu(response, ctx);
    }
}

/// The original.
pub(super) fn original(ctx: &ViewCtx<'_>, original: &Original) -> Shown {
    let picture = &original.picture;
    let size = format!("{}×{}", picture.width(), picture.height());
    // Given tokens have none.
    let is_given = ctx.document.image().is_none();
    let name = if is_given { "what the tokens decode to" } else { "original" };
    Shown {
        name: "Original".to_owned(),
        content: Content::Picture {
            texture: ctx.textures.picture(picture, Sampling::Pixels),
            picture: picture.clone(),
            map: None,
        },
        caption: Caption {
            figures: vec![size.clone()],
            ..Caption::new(None, name, if is_given { "decoded" } else { name })
        },
        sign: (!original.is_now).then(|| "the last picture".to_owned()),
        about: format!("{name}, {size}"),
        file: "original".to_owned(),
    }
}

/// The reconstruction of a tokenizer. `size` is that of the original.
pub(super) fn reconstruction(ctx: &ViewCtx<'_>, side: &Side, size: [u32; 2]) -> Shown {
    let name = format!("Reconstruction {}", side.slot.letter());
    let good = match (&side.state, &side.good) {
        (State::Failed(problem), _) => {
            return nothing(side, name, Content::Failed(problem.clone()), side.wanted.clone());
        }
        (_, None) => {
            let words = format!("{} is at work…", side.wanted);
            return nothing(side, name, Content::Waiting, words);
        }
        (_, Some(good)) => good,
    };
    let picture = &good.compared.reconstruction;
    let figures = good.figures().join(" · ");
    Shown {
        name,
        content: Content::Picture {
            texture: ctx.textures.picture(picture, Sampling::Pixels),
            picture: picture.clone(),
            map: None,
        },
        about: format!("reconstruction by {}, {figures}", good.name),
        file: format!("reconstruction-{}-{}", side.slot.letter(), file_word(&good.short())),
        caption: Caption {
            figures: good.figures_with_notes(),
            ..Caption::new(Some(side.slot), with_notes(good, size), good.short())
        },
        sign: side.sign.clone(),
    }
}

fn nothing(side: &Side, name: String, content: Content, words: String) -> Shown {
    Shown {
        name,
        content,
        caption: Caption::new(Some(side.slot), words, side.wanted.clone()),
        sign: None,
        about: String::new(),
        file: String::new(),
    }
}

/// The name and what is to be known beside it; what its figures depend on stands with them.
fn with_notes(good: &Good, size: [u32; 2]) -> String {
    let mut name = good.short();
    let [w, h] = [good.compared.reconstruction.width(), good.compared.reconstruction.height()];
    if [w, h] != size {
        // Pictures of different sizes are drawn alike large.
        name = format!("{name} {w}×{h}");
    }
    if good.has_tokens_of_a {
        name.push_str(", the same tokens as A");
    }
    name
}

/// The map of what a tokenizer loses; none if no maps are wanted.
pub(super) fn difference(ctx: &ViewCtx<'_>, side: &Side, reach: Reach) -> Option<Shown> {
    let kind = ctx.document.looks.difference;
    let key = Key::of(kind, reach)?;
    let name = format!("Difference {}", side.slot.letter());
    let words = format!("difference, {}", kind.label());
    let good = side.good.as_ref().filter(|_| !matches!(side.state, State::Failed(_)));
    let Some(good) = good else {
        return Some(Shown {
            caption: Caption::new(Some(side.slot), words, kind.label()),
            ..nothing(side, name, Content::Waiting, String::new())
        });
    };
    let values = values_of(&good.compared, kind);
    let picture = &good.compared.reconstruction;
    let size = [picture.width(), picture.height()];
    let ends = key.scale.ends;
    Some(Shown {
        name,
        content: Content::Picture {
            texture: key.texture(ctx, values, size),
            picture: picture.clone(),
            map: Some((Arc::clone(values), key)),
        },
        about: format!("{words}{}, of {}, {} to {}", times(&key), good.name, ends[0], ends[1]),
        file: format!(
            "difference-{}-{}-{}",
            kind.label(),
            side.slot.letter(),
            file_word(&good.short())
        ),
        caption: Caption {
            key: Some(key.scale),
            ..Caption::new(
                Some(side.slot),
                format!("{words}{}", times(&key)),
                format!("{}{}", kind.label(), times(&key)),
            )
        },
        sign: side.sign.clone(),
    })
}

/// The map of what is between the reconstructions of two tokenizers; none if no maps are wanted, or if there are no
/// two.
pub(super) fn between(
    ctx: &ViewCtx<'_>,
    (left, right): (&Side, &Side),
    kept: &mut Option<Apart>,
) -> Option<Shown> {
    let kind = ctx.document.looks.difference;
    Key::of(kind, Reach::default())?;
    let letters = format!("{} to {}", left.slot.letter(), right.slot.letter());
    let (name, words) = (format!("Difference {letters}"), format!("{letters}, {}", kind.label()));
    let caption = |words: &str, times: &str| {
        Caption::new(None, format!("{words}{times}"), format!("{}{times}", kind.label()))
    };
    let good = |side: &Side| side.good.clone().filter(|_| side.problem().is_none());
    let (a, b) = (good(left)?, good(right)?);
    let pictures = [&a, &b].map(|good| ctx.originals.get(&good.compared.reconstruction));
    let [first, second] = pictures;
    let question = Between { left: first, right: second };
    let reply = ctx.ask(("between", left.slot, right.slot), &question);
    let is_now = [left, right].iter().all(|side| matches!(side.state, State::There));
    let found = match reply {
        Reply::Ready(found) => found,
        Reply::Failed(problem) => {
            let content = Content::Failed(problem);
            return Some(Shown {
                caption: caption(&words, ""),
                ..nothing(right, name, content, words)
            });
        }
        Reply::Working { .. } => {
            let waits = nothing(right, name, Content::Waiting, words.clone());
            return Some(Shown { caption: caption(&words, ""), ..waits });
        }
    };
    let apart = Apart::of(kept, &found);
    let key = Key::of(kind, apart.reach)?.between();
    let values = values_between(&found, kind);
    let picture = &b.compared.reconstruction;
    let apart = format!("{:.1} % apart", apart.mean * 100.0);
    Some(Shown {
        name,
        content: Content::Picture {
            texture: key.texture(ctx, values, [picture.width(), picture.height()]),
            picture: picture.clone(),
            map: Some((Arc::clone(values), key)),
        },
        about: format!(
            "difference of {} from {}, {}{}, {} to {}",
            b.name,
            a.name,
            kind.label(),
            times(&key),
            key.scale.ends[0],
            key.scale.ends[1]
        ),
        file: format!("difference-{}-{}-{}", kind.label(), left.slot.letter(), right.slot.letter()),
        caption: Caption {
            key: Some(key.scale),
            figures: vec![apart],
            ..caption(&words, &times(&key))
        },
        sign: (!is_now).then(|| "of the last pictures".to_owned()),
    })
}

/// How much a map is amplified, to stand behind its name.
fn times(key: &Key) -> String {
    key.amplified().map_or(String::new(), |times| format!(" {times}"))
}

/// How far the signed differences of all go that are seen.
pub(super) fn reach_of(sides: &[&Side]) -> Reach {
    let reaches = sides.iter().filter_map(|side| Some(side.good.as_ref()?.reach));
    reaches.fold(Reach::default(), Reach::with)
}

/// Whether maps are wanted.
pub(super) fn has_maps(ctx: &ViewCtx<'_>) -> bool {
    ctx.document.looks.difference != DifferenceKind::Hidden
}

/// The left or right picture of a pair: the original where there is no slot.
pub(super) fn of_pair(
    ctx: &ViewCtx<'_>,
    slot: Option<Slot>,
    (sides, first): (&[Side], &Original),
) -> Shown {
    let size = [first.picture.width(), first.picture.height()];
    match sides.iter().find(|side| Some(side.slot) == slot) {
        Some(side) => reconstruction(ctx, side, size),
        None => original(ctx, first),
    }
}

/// A name as a part of a file's name.
fn file_word(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}
