//! Trains a recipe without the command line's comforts: `train RECIPE.ron OUT`; resumes.
#![expect(clippy::print_stdout, reason = "a small program that prints its progress")]

use std::path::Path;

use smalti_engine::Result;
use smalti_engine::training::{Recipe, Trainer};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [recipe, out] = arguments.as_slice() else {
        println!("usage: train RECIPE.ron OUT");
        return Ok(());
    };
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let path = Path::new(recipe);
    let recipe = Recipe::read(path)?;
    let source = recipe.open_data(path.parent().unwrap_or(Path::new(".")), &assets)?;
    let device = smalti_engine::device::open(smalti_engine::device::DeviceChoice::Cpu)?;
    let mut trainer = Trainer::new(recipe, source, Path::new(out), &device, true)?;
    while !trainer.is_done() {
        if let Some(r) = trainer.step()? {
            println!(
                "{} {:.0}s loss {:.5} psnr {:.2} usage {:.3} perplexity {:.0} {:.1} images/s",
                r.step,
                r.seconds,
                r.losses[0].1,
                r.psnr,
                r.usage,
                r.perplexity,
                r.images_per_second
            );
        }
    }
    trainer.save()?;
    println!("{}", trainer.export()?.display());
    Ok(())
}
