//! `smalti evaluate --pareto`: rate against quality as a table and a figure.

use std::fmt::Write as _;
use std::path::Path;

use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::measure;
use smalti_engine::questions::{AsJpeg, ImageRef, LpipsLike, PastedPicture, WorkingImage};

use super::console::Console;
use super::engine::Engine;
use super::measured::{Line, MeanPsnr};
use super::outputs::Outputs;
use super::stop::Stop;
use crate::figures::pareto::{Pareto, Point};
use crate::look::words::counted;

/// Qualities at which the same images are written as JPEG.
const QUALITIES: [u8; 5] = [5, 15, 35, 65, 90];

/// What goes into the figure.
pub(super) struct Figure {
    outputs: Outputs,
    side: u32,
    lines: Vec<Line>,
    jpeg: Vec<Sum>,
}

/// JPEG at one quality, added up over images.
#[derive(Debug, Clone, Copy)]
struct Sum {
    quality: u8,
    images: f64,
    bits_per_pixel: f64,
    psnr: MeanPsnr,
    ssim: f64,
    lpips_like: Option<f64>,
}

impl Figure {
    /// Files that will go into a folder; images are measured at that side.
    pub(super) fn new(folder: &Path, side: u32) -> Result<Self, Stop> {
        let sum = |quality| Sum {
            quality,
            images: 0.0,
            bits_per_pixel: 0.0,
            psnr: MeanPsnr::default(),
            ssim: 0.0,
            lpips_like: Some(0.0),
        };
        let (outputs, jpeg) = (Outputs::into_folder(folder)?, QUALITIES.map(sum).to_vec());
        Ok(Self { outputs, side, lines: Vec::new(), jpeg })
    }

    /// A tokenizer that was measured.
    pub(super) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Writes an image at every quality. One that cannot be read was told of before.
    pub(super) fn measure_jpeg(
        &mut self,
        image: ImageRef,
        (engine, console): (&Engine, &Console<'_, '_>),
    ) -> Result<(), Stop> {
        let size = WorkingSize::square(self.side, 1);
        let Ok(given) = engine.answer(&WorkingImage { image, size }, console) else {
            return console.check();
        };
        let given = PastedPicture::new(Picture::clone(&given));
        let pixels = f64::from(given.picture.width()) * f64::from(given.picture.height());
        for sum in &mut self.jpeg {
            let question = AsJpeg { picture: given.clone(), quality: sum.quality };
            let back = engine.answer(&question, console)?;
            sum.images += 1.0;
            sum.bits_per_pixel += back.bytes as f64 * 8.0 / pixels;
            sum.psnr.add(measure::psnr(&given.picture, &back.picture)?);
            sum.ssim += measure::ssim(&given.picture, &back.picture)?;
            let other = PastedPicture::new(back.picture.clone());
            let perceived =
                engine.answer(&LpipsLike { original: given.clone(), other }, console)?;
            sum.lpips_like = sum.lpips_like.zip(*perceived).map(|(sum, far)| sum + far);
        }
        Ok(())
    }

    /// Writes table and figure.
    pub(super) fn write(mut self, set: &str, console: &mut Console<'_, '_>) -> Result<(), Stop> {
        for sum in &mut self.jpeg {
            let n = sum.images.max(1.0);
            sum.bits_per_pixel /= n;
            sum.ssim /= n;
            sum.lpips_like = sum.lpips_like.map(|sum| sum / n);
        }
        let pareto = self.pareto(set);
        let csv = self.csv();
        let png = pareto.png()?;
        let files = [
            ("pareto.csv", csv.into_bytes()),
            ("pareto.png", png),
            ("pareto.svg", pareto.svg()?.into_bytes()),
        ];
        for (name, bytes) in files {
            let path = self.outputs.add(name, &bytes)?;
            console.remark(&path.display().to_string());
        }
        self.outputs.commit()
    }

    fn pareto(&self, set: &str) -> Pareto {
        let tokenizers = self.lines.iter().map(|line| Point {
            name: line.model.clone(),
            label: line.levels.map(|levels| levels.to_string()),
            bits_per_pixel: line.bits_per_pixel,
            psnr: line.psnr,
            lpips_like: line.lpips_like,
        });
        let jpeg = self.jpeg.iter().filter(|sum| sum.images > 0.0).map(|sum| Point {
            name: "JPEG".to_owned(),
            label: Some(format!("JPEG {}", sum.quality)),
            bits_per_pixel: sum.bits_per_pixel,
            psnr: sum.psnr.mean(),
            lpips_like: sum.lpips_like,
        });
        let (images, size) =
            self.lines.first().map_or((0, ""), |line| (line.images, line.size.as_str()));
        let images = counted(images as usize, "image");
        Pareto {
            tokenizers: tokenizers.collect(),
            jpeg: jpeg.collect(),
            subject: if size == format!("{0}x{0}", self.side) {
                format!("{set}: means over {images} at {size}")
            } else {
                // Of some side that does not divide by a factor.
                let side = self.side;
                format!("{set}: means over {images} at {size}, JPEG at {side}x{side}")
            },
        }
    }

    fn csv(&self) -> String {
        let mut text =
            "name,levels,images,size,bits_per_pixel,entropy_bits_per_pixel,psnr,ssim,lpips_like,\
                        fine_detail,usage,perplexity\n"
                .to_owned();
        let number = |value: Option<f64>| value.map(|x| format!("{x:.6}")).unwrap_or_default();
        for line in &self.lines {
            let cells = [
                quoted(&line.model),
                line.levels.map(|levels| levels.to_string()).unwrap_or_default(),
                line.images.to_string(),
                line.size.clone(),
                number(Some(line.bits_per_pixel)),
                number(Some(line.entropy_bits_per_pixel.max(0.0))),
                number(Some(line.psnr)),
                number(Some(line.ssim)),
                number(line.lpips_like),
                number(Some(line.fine_detail)),
                number(Some(line.usage)),
                number(Some(line.perplexity)),
            ];
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        for sum in &self.jpeg {
            let written = writeln!(
                text,
                "JPEG {},,{},,{:.6},,{:.6},{:.6},{},,,",
                sum.quality,
                sum.images,
                sum.bits_per_pixel,
                sum.psnr.mean(),
                sum.ssim,
                number(sum.lpips_like)
            );
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
        text
    }
}

/// A cell that may hold commas, as a path can.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
