//! What a person names to a generator: an image, or a file of tokens.

use std::path::Path;

use smalti_engine::generators::GeneratorConfig;
use smalti_engine::images::file::read_start;
use smalti_engine::images::kind::{Kind, has_image_suffix, sniff};
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{Encode, ImageRef, ModelInfo, OpenedPainter};
use smalti_engine::token_files::{self, Maker, from_arrays::Wanted};
use smalti_engine::tokens::Tokens;

use super::console::Console;
use super::encode::size_for;
use super::engine::Engine;
use super::stop::Stop;

/// At which size an image becomes tokens.
#[derive(Debug, Clone, Copy)]
pub(super) enum AtSize {
    /// That of the generator: what sticks out is cropped.
    Generators,
    /// Its own, or this long side; the generator's where that is larger.
    Own(Option<u32>),
}

/// Tokens of what was named.
pub(super) struct Named {
    /// The tokens.
    pub(super) tokens: Tokens,
    /// The picture that was encoded, of an image.
    pub(super) original: Option<Picture>,
    /// What the tokenizer is.
    pub(super) maker: Maker,
}

/// The tokens of an image or a file of tokens, by a generator's tokenizer.
pub(super) fn tokens_of(
    path: &Path,
    sized: AtSize,
    opened: &OpenedPainter,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Named, Stop> {
    let facts = engine.answer(&ModelInfo { model: opened.decoder()?.clone() }, console)?;
    let maker = facts.maker();
    // What is called an image and is none is refused as one: it was meant as that.
    let kind = sniff(&read_start(path, 4096)?);
    let is_called_so = has_image_suffix(path);
    if matches!(kind, Kind::Image(_)) || (is_called_so && matches!(kind, Kind::Text)) {
        let image = ImageRef::file(path);
        let own = square(opened.config(), facts.facts.factor);
        let size = match (sized, own) {
            (AtSize::Own(asked), own) => {
                let size = size_for(asked, &image, engine, console)?;
                own.filter(|own| is_smaller(&image, size, own.side, (engine, console)))
                    .unwrap_or(size)
            }
            (AtSize::Generators, Some(own)) => own,
            (AtSize::Generators, None) => size_for(None, &image, engine, console)?,
        };
        let question = Encode { subject: image.into(), size, model: opened.decoder()?.clone() };
        let encoded = engine.answer(&question, console)?;
        let original = Some(encoded.picture.clone());
        return Ok(Named { tokens: encoded.tokens.clone(), original, maker });
    }
    let wanted = Wanted { fixed: facts.fixed_grid(), ..Wanted::default() };
    let read = token_files::read(path, &wanted, Some(facts.facts.codebook_size()))?;
    let name = path.display().to_string();
    let [tokens] = read.images.as_slice() else {
        let several = format!("holds the tokens of {} images", read.images.len());
        return Err(Stop::bad_input(&name, several, "Name a file of one image"));
    };
    if facts.is_other_maker(read.maker.token_hash.as_deref()) {
        let theirs = read.maker.model.as_deref().unwrap_or("another tokenizer");
        return Err(Stop::bad_input(
            &name,
            format!("made by {theirs}; its codes mean something else to {}", facts.name),
            "Name the image itself, or tokens of the generator's tokenizer",
        ));
    }
    for remark in &read.remarks {
        console.remark(&format!("{name}: {}", remark.in_full()));
    }
    Ok(Named { tokens: facts.laid_out(tokens)?, original: None, maker })
}

/// The square of pixels that a generator paints, if it is one.
fn square(config: &GeneratorConfig, factor: usize) -> Option<WorkingSize> {
    let finest = config.layout.last()?;
    let side = (finest.rows * factor) as u32;
    (finest.rows == finest.columns).then(|| WorkingSize::square(side, 1))
}

/// Whether an image comes to fewer pixels than a generator paints along a side, at a size.
fn is_smaller(
    image: &ImageRef,
    size: WorkingSize,
    side: u32,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> bool {
    let question = smalti_engine::questions::LoadImage { image: image.clone(), paint_side: side };
    let Ok(loaded) = engine.answer(&question, console) else { return false };
    let (width, height) = (loaded.picture.width(), loaded.picture.height());
    let comes_to = smalti_engine::images::WorkingSize { multiple_of: 1, ..size };
    let is_smaller = comes_to.target(width, height).is_ok_and(|(w, h)| w.min(h) < side);
    if is_smaller {
        let text = format!("{}: brought to {side}x{side} pixels, as it is painted", loaded.name);
        console.remark(&text);
    }
    is_smaller
}
