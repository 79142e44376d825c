//! `smalti edit`: parts of a picture are painted again, the rest stays.
#![expect(clippy::disallowed_methods, reason = "a command waits; only the window must not")]

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::generators::{Request, Way};
use smalti_engine::images::png_with_words;
use smalti_engine::questions::{Blend, Decode, Moved, PastedPicture};
use smalti_engine::token_files;
use smalti_engine::tokens::{Tokens, words};

use super::arguments_paint::Edit;
use super::console::Console;
use super::documents::{Seen, seen, words_of_share};
use super::edit_windows::{Edited, Editing, WindowLine};
use super::engine::Engine;
use super::generate::{prompt, request};
use super::given::Work;
use super::outputs::Outputs;
use super::painting::{
    Opened, check_guidance, check_sheet, columns, keep_part, keep_sheet, open, thinned,
};
use super::stop::Stop;
use super::subject::{AtSize, Named, tokens_of};
use crate::figures::sheet::Item;
use crate::look::words::{agreeing, counted};

#[derive(Debug, Serialize)]
struct Line {
    image: PathBuf,
    out: PathBuf,
    tokens_file: PathBuf,
    class: Option<String>,
    seed: u64,
    /// Of all tokens.
    cells: usize,
    /// Cells that were written again.
    resampled: usize,
    forced: usize,
    /// Tokens that are others than before.
    changed: usize,
    /// The share of the picture that is not the original's alone, where that stays outside of the edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<f32>,
    /// Windows of the generator's size in which was written.
    windows: usize,
    steps: usize,
    forward_passes: u32,
    seconds: f64,
    /// Of each window, where steps are looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    step_files: Vec<WindowLine>,
}

pub(super) fn run(options: &Edit, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let base = &options.base;
    let engine = Engine::open(console)?;
    let opened = open(base.model.as_deref(), base.tokenizer.as_ref(), (&engine, console))?;
    let config = opened.painter.config();
    let class = base.class.as_ref().map(|said| config.class(said)).transpose()?;
    let led = prompt(base, config)?;
    check_guidance(base, class.is_some() || led.is_some())?;
    check_sheet(&options.show, base.count)?;
    let path = &options.subject;
    // Scales are those of one size.
    let sized = if config.way == Way::Var { AtSize::Generators } else { AtSize::Own(options.size) };
    let named = tokens_of(path, sized, &opened.painter, (&engine, console))?;
    check_grid(&named.tokens, &opened, &path.display().to_string())?;
    let model = if options.wants_steps() { Some(opened.traced((&engine, console))?) } else { None };
    let mut editing = Editing::new(options, (&opened, &named.tokens), model)?;
    let mut outputs = Outputs::into_folder(&base.out)?;
    for read in base.prefix.iter().chain(&base.caption) {
        outputs.spare(read);
    }
    let stem = stem_of(path, &base.out);
    let (mut lines, mut sheet) = (Vec::new(), Vec::new());
    let first = Request { prompt: led.clone(), ..request(base, config, class, base.seed)? };
    editing.check_resumed(&first, base.count)?;
    let own = &named;
    for number in 0..base.count {
        let seed = base.seed.wrapping_add(number);
        let asked = Request { prompt: led.clone(), ..request(base, config, class, seed)? };
        let one = if base.count > 1 { format!("{stem}-{seed}") } else { stem.clone() };
        let name = outputs.unique_stem(&one);
        let which = (name.as_str(), number, base.count);
        let edited = editing.paint(&asked, which, &mut outputs, (&engine, console));
        let kept = edited.and_then(|edited| {
            let kept = keep(
                &edited,
                &name,
                (own, options.pure, &opened),
                &mut outputs,
                (&engine, console),
            )?;
            Ok((edited, kept))
        });
        let (mut edited, (seen, files)) = match kept {
            Ok(kept) => kept,
            Err(stop) => {
                let is_kept = options.is_kept() && !editing.has_unused_trace();
                let part = editing.part().filter(|_| is_kept);
                let next = |path: &str| format!("the same words and --resume {path} go on with it");
                return Err(keep_part(stop, part, next, outputs, console));
            }
        };
        if options.show.sheet && base.count > 1 {
            sheet.push(Item { picture: seen.picture.clone(), label: format!("seed {seed}") });
        } else {
            sheet.extend(thinned(std::mem::take(&mut edited.on_a_sheet)));
        }
        let class = class.and_then(|class| config.classes.get(class as usize).cloned());
        let files = (files, seen.decoded);
        lines.push(Line::new(
            (path, &named.tokens),
            (class, seed),
            editing.work(),
            (edited, files),
        ));
        engine.forget_old_answers();
    }
    editing.check_all_resumed()?;
    let sheet =
        keep_sheet(&sheet, columns(if base.count > 1 { sheet.len() } else { 1 }), &mut outputs)?;
    // What traces tell is kept, however late it is cancelled.
    if !options.is_kept() {
        console.check()?;
    }
    outputs.commit()?;
    lines.iter().try_for_each(|line| tell(line, console))?;
    sheet.iter().try_for_each(|line| line.tell(console))
}

