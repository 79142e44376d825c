//! The page of `smalti report`: one HTML file without anything from elsewhere, for a paper's appendix or a
//! colleague: a table, the figure of rate against quality, and what each tokenizer keeps best and worst.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smalti_engine::Result;
use smalti_engine::evaluation::{Column, Interval, Probed, Summary};
use smalti_engine::images::{Picture, png_bytes};

use super::difference::map_with_scale;
use crate::look::words::jpeg_in_words;

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// The tokenizer, with its levels.
    pub name: String,
    /// What was measured.
    pub summary: Summary,
    /// What an AR probe found, where that was wanted.
    pub probed: Option<Probed>,
}

/// An image at one end of what a tokenizer keeps.
#[derive(Debug, Clone)]
pub struct Picked {
    /// Whose.
    pub tokenizer: String,
    /// The image's name.
    pub image: String,
    /// At which end.
    pub is_best: bool,
    /// In dB.
    pub psnr: f64,
    /// As it was measured.
    pub original: Picture,
    /// What came back.
    pub reconstruction: Picture,
    /// Absolute errors, in shares of the full range, row by row.
    pub absolute: Arc<[f32]>,
}

/// What the page says.
#[derive(Debug, Clone)]
pub struct Report {
    /// The images.
    pub set: String,
    /// The side at which they were measured.
    pub side: u32,
    /// The table.
    pub rows: Vec<Row>,
    /// Rate against quality, as SVG.
    pub figure: String,
    /// Best and worst images.
    pub picked: Vec<Picked>,
    /// Why images were left out.
    pub skipped: Vec<String>,
    /// The command that writes it again.
    pub command: String,
    /// Of Smalti.
    pub version: String,
    /// Of the intervals.
    pub seed: u64,
    /// The published network by which LPIPS was measured, if it was.
    pub lpips: Option<&'static str>,
}

