//! The scales that are seen: tokens, how many scales are written, which one is looked at.

use smalti_engine::questions::{
    Added, Appearance, CodeAppearance, DecodePartly, Decoded, ModelRef, PartAdds,
};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Part, Tokens};

use super::adds;
use crate::ctx::ViewCtx;
use crate::document::{Edit, Generate, Slot};
use crate::look::words::{counted, grouped};

/// Whose scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Those of the image, or the tokens, that are worked on.
    Encoded,
    /// Those that a generator wrote.
    Generated,
}

impl Of {
    pub(super) const ALL: [Self; 2] = [Self::Encoded, Self::Generated];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Encoded => "of the image",
            Self::Generated => "generated",
        }
    }
}

/// The scales that are seen.
#[derive(Debug)]
pub(super) struct Shown {
    of: Of,
    /// Whose they are, for people.
    name: String,
    pub(super) tokens: Tokens,
    /// How many scales are written whole, from the coarsest on.
    pub(super) written: usize,
    /// The scale that is looked at.
    pub(super) at: usize,
    /// Scales that are given whole, so that no step of a generation is theirs.
    skipped: usize,
    /// What decodes them.
    model: Option<ModelRef>,
    /// Whether they are those of the image before, while this one is encoded.
    is_old: bool,
}

impl Shown {
    /// The scales of one of both; none where its tokens have none.
    pub(super) fn of(ctx: &ViewCtx<'_>, of: Of) -> Option<Self> {
        match of {
            Of::Encoded => Self::encoded(ctx),
            Of::Generated => Self::generated(ctx),
        }
    }

    fn encoded(ctx: &ViewCtx<'_>) -> Option<Self> {
        let encoded = ctx.encoded(Slot::A)?.best().cloned()?;
        let adds_up = ctx.known().is_some_and(|facts| facts.facts.prefixes);
        if !adds_up || encoded.unfit.is_some() || encoded.tokens.parts().len() < 2 {
            return None;
        }
        let tokens = ctx.seen_now(&encoded);
        let (at, written) = (ctx.document.part_number(&tokens), whole_parts(&tokens));
        let model = ctx.document.model.clone();
        let name = ctx.document.name_of(&model);
        let of = Of::Encoded;
        let (skipped, model, is_old) = (0, Some(model), !ctx.is_encoded());
        Some(Self { of, name, tokens, written, at, skipped, model, is_old })
    }

    fn generated(ctx: &ViewCtx<'_>) -> Option<Self> {
        let trace = ctx.trace()?;
        let moment = ctx.document.generating.moment.as_ref()?;
        let tokens = trace.tokens(trace.steps.len())?.clone();
        let parts = tokens.parts().len();
        if parts < 2 || !trace.opened.sub_tokens.is_empty() {
            return None;
        }
        let planned = (trace.planned as usize).max(trace.steps.len());
        let skipped = if planned == 0 { 0 } else { parts.saturating_sub(planned) };
        let at = (skipped + trace.at(moment)).saturating_sub(1).min(parts - 1);
        let (written, name) = (whole_parts(&tokens), trace.asked.name());
        let model = trace.opened.tokenizer.clone();
        let (of, is_old) = (Of::Generated, false);
        Some(Self { of, name, tokens, written, at, skipped, model, is_old })
    }

    /// A scale.
    pub(super) fn part(&self, number: usize) -> &Part {
        &self.tokens.parts()[number]
    }

