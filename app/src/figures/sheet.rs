//! Contact sheets: pictures in rows, each with words below, as PNG and SVG.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters::prelude::*;
use smalti_engine::images::{Picture, png_bytes};
use smalti_engine::{EngineError, Result};

use super::plotting::{INK, cannot, escaped, with_fonts};

/// Pixels between pictures.
const GAP: u32 = 12;
/// Pixels of a line of words.
const WORDS: u32 = 20;
/// Smaller pictures are enlarged, so that words fit below.
const LEAST: u32 = 128;
/// Pixels of a sheet.
const MOST: u64 = 200_000_000;

/// A picture and what it is.
#[derive(Debug, Clone)]
pub struct Item {
    /// The picture.
    pub picture: Picture,
    /// What stands below it.
    pub label: String,
}

/// Where things are.
struct Layout {
    columns: u32,
    /// Pixels of the largest picture.
    cell: (u32, u32),
    size: (u32, u32),
}

impl Layout {
    fn of(items: &[Item], columns: usize) -> Result<Self> {
        let cell = items.iter().fold((0, 0), |(w, h), item| {
            (w.max(item.picture.width()), h.max(item.picture.height()))
        });
        let columns = (columns.max(1) as u64).min(items.len() as u64);
        let rows = (items.len() as u64).div_ceil(columns.max(1));
        let width = columns * u64::from(cell.0 + GAP) + u64::from(GAP);
        let height = rows * u64::from(cell.1 + GAP + WORDS) + u64::from(GAP);
        if rows == 0 || width * height > MOST {
            let reason = format!("{} pictures do not fit on one page", items.len());
            let hint = "Use fewer pictures, or smaller ones";
            return Err(EngineError::bad_input("contact sheet", reason, hint));
        }
        Ok(Self { columns: columns as u32, cell, size: (width as u32, height as u32) })
    }

    /// The corner of an item.
    fn corner(&self, at: usize) -> (u32, u32) {
        let at = at as u32;
        let (row, column) = (at / self.columns, at % self.columns);
        (GAP + column * (self.cell.0 + GAP), GAP + row * (self.cell.1 + GAP + WORDS))
    }
}

/// Small pictures as many times as large as it takes to be seen.
fn enlarged(items: &[Item]) -> Result<Vec<Item>> {
    let all = items.iter().map(|item| {
        let side = item.picture.width().max(1);
        let picture = item.picture.enlarged(LEAST.div_ceil(side).max(1))?;
        Ok(Item { picture, label: item.label.clone() })
    });
    all.collect()
}

/// The sheet as pixels, black on white, since it goes on paper and slides.
///
/// # Errors
/// [`EngineError::BadInput`] if there are no pictures, or too many.
pub fn sheet_picture(items: &[Item], columns: usize) -> Result<Picture> {
    with_fonts();
    let items = enlarged(items)?;
    let layout = Layout::of(&items, columns)?;
    let (width, height) = layout.size;
    let mut rgb = vec![255; width as usize * height as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut rgb, layout.size).into_drawing_area();
        root.fill(&WHITE).map_err(cannot)?;
        let style = ("sans-serif", 14).into_font().color(&INK);
        for (at, item) in items.iter().enumerate() {
            let (x, y) = layout.corner(at);
            let at = (x as i32, (y + layout.cell.1 + 4) as i32);
            root.draw_text(&item.label, &style, at).map_err(cannot)?;
        }
    }
    for (at, item) in items.iter().enumerate() {
        let (x, y) = layout.corner(at);
        let row_bytes = item.picture.width() as usize * 3;
        for (row, line) in item.picture.rgb().chunks_exact(row_bytes).enumerate() {
            let start = ((y as usize + row) * width as usize + x as usize) * 3;
            rgb[start..start + row_bytes].copy_from_slice(line);
        }
    }
    Picture::new(width, height, rgb)
}

/// The sheet as SVG, with the pictures in it and words that can be edited.
///
/// # Errors
/// As [`sheet_picture`].
pub fn sheet_svg(items: &[Item], columns: usize) -> Result<String> {
    let items = enlarged(items)?;
    let layout = Layout::of(&items, columns)?;
    let (width, height) = layout.size;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (at, item) in items.iter().enumerate() {
        let (x, y) = layout.corner(at);
        let (w, h) = (item.picture.width(), item.picture.height());
        let data = STANDARD.encode(png_bytes(&item.picture)?);
        let below = y + layout.cell.1 + WORDS - 4;
        writeln!(
            svg,
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" href=\"data:image/png;base64,{data}\"/>\n\
             <text x=\"{x}\" y=\"{below}\" font-family=\"Inter, sans-serif\" font-size=\"14\" \
             fill=\"#20242c\">{}</text>",
            escaped(&item.label)
        )
        .unwrap_or_default();
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::images::Limits;

    fn items() -> Vec<Item> {
        (0..5_u8)
            .map(|n| Item {
                picture: Picture::new(64, 64, [n * 40, 0, 0].repeat(64 * 64)).unwrap(),
                label: format!("sea & land, seed {n}"),
            })
            .collect()
    }

    #[test]
    fn pictures_stand_in_rows_with_their_words_below() {
        let sheet = sheet_picture(&items(), 3).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (3 * 140 + 12, 2 * 160 + 12));
        for n in 0..5_u32 {
            let (x, y) = (12 + n % 3 * 140, 12 + n / 3 * 160);
            for (dx, dy) in [(0, 0), (127, 127), (64, 3)] {
                assert_eq!(sheet.pixel(x + dx, y + dy), Some([n as u8 * 40, 0, 0]), "{n}");
            }
            let words = (y + 130..y + 148).flat_map(|y| (x..x + 128).map(move |x| (x, y)));
            let dark = words.filter(|(x, y)| sheet.pixel(*x, *y).is_some_and(|p| p[0] < 128));
            assert!(dark.count() > 20, "words below picture {n}");
        }
        assert!(sheet_picture(&[], 3).is_err());
    }

    #[test]
    fn an_svg_has_the_same_pictures_and_words() {
        let svg = sheet_svg(&items(), 3).unwrap();
        assert_eq!(svg.matches("<image ").count(), 5);
        assert!(svg.contains("sea &amp; land, seed 4</text>"), "{svg:.400}");
        let data = svg.split("base64,").nth(3).unwrap().split('"').next().unwrap();
        let png = STANDARD.decode(data).unwrap();
        let (name, limits) = (std::path::Path::new("x.png"), Limits::default());
        let back = smalti_engine::images::decode(&png, name, &limits).unwrap().picture;
        assert_eq!(back.pixel(5, 5), Some([80, 0, 0]));
    }
}
