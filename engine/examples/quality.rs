//! Measures models as `assets/models/README.md` reports them: `quality KODAK_FOLDER MODEL...`.
//!
//! Prints rows of a Markdown table: held-out Worlds at 64x64 and 256x256, photographs as 256x256
//! center crops and with the long side at 512.
#![expect(clippy::print_stdout, reason = "a small program that prints its measurements")]

use smalti_engine::device::of_tests;
use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use smalti_engine::data::worlds::Worlds;
use smalti_engine::data::{Source, open_source};
use smalti_engine::images::{Fit, WorkingSize, resize};
use smalti_engine::layers::Weights;
use smalti_engine::measure::{BookCounts, bits_per_pixel, psnr, ssim};
use smalti_engine::tokenizers::{self, Tokenizer, TokenizerConfig};
use smalti_engine::{EngineError, Result};

fn open_model(path: &Path) -> Result<Box<dyn Tokenizer>> {
    let bad = |reason: &str| EngineError::bad_file(path, reason, "");
    let bytes = std::fs::read(path).map_err(|source| EngineError::io(path, source))?;
    let (_, header) =
        safetensors::SafeTensors::read_metadata(&bytes).map_err(|error| bad(&error.to_string()))?;
    let text = header.metadata().as_ref().and_then(|m| m.get("smalti")).cloned();
    let metadata: serde_json::Value = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(|| bad("no configuration"))?;
    let config: TokenizerConfig = serde_json::from_value(metadata["config"].clone())
        .map_err(|error| bad(&error.to_string()))?;
    let tensors: BTreeMap<String, Tensor> =
        candle_core::safetensors::load_buffer(&bytes, &of_tests()?)?.into_iter().collect();
    let weights = Weights::loaded(tensors, false, &of_tests()?);
    let tokenizer = tokenizers::build(&config, &weights)?;
    weights.finish(&path.display().to_string(), &[])?;
    Ok(tokenizer)
}

fn row(
    tokenizer: &dyn Tokenizer,
    source: &dyn Source,
    (what, size): (&str, WorkingSize),
) -> Result<String> {
    let mut counts = BookCounts::new(tokenizer.facts().books.iter().map(|book| book.size));
    let (mut psnr_sum, mut ssim_sum, mut bits) = (0.0, 0.0, 0.0);
    let count = source.len().min(256);
    for index in 0..count {
        let picture = resize::fit(&source.sample(index, size.side)?.picture, size)?;
        let tokens = tokenizers::tokenize(tokenizer, &picture)?;
        let back = tokenizers::detokenize(tokenizer, &tokens)?;
        counts.add(&tokens)?;
        psnr_sum += psnr(&picture, &back)?;
        ssim_sum += ssim(&picture, &back)?;
        bits += bits_per_pixel(&tokens, u64::from(picture.width()) * u64::from(picture.height()));
    }
    let (n, s) = (count as f64, counts.statistics());
    Ok(format!(
        "{what} | {count} | {:.2} | {:.4} | {:.1} % of {} (ceiling {:.1} %) | {:.0} | {:.3}",
        psnr_sum / n,
        ssim_sum / n,
        100.0 * s.usage,
        s.codes,
        100.0 * s.ceiling / s.codes as f64,
        s.perplexity,
        bits / n
    ))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((photographs, models)) = arguments.split_first() else {
        println!("usage: quality PHOTOGRAPHS MODEL...");
        return Ok(());
    };
    let worlds = Worlds::held_out(1);
    let photographs = open_source(Path::new(photographs))?;
    println!("| model | images | n | PSNR | SSIM | codes used | perplexity | bits per pixel |");
    println!("|---|---|---:|---:|---:|---|---:|---:|");
    for path in models {
        let path = Path::new(path);
        let tokenizer = open_model(path)?;
        let factor = tokenizer.facts().factor as u32;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let square = |side| WorkingSize::square(side, factor);
        let wide = WorkingSize { side: 512, mode: Fit::KeepAspect, multiple_of: factor };
        let rows: [(&dyn Source, (&str, WorkingSize)); 4] = [
            (&worlds, ("Worlds, held out, 64x64", square(64))),
            (&worlds, ("Worlds, held out, 256x256", square(256))),
            (&*photographs, ("Kodak, 256x256 center", square(256))),
            (&*photographs, ("Kodak, long side 512", wide)),
        ];
        for (source, what) in rows {
            println!("| {name} | {} |", row(&*tokenizer, source, what)?);
        }
    }
    Ok(())
}
