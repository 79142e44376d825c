//! Rate against quality: a figure for a paper or a slide, as PNG and SVG.

use plotters::prelude::*;
use smalti_engine::Result;

use super::axes::Area;
use super::plotting::{FAINT, INK, cannot, with_fonts};
use super::points::draw;
use crate::document::{Point as Mark, Points};

/// Width and height of the figure in pixels, and in points of the SVG.
pub const SIZE: (u32, u32) = (1400, 700);

/// What was measured of one tokenizer, or of a format at one quality.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// What it is called; those of one name are joined, such as the levels of one tokenizer.
    pub name: String,
    /// What stands beside it, if not its name.
    pub label: Option<String>,
    /// Rate.
    pub bits_per_pixel: f64,
    /// PSNR in dB.
    pub psnr: f64,
    /// Between what its mean over images lies in 95 of 100 samples.
    pub psnr_ends: Option<(f64, f64)>,
    /// How far apart it looks, by [`Pareto::seen_by`], where that was measured.
    pub seen: Option<f64>,
    /// As [`Point::psnr_ends`].
    pub seen_ends: Option<(f64, f64)>,
}

/// Tokenizers, and the curve of an ordinary format on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Pareto {
    /// The tokenizers.
    pub tokenizers: Vec<Point>,
    /// JPEG at several qualities.
    pub jpeg: Vec<Point>,
    /// What judges how far apart pictures look, "LPIPS-like" or "LPIPS by VGG16": one for all points.
    pub seen_by: String,
    /// What was measured, such as "24 images of kodak at 256x256".
    pub subject: String,
    /// What the JPEG of the curve is.
    pub about_jpeg: String,
}

impl Pareto {
    /// The figure as PNG.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = SIZE;
        let mut rgb = vec![0; (width * height * 3) as usize];
        {
            let root = BitMapBackend::with_buffer(&mut rgb, SIZE).into_drawing_area();
            self.draw(&root)?;
        }
        smalti_engine::images::png_bytes(&smalti_engine::images::Picture::new(width, height, rgb)?)
    }

    /// The figure as SVG.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            self.draw(&root)?;
        }
        Ok(text)
    }

    fn draw<B: DrawingBackend>(&self, root: &Area<B>) -> Result<()> {
        with_fonts();
        root.fill(&WHITE).map_err(cannot)?;
        let (head, body) = root.split_vertically(64);
        let title = ("sans-serif", 20, FontStyle::Bold).into_font().color(&INK);
        head.draw_text(&self.subject, &title, (24, 18)).map_err(cannot)?;
        if !self.jpeg.is_empty() {
            let small = ("sans-serif", 14).into_font().color(&FAINT);
            let text = format!("JPEG: {}", self.about_jpeg);
            head.draw_text(&text, &small, (24, 44)).map_err(cannot)?;
        }
        let perceived = self.tokenizers.iter().any(|point| point.seen.is_some());
        if perceived {
            let (left, right) = body.split_horizontally(SIZE.0 / 2);
            self.panel(&left, PSNR, |point| Some((point.psnr, point.psnr_ends)))?;
            let seen = |point: &Point| Some((point.seen?, point.seen_ends));
            self.panel(&right, &format!("{}, lower looks nearer", self.seen_by), seen)
        } else {
            self.panel(&body, PSNR, |point| Some((point.psnr, point.psnr_ends)))
        }
    }

    /// One number over the rate: `up` is what it is called.
    fn panel<B: DrawingBackend>(
        &self,
        area: &Area<B>,
        up: &str,
        of: impl Fn(&Point) -> Option<Told>,
    ) -> Result<()> {
        let mark = |point: &Point, is_reference: bool| {
            let (value, ends) = of(point)?;
            let label = if is_reference { None } else { point.label.clone() };
            Some(Mark {
                color: None,
                label: label.unwrap_or_else(|| point.name.clone()),
                group: point.name.clone(),
                at: (point.bits_per_pixel, value),
                ends,
                is_filled: true,
                is_reference,
            })
        };
        let own = self.tokenizers.iter().filter_map(|point| mark(point, false));
        let jpeg = self.jpeg.iter().filter_map(|point| mark(point, true));
        let points = Points {
            marks: own.chain(jpeg).collect(),
            frontier: Vec::new(),
            is_up_logarithmic: false,
        };
        draw((("bits per pixel (log2 K for each token)", up), true), &points, area, 1)
    }
}

const PSNR: &str = "PSNR in dB, higher is nearer";

/// A mean, and between what it lies.
type Told = (f64, Option<(f64, f64)>);

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, bits_per_pixel: f64, psnr: f64) -> Point {
        let seen = Some(1.0 / psnr);
        Point {
            name: name.to_owned(),
            label: None,
            bits_per_pixel,
            psnr,
            psnr_ends: Some((psnr - 1.0, psnr + 1.0)),
            seen,
            seen_ends: None,
        }
    }

    #[test]
    fn a_figure_names_every_tokenizer_and_is_the_same_each_time() {
        let pareto = Pareto {
            tokenizers: vec![
                point("vq", 0.16, 24.0),
                point("fsq", 0.16, 24.1),
                point("rvq", 0.5, 27.0),
            ],
            jpeg: vec![point("JPEG", 0.2, 22.0), point("JPEG", 1.0, 32.0)],
            seen_by: "LPIPS-like".to_owned(),
            subject: "24 images".to_owned(),
            about_jpeg: "baseline".to_owned(),
        };
        let svg = pareto.svg().unwrap();
        for text in
            ["vq", "fsq", "rvq", "JPEG", "24 images", "baseline", "bits per pixel", "LPIPS-like"]
        {
            assert!(svg.contains(text), "{text}");
        }
        let png = pareto.png().unwrap();
        assert_eq!(png, pareto.png().unwrap());
        assert!(png.len() > 10_000, "{} bytes: nothing was written on it", png.len());
        let nothing = Pareto { tokenizers: Vec::new(), jpeg: Vec::new(), ..pareto };
        nothing.png().unwrap();
    }
}
