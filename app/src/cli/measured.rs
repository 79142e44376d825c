//! What `evaluate` says of a tokenizer.

use std::collections::BTreeMap;

use serde::Serialize;
use smalti_engine::evaluation::{
    COLUMNS, Column, Identity, LpipsIdentity, MeasureEvent, Part, Skipped, Summary,
};
use smalti_engine::measure::BookStatistics;

use super::books;
use super::probe::ProbeFigures;
use crate::look::words::counted;

/// What was measured of a tokenizer over images.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) model: String,
    /// Of a tokenizer with residual levels whose first few are measured alone: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) levels: Option<usize>,
    /// Of a format, the quality that it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<u8>,
    /// Images that were measured, and images of the set, if it has an end: if there are more, this
    /// is a sample.
    pub(super) images: u64,
    pub(super) of_images: Option<u64>,
    /// Width and height at which they were measured.
    pub(super) size: String,
    /// Images that were smaller than that.
    pub(super) enlarged: u64,
    /// None where every image came back as it was, which has no end.
    pub(super) psnr: Option<f64>,
    pub(super) ssim: Option<f64>,
    /// By the shipped judge, if it is there; not published LPIPS.
    pub(super) lpips_like: Option<f64>,
    /// The Frechet distance on the judge's features; not FID.
    pub(super) proxy_fd: Option<f64>,
    /// Share of the spectral energy of reconstructions above half of Nyquist's frequency, and that of the
    /// images.
    pub(super) fine_detail: Option<f64>,
    pub(super) fine_detail_of_images: f64,
    /// Of the codes of all books; perplexity is 2^entropy, of several books by their mean entropy.
    pub(super) usage: Option<f64>,
    pub(super) perplexity: Option<f64>,
    pub(super) bits_per_pixel: Option<f64>,
    pub(super) entropy_bits_per_pixel: Option<f64>,
    /// Whether that is no more than a lower bound, as too few tokens were seen.
    pub(super) entropy_is_a_bound: bool,
    pub(super) encode_seconds: f64,
    pub(super) decode_seconds: f64,
    /// Each book, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) books: Vec<BookStatistics>,
    pub(super) ms_ssim: Option<f64>,
    /// Between what the means lie in 95 of 100 samples of so many images.
    pub(super) intervals: BTreeMap<&'static str, (f64, f64)>,
    /// Images that could not be measured, the first of them with their numbers and why.
    pub(super) skipped: u64,
    pub(super) skipped_images: Vec<(u64, String)>,
    /// The seed of the intervals, and the version that measured.
    pub(super) seed: u64,
    pub(super) version: String,
    /// By the person's own weights, and which these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lpips: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lpips_by: Option<LpipsIdentity>,
    /// What an AR probe found, of the whole tokenizer and where it was wanted.
    #[serde(flatten)]
    pub(super) probe: Option<ProbeFigures>,
}

impl Line {
    /// What a run told of a tokenizer.
    pub(super) fn of(
        model: &str,
        summary: &Summary,
        of_images: Option<u64>,
        event: &MeasureEvent,
    ) -> Self {
        let identity = event.identity.as_deref();
        let seed = identity.map_or(0, |identity| identity.seed);
        let lpips_by = identity.and_then(|identity| identity.lpips.clone());
        Self { lpips_by, ..Self::new(model, summary, of_images, (&event.skipped, seed)) }
    }

    /// What was kept of one.
    pub(super) fn of_part(part: &Part, summary: &Summary) -> Self {
        let identity = part.identity();
        let of_images = identity.set.seed.is_none().then_some(identity.set.total);
        let with = (part.skipped(), identity.seed);
        let lpips_by = identity.lpips.clone();
        Self { lpips_by, ..Self::new(&identity.subject, summary, of_images, with) }
    }

    /// JPEG at one quality.
    pub(super) fn jpeg(
        (summary, lpips_by): (&Summary, Option<LpipsIdentity>),
        of_images: Option<u64>,
        with: (&Skipped, u64),
    ) -> Self {
        Self { lpips_by, ..Self::new("JPEG", summary, of_images, with) }
    }

    fn new(
        model: &str,
        summary: &Summary,
        of_images: Option<u64>,
        (skipped, seed): (&Skipped, u64),
    ) -> Self {
        let mean = |column| summary.get(column).map(|interval| interval.mean);
        let ends = COLUMNS
            .into_iter()
            .filter_map(|column| Some((column.name(), summary.get(column)?.ends?)));
        let books = summary.books.as_ref();
        Self {
            model: model.to_owned(),
            levels: summary.rate.levels,
            quality: summary.rate.quality,
            images: summary.images,
            of_images,
            size: summary.size_words(),
            enlarged: summary.enlarged,
            psnr: mean(Column::Psnr),
            ssim: mean(Column::Ssim),
            lpips_like: mean(Column::LpipsLike),
            proxy_fd: summary.proxy_fd,
            fine_detail: mean(Column::FineDetail),
            fine_detail_of_images: summary.fine_detail_of_images,
            usage: books.map(|books| books.usage),
            perplexity: books.map(|books| books.perplexity),
            bits_per_pixel: mean(Column::BitsPerPixel),
            entropy_bits_per_pixel: summary.entropy_bits_per_pixel,
            entropy_is_a_bound: summary.is_entropy_a_bound(),
            encode_seconds: summary.encode_seconds,
            decode_seconds: summary.decode_seconds,
            books: books.map(|books| books.several().to_vec()).unwrap_or_default(),
            ms_ssim: mean(Column::MsSsim),
            intervals: ends.collect(),
            skipped: skipped.count,
            skipped_images: skipped.named.clone(),
            seed,
            version: Identity::VERSION.to_owned(),
            lpips: mean(Column::Lpips),
            lpips_by: None,
            probe: None,
        }
    }

