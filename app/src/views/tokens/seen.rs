//! What is seen of the tokens: the picture that they decode to, or the original with the decoding where an edit moves
//! its pixels; and in which words that is said.

use std::sync::Arc;

use smalti_engine::images::Picture;
use smalti_engine::questions::{
    Blended, Compared, Comparison, Encode, Encoded, Given, ModelRef, PastedPicture, Reconstruct,
    Subject,
};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use crate::ctx::ViewCtx;
use crate::look::words::counted;
use crate::widgets::export::Exported;
use crate::widgets::pane::Pane;

/// The share of a picture beyond which it is called decoded whole.
const NEARLY_ALL: f32 = 0.98;

/// As wide as the figures of a picture become.
pub(super) const FIGURES: &str = "decoded whole: 00.0 dB · SSIM .00 · 00.00 bpp";
/// As wide as the words become of a picture of which cells are forced.
pub(super) const FORCED: &str = "original outside the edit of 000 cells";

/// The picture that is seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What the tokens decode to, beside the original.
    pub(super) compared: Arc<Compared>,
    /// The original with that where the edit moves pixels, where this is what is seen.
    blended: Option<Arc<Blended>>,
    /// Whether it is of before.
    pub(super) is_old: bool,
}

impl Seen {
    pub(super) fn picture(&self) -> &Picture {
        let blended = self.blended.as_ref().map(|blended| &blended.picture);
        blended.unwrap_or(&self.compared.reconstruction)
    }

    /// What it is called.
    pub(super) fn what(&self, ctx: &ViewCtx<'_>, now: &Tokens) -> String {
        match &self.blended {
            // Where the edit moves all of it nothing of the original is left.
            Some(blended) if !ctx.document.edits.is_empty() && blended.decoded < NEARLY_ALL => {
                let cells = counted(ctx.document.edits.len(), "cell");
                format!("original outside the edit of {cells}")
            }
            _ => what_is_decoded(ctx, now),
        }
    }

    /// PSNR, SSIM and rate, and of what they are: beside an original with nearly all of its own pixels they would say
    /// nothing of the tokens.
    pub(super) fn figures(&self) -> String {
        let figures = figures_of(&self.compared);
        if self.blended.is_some() { format!("decoded whole: {figures}") } else { figures }
    }

    /// Its own menu.
    pub(super) fn menu(&self, ctx: &ViewCtx<'_>, pane: &Pane, now: &Tokens) {
        let decoded = self.blended.as_ref().map_or(String::new(), |blended| {
            format!(", {:.1} % of it decoded", blended.decoded * 100.0)
        });
        let about = format!("{}{decoded}, {}", self.what(ctx, now), self.figures());
        let picture = || Some(self.picture().clone());
        let exported = Exported {
            name: "decoded",
            about: &about,
            by: Some(&ctx.document.model),
            picture: Some(&picture),
            is_old: self.is_old,
            ..Exported::default()
        };
        exported.menu(&pane.response, ctx);
    }
}

/// What was seen last, by which tokenizer.
#[derive(Debug, Default)]
pub(super) struct LastSeen(Option<(ModelRef, Seen)>);

impl LastSeen {
    /// What is seen now, or was last by this tokenizer while that is worked out.
    pub(super) fn of(
        &mut self,
        ctx: &ViewCtx<'_>,
        (encoded, now): (&Encoded, &Tokens),
        compared: &Reply<Compared>,
    ) -> Option<Seen> {
        let model = &ctx.document.model;
        let known = self.0.take().filter(|(of, _)| of == model).map(|(_, seen)| seen);
        let is_old = !ctx.is_encoded();
        let of_now = |compared: &Arc<Compared>| match blended(ctx, encoded, now) {
            Some(Reply::Working { .. }) => None,
            // Where it cannot be had, all of it is decoded, and it says so.
            None | Some(Reply::Failed(_)) => {
                Some(Seen { compared: Arc::clone(compared), blended: None, is_old })
            }
            Some(Reply::Ready(blended)) => {
                let (compared, blended) = (Arc::clone(compared), Some(blended));
                Some(Seen { compared, blended, is_old })
            }
        };
        let first = |compared: &Arc<Compared>| Seen {
            compared: Arc::clone(compared),
            blended: None,
            is_old: true,
        };
        let seen = match compared {
            Reply::Failed(_) => None,
            Reply::Ready(ready) => of_now(ready).or(known.map(Seen::of_before)),
            Reply::Working { .. } => {
                known.map(Seen::of_before).or_else(|| compared.best().map(first))
            }
        };
        self.0 = seen.clone().map(|seen| (model.clone(), seen));
        seen
    }
}

