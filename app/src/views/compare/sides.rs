//! What each tokenizer makes of the image: its reconstruction, or the last good one while it works.

use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{Compared, Comparison, Encoded, ModelRef, Reconstruct, Subject};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use super::maps::Reach;
use crate::ctx::ViewCtx;
use crate::document::Slot;
use crate::look::words::counted_in_groups;
use crate::views::tokens::{by_hand, decoded, figures_of, original_of};

/// What a picture is of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct About {
    subject: Option<Subject>,
    size: WorkingSize,
}

impl About {
    /// What is worked on now.
    fn now(ctx: &ViewCtx<'_>) -> Self {
        Self { subject: ctx.document.subject.clone(), size: ctx.document.size }
    }

    fn is_now(&self, ctx: &ViewCtx<'_>) -> bool {
        self.subject == ctx.document.subject && self.size == ctx.document.size
    }
}

/// A reconstruction that was worked out, with what it says of itself.
#[derive(Debug, Clone)]
pub(super) struct Good {
    about: About,
    model: ModelRef,
    short: String,
    /// The tokenizer, and what was done by hand or left out.
    pub(super) name: String,
    /// What was done by hand or left out.
    suffix: String,
    /// The picture that it is a reconstruction of.
    pub(super) original: Picture,
    pub(super) compared: Arc<Compared>,
    /// How many tokens it was decoded from.
    tokens: usize,
    /// How far its signed differences go.
    pub(super) reach: Reach,
    /// Whether its tokens are those of A, without an edit: the same tokens, two pictures.
    pub(super) has_tokens_of_a: bool,
}

impl Good {
    /// PSNR, SSIM, rate and tokens.
    pub(super) fn figures(&self) -> Vec<String> {
        let figures = figures_of(&self.compared);
        let mut figures: Vec<String> = figures.split(" · ").map(str::to_owned).collect();
        figures.push(counted_in_groups(self.tokens as u64, "token"));
        figures
    }

    /// What was done by hand or left out, then its figures: none of them is true without that.
    pub(super) fn figures_with_notes(&self) -> Vec<String> {
        let notes = self.suffix.split(" · ").map(str::trim).filter(|note| !note.is_empty());
        notes.map(str::to_owned).chain(self.figures()).collect()
    }

    /// The tokenizer alone.
    pub(super) fn short(&self) -> String {
        self.short.clone()
    }
}

/// How far a side is.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// What is shown is what was asked for.
    There,
    /// It is worked out; what is shown is older.
    Working(Option<f32>),
    /// It cannot be had, and why.
    Failed(Problem),
}

/// One tokenizer of those that are compared.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) slot: Slot,
    /// What the tokenizer is called that is in the slot now.
    pub(super) wanted: String,
    pub(super) state: State,
    /// The last good picture; none until there was one.
    pub(super) good: Option<Arc<Good>>,
    /// What is said over a picture that is of something else than what is wanted now.
    pub(super) sign: Option<String>,
}

impl Side {
    /// Why there is no picture, if there cannot be one.
    pub(super) fn problem(&self) -> Option<&Problem> {
        if let State::Failed(problem) = &self.state { Some(problem) } else { None }
    }
}

/// The picture that all are compared with.
#[derive(Debug, Clone)]
pub(super) struct Original {
    pub(super) picture: Picture,
    /// Whether it is that of what is worked on now.
    pub(super) is_now: bool,
}

/// The last good pictures of the slots.
#[derive(Debug, Default)]
pub(super) struct LastGood([Option<Arc<Good>>; 4]);

impl LastGood {
    /// Asks for what every tokenizer makes of the image.
    pub(super) fn ask(&mut self, ctx: &ViewCtx<'_>) -> Vec<Side> {
        let tokens_of_a = ctx.encoded(Slot::A).and_then(|reply| {
            // What is edited is A's alone.
            let is_plain = ctx.document.edits.is_empty() && ctx.document.switched_off.is_empty();
            reply.ready().filter(|_| is_plain).map(|encoded| encoded.tokens.clone())
        });
        let side = |slot: Slot| self.side(ctx, slot, tokens_of_a.as_ref());
        Slot::ALL.into_iter().filter_map(side).collect()
    }

