//! Paints what tokenizers make of images: `reconstructions OUT.png SIDE COUNT SET MODEL...`.
//!
//! `SET` is `worlds` (those held out) or a folder or archive. A row of originals, then a row for each model,
//! at `SIDE` pixels; a picture that a model cannot make at that side is made at its own.
//!
//! With `blind` before the rest, `blind OUT SIDE COUNT SET ONE OTHER`, it paints two models beside each
//! other, 480 pixels each, in a file of the folder `OUT` for each image. Which is on which side is drawn, and
//! stands in `OUT/key.txt` for afterwards.
#![expect(clippy::print_stdout, reason = "a small program that says how it is used")]

use std::path::Path;
use std::sync::Arc;

use smalti_engine::data::worlds::Worlds;
use smalti_engine::data::{Source, open_source};
use smalti_engine::device::{self, DeviceChoice};
use smalti_engine::images::{Picture, WorkingSize, resize, save_png, sheet};
use smalti_engine::random::{Noise, Purpose};
use smalti_engine::tokenizers::{Tokenizer, detokenize, tokenize};
use smalti_engine::{EngineError, Result, checkpoints};

/// Side of a picture of a pair.
const PAIR: u32 = 480;
/// What lies between pictures.
const BACKGROUND: [u8; 3] = [24, 24, 24];

struct Set {
    source: Arc<dyn Source>,
    side: u32,
    /// Images that are as far apart in the set as can be.
    indices: Vec<u64>,
}

impl Set {
    fn open(name: &str, side: u32, count: u64) -> Result<Self> {
        let source: Arc<dyn Source> = match name {
            "worlds" => Arc::new(Worlds::held_out(1)),
            path => open_source(Path::new(path))?,
        };
        // Neighbours of Worlds are as unlike as any.
        let all = if name == "worlds" { count } else { source.len() };
        let count = count.min(all).max(1);
        Ok(Self { source, side, indices: (0..count).map(|i| i * all / count).collect() })
    }

    fn pictures(&self) -> Result<Vec<Picture>> {
        let square = WorkingSize::square(self.side, 1);
        let picture =
            |index: &u64| resize::fit(&self.source.sample(*index, self.side)?.picture, square);
        self.indices.iter().map(picture).collect()
    }
}

fn open(path: &str) -> Result<Box<dyn Tokenizer>> {
    let device = device::open(DeviceChoice::Cpu)?;
    Ok(checkpoints::open_tokenizer(Path::new(path), &device)?.tokenizer)
}

/// What a tokenizer makes of a picture, as large as the picture.
fn remade(tokenizer: &dyn Tokenizer, picture: &Picture) -> Result<Picture> {
    let given = match tokenizer.facts().fixed_size() {
        Some((height, width)) => resize::resize(picture, width as u32, height as u32)?,
        None => picture.clone(),
    };
    let back = detokenize(tokenizer, &tokenize(tokenizer, &given)?)?;
    resize::resize(&back, picture.width(), picture.height())
}

fn paint(out: &Path, set: &Set, models: &[String]) -> Result<()> {
    let originals = set.pictures()?;
    let mut all = originals.clone();
    for model in models {
        let tokenizer = open(model)?;
        for picture in &originals {
            all.push(remade(&*tokenizer, picture)?);
        }
    }
    save_png(&sheet(&all, originals.len() as u32, 4, BACKGROUND)?, out)
}

fn paint_pairs(out: &Path, set: &Set, models: [&String; 2]) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|source| EngineError::io(out, source))?;
    let tokenizers = [open(models[0])?, open(models[1])?];
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| u64::from(time.subsec_nanos()));
    let noise = Noise::new(seed, Purpose::Test, 0, 0);
    let mut key = String::new();
    for (number, picture) in set.pictures()?.iter().enumerate() {
        let first = usize::from(noise.uniform(number as u32) < 0.5);
        let mut pair = Vec::new();
        for which in [first, 1 - first] {
            let picture = remade(&*tokenizers[which], picture)?;
            pair.push(resize::resize(&picture, PAIR, PAIR)?);
        }
        save_png(&sheet(&pair, 2, 8, BACKGROUND)?, &out.join(format!("{:02}.png", number + 1)))?;
        key += &[&(number + 1).to_string(), " left: ", models[first], "\n"].concat();
    }
    let path = out.join("key.txt");
    std::fs::write(&path, key).map_err(|source| EngineError::io(&path, source))
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_blind = arguments.first().is_some_and(|first| first == "blind");
    arguments.drain(..usize::from(is_blind));
    let numbers: Option<(u32, u64)> = match arguments.as_slice() {
        [_, side, count, _, _, ..] => side.parse().ok().zip(count.parse().ok()),
        _ => None,
    };
    let Some((side, count)) = numbers else {
        println!("usage: reconstructions [blind] OUT SIDE COUNT SET MODEL...");
        return Ok(());
    };
    let (out, set) = (Path::new(&arguments[0]), Set::open(&arguments[3], side, count)?);
    match &arguments[4..] {
        [one, other] if is_blind => paint_pairs(out, &set, [one, other]),
        models => paint(out, &set, models),
    }
}