    /// What parts are that add up: levels, where each has the grid of the one before.
    fn kind(&self) -> &'static str {
        let first = self.part(0).shape();
        let is_level = |part: &Part| part.rows() == first.rows && part.columns() == first.columns;
        if self.tokens.parts().iter().all(is_level) { "level" } else { "scale" }
    }

    /// What a scale is called.
    pub(super) fn label(&self, number: usize) -> String {
        self.part(number).shape().to_string().replace(" x ", "×")
    }

    /// The picture so far after a scale; none where it is not written.
    pub(super) fn picture(&self, ctx: &ViewCtx<'_>, number: usize) -> Option<Reply<Decoded>> {
        if number >= self.written {
            return None;
        }
        let (tokens, model) = (self.tokens.up_to(number + 1), self.model.clone()?);
        let question = DecodePartly { tokens, meant: None, model };
        let place = ("scale", self.of as u8, number);
        // The one that is looked at goes first.
        let reply = if number == self.at {
            ctx.ask(place, &question)
        } else {
            ctx.ask_soon(place, &question)
        };
        Some(reply.last_for(|asked: &DecodePartly| Some(&asked.model) == self.model.as_ref()))
    }

    /// How the codes of a scale look.
    pub(super) fn appearance(&self, ctx: &ViewCtx<'_>, number: usize) -> Reply<Appearance> {
        let Some(model) = self.model.clone() else {
            return Reply::Working { progress: None, last: None };
        };
        let question = CodeAppearance { model, book: self.part(number).book() };
        let reply = ctx.ask_soon(("scale codes", self.of as u8), &question);
        reply.last_for(|asked: &CodeAppearance| *asked == question)
    }

    /// What stands above the pictures, and how strong what is added is drawn.
    pub(super) fn words_of_pictures(&self, ctx: &ViewCtx<'_>) -> (String, String) {
        let kind = self.kind();
        if !ctx.document.looks.adds {
            let left = format!("the picture so far after each {kind}, {}", self.name);
            return (left, String::new());
        }
        let left = format!("what each {kind} adds: blue darker, red brighter, {}", self.name);
        let right = match self.added(ctx, self.at) {
            Some(Reply::Ready(added)) => {
                let from = if self.at == 0 { " to middle gray" } else { "" };
                adds::words(&added, &self.label(self.at), from)
            }
            Some(Reply::Working { .. }) => "decoding…".to_owned(),
            Some(Reply::Failed(_)) | None => String::new(),
        };
        (left, right)
    }

    /// What a scale adds to the picture of those before it; none where it is not written.
    pub(super) fn added(&self, ctx: &ViewCtx<'_>, number: usize) -> Option<Reply<Added>> {
        if number >= self.written {
            return None;
        }
        let (tokens, model) = (self.tokens.up_to(number + 1), self.model.clone()?);
        let question = PartAdds { tokens, model };
        let place = ("scale adds", self.of as u8, number);
        let reply = if number == self.at {
            ctx.ask(place, &question)
        } else {
            ctx.ask_soon(place, &question)
        };
        Some(reply.last_for(|asked: &PartAdds| Some(&asked.model) == self.model.as_ref()))
    }

    /// Whose they are.
    pub(super) fn whose(&self) -> Of {
        self.of
    }

    /// What stands between pictures and tokens: whose scales, and which one is looked at; or what is still to come,
    /// while what is seen is that of before.
    pub(super) fn words(&self, ctx: &ViewCtx<'_>) -> (String, String) {
        let kind = self.kind();
        let (part, count) = (self.part(self.at), self.tokens.parts().len());
        let cells = grouped(part.codes().len() as u64);
        let tokens = if part.codes().len() == 1 { "token" } else { "tokens" };
        let right = format!(
            "{kind} {} of {count} · {} · {cells} {tokens}",
            self.at + 1,
            self.label(self.at)
        );
        let left = format!("the tokens of each {kind}, {}", self.name);
        if self.is_old {
            return (left, "encoding…".to_owned());
        }
        if self.picture(ctx, self.at).is_some_and(|picture| picture.is_working()) {
            return (left, format!("{right} · decoding…"));
        }
        if self.written < count {
            let missing = counted(count - self.written, kind);
            return (left, format!("{right} · {missing} not written"));
        }
        (left, right)
    }

    /// Looks at a scale.
    pub(super) fn pick(&self, ctx: &ViewCtx<'_>, number: usize) {
        match self.of {
            Of::Encoded => ctx.send(Edit::SelectPart(Some(number as u16))),
            Of::Generated => {
                let steps = (number + 1).saturating_sub(self.skipped);
                ctx.send(Generate::GoTo(Some(steps as u32)));
            }
        }
    }
}

/// How many parts have a token everywhere, from the first on.
fn whole_parts(tokens: &Tokens) -> usize {
    let is_whole = |part: &&Part| (0..part.codes().len()).all(|at| part.code(at).is_some());
    tokens.parts().iter().take_while(is_whole).count()
}