const STYLE: &str = "
:root { --ground: #faf8f4; --panel: #fff; --ink: #22252b; --dim: #5c6270; --line: #ddd7cc; --gold: #996a0c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f1218; --panel: #161a22; --ink: #e8e6e1; --dim: #9aa0ad; --line: #2a303c; --gold: #e3b25c; }
}
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 Inter, system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 8px; }
p { margin: 4px 0; max-width: 78ch; } .dim { color: var(--dim); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th { color: var(--dim); font-weight: 400; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td small { color: var(--dim); display: block; font-size: 11px; }
figure { margin: 12px 0; } figure svg { width: 100%; height: auto; background: #fff; border-radius: 6px; }
.trio { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; margin: 8px 0 20px; }
.trio img { width: 100%; border-radius: 3px; display: block; }
figcaption, .trio span { color: var(--dim); font-size: 12px; }
code { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; display: block;
  padding: 10px 12px; overflow-x: auto; white-space: pre; font-size: 12px; }
";

/// The page.
///
/// # Errors
/// If a picture cannot be encoded.
pub fn page(report: &Report) -> Result<String> {
    let images = report.rows.first().map_or(0, |row| row.summary.images);
    let mut body = format!(
        "<h1>Rate against quality</h1>\n<p class=\"dim\">{}: {images} images at a side of {} pixels.</p>\n",
        escaped(&report.set),
        report.side
    );
    body.push_str(&table(report));
    body.push_str("<h2>Figure</h2>\n<figure>");
    body.push_str(report.figure.trim_start_matches(|c| c != '<'));
    add(
        &mut body,
        format_args!(
            "<figcaption>Bits per pixel are those of fixed length, log2 K for each token. JPEG is on the same \
             images: {}; other encoders need fewer bits. Bars reach over 95 of 100 samples of so many \
             images.</figcaption></figure>\n",
            jpeg_in_words(report.side)
        ),
    );
    body.push_str(&codebooks(report));
    body.push_str(&probes(report));
    body.push_str(&pictures(report)?);
    body.push_str(&closing(report));
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"dark light\">\n<title>Rate against quality</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    ))
}

fn cell(interval: Option<Interval>, places: usize) -> String {
    let Some(Interval { mean, ends, .. }) = interval else { return "<td>–</td>".to_owned() };
    let ends = ends.map(|(low, high)| format!("<small>{low:.places$} – {high:.places$}</small>"));
    format!("<td>{mean:.places$}{}</td>", ends.unwrap_or_default())
}

fn table(report: &Report) -> String {
    let lpips = report.lpips.map_or(String::new(), |by| format!("<th>LPIPS by {by}</th>"));
    let mut text = format!(
        "<h2>Table</h2>\n<div class=\"scroll\"><table>\n<tr><th>tokenizer</th>\
        <th>bits per pixel</th><th>by entropy</th><th>PSNR, dB</th><th>SSIM</th><th>MS-SSIM</th>{lpips}\
        <th>LPIPS-like</th><th>proxy distance</th><th>images</th><th>encode</th><th>decode</th></tr>\n"
    );
    for Row { name, summary, .. } in &report.rows {
        let number = |value: Option<f64>, places: usize| {
            value.map_or("<td>–</td>".to_owned(), |value| format!("<td>{value:.places$}</td>"))
        };
        let rate = summary.get(Column::BitsPerPixel).map(|it| it.mean);
        let cells = [
            number(rate, 3),
            match summary.entropy_bits_per_pixel.filter(|_| summary.is_entropy_a_bound()) {
                Some(least) => format!("<td>≥ {least:.3}</td>"),
                None => number(summary.entropy_bits_per_pixel, 3),
            },
            cell(summary.get(Column::Psnr), 2),
            cell(summary.get(Column::Ssim), 3),
            cell(summary.get(Column::MsSsim), 3),
            match report.lpips {
                Some(_) => cell(summary.get(Column::Lpips), 4),
                None => String::new(),
            },
            cell(summary.get(Column::LpipsLike), 3),
            number(summary.proxy_fd, 2),
        ];
        let size = summary.size_words();
        let times = [summary.encode_seconds, summary.decode_seconds]
            .map(|all| format!("<td>{:.0} ms</td>", all * 1e3 / summary.images.max(1) as f64));
        add(
            &mut text,
            format_args!(
                "<tr><td>{}<small>{size}</small></td>{}<td>{}</td>{}</tr>\n",
                escaped(name),
                cells.concat(),
                summary.images,
                times.concat()
            ),
        );
    }
    text.push_str(
        "</table></div>\n<p class=\"dim\">LPIPS-like and the proxy distance are by a small network of Smalti's \
         own, which judges all tokenizers alike: they are not published LPIPS and not FID. The proxy distance \
         is biased upwards where images are few. Small numbers are intervals over images, by 200 Poisson \
         bootstraps. By entropy ≥ says that too few tokens were seen, fewer than eight a code, to say more.</p>\n",
    );
    text
}

fn codebooks(report: &Report) -> String {
    let mut text = "<h2>Codebooks</h2>\n<div class=\"scroll\"><table>\n<tr><th>tokenizer</th><th>codes</th>\
        <th>tokens seen</th><th>used</th><th>of so many tokens at most</th><th>perplexity</th></tr>\n"
        .to_owned();
    for Row { name, summary, .. } in &report.rows {
        let Some(books) = &summary.books else { continue };
        add(
            &mut text,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} ({:.1} %)</td><td>{:.0}</td><td>{:.1}</td></tr>\n",
                escaped(name),
                books.codes,
                books.samples,
                books.used,
                books.usage * 100.0,
                books.ceiling,
                books.perplexity
            ),
        );
    }
    text.push_str("</table></div>\n");
    text
}

/// What the tokens cost an AR probe, if any was made.
fn probes(report: &Report) -> String {
    let mut probed = report.rows.iter().filter_map(|row| Some((&row.name, row.probed.as_ref()?)));
    let Some((_, first)) = probed.clone().next() else { return String::new() };
    let mut text = "<h2>AR probe</h2>\n<div class=\"scroll\"><table>\n<tr><th>tokenizer</th>\
        <th>bits per image</th><th>bits per token</th><th>perplexity</th><th>tokens</th><th>codes</th>\
        <th>pixels a side</th></tr>\n"
        .to_owned();
    probed.by_ref().for_each(|(name, it)| {
        add(
            &mut text,
            format_args!(
                "<tr><td>{}</td><td>{:.1}</td><td>{:.3}</td><td>{:.1}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(name),
                it.bits_per_image,
                it.bits_per_token(),
                it.perplexity(),
                it.tokens,
                it.codes,
                it.side
            ),
        );
    });
    add(
        &mut text,
        format_args!(
            "</table></div>\n<p class=\"dim\">What the tokens of held-out painted worlds cost a small raster generator \
             that learned the tokens of others: 2 layers of width 128, {}, the same for every tokenizer, seed {}. \
             Fewer bits are learned more easily; they are no bound on what a larger generator reaches.</p>\n",
            first.budget.words(),
            first.budget.seed
        ),
    );
    text
}

fn pictures(report: &Report) -> Result<String> {
    let mut text = "<h2>Best and worst images</h2>\n".to_owned();
    for picked in &report.picked {
        let end = if picked.is_best { "among the best" } else { "among the worst" };
        add(
            &mut text,
            format_args!(
                "<p>{}: {} <span class=\"dim\">{end}, {:.2} dB</span></p>\n<div class=\"trio\">",
                escaped(&picked.tokenizer),
                escaped(&picked.image),
                picked.psnr
            ),
        );
        let map = map_with_scale(&picked.absolute, picked.original.width())?;
        let pictures = [
            (&picked.original, "original"),
            (&picked.reconstruction, "reconstruction"),
            (&map, "absolute difference"),
        ];
        for (picture, about) in pictures {
            let bytes = STANDARD.encode(png_bytes(picture)?);
            add(
                &mut text,
                format_args!(
                    "<div><img alt=\"{about}\" src=\"data:image/png;base64,{bytes}\"><span>{about}</span></div>"
                ),
            );
        }
        text.push_str("</div>\n");
    }
    Ok(text)
}

fn closing(report: &Report) -> String {
    let mut text = String::new();
    if !report.skipped.is_empty() {
        text.push_str("<h2>Left out</h2>\n<ul>\n");
        for why in &report.skipped {
            add(&mut text, format_args!("<li>{}</li>\n", escaped(why)));
        }
        text.push_str("</ul>\n");
    }
    add(
        &mut text,
        format_args!(
            "<h2>How it was made</h2>\n<code>{}</code>\n<p class=\"dim\">Smalti {}, seed of the intervals {}. The \
         numbers of each image lie in the folder <em>measured</em> beside this page, those of this table in \
         results.csv.</p>\n",
            escaped(&report.command),
            report.version,
            report.seed
        ),
    );
    text
}

/// Appends to a text, which cannot fail.
fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).unwrap_or_default();
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
