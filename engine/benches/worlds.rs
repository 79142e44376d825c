//! How many worlds of 64x64 pixels one core paints in a second: one JSON line.

use std::io::Write as _;
use std::time::Instant;

use smalti_engine::data::worlds::{World, paint};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const IMAGES: u64 = 1000;
    // The first hundred warm the caches and the clock up.
    for index in 0..100 {
        paint(&World::new(1, index), 64, 64, 0.0)?;
    }
    let start = Instant::now();
    for index in 0..IMAGES {
        paint(&World::new(1, index), 64, 64, 0.0)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = IMAGES as f64 / seconds;
    let line = serde_json::json!({
        "row": "worlds/64",
        "images": IMAGES,
        "seconds": seconds,
        "images_per_second_per_core": rate,
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
