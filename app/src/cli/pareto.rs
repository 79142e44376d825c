//! `smalti evaluate --pareto`: rate against quality as a table and a figure.

use std::path::Path;

use smalti_engine::evaluation::{Column, LpipsIdentity, Skipped, Summary};

use super::console::Console;
use super::measured::Line;
use super::outputs::Outputs;
use super::stop::Stop;
use crate::figures::pareto::{Pareto, Point};
use crate::look::words::{counted, jpeg_in_words};

/// What goes into the figure.
pub(super) struct Figure {
    outputs: Outputs,
    drawn: Drawn,
}

/// Tokenizers and JPEG, as a figure and a table.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub(super) side: u32,
    pub(super) lines: Vec<Line>,
    pub(super) jpeg: Vec<Summary>,
    /// Which LPIPS of it was measured.
    pub(super) jpeg_lpips: Option<LpipsIdentity>,
    /// Images that could not be written as JPEG, or not be read.
    pub(super) jpeg_skipped: Skipped,
}

impl Figure {
    /// Files that will go into a folder; images are measured at that side.
    pub(super) fn new(folder: &Path, side: u32) -> Result<Self, Stop> {
        let drawn = Drawn { side, ..Drawn::default() };
        Ok(Self { outputs: Outputs::into_folder(folder)?, drawn })
    }

    /// A tokenizer that was measured.
    pub(super) fn add(&mut self, line: Line) {
        self.drawn.lines.push(line);
    }

    /// JPEG at several qualities.
    pub(super) fn set_jpeg(
        &mut self,
        (jpeg, lpips): (Vec<Summary>, Option<LpipsIdentity>),
        skipped: Skipped,
    ) {
        (self.drawn.jpeg, self.drawn.jpeg_lpips) = (jpeg, lpips);
        self.drawn.jpeg_skipped = skipped;
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.drawn.lines.is_empty()
    }

    /// Writes table and figure.
    pub(super) fn write(mut self, set: &str, console: &mut Console<'_, '_>) -> Result<(), Stop> {
        let pareto = self.drawn.pareto(set);
        let files = [
            ("pareto.csv", self.drawn.csv().into_bytes()),
            ("pareto.png", pareto.png()?),
            ("pareto.svg", pareto.svg()?.into_bytes()),
        ];
        for (name, bytes) in files {
            let path = self.outputs.add(name, &bytes)?;
            console.remark(&format!("wrote {}", path.display()));
        }
        self.outputs.commit()
    }
}

impl Drawn {
    /// The figure.
    pub(super) fn pareto(&self, set: &str) -> Pareto {
        let lpips = self.lpips();
        let (eye, seen_by) = match lpips {
            Some(by) => (Column::Lpips, format!("LPIPS by {}", by.network.name())),
            None => (Column::LpipsLike, "LPIPS-like".to_owned()),
        };
        let tokenizers = self.lines.iter().filter_map(|line| {
            Some(Point {
                name: line.model.clone(),
                label: line.levels.map(|levels| levels.to_string()),
                bits_per_pixel: line.bits_per_pixel?,
                psnr: line.psnr?,
                psnr_ends: line.intervals.get("psnr").copied(),
                seen: if lpips.is_some() { line.lpips } else { line.lpips_like },
                seen_ends: line.intervals.get(eye.name()).copied(),
            })
        });
        let jpeg_points = self.jpeg.iter().filter_map(|summary| {
            let mean = |column| summary.get(column).map(|interval| interval.mean);
            Some(Point {
                name: "JPEG".to_owned(),
                label: summary.rate.quality.map(|quality| format!("JPEG {quality}")),
                bits_per_pixel: mean(Column::BitsPerPixel)?,
                psnr: mean(Column::Psnr)?,
                psnr_ends: None,
                seen: mean(eye).filter(|_| self.jpeg_lpips.as_ref() == lpips || lpips.is_none()),
                seen_ends: None,
            })
        });
        let images = self.lines.first().map_or(0, |line| line.images as usize);
        let mut sizes: Vec<&str> = Vec::new();
        for line in self.lines.iter().filter(|line| line.images > 0) {
            if !sizes.contains(&line.size.as_str()) {
                sizes.push(&line.size);
            }
        }
        let (own, side) = (format!("{0}x{0}", self.side), self.side);
        // Of some side that does not divide by a factor, or of a tokenizer of one size.
        let jpeg = if sizes == [own.as_str()] { String::new() } else { format!(", JPEG at {own}") };
        let (images, size) = (counted(images, "image"), sizes.join(" and "));
        Pareto {
            tokenizers: tokenizers.collect(),
            jpeg: jpeg_points.collect(),
            seen_by,
            subject: format!("{set}: means over {images} at {size}{jpeg}"),
            about_jpeg: jpeg_in_words(side),
        }
    }

    /// The LPIPS that all tokenizers were measured by; none where they were not, or not all by the same weights.
    fn lpips(&self) -> Option<&LpipsIdentity> {
        let first = self.lines.first()?.lpips_by.as_ref();
        first.filter(|by| self.lines.iter().all(|line| line.lpips_by.as_ref() == Some(*by)))
    }

    /// The table.
    pub(super) fn csv(&self) -> String {
        let of_images = self.lines.first().and_then(|line| line.of_images);
        let seed = self.lines.first().map_or(0, |line| line.seed);
        let with = (&self.jpeg_skipped, seed);
        let jpeg = self.jpeg.iter();
        let jpeg = jpeg.map(|it| Line::jpeg((it, self.jpeg_lpips.clone()), of_images, with));
        let lines: Vec<Line> = self.lines.iter().cloned().chain(jpeg).collect();
        let has_lpips = lines.iter().any(|line| line.lpips_by.is_some());
        let rows: Vec<String> = lines.iter().map(|line| line.row(has_lpips)).collect();
        let more = if has_lpips { Line::LPIPS_HEAD } else { "" };
        format!("{}{more}\n{}\n", Line::head(), rows.join("\n"))
    }
}
