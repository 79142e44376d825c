//! `smalti evaluate`: tokenizers measured over images.

use std::path::Path;

use serde::Serialize;
use smalti_engine::images::WorkingSize;
use smalti_engine::measure::{BookCounts, BookStatistics};
use smalti_engine::questions::{
    Comparison, Encode, ImageRef, LoadImage, ModelFacts, ModelInfo, ModelRef, OwnSide,
    PastedPicture, Sizes, SourceFacts, SourceInfo, SourceRef, Stamp,
};

use super::arguments;
use super::books;
use super::console::Console;
use super::engine::Engine;
use super::skipped::Skipped;
use super::stop::Stop;

/// Of `worlds`, which has no end, this many are measured when no limit is given.
const WORLDS: u64 = 256;

#[derive(Debug, Serialize)]
struct Line {
    model: String,
    /// Images that were measured, and images of the set, if it has an end: if there are more, this
    /// is a sample.
    images: u64,
    of_images: Option<u64>,
    /// Width and height at which they were measured.
    size: String,
    /// Images that were smaller than that.
    enlarged: usize,
    psnr: f64,
    ssim: f64,
    lpips_like: Option<f64>,
    proxy_fd: Option<f64>,
    /// Of the codes of all books; perplexity is 2^entropy, of several books by their mean entropy.
    usage: f64,
    perplexity: f64,
    bits_per_pixel: f64,
    entropy_bits_per_pixel: f64,
    encode_seconds: f64,
    decode_seconds: f64,
    /// Each book, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    books: Vec<BookStatistics>,
}

pub(super) fn run(
    options: &arguments::Evaluate,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let mut models = Vec::new();
    for name in &options.models {
        let model = engine.model(name);
        let facts = engine.answer(&ModelInfo { model: model.clone() }, console);
        models.push((name, model, facts.map_err(|stop| stop.about(name))?));
    }
    let source = source_of(&options.data, options.seed);
    let set = engine.answer(&SourceInfo { source: source.clone() }, console)?;
    let most = options.limit.unwrap_or(match source {
        SourceRef::Worlds { .. } => WORLDS,
        _ => u64::MAX,
    });
    let images = set.len.min(most);
    if images == 0 {
        return Err(Stop::bad_input(&options.data, "there are no images", "Name another --data"));
    }
    let side = match options.size {
        Some(side) => side,
        None => *engine.answer(&OwnSide { source: source.clone() }, console)?,
    };
    let of_images = (!matches!(source, SourceRef::Worlds { .. })).then_some(set.len);
    console.remark(&describe(&set, images, side));
    for note in &set.notes {
        console.remark(note);
    }
    for (number, (name, model, facts)) in models.iter().enumerate() {
        let mut sums = Sums::new(facts);
        for index in 0..images {
            let part = (number as f32 + index as f32 / images as f32) / models.len() as f32;
            console.progress(part, &sums.so_far(name));
            let image = ImageRef::InSource { source: source.clone(), index };
            let measured = sums.measure(image, side, model, (&engine, console));
            measured.map_err(|stop| stop.about(name))?;
            engine.forget_old_answers();
        }
        let about = (options.data.as_str(), "measured");
        sums.skipped.report(sums.images > 0, about, console)?;
        let line = sums.line(name, of_images);
        remark_on_size(&line, side, options.size.is_some(), console);
        console.result(&line, &text_of(&line))?;
    }
    Ok(())
}

/// What `--data` names.
fn source_of(data: &str, seed: u64) -> SourceRef {
    match data {
        "worlds" => SourceRef::Worlds { seed },
        "samples" => SourceRef::Samples,
        path => {
            let path = Path::new(path);
            SourceRef::Path { path: path.into(), stamp: Stamp::of(path) }
        }
    }
}

fn describe(set: &SourceFacts, images: u64, side: u32) -> String {
    let which =
        if images < set.len { format!("a sample, the first {images}") } else { "all".into() };
    format!("{}: {which} at a side of {side} pixels", set.description)
}