    fn side(
        &mut self,
        ctx: &ViewCtx<'_>,
        slot: Slot,
        tokens_of_a: Option<&Tokens>,
    ) -> Option<Side> {
        let kept = &mut self.0[slot as usize];
        let asked = ctx.document.model(slot).cloned().zip(ask(ctx, slot));
        let Some((model, asked)) = asked else {
            *kept = None;
            return None;
        };
        let wanted = ctx.document.name_of(&model);
        let state = match (asked.reply, asked.encoded) {
            (Reply::Ready(compared), Reply::Ready(encoded)) => {
                let name = format!("{wanted}{}", asked.suffix);
                let is_new = |good: &Arc<Good>| {
                    let is_same = Arc::ptr_eq(&good.compared, &compared) && good.name == name;
                    !(is_same && good.model == model && good.about.is_now(ctx))
                };
                let has_tokens_of_a =
                    slot != Slot::A && tokens_of_a.is_some_and(|tokens| *tokens == encoded.tokens);
                if kept.as_ref().is_none_or(is_new)
                    || kept.as_ref().is_some_and(|k| k.has_tokens_of_a != has_tokens_of_a)
                {
                    *kept = Some(Arc::new(Good {
                        about: About::now(ctx),
                        model: model.clone(),
                        short: wanted.clone(),
                        name,
                        suffix: asked.suffix,
                        original: encoded.picture.clone(),
                        reach: Reach::of(&compared.signed),
                        compared,
                        tokens: asked.tokens,
                        has_tokens_of_a,
                    }));
                }
                State::There
            }
            (Reply::Failed(problem), _) | (_, Reply::Failed(problem)) => State::Failed(problem),
            (Reply::Working { progress, .. }, _) | (_, Reply::Working { progress, .. }) => {
                State::Working(progress)
            }
        };
        let good = kept.clone();
        let sign = match (&state, &good) {
            (State::Working(_), Some(good)) if !good.about.is_now(ctx) => {
                Some(format!("{wanted} is at work; this is the last picture"))
            }
            (State::Working(_), Some(good)) if good.model != model => {
                Some(format!("{wanted} is at work; this is {}", good.name))
            }
            _ => None,
        };
        Some(Side { slot, wanted, state, good, sign })
    }

    /// The picture that is compared with: of what is worked on now if anybody has it, else the last one.
    pub(super) fn original(&self, ctx: &ViewCtx<'_>) -> Option<Original> {
        let encoded = ctx.encoded(Slot::A);
        if let Some(encoded) = encoded.as_ref().and_then(Reply::ready) {
            return Some(Original { picture: encoded.picture.clone(), is_now: true });
        }
        let of_now = self.0.iter().flatten().find(|good| good.about.is_now(ctx));
        let good = of_now.or_else(|| self.0.iter().flatten().next())?;
        Some(Original { picture: good.original.clone(), is_now: of_now.is_some() })
    }
}

/// What is known of a slot in this frame.
struct Asked {
    encoded: Reply<Encoded>,
    reply: Reply<Compared>,
    /// What stands behind the tokenizer's name.
    suffix: String,
    tokens: usize,
}

fn ask(ctx: &ViewCtx<'_>, slot: Slot) -> Option<Asked> {
    let encoded = ctx.encoded(slot)?;
    let Some(known) = encoded.best().cloned() else {
        // Decoding follows at once, and not when the next frame has shown the tokens.
        let reply = plain(ctx, slot).unwrap_or_else(|| match &encoded {
            Reply::Failed(problem) => Reply::Failed(problem.clone()),
            _ => Reply::Working { progress: None, last: None },
        });
        return Some(Asked { encoded, reply, suffix: String::new(), tokens: 0 });
    };
    let all = known.tokens.parts().len();
    let kept = ctx.document.selection.part.map_or(all, |part| usize::from(part) + 1).min(all);
    let kept = if adds_up(ctx, slot) { kept } else { all };
    let mut suffix = if slot == Slot::A { by_hand(ctx) } else { String::new() };
    if kept < all {
        suffix = format!("{suffix} · {kept} of {all} levels");
    }
    let reply = match slot {
        Slot::A => decoded(ctx, &known).1,
        _ => other(ctx, slot, &known, kept)?,
    };
    let tokens = known.tokens.parts().iter().take(kept).map(|part| part.codes().len()).sum();
    Some(Asked { encoded, reply, suffix, tokens })
}

/// What an image's own tokens decode to, where that is what is asked for.
fn plain(ctx: &ViewCtx<'_>, slot: Slot) -> Option<Reply<Compared>> {
    let question = match slot {
        Slot::A => ctx.plain_question()?,
        _ => Reconstruct(ctx.encode_question(slot)?),
    };
    let model = ctx.document.model(slot)?;
    Some(match slot {
        Slot::A => ctx.compared("compared a", model, &question),
        _ => ctx.compared(("compared", slot), model, &question),
    })
}

/// The reconstruction of another tokenizer than A. Its tokens may have another layout and its pictures
/// another size: each is compared with the original as it was encoded by it.
fn other(ctx: &ViewCtx<'_>, slot: Slot, encoded: &Encoded, kept: usize) -> Option<Reply<Compared>> {
    if kept == encoded.tokens.parts().len() {
        return plain(ctx, slot);
    }
    let model = ctx.document.model(slot)?;
    let tokens = encoded.tokens.up_to(kept);
    let original = original_of(ctx, encoded);
    let question = Comparison { original, tokens, model: model.clone() };
    Some(ctx.compared(("compared", slot), model, &question))
}

/// Whether the first parts of a tokenizer's tokens decode without those behind them.
fn adds_up(ctx: &ViewCtx<'_>, slot: Slot) -> bool {
    ctx.facts(slot).is_some_and(|facts| facts.best().is_some_and(|facts| facts.facts.prefixes))
}

/// How many parts there are whose last ones can be left out, of the tokenizer that has most; 1 if none can.
pub(super) fn levels(ctx: &ViewCtx<'_>) -> usize {
    let counts = Slot::ALL
        .into_iter()
        .filter(|slot| adds_up(ctx, *slot))
        .filter_map(|slot| Some(ctx.encoded(slot)?.best()?.tokens.parts().len()));
    counts.max().unwrap_or(1)
}
