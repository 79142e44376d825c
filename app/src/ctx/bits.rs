//! How many bits the tokens that are worked on cost the generator that is open: the question of `smalti likelihood`.

use std::sync::Arc;

use smalti_engine::generators::{TokenBits, Way};
use smalti_engine::questions::{Likelihood, OpenedPainter};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use super::ViewCtx;

impl ViewCtx<'_> {
    /// The question for the bits of the tokens as they are now, as a picture of the class that is asked for next, and
    /// the generator; `fast` as there.
    ///
    /// # Errors
    /// What is not there, or why the tokens are not the generator's, and what to do.
    pub fn likelihood(&self, fast: bool) -> Result<(Likelihood, Arc<OpenedPainter>), String> {
        if let Some(unfit) = self.unfit() {
            return Err(format!("{}: {}", unfit.summary, unfit.hint));
        }
        let (asked, opened, tokens) = self.fitting()?;
        let config = opened.config();
        // Windows are for writing: a picture that is larger has no one sequence.
        if tokens.layout() != config.layout {
            return Err(format!(
                "the tokens are {}, the generator {} knows {} alone: work at its size",
                tokens.words(),
                asked.generator.label(),
                config.words()
            ));
        }
        let class = asked.class.as_deref().map(|said| config.class(said)).transpose();
        let class = class.map_err(|error| error.to_string())?;
        // Of others there is one way alone, and so one answer.
        let fast = fast && config.way == Way::MaskGit;
        let tokens = Tokens::clone(&tokens);
        Ok((Likelihood { generator: asked.opens(), tokens, class, fast }, opened))
    }

    /// The answer; while it is worked out that for other tokens, but never by another generator, of another class or
    /// in another way. Nothing that is seen waits for it: it may take a pass for every token.
    pub fn bits(&self, question: &Likelihood) -> Reply<TokenBits> {
        let reply = self.ask_later("bits of tokens", question);
        reply.last_for(|asked: &Likelihood| {
            asked.generator == question.generator
                && asked.class == question.class
                && asked.fast == question.fast
        })
    }
}
