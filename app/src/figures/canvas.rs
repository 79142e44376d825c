//! A picture that is painted rectangle by rectangle.

use smalti_engine::Result;
use smalti_engine::images::Picture;

use crate::look::palette::Rgb;

/// Pixels a dot of a figure.
const DOT: usize = 2;

/// Figures of three by five dots: a scale needs no more, and no font has to be found.
const FIGURES: [(char, [u8; 5]); 13] = [
    ('0', [7, 5, 5, 5, 7]),
    ('1', [2, 6, 2, 2, 7]),
    ('2', [7, 1, 7, 4, 7]),
    ('3', [7, 1, 7, 1, 7]),
    ('4', [5, 5, 7, 1, 1]),
    ('5', [7, 4, 7, 1, 7]),
    ('6', [7, 4, 7, 5, 7]),
    ('7', [7, 1, 2, 2, 2]),
    ('8', [7, 5, 7, 5, 7]),
    ('9', [7, 5, 7, 1, 7]),
    ('%', [5, 1, 2, 4, 5]),
    ('.', [0, 0, 0, 0, 2]),
    ('-', [0, 0, 7, 0, 0]),
];

/// Pixels that can be changed.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    /// A canvas of one color. Sides of zero become one.
    pub fn new(width: usize, height: usize, ground: Rgb) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, rgb: ground.repeat(width * height) }
    }

    /// Fills a rectangle; what is outside is left out.
    pub fn fill(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), color: Rgb) {
        let right = (x + width).min(self.width);
        for row in y..(y + height).min(self.height) {
            for column in x..right {
                let at = (row * self.width + column) * 3;
                self.rgb[at..at + 3].copy_from_slice(&color);
            }
        }
    }

    /// Draws a picture with its top left corner at a place; what is outside is left out.
    pub fn draw(&mut self, (x, y): (usize, usize), picture: &Picture) {
        for (row, line) in picture.rgb().chunks_exact(picture.width() as usize * 3).enumerate() {
            for (column, pixel) in line.chunks_exact(3).enumerate() {
                if y + row < self.height && x + column < self.width {
                    let at = ((y + row) * self.width + x + column) * 3;
                    self.rgb[at..at + 3].copy_from_slice(pixel);
                }
            }
        }
    }

    /// Writes figures with their top left corner at a place, ten pixels high; signs that are no
    /// figures are left out as blanks.
    pub fn write(&mut self, (x, y): (usize, usize), text: &str, color: Rgb) {
        for (at, sign) in text.chars().enumerate() {
            let Some((_, rows)) = FIGURES.iter().find(|(known, _)| *known == sign) else {
                continue;
            };
            for (row, bits) in rows.iter().enumerate() {
                for column in (0..3).filter(|column| bits >> (2 - column) & 1 == 1) {
                    let corner = (x + (at * 4 + column) * DOT, y + row * DOT);
                    self.fill(corner, (DOT, DOT), color);
                }
            }
        }
    }

    /// How wide [`Canvas::write`] writes.
    pub fn text_width(text: &str) -> usize {
        (text.chars().count() * 4).saturating_sub(1) * DOT
    }

    /// The finished picture.
    ///
    /// # Errors
    /// If it is larger than a picture can be.
    pub fn finish(self) -> Result<Picture> {
        Picture::new(self.width as u32, self.height as u32, self.rgb)
    }
}

/// The picture with every pixel `times` as wide and high, edges kept hard.
///
/// # Errors
/// If it becomes larger than a picture can be.
pub fn enlarged(picture: &Picture, times: usize) -> Result<Picture> {
    let times = times.max(1);
    let (width, height) = (picture.width() as usize * times, picture.height() as usize * times);
    let mut canvas = Canvas::new(width, height, [0; 3]);
    for y in 0..picture.height() {
        for x in 0..picture.width() {
            if let Some(color) = picture.pixel(x, y) {
                canvas.fill((x as usize * times, y as usize * times), (times, times), color);
            }
        }
    }
    canvas.finish()
}
