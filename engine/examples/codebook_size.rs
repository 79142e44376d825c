//! Trains one small network with codebooks of six sizes, learned (VQ) and fixed (FSQ), and writes how well
//! they reconstruct and how many of their codes they use: `codebook_size OUT.csv [STEPS]`.
//!
//! `cargo run --release -p smalti-engine --example codebook_size -- assets/sweeps/codebook-size.csv`
//!
//! Everything but the quantizer is the same in all twelve runs. The learned codebooks are as most people have
//! them: moving averages that start from data, without restarts. Levels of FSQ are those of table 1 of
//! Mentzer et al. 2023, "Finite Scalar Quantization: VQ-VAE Made Simple", the last one rounded to as many.
#![expect(clippy::print_stdout, reason = "a small program that says how far it is")]
#![expect(clippy::disallowed_methods, reason = "a program of its own, not the window")]

use std::path::{Path, PathBuf};

use smalti_engine::data::Source;
use smalti_engine::data::worlds::Worlds;
use smalti_engine::device::{self, DeviceChoice};
use smalti_engine::images::{WorkingSize, resize};
use smalti_engine::measure::{BookCounts, psnr};
use smalti_engine::tokenizers::{detokenize, tokenize};
use smalti_engine::training::{Begin, Recipe, Supplies, Trainer};
use smalti_engine::{EngineError, Result, checkpoints};

/// Side of the images in pixels.
const SIDE: u32 = 64;
/// Held-out images that the finished model is measured over: 131,072 tokens, eight of each code of the
/// largest codebook.
const HELD_OUT: u64 = 512;
/// Channels of a learned code.
const LEARNED_DIM: usize = 8;
/// Sizes and the levels of the fixed codebook that is nearest to it.
const SIZES: [(u32, &[u32]); 6] = [
    (1 << 4, &[5, 3]),
    (1 << 6, &[8, 8]),
    (1 << 8, &[8, 6, 5]),
    (1 << 10, &[8, 5, 5, 5]),
    (1 << 12, &[7, 5, 5, 5, 5]),
    (1 << 14, &[8, 8, 8, 6, 5]),
];

fn recipe(name: &str, dim: usize, quantizer: &str, steps: u64) -> Result<Recipe> {
    Recipe::parse(&format!(
        r#"(
            name: "{name}", seed: 29,
            tokenizer: (
                name: "{name}",
                network: (
                    ch: 16, ch_mult: [1, 2, 3], num_res_blocks: 1, decoder_res_blocks: 1,
                    attn_resolutions: [], resolution: {SIDE}, z_channels: 32, embed_dim: {dim},
                    mid: true, mid_attention: false, norm_groups: 8,
                ),
                quantizer: {quantizer},
            ),
            data: [
                (weight: 0.5, from: Worlds(1)),
                (weight: 0.5, from: Path("assets:photos/photos.tar")),
            ],
            crop: (side: {SIDE}, scales: [96, 160, 256], mirror: true),
            batch: 16, steps: {steps},
            optimizer: (lr: 2e-3, final_lr: 0.0, warmup: 50, betas: (0.9, 0.99), clip: 1.0),
            ema_decay: 0.99, checkpoint_every_secs: 600, report_every: 20,
        )"#
    ))
}

/// A row for each report, and one for the finished model over held-out images.
fn rows(kind: &str, codes: u32, recipe: Recipe, folder: &Path) -> Result<String> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let device = device::open(DeviceChoice::Cpu)?;
    let supplies = Supplies::of(&recipe, &assets, &assets)?;
    let mut rows = Vec::new();
    let mut row = |set: &str, step: u64, figures: [f64; 3]| {
        let [psnr, usage, perplexity] = figures;
        rows.push(format!("{kind},{codes},{set},{step},{psnr:.3},{usage:.5},{perplexity:.2}\n"));
    };
    let mut trainer = Trainer::new(recipe, supplies, folder, &device, Begin::Anew)?;
    while !trainer.is_done() {
        if let Some(report) = trainer.step()? {
            let figure = |name| report.figure(name).unwrap_or(f64::NAN);
            row("training", report.step, ["psnr", "usage", "perplexity"].map(figure));
        }
    }
    let step = trainer.steps_done();
    let tokenizer = checkpoints::open_tokenizer(&trainer.export()?, &device)?.tokenizer;
    let worlds = Worlds::held_out(1);
    let mut counts = BookCounts::new(tokenizer.facts().books.iter().map(|book| book.size));
    let mut sum = 0.0;
    for index in 0..HELD_OUT {
        let size = WorkingSize::square(SIDE, tokenizer.facts().factor as u32);
        let picture = resize::fit(&worlds.sample(index, SIDE)?.picture, size)?;
        let tokens = tokenize(&*tokenizer, &picture)?;
        counts.add(&tokens)?;
        sum += psnr(&picture, &detokenize(&*tokenizer, &tokens)?)?;
    }
    let statistics = counts.statistics();
    row("held-out", step, [sum / HELD_OUT as f64, statistics.usage, statistics.perplexity]);
    Ok(rows.concat())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(out) = arguments.next().map(PathBuf::from) else {
        println!("usage: codebook_size OUT.csv [STEPS]");
        return Ok(());
    };
    let steps = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(600);
    let work = std::env::temp_dir().join(format!("smalti-codebook-size-{}", std::process::id()));
    let mut text = "quantizer,codes,set,step,psnr_db,usage,perplexity\n".to_owned();
    for (size, levels) in SIZES {
        let learned =
            format!("Vq((codes: {size}, beta: 0.25, update: Ema, decay: 0.99, start: Data(5)))");
        let fixed = format!("Fsq((levels: {levels:?}))");
        let runs = [
            ("VQ", size, LEARNED_DIM, learned),
            ("FSQ", levels.iter().product(), levels.len(), fixed),
        ];
        for (kind, codes, dim, quantizer) in runs {
            let name = format!("{kind}-{codes}").to_lowercase();
            let folder = work.join(&name);
            text += &rows(kind, codes, recipe(&name, dim, &quantizer, steps)?, &folder)?;
            println!("{}", text.lines().last().unwrap_or_default());
            // What is there already is kept, should a later run fail.
            std::fs::write(&out, &text).map_err(|source| EngineError::io(&out, source))?;
        }
    }
    std::fs::remove_dir_all(&work).map_err(|source| EngineError::io(&work, source))
}
