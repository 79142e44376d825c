//! Documents on the command line: the images that one holds, each with its tokenizer and with what was done to it
//! by hand, as the window would show it.
#![expect(
    clippy::disallowed_methods,
    reason = "a command looks at files; only the window must not"
)]

use std::path::Path;
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::documents;
use smalti_engine::images::Picture;
use smalti_engine::images::file::read_start;
use smalti_engine::questions::{
    Blend, Decode, Encode, Encoded, ImageRef, LoadImage, ModelFacts, ModelInfo, ModelRef,
    PastedPicture, Subject,
};
use smalti_engine::token_files::from_arrays::Index;
use smalti_engine::tokens::Tokens;

use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;
use crate::document::{Document, Edit, Open, Slot};
use crate::files::saved::{self, Saved};
use crate::look::words::counted;

/// Whether a path leads to a document: by its contents, or, so that it is said what is wrong with it, by its name.
pub(super) fn is_document(path: &Path) -> bool {
    let has_ending = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("smalti"));
    let begins = || read_start(path, 64).is_ok_and(|start| documents::begins(&start));
    has_ending || (path.is_file() && begins())
}

/// Reads one, and says what of it has changed or is not there.
pub(super) fn read(path: &Path, console: &mut Console<'_, '_>) -> Result<Saved, Stop> {
    let saved = saved::open(path)?;
    for warning in &saved.warnings {
        console.remark(&format!("{}: {warning}", path.display()));
    }
    Ok(saved)
}

/// A document for each image, or tokens, that it holds: the one that is looked at, then those that were worked on
/// before.
pub(super) fn images(document: &Document) -> Vec<Document> {
    let mut all: Vec<Document> = document.subject.iter().map(|_| document.clone()).collect();
    for (on, _) in document.kept.iter() {
        // The same commands as a person's: what was done by hand is there again.
        let mut one = document.after(&Open::Model(Slot::A, on.model.clone()).into());
        if on.subject.image().is_some() {
            one = one.after(&Open::Size(on.size).into());
        }
        all.push(one.after(&match &on.subject {
            Subject::Image(image) => Open::Image(image.clone()).into(),
            Subject::Tokens(given) => Open::Tokens(given.clone()).into(),
        }));
    }
    all
}

/// A document for each variation that was kept, with its name: as going back to it in the window shows it.
pub(super) fn variations(
    path: &Path,
    document: &Document,
) -> Result<Vec<(Option<String>, Document)>, Stop> {
    let all = document.variations.all().iter().enumerate();
    let all: Vec<_> = all
        .map(|(number, variation)| {
            let name = Some(variation.name.to_string());
            (name, document.after(&Edit::UseVariation(number).into()))
        })
        .collect();
    if all.is_empty() {
        return Err(Stop::bad_input(
            "--variations",
            format!("no variation was kept in {}", path.display()),
            "Leave it out, or press Keep in the Tokens view and save again",
        ));
    }
    Ok(all)
}

/// Those of the images that were asked for; of several, which one has to be said.
pub(super) fn chosen(
    path: &Path,
    all: Vec<Document>,
    index: Option<Index>,
) -> Result<Vec<Document>, Stop> {
    let (name, count) = (path.display().to_string(), all.len());
    if count == 0 {
        return Err(Stop::bad_input(
            &name,
            "no image is open in this document, and none was edited",
            "Open it in the window, pick an image and save it again",
        ));
    }
    match index {
        Some(Index::All) => Ok(all),
        None if count == 1 => Ok(all),
        Some(Index::One(at)) if at < count => Ok(all.into_iter().skip(at).take(1).collect()),
        Some(Index::One(at)) => Err(Stop::bad_input(
            "--index",
            format!("there is no image {at}: {name} holds {count}"),
            format!("Use 0 to {}; `smalti inspect` lists them", count - 1),
        )),
        None => Err(Stop::bad_input(
            &name,
            format!("holds {count} images"),
            format!(
                "Say which with --index 0 to {}, or --index all; `smalti inspect` lists them",
                count - 1
            ),
        )),
    }
}

/// What a person calls the image, or tokens, of a document.
pub(super) fn name(document: &Document, engine: &Engine, console: &Console<'_, '_>) -> String {
    match &document.subject {
        None => "nothing".to_owned(),
        Some(Subject::Tokens(given)) => given.name.to_string(),
        Some(Subject::Image(ImageRef::File { path, .. })) => crate::look::words::name(path),
        Some(Subject::Image(ImageRef::Pasted(_))) => "picture in the document".to_owned(),
        Some(Subject::Image(image @ ImageRef::InSource { index, .. })) => {
            let question = LoadImage { image: image.clone(), paint_side: document.size.side };
            let loaded = engine.answer(&question, console);
            loaded.map_or_else(|_| format!("image {index}"), |loaded| loaded.name.clone())
        }
    }
}