    /// Heads of the columns of a table of lines.
    pub(super) fn head() -> String {
        format!("{},{}", Self::HEAD, ProbeFigures::HEAD)
    }

    /// Those that are of the images.
    const HEAD: &str = "name,levels,quality,images,of_images,size,bits_per_pixel,\
        entropy_bits_per_pixel,psnr,psnr_low,psnr_high,ssim,ssim_low,ssim_high,ms_ssim,ms_ssim_low,\
        ms_ssim_high,lpips_like,lpips_like_low,lpips_like_high,proxy_fd,fine_detail,usage,perplexity,\
        encode_seconds,decode_seconds,skipped,seed,version,entropy_is_a_bound";

    /// Those that follow where LPIPS was measured.
    pub(super) const LPIPS_HEAD: &str = ",lpips,lpips_low,lpips_high,lpips_by";

    /// A row of that table.
    pub(super) fn row(&self, has_lpips: bool) -> String {
        let number = |value: Option<f64>| value.map(|x| format!("{x:.6}")).unwrap_or_default();
        let with_ends = |value: Option<f64>, name: &str| {
            let ends = self.intervals.get(name);
            let (low, high) = (ends.map(|ends| ends.0), ends.map(|ends| ends.1));
            [number(value), number(low), number(high)]
        };
        let text = |value: Option<u64>| value.map(|it| it.to_string()).unwrap_or_default();
        let mut cells = vec![
            quoted(&self.model),
            text(self.levels.map(|it| it as u64)),
            text(self.quality.map(u64::from)),
            self.images.to_string(),
            text(self.of_images),
            self.size.clone(),
            number(self.bits_per_pixel),
            number(self.entropy_bits_per_pixel),
        ];
        cells.extend(with_ends(self.psnr, "psnr"));
        cells.extend(with_ends(self.ssim, "ssim"));
        cells.extend(with_ends(self.ms_ssim, "ms_ssim"));
        cells.extend(with_ends(self.lpips_like, "lpips_like"));
        cells.extend([self.proxy_fd, self.fine_detail, self.usage, self.perplexity].map(number));
        cells.extend([self.encode_seconds, self.decode_seconds].map(|x| number(Some(x))));
        cells.extend([self.skipped.to_string(), self.seed.to_string(), self.version.clone()]);
        cells.push(if self.entropy_is_a_bound { "yes" } else { "" }.to_owned());
        cells.extend(ProbeFigures::cells(self.probe.as_ref()));
        if has_lpips {
            cells.extend(with_ends(self.lpips, "lpips"));
            cells.push(self.lpips_by.as_ref().map(ToString::to_string).unwrap_or_default());
        }
        cells.join(",")
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

/// A line for people.
pub(super) fn text_of(line: &Line) -> String {
    if line.images == 0 {
        let left = match line.skipped {
            0 => String::new(),
            skipped => format!(", {} left out", counted(skipped as usize, "image")),
        };
        return format!("{}: no images{left}", named(line));
    }
    let images = match line.of_images {
        Some(all) if line.images < all => format!("{} of {all} images", line.images),
        _ => counted(line.images as usize, "image"),
    };
    let mut parts = vec![format!(
        "PSNR {} dB{}",
        line.psnr.map_or("inf".to_owned(), |it| format!("{it:.2}")),
        line.intervals
            .get("psnr")
            .map(|(low, high)| format!(" ({low:.2} to {high:.2})"))
            .unwrap_or_default()
    )];
    parts.extend(line.ssim.map(|it| format!("SSIM {it:.4}")));
    parts.extend(line.ms_ssim.map(|it| format!("MS-SSIM {it:.4}")));
    parts.extend(line.lpips_like.map(|it| format!("LPIPS-like {it:.3} (lower looks nearer)")));
    if let (Some(lpips), Some(by)) = (line.lpips, &line.lpips_by) {
        parts.push(format!("LPIPS {lpips:.4} by {} (lower looks nearer)", by.network.name()));
    }
    parts.extend(line.proxy_fd.map(|it| format!("proxy distance {it:.2} (not FID)")));
    parts.extend(line.usage.map(|it| format!("{:.1} % of codes used", it * 100.0)));
    parts.extend(
        line.perplexity.map(|it| format!("perplexity {it:.1}{}", books::words(&line.books))),
    );
    let entropy = line.entropy_bits_per_pixel.map(|it| {
        if line.entropy_is_a_bound {
            format!(" (at least {it:.3} by entropy: too few tokens to say more)")
        } else {
            format!(" ({it:.3} by entropy)")
        }
    });
    let rate = line.bits_per_pixel.unwrap_or(0.0);
    parts.push(format!("{rate:.3} bits per pixel{}", entropy.unwrap_or_default()));
    parts.extend(line.probe.as_ref().map(ProbeFigures::words));
    parts.push(format!("encode {:.2} s, decode {:.2} s", line.encode_seconds, line.decode_seconds));
    format!("{}: {images} at {}, {}", named(line), line.size, parts.join(", "))
}

/// The tokenizer, with its levels; the format, with its quality.
fn named(line: &Line) -> String {
    let levels = line.levels.map(|levels| format!(", {}", counted(levels, "level")));
    let quality = line.quality.map(|quality| format!(" {quality}"));
    format!("{}{}{}", line.model, levels.unwrap_or_default(), quality.unwrap_or_default())
}