/// Stages the picture and its tokens; gives the picture, and its path and that of its tokens.
fn keep(
    edited: &Edited,
    name: &str,
    (own, is_pure, opened): (&Named, bool, &Opened),
    outputs: &mut Outputs,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<(Seen, (PathBuf, PathBuf)), Stop> {
    let model = opened.painter.decoder()?.clone();
    let before = opened.painter.for_tokenizer(&own.tokens)?;
    let after = opened.painter.for_tokenizer(&edited.tokens)?;
    let decode = Decode { tokens: after.clone(), model: model.clone() };
    let original = own.original.as_ref().filter(|_| !is_pure && before != after);
    let blend = original.map(|original| Blend {
        original: PastedPicture::new(original.clone()),
        moved: Moved { before, after, model },
    });
    let seen = seen(&decode, blend, engine, console)?;
    let about = format!("edited{}", seen.words());
    let software = concat!("Smalti ", env!("CARGO_PKG_VERSION")).to_owned();
    let words = [("Software".to_owned(), software), ("Description".to_owned(), about)];
    let out = outputs.add(&format!("{name}.png"), &png_with_words(&seen.picture, &words)?)?;
    let maker = &own.maker;
    let whole = token_files::safetensors_bytes(std::slice::from_ref(&edited.tokens), maker)?;
    let mut tokens_file = outputs.add(&format!("{name}.safetensors"), &whole)?;
    if let Ok(array) = token_files::npy_bytes(&edited.tokens) {
        tokens_file = outputs.add(&format!("{name}.npy"), &array)?;
    }
    Ok((seen, (out, tokens_file)))
}

impl Line {
    fn new(
        (image, before): (&Path, &Tokens),
        (class, seed): (Option<String>, u64),
        work: &Work,
        (edited, ((out, tokens_file), decoded)): (Edited, ((PathBuf, PathBuf), Option<f32>)),
    ) -> Self {
        let pairs = before.cells().zip(edited.tokens.cells());
        Self {
            image: image.to_owned(),
            out,
            tokens_file,
            class,
            seed,
            cells: before.len(),
            resampled: work.written.len(),
            forced: work.forced,
            changed: pairs.filter(|((_, before), (_, after))| before != after).count(),
            decoded,
            windows: edited.windows,
            steps: edited.steps,
            forward_passes: edited.forward_passes,
            seconds: edited.seconds,
            step_files: edited.step_files,
        }
    }
}

/// How the files are called: as the subject, but never over it.
fn stem_of(subject: &Path, out: &Path) -> String {
    let stem = subject.file_stem().unwrap_or(subject.as_os_str()).to_string_lossy().into_owned();
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = subject.parent().filter(|own| !own.as_os_str().is_empty());
    let is_beside = whole(own.unwrap_or(Path::new("."))) == whole(out);
    if is_beside { format!("{stem}-edited") } else { stem }
}

fn tell(line: &Line, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let original = words_of_share(line.decoded);
    let text = format!(
        "{}: {} of {} tokens changed ({} written again, {} forced) in {}, {} {}, {:.2} s{original}",
        line.out.display(),
        line.changed,
        line.cells,
        line.resampled,
        line.forced,
        counted(line.windows, "window"),
        line.forward_passes,
        agreeing(line.forward_passes as usize, "pass", "passes"),
        line.seconds
    );
    console.result(line, &text)
}

/// That windows of the generator's size lie in the tokens.
fn check_grid(tokens: &Tokens, opened: &Opened, name: &str) -> Result<(), Stop> {
    let config = opened.painter.config();
    let own = &config.layout;
    let layout = tokens.layout();
    let fits = match (own.as_slice(), layout.as_slice()) {
        ([own], [part]) => part.frames == 1 && part.rows >= own.rows && part.columns >= own.columns,
        _ => layout == *own,
    };
    if !fits {
        let reason =
            format!("its tokens are {}, this generator writes {}", words(&layout), words(own));
        return Err(Stop::bad_input(name, reason, "Use a picture that is at least as large"));
    }
    if let Some(part) = tokens.parts().iter().find(|part| part.codebook_size() != config.codes) {
        let (theirs, own) = (part.codebook_size(), config.codes);
        let reason = format!("its tokens are of {theirs} codes, this generator writes {own}");
        return Err(Stop::bad_input(name, reason, "Use tokens of the generator's tokenizer"));
    }
    Ok(())
}
