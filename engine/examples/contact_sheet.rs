//! Paints a contact sheet of Worlds: a row for each class, a column for each picture.
//!
//! `cargo run --release -p smalti-engine --example contact_sheet -- OUT.png [SIDE] [COLUMNS] [SEED]`

use smalti_engine::data::worlds::{Biome, World, paint};

const GAP: u32 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().unwrap_or_else(|| "contact_sheet.png".to_owned());
    let mut number = |default: u32| match arguments.next() {
        Some(text) => text.parse::<u32>(),
        None => Ok(default),
    };
    let (side, columns, seed) = (number(128)?, number(8)?, number(1)?);
    let rows = Biome::ALL.len() as u32;
    let (width, height) = (columns * (side + GAP) + GAP, rows * (side + GAP) + GAP);
    let mut sheet = image::RgbImage::from_pixel(width, height, image::Rgb([24, 24, 24]));
    for (row, biome) in Biome::ALL.into_iter().enumerate() {
        let worlds = (0..).map(|index| World::new(u64::from(seed), index));
        for (column, world) in
            worlds.filter(|w| w.biome == biome).take(columns as usize).enumerate()
        {
            let picture = paint(&world, side, side, 0.0)?;
            let (x0, y0) = (GAP + column as u32 * (side + GAP), GAP + row as u32 * (side + GAP));
            for y in 0..side {
                for x in 0..side {
                    if let Some(pixel) = picture.pixel(x, y) {
                        sheet.put_pixel(x0 + x, y0 + y, image::Rgb(pixel));
                    }
                }
            }
        }
    }
    sheet.save(out)?;
    Ok(())
}