/// The tokens of a document as they are: with what was forced, without what is switched off; and what they were made
/// of.
pub(super) fn tokens(
    document: &Document,
    engine: &Engine,
    console: &Console<'_, '_>,
) -> Result<(Tokens, Arc<Encoded>, Arc<ModelFacts>), Stop> {
    let Some(subject) = document.subject.clone() else {
        return Err(Stop::bad_input("document", "no image is open in it", ""));
    };
    let (size, model) = (document.size, document.model.clone());
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let encoded = engine.answer(&Encode { subject, size, model }, console)?;
    if let Some(problem) = &encoded.unfit {
        return Err(problem.clone().into());
    }
    let mut tokens = document.tokens(&encoded);
    if let Some(question) = document.without(&tokens) {
        tokens = Tokens::clone(&*engine.answer(&question, console)?);
    }
    Ok((tokens, encoded, facts))
}

/// A picture as it is seen.
pub(super) struct Seen {
    /// The picture.
    pub(super) picture: Picture,
    /// The share of it that is not the original's alone, where that stays outside of an edit.
    pub(super) decoded: Option<f32>,
    /// Seconds that decoding took.
    pub(super) seconds: f32,
}

impl Seen {
    /// That not all of it is decoded, to stand behind what it is; nothing where all is.
    pub(super) fn words(&self) -> String {
        words_of_share(self.decoded)
    }
}

/// The share of a picture that is decoded where its original stays outside of an edit, to stand behind what it is.
pub(super) fn words_of_share(decoded: Option<f32>) -> String {
    decoded.map_or(String::new(), |share| {
        format!("; original outside the edit, {:.1} % decoded", share * 100.0)
    })
}

/// What tokens decode to, or the original with that where an edit moves pixels.
pub(super) fn seen(
    decode: &Decode,
    blend: Option<Blend>,
    engine: &Engine,
    console: &Console<'_, '_>,
) -> Result<Seen, Stop> {
    let decoded = engine.answer(decode, console)?;
    let seconds = decoded.seconds;
    let Some(blend) = blend else {
        return Ok(Seen { picture: decoded.picture.clone(), decoded: None, seconds });
    };
    let blended = engine.answer(&blend, console)?;
    let (picture, decoded) = (blended.picture.clone(), Some(blended.decoded));
    Ok(Seen { picture, decoded, seconds })
}

/// The picture of a document's tokens as the window shows it; all of it decoded if `pure`.
pub(super) fn picture(
    document: &Document,
    (tokens, encoded): (&Tokens, &Encoded),
    pure: bool,
    (engine, console): (&Engine, &Console<'_, '_>),
) -> Result<Seen, Stop> {
    let decode = Decode { tokens: tokens.clone(), model: document.model.clone() };
    let original = || PastedPicture::new(encoded.picture.clone());
    let blend = || document.blend(original(), &encoded.tokens, tokens);
    seen(&decode, if pure { None } else { blend() }, engine, console)
}

/// Another tokenizer than the document's own cannot read its tokens.
pub(super) fn check_model(
    path: &Path,
    asked: Option<&str>,
    document: &Document,
    engine: &Engine,
) -> Result<(), Stop> {
    let Some(asked) = asked.filter(|asked| !is_by(document, asked, engine)) else {
        return Ok(());
    };
    Err(Stop::bad_input(
        "--model",
        format!(
            "the tokens of {} are those of {}, not of {asked}",
            path.display(),
            document.model.label()
        ),
        "Leave --model out: a document knows its tokenizer",
    ))
}

/// Whether the tokens of a document are those of the tokenizer that was named.
pub(super) fn is_by(document: &Document, asked: &str, engine: &Engine) -> bool {
    match (engine.model(asked), &document.model) {
        (ModelRef::File { path: a, .. }, ModelRef::File { path: b, .. }) => {
            let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            whole(&a) == whole(b)
        }
        (asked, own) => asked == *own,
    }
}

/// What a picture that is made of a document says of itself.
pub(super) fn words(document: &Document, name: &str, seen: &Seen) -> Vec<(String, String)> {
    let forced = counted(document.edits.len(), "forced cell");
    let mut about = format!("decoded; tokenizer {}; {forced}", document.model.label());
    if !document.switched_off.is_empty() {
        about = format!("{about}; without {}", counted(document.switched_off.len(), "code"));
    }
    about.push_str(&seen.words());
    let software = concat!("Smalti ", env!("CARGO_PKG_VERSION")).to_owned();
    let mut words =
        vec![("Software", software), ("Description", about), ("Source", name.to_owned())];
    let written = document.written();
    if !written.is_empty() {
        let written: Vec<&str> = written.iter().filter_map(|w| w.noted.as_deref()).collect();
        words.push(("Comment", format!("written by generators: {}", written.join("; "))));
    }
    words.into_iter().map(|(keyword, text)| (keyword.to_owned(), text)).collect()
}

/// What stopped a command, and what to do if that is something that the document names and that is not there.
pub(super) fn with_lost(stop: Stop, saved: &Saved) -> Stop {
    let is_lost = |summary: &str| saved.lost.iter().any(|lost| lost.is_named_in(summary));
    match stop {
        Stop::Problem(problem) if is_lost(&problem.summary) => {
            let hint = "The document names it: put it back there, or open the document in the window and say \
                        where it is now";
            Stop::Problem(Problem { hint: hint.to_owned(), ..problem })
        }
        other => other,
    }
}