impl Seen {
    fn of_before(self) -> Self {
        Self { is_old: true, ..self }
    }
}

/// The original with the decoding where the edit moves pixels, where that is what is to be seen.
fn blended(ctx: &ViewCtx<'_>, encoded: &Encoded, now: &Tokens) -> Option<Reply<Blended>> {
    // The picture so far is a step on the way, not an edit.
    if is_so_far(ctx, now) || !ctx.is_encoded() {
        return None;
    }
    let question = ctx.document.blend(original_of(ctx, encoded), &encoded.tokens, now)?;
    Some(ctx.ask("blended", &question))
}

/// Whether only the first parts of the tokens are decoded.
pub(super) fn is_so_far(ctx: &ViewCtx<'_>, now: &Tokens) -> bool {
    let adds_up = ctx.known().is_some_and(|facts| facts.facts.prefixes);
    adds_up && ctx.part(now).0 + 1 < now.parts().len()
}

/// What [`decoded`] is called.
pub(super) fn what_is_decoded(ctx: &ViewCtx<'_>, now: &Tokens) -> String {
    let what = if is_so_far(ctx, now) {
        format!("decoded up to part {}", ctx.part(now).0 + 1)
    } else {
        "reconstruction".to_owned()
    };
    what + &by_hand(ctx)
}

/// What was done by hand to what is decoded, to stand behind its name wherever its quality is said.
pub(in crate::views) fn by_hand(ctx: &ViewCtx<'_>) -> String {
    let (forced, off) = (ctx.document.edits.len(), ctx.document.switched_off.len());
    let mut words = String::new();
    if forced > 0 {
        words = format!(" with {}", counted(forced, "forced cell"));
    }
    if off > 0 {
        words = format!("{words} without {}", counted(off, "code"));
    }
    words
}

/// What is known of the tokens as they are now, and what they decode to. While a part is looked at whose successors can
/// be left out (a scale, a level), it is the picture so far.
pub(in crate::views) fn decoded(ctx: &ViewCtx<'_>, encoded: &Encoded) -> (Tokens, Reply<Compared>) {
    if let Some(question) = ctx.plain_question() {
        let model = &ctx.document.model;
        return (encoded.tokens.clone(), ctx.compared("compared a", model, &question));
    }
    let now = ctx.seen_now(encoded);
    let (number, _) = ctx.part(&now);
    let adds_up = ctx.known().is_some_and(|facts| facts.facts.prefixes);
    let tokens = if adds_up { now.up_to(number + 1) } else { now.clone() };
    match ctx.now(encoded) {
        Reply::Ready(_) => {}
        Reply::Working { progress, .. } => return (now, Reply::Working { progress, last: None }),
        Reply::Failed(problem) => return (now, Reply::Failed(problem)),
    }
    let model = ctx.document.model.clone();
    // Given tokens that could not be decoded have no picture yet: what they decode to now that they were
    // filled is their picture.
    if let (Some(Subject::Tokens(given)), Some(_)) = (&ctx.document.subject, encoded.problem()) {
        let subject = Subject::Tokens(Given { tokens, ..given.clone() });
        let question =
            Reconstruct(Encode { subject, size: ctx.document.size, model: model.clone() });
        return (now, ctx.compared("compared a", &model, &question));
    }
    let original = original_of(ctx, encoded);
    let question = Comparison { original, tokens, model: model.clone() };
    let compared = ctx.compared("compared a", &model, &question);
    (now, compared)
}

/// The picture that was encoded as part of a question; hashing it is kept per picture.
pub(in crate::views) fn original_of(ctx: &ViewCtx<'_>, encoded: &Encoded) -> PastedPicture {
    ctx.originals.get(&encoded.picture)
}

/// PSNR, SSIM and rate as they stand in captions.
pub(in crate::views) fn figures_of(compared: &Compared) -> String {
    let (psnr, ssim, rate) = words_of(compared);
    psnr.map_or(rate.clone(), |psnr| format!("{psnr} · {ssim} · {rate}"))
}

/// PSNR, SSIM and rate; given tokens have no original to differ from.
fn words_of(compared: &Compared) -> (Option<String>, String, String) {
    let ssim = format!("{:.2}", compared.ssim);
    let ssim = format!("SSIM {}", ssim.strip_prefix('0').unwrap_or(&ssim));
    let psnr = compared.psnr.is_finite().then(|| format!("{:.1} dB", compared.psnr));
    (psnr, ssim, format!("{:.2} bpp", compared.bits_per_pixel))
}