/// Where the size is not the one that was asked for, or not the images' own.
fn remark_on_size(line: &Line, side: u32, is_asked: bool, console: &mut Console<'_, '_>) {
    if is_asked && line.size != format!("{side}x{side}") {
        console.remark(&format!(
            "{}: measured at {}, as {side} does not divide by its factor",
            line.model, line.size
        ));
    }
    if line.enlarged > 0 {
        console.remark(&format!(
            "{}: {} of {} images are smaller than {} and were enlarged, which flatters PSNR",
            line.model, line.enlarged, line.images, line.size
        ));
    }
}

fn text_of(line: &Line) -> String {
    let images = match line.of_images {
        Some(all) if line.images < all => format!("{} of {all}", line.images),
        _ => line.images.to_string(),
    };
    format!(
        "{}: {images} images at {}, PSNR {:.2} dB, SSIM {:.4}, {:.1} % of codes used, perplexity {:.1}{}, \
         {:.3} bits per pixel ({:.3} by entropy), encode {:.2} s, decode {:.2} s",
        line.model,
        line.size,
        line.psnr,
        line.ssim,
        line.usage * 100.0,
        line.perplexity,
        books::words(&line.books),
        line.bits_per_pixel,
        // Of one code the entropy is nothing, which can come out as its negative.
        line.entropy_bits_per_pixel.max(0.0),
        line.encode_seconds,
        line.decode_seconds
    )
}

/// What adds up over the images.
struct Sums {
    images: u64,
    psnr: f64,
    ssim: f64,
    bits_per_pixel: f64,
    pixels: f64,
    encode_seconds: f64,
    decode_seconds: f64,
    counts: BookCounts,
    sizes: Sizes,
    skipped: Skipped,
}

impl Sums {
    fn new(facts: &ModelFacts) -> Self {
        Self {
            images: 0,
            psnr: 0.0,
            ssim: 0.0,
            bits_per_pixel: 0.0,
            pixels: 0.0,
            encode_seconds: 0.0,
            decode_seconds: 0.0,
            counts: BookCounts::new(facts.facts.books.iter().map(|book| book.size)),
            sizes: Sizes::default(),
            skipped: Skipped::default(),
        }
    }

    /// Adds an image, or notes why it cannot be.
    fn measure(
        &mut self,
        image: ImageRef,
        side: u32,
        model: &ModelRef,
        (engine, console): (&Engine, &Console<'_, '_>),
    ) -> Result<(), Stop> {
        let size = WorkingSize::square(side, 1);
        let question = Encode { subject: image.clone().into(), size, model: model.clone() };
        let encoded = self.skipped.or_skip(engine.answer(&question, console))?;
        let Some(encoded) = encoded else { return Ok(()) };
        let question = Comparison {
            original: PastedPicture::new(encoded.picture.clone()),
            tokens: encoded.tokens.clone(),
            model: model.clone(),
        };
        let compared = engine.answer(&question, console)?;
        self.counts.add(&encoded.tokens)?;
        let original = engine.answer(&LoadImage { image, paint_side: side }, console)?;
        self.sizes.add(&encoded.picture, &original.picture);
        self.images += 1;
        self.psnr += compared.psnr;
        self.ssim += compared.ssim;
        self.bits_per_pixel += compared.bits_per_pixel;
        self.pixels += f64::from(encoded.picture.width()) * f64::from(encoded.picture.height());
        self.encode_seconds += f64::from(encoded.seconds);
        self.decode_seconds += f64::from(compared.decode_seconds);
        Ok(())
    }

    fn so_far(&self, name: &str) -> String {
        if self.images == 0 {
            return name.to_owned();
        }
        format!("{name}: {} images, PSNR {:.2} dB", self.images, self.psnr / self.images as f64)
    }

    /// The means; there are images.
    fn line(&self, name: &str, of_images: Option<u64>) -> Line {
        let n = self.images as f64;
        let statistics = self.counts.statistics();
        Line {
            model: name.to_owned(),
            images: self.images,
            of_images,
            size: self.sizes.to_string(),
            enlarged: self.sizes.enlarged,
            psnr: self.psnr / n,
            ssim: self.ssim / n,
            lpips_like: None,
            proxy_fd: None,
            usage: statistics.usage,
            perplexity: statistics.perplexity,
            bits_per_pixel: self.bits_per_pixel / n,
            entropy_bits_per_pixel: statistics.packed_bits() / self.pixels,
            encode_seconds: self.encode_seconds,
            decode_seconds: self.decode_seconds,
            books: statistics.several().to_vec(),
        }
    }
}
