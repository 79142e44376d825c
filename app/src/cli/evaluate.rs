//! `smalti evaluate`: tokenizers measured over images.

use std::path::Path;

use smalti_engine::images::WorkingSize;
use smalti_engine::measure::{self, BookCounts};
use smalti_engine::questions::{
    Comparison, Encode, ImageRef, LoadImage, LpipsLike, ModelFacts, ModelInfo, ModelRef, OwnSide,
    PastedPicture, Sizes, SourceFacts, SourceInfo, SourceRef, Stamp,
};
use smalti_engine::tokens::Tokens;

use super::arguments;
use super::books;
use super::console::Console;
use super::engine::Engine;
use super::measured::{Line, MeanPsnr};
use super::pareto::Figure;
use super::skipped::Skipped;
use super::stop::Stop;
use crate::look::words::counted;

/// Of `worlds`, which has no end, this many are measured when no limit is given.
const WORLDS: u64 = 256;

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
    let indices = source.sampled(set.len, most);
    let images = indices.len() as u64;
    if images == 0 {
        return Err(Stop::bad_input(&options.data, "there are no images", "Name another --data"));
    }
    let side = match options.size {
        Some(side) => side,
        None => *engine.answer(&OwnSide { source: source.clone() }, console)?,
    };
    let of_images = (!matches!(source, SourceRef::Worlds { .. })).then_some(set.len);
    console.remark(&describe(&set, (&source, images), side));
    for note in &set.notes {
        console.remark(note);
    }
    // Said before the work, not after it.
    let mut figure = match &options.pareto {
        Some(folder) => Some(Figure::new(folder, side)?),
        None => None,
    };
    for (number, (name, model, facts)) in models.iter().enumerate() {
        // Each number of residual levels is a rate of its own.
        let levels = facts.facts.prefixes && facts.layout.is_none() && facts.facts.books.len() > 1;
        let fewer = if levels && figure.is_some() { 1..facts.facts.books.len() } else { 0..0 };
        let mut fewer: Vec<Sums> = fewer.map(|levels| Sums::new(facts, Some(levels))).collect();
        let mut sums = Sums::new(facts, None);
        for (at, index) in indices.iter().copied().enumerate() {
            let part = (number as f32 + at as f32 / images as f32) / models.len() as f32;
            console.progress(part, &sums.so_far(name));
            let image = ImageRef::InSource { source: source.clone(), index };
            let all = fewer.iter_mut().chain([&mut sums]);
            let measured = all
                .into_iter()
                .try_for_each(|sums| sums.measure(image.clone(), side, model, (&engine, console)));
            measured.map_err(|stop| stop.about(name))?;
            engine.forget_old_answers();
        }
        let about = (options.data.as_str(), "measured");
        sums.skipped.report(sums.images > 0, about, console)?;
        for sums in fewer.iter().chain([&sums]) {
            let line = sums.line(name, of_images);
            let is_fixed = facts.facts.fixed_size().is_some();
            remark_on_size(&line, (side, options.size.is_some(), is_fixed), console);
            console.result(&line, &text_of(&line))?;
            if let Some(figure) = &mut figure {
                figure.add(line);
            }
        }
    }
    if let Some(mut figure) = figure {
        for (at, index) in indices.iter().copied().enumerate() {
            let image = ImageRef::InSource { source: source.clone(), index };
            console.progress(at as f32 / images as f32, "JPEG");
            figure.measure_jpeg(image, (&engine, console))?;
            engine.forget_old_answers();
        }
        figure.write(&set.description, console)?;
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

fn describe(set: &SourceFacts, (source, images): (&SourceRef, u64), side: u32) -> String {
    let which = match (images < set.len, source.is_drawn()) {
        (false, _) => "all".to_owned(),
        (true, true) => format!("a sample, the first {images}"),
        (true, false) => format!("a sample of {images}, spread over the set"),
    };
    format!("{}: {which} at a side of {side} pixels", set.description)
}

/// Where the size is not the one that was asked for, or not the images' own.
fn remark_on_size(
    line: &Line,
    (side, is_asked, is_fixed): (u32, bool, bool),
    console: &mut Console<'_, '_>,
) {
    let is_other = line.size != format!("{side}x{side}");
    let (model, size) = (&line.model, &line.size);
    if is_other && is_fixed {
        console.remark(&format!(
            "{model}: measured at {size}, the one size that it takes; its figures are not to be compared \
             with those at {side}x{side}"
        ));
    } else if is_other && is_asked {
        let why = format!("as {side} does not divide by its factor");
        console.remark(&format!("{model}: measured at {size}, {why}"));
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
        Some(all) if line.images < all => format!("{} of {all} images", line.images),
        _ => counted(line.images as usize, "image"),
    };
    format!(
        "{}{}: {images} at {}, PSNR {:.2} dB, SSIM {:.4}{}, {:.1} % of codes used, \
         perplexity {:.1}{}, {:.3} bits per pixel ({:.3} by entropy), encode {:.2} s, decode {:.2} s",
        line.model,
        line.levels.map(|levels| format!(", {levels} levels")).unwrap_or_default(),
        line.size,
        line.psnr,
        line.ssim,
        line.lpips_like
            .map(|it| format!(", LPIPS-like {it:.3} (lower looks nearer)"))
            .unwrap_or_default(),
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
    /// The first few residual levels alone.
    levels: Option<usize>,
    images: u64,
    psnr: MeanPsnr,
    ssim: f64,
    lpips_like: Option<f64>,
    /// Of reconstructions, and of the images.
    fine_detail: [f64; 2],
    bits_per_pixel: f64,
    pixels: f64,
    encode_seconds: f64,
    decode_seconds: f64,
    counts: BookCounts,
    sizes: Sizes,
    skipped: Skipped,
}

impl Sums {
    fn new(facts: &ModelFacts, levels: Option<usize>) -> Self {
        // What is left out is not unused.
        let books = facts.facts.books.iter().take(levels.unwrap_or(usize::MAX));
        Self {
            levels,
            images: 0,
            psnr: MeanPsnr::default(),
            ssim: 0.0,
            lpips_like: Some(0.0),
            fine_detail: [0.0; 2],
            bits_per_pixel: 0.0,
            pixels: 0.0,
            encode_seconds: 0.0,
            decode_seconds: 0.0,
            counts: BookCounts::new(books.map(|book| book.size)),
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
        let tokens = match self.levels {
            Some(levels) => Tokens::new(encoded.tokens.parts()[..levels].to_vec())?,
            None => encoded.tokens.clone(),
        };
        let given = PastedPicture::new(encoded.picture.clone());
        let question =
            Comparison { original: given.clone(), tokens: tokens.clone(), model: model.clone() };
        let compared = engine.answer(&question, console)?;
        let other = PastedPicture::new(compared.reconstruction.clone());
        let perceived = engine.answer(&LpipsLike { original: given, other }, console)?;
        self.lpips_like = self.lpips_like.zip(*perceived).map(|(sum, distance)| sum + distance);
        self.fine_detail[0] += measure::fine_detail(&compared.reconstruction);
        self.fine_detail[1] += measure::fine_detail(&encoded.picture);
        self.counts.add(&tokens)?;
        let original = engine.answer(&LoadImage { image, paint_side: side }, console)?;
        self.sizes.add(&encoded.picture, &original.picture);
        self.images += 1;
        self.psnr.add(compared.psnr);
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
        let images = counted(self.images as usize, "image");
        format!("{name}: {images}, PSNR {:.2} dB", self.psnr.mean())
    }

    /// The means; there are images.
    fn line(&self, name: &str, of_images: Option<u64>) -> Line {
        let n = self.images as f64;
        let statistics = self.counts.statistics();
        Line {
            model: name.to_owned(),
            levels: self.levels,
            images: self.images,
            of_images,
            size: self.sizes.to_string(),
            enlarged: self.sizes.enlarged,
            psnr: self.psnr.mean(),
            ssim: self.ssim / n,
            lpips_like: self.lpips_like.map(|sum| sum / n),
            proxy_fd: None,
            fine_detail: self.fine_detail[0] / n,
            fine_detail_of_images: self.fine_detail[1] / n,
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
