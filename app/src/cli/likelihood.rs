//! `smalti likelihood`: how many bits each token of images is worth to a generator.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::generators::{TokenBits, Told};
use smalti_engine::images::png_bytes;
use smalti_engine::questions::{Likelihood, OpenGenerator};
use smalti_engine::token_files::npy_floats;
use smalti_engine::tokens::Tokens;

use super::arguments_paint;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::painting::open;
use super::skipped::Skipped;
use super::stop::Stop;
use super::subject::{AtSize, tokens_of};
use crate::figures::bits::bits_map;

/// About how many pixels wide maps become.
const MAP_SIDE: usize = 768;

#[derive(Debug, Serialize)]
struct Line {
    image: PathBuf,
    class: Option<String>,
    /// What the bits mean.
    told: &'static str,
    /// Whether their sum is a likelihood of the tokens.
    is_likelihood: bool,
    bits: f64,
    tokens: usize,
    bits_per_token: f64,
    /// Of the picture that the tokens decode to; not what it takes to keep the image, of which tokens lose something.
    bits_per_pixel: f64,
    /// Of each part, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
    forward_passes: u32,
    /// The end of the key of the map, in bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    maps: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Part {
    rows: usize,
    columns: usize,
    bits: f64,
    bits_per_token: f64,
}

pub(super) fn run(
    options: &arguments_paint::Likelihood,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let opened =
        open(Some(options.model.as_str()), options.tokenizer.as_ref(), (&engine, console))?;
    let config = opened.painter.config();
    let class = options.class.as_ref().map(|said| config.class(said)).transpose()?;
    let named = options.tokenizer.as_ref().map(|named| engine.model(named));
    let generator = OpenGenerator { generator: opened.generator.clone(), tokenizer: named };
    let mut outputs = options.out.as_ref().map(|out| Outputs::into_folder(out)).transpose()?;
    let (mut lines, mut skipped) = (Vec::new(), Skipped::default());
    for path in &options.images {
        let told =
            bits_of(path, (options.fast, class, &generator), &opened.painter, (&engine, console));
        let Some((tokens, told, pixels)) = skipped.or_skip(told)? else { continue };
        let parts = told.of_parts(&tokens);
        let several = tokens.parts().len() > 1;
        let of_part = |(part, bits): (&smalti_engine::tokens::Part, &f64)| Part {
            rows: part.rows(),
            columns: part.columns(),
            bits: *bits,
            bits_per_token: bits / part.codes().len() as f64,
        };
        let parts = tokens.parts().iter().zip(&parts).map(of_part);
        let mut line = Line {
            image: path.clone(),
            class: class.and_then(|class| config.classes.get(class as usize).cloned()),
            told: told.told.words(),
            is_likelihood: told.told.is_likelihood(),
            bits: told.sum(),
            tokens: tokens.len(),
            bits_per_token: told.sum() / tokens.len() as f64,
            bits_per_pixel: told.sum() / pixels as f64,
            parts: if several { parts.collect() } else { Vec::new() },
            forward_passes: told.forward_passes,
            scale: None,
            maps: Vec::new(),
        };
        if let Some(outputs) = &mut outputs {
            let uniform = f64::from(config.codes).log2() as f32;
            let most = told.bits.iter().copied().fold(uniform, f32::max);
            line.scale = Some(most);
            line.maps = keep(path, (&tokens, &told, most), outputs)?;
        }
        lines.push(line);
        engine.forget_old_answers();
    }
    console.check()?;
    skipped.report(!lines.is_empty(), ("images", "read"), console)?;
    if let Some(outputs) = outputs {
        outputs.commit()?;
    }
    lines.iter().try_for_each(|line| tell(line, console))
}

/// The tokens of an image, their bits, and how many pixels they decode to.
fn bits_of(
    path: &Path,
    (fast, class, generator): (bool, Option<u32>, &OpenGenerator),
    opened: &smalti_engine::questions::OpenedPainter,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<(Tokens, TokenBits, u64), Stop> {
    let name = path.display().to_string();
    let named = tokens_of(path, AtSize::Generators, opened, (engine, console))?;
    let (generator, tokens) = (generator.clone(), named.tokens);
    let question = Likelihood { generator, tokens: tokens.clone(), class, fast };
    let told = engine.long_answer(&question, &name, console).map_err(|stop| stop.about(&name))?;
    let question = smalti_engine::questions::Decode {
        tokens: opened.for_tokenizer(&tokens)?,
        model: opened.decoder()?.clone(),
    };
    let decoded = engine.answer(&question, console)?;
    let pixels = u64::from(decoded.picture.width()) * u64::from(decoded.picture.height());
    Ok((tokens, TokenBits::clone(&told), pixels))
}

/// Stages the files of an image, and gives its maps.
fn keep(
    path: &Path,
    (tokens, told, most): (&Tokens, &TokenBits, f32),
    outputs: &mut Outputs,
) -> Result<Vec<PathBuf>, Stop> {
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let stem = outputs.unique_stem(&stem);
    let several = tokens.parts().len() > 1;
    let mut table = "part,row,column,code,bits\n".to_owned();
    for ((cell, code), bits) in tokens.cells().zip(&told.bits) {
        let code = code.map_or(String::new(), |code| code.to_string());
        let (part, row, column) = (cell.part, cell.row, cell.column);
        writeln!(table, "{part},{row},{column},{code},{bits}").unwrap_or_default();
    }
    outputs.add(&format!("{stem}.bits.csv"), table.as_bytes())?;
    let (mut maps, mut first) = (Vec::new(), 0);
    for (number, part) in tokens.parts().iter().enumerate() {
        let own = &told.bits[first..first + part.codes().len()];
        first += own.len();
        let which = if several { format!(".{number}") } else { String::new() };
        let map = bits_map(part, own, most, MAP_SIDE)?;
        maps.push(outputs.add(&format!("{stem}.bits{which}.png"), &png_bytes(&map)?)?);
        let array = npy_floats(&[part.frames() * part.rows(), part.columns()], own)?;
        outputs.add(&format!("{stem}.bits{which}.npy"), &array)?;
    }
    Ok(maps)
}

fn tell(line: &Line, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let mut text = format!(
        "{}: {:.1} bits, {:.3} per token, {:.4} per pixel of its tokens ({})",
        line.image.display(),
        line.bits,
        line.bits_per_token,
        line.bits_per_pixel,
        line.told
    );
    for part in &line.parts {
        let Part { rows, columns, bits, bits_per_token } = part;
        write!(text, "\n  {rows} x {columns}: {bits:.1} bits, {bits_per_token:.3} per token")
            .unwrap_or_default();
    }
    if line.told == Told::OneAtATime.words() {
        text.push_str("\n  --fast takes eight passes");
    }
    console.result(line, &text)
}
