//! Rate against quality: a figure for a paper or a slide, as PNG and SVG.

use plotters::coord::Shift;
use plotters::prelude::*;
use smalti_engine::Result;

use super::plotting::{FAINT, GRID, HUES, INK, cannot, with_fonts};

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
    /// LPIPS-like distance, where it was measured.
    pub lpips_like: Option<f64>,
    /// As [`Point::psnr_ends`].
    pub lpips_like_ends: Option<(f64, f64)>,
}

/// Tokenizers, and the curve of an ordinary format on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Pareto {
    /// The tokenizers.
    pub tokenizers: Vec<Point>,
    /// JPEG at several qualities.
    pub jpeg: Vec<Point>,
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

    fn draw<B: DrawingBackend>(&self, root: &DrawingArea<B, Shift>) -> Result<()> {
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
        let perceived = self.tokenizers.iter().any(|point| point.lpips_like.is_some());
        if perceived {
            let (left, right) = body.split_horizontally(SIZE.0 / 2);
            self.panel(&left, PSNR, |point| Some((point.psnr, point.psnr_ends)))?;
            let lpips_like = |point: &Point| Some((point.lpips_like?, point.lpips_like_ends));
            self.panel(&right, "LPIPS-like, lower looks nearer", lpips_like)
        } else {
            self.panel(&body, PSNR, |point| Some((point.psnr, point.psnr_ends)))
        }
    }

    fn panel<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        title: &str,
        of: impl Fn(&Point) -> Option<Told>,
    ) -> Result<()> {
        let values = |points: &[Point]| -> Vec<(f64, f64)> {
            points.iter().filter_map(|p| Some((p.bits_per_pixel, of(p)?.0))).collect()
        };
        let (own, jpeg) = (values(&self.tokenizers), values(&self.jpeg));
        // How far points reach has room, too.
        let reach = self.tokenizers.iter().filter_map(|p| Some((p.bits_per_pixel, of(p)?.1?)));
        let reach = reach.flat_map(|(x, (low, high))| [(x, low), (x, high)]);
        let all: Vec<(f64, f64)> = own.iter().copied().chain(reach).collect();
        let Some([across, up]) = ranges(&all, &jpeg) else { return Ok(()) };
        let small = ("sans-serif", 15).into_font();
        let mut chart = ChartBuilder::on(area)
            .margin(20)
            .x_label_area_size(48)
            .y_label_area_size(56)
            .build_cartesian_2d(
                (across.0..across.1).log_scale().with_key_points(rates(across)),
                up.0..up.1,
            )
            .map_err(cannot)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(FAINT)
            .bold_line_style(GRID)
            .light_line_style(WHITE)
            .label_style(small.clone().color(&INK))
            .x_desc("bits per pixel (log2 K for each token)")
            .y_desc(title)
            .x_label_formatter(&|x| short(*x))
            .draw()
            .map_err(cannot)?;
        chart
            .draw_series(DashedLineSeries::new(jpeg.clone(), 5, 4, FAINT.stroke_width(2)))
            .map_err(cannot)?;
        let mut taken = Vec::new();
        if let Some(last) = jpeg.last() {
            let at = chart.backend_coord(last);
            let style = small.clone().color(&FAINT);
            place(area, ("JPEG", &style), at, &mut taken)?;
        }
        let mut names: Vec<&str> = Vec::new();
        for point in &self.tokenizers {
            if !names.contains(&point.name.as_str()) {
                names.push(&point.name);
            }
        }
        // All marks first: no label lies on one.
        for point in own.iter().map(|point| chart.backend_coord(point)) {
            taken.push([point.0 - 8, point.1 - 8, point.0 + 8, point.1 + 8]);
        }
        for (number, name) in names.into_iter().enumerate() {
            let hue = HUES[number % HUES.len()];
            let of_name: Vec<(&Point, (f64, f64))> = self
                .tokenizers
                .iter()
                .filter(|point| point.name == name)
                .filter_map(|point| Some((point, (point.bits_per_pixel, of(point)?.0))))
                .collect();
            let ends = of_name.iter().filter_map(|(point, at)| Some((at.0, of(point)?.1?)));
            let ends = ends.map(|(x, (low, high))| {
                PathElement::new(vec![(x, low), (x, high)], hue.stroke_width(1))
            });
            chart.draw_series(ends).map_err(cannot)?;
            let line = LineSeries::new(of_name.iter().map(|(_, at)| *at), hue.stroke_width(2));
            chart.draw_series(line).map_err(cannot)?;
            let marks = of_name.iter().map(|(_, at)| Circle::new(*at, 6, hue.filled()));
            chart.draw_series(marks).map_err(cannot)?;
            let style = small.clone().color(&INK);
            for (point, at) in &of_name {
                let label = point.label.as_deref().unwrap_or(name);
                place(area, (label, &style), chart.backend_coord(at), &mut taken)?;
            }
        }
        Ok(())
    }
}

const PSNR: &str = "PSNR in dB, higher is nearer";

/// A mean, and between what it lies.
type Told = (f64, Option<(f64, f64)>);

/// A rectangle: left, top, right, bottom.
pub(super) type Box4 = [i32; 4];

/// Writes a label beside a mark where there is room: right, left, above, below; at the right if nowhere is.
pub(super) fn place<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    (text, style): (&str, &TextStyle<'_>),
    (x, y): (i32, i32),
    taken: &mut Vec<Box4>,
) -> Result<()> {
    let (width, height) = area.estimate_text_size(text, style).map_err(cannot)?;
    let (width, height) = (width as i32, height as i32);
    let (across, down) = area.get_pixel_range();
    let (left, right, top, bottom) = (across.start, across.end, down.start, down.end);
    let tries = [
        (x + 11, y - height / 2),
        (x - 11 - width, y - height / 2),
        (x - width / 2, y - 12 - height),
        (x - width / 2, y + 12),
        (x + 9, y - 9 - height),
        (x + 9, y + 9),
        (x - 9 - width, y - 9 - height),
        (x - 9 - width, y + 9),
    ];
    let of = |(x, y): (i32, i32)| [x, y, x + width, y + height];
    let is_free = |at: &&(i32, i32)| {
        let own = of(**at);
        let inside = own[0] >= left && own[2] <= right && own[1] >= top && own[3] <= bottom;
        let apart = |other: &Box4| {
            own[0] > other[2] || other[0] > own[2] || own[1] > other[3] || other[1] > own[3]
        };
        inside && taken.iter().all(apart)
    };
    let at = *tries.iter().find(is_free).unwrap_or(&tries[0]);
    taken.push(of(at));
    area.draw_text(text, style, (at.0 - left, at.1 - top)).map_err(cannot)
}

/// What the axes cover: rates by a factor beyond the points, the other way by a tenth. `None` without points.
fn ranges(own: &[(f64, f64)], jpeg: &[(f64, f64)]) -> Option<[(f64, f64); 2]> {
    let all = || own.iter().chain(jpeg).filter(|(x, y)| *x > 0.0 && x.is_finite() && y.is_finite());
    let span = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let (low, high) = all()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        (low <= high).then_some((low, high))
    };
    let (x, y) = (span(&|point| point.0)?, span(&|point| point.1)?);
    let room = ((y.1 - y.0) * 0.1).max(0.01);
    Some([(x.0 / 1.4, x.1 * 1.8), (y.0 - room, y.1 + room)])
}

/// The rates that are written along a logarithmic axis: 1, 2 and 5 of each ten.
fn rates((low, high): (f64, f64)) -> Vec<f64> {
    let decades = (-6..=3).flat_map(|ten| [1.0, 2.0, 5.0].map(|x| x * 10.0_f64.powi(ten)));
    decades.filter(|rate| (low..=high).contains(rate)).collect()
}

fn short(x: f64) -> String {
    if x >= 1.0 { format!("{x:.0}") } else { format!("{x:.3}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, bits_per_pixel: f64, psnr: f64) -> Point {
        let lpips_like = Some(1.0 / psnr);
        Point {
            name: name.to_owned(),
            label: None,
            bits_per_pixel,
            psnr,
            psnr_ends: Some((psnr - 1.0, psnr + 1.0)),
            lpips_like,
            lpips_like_ends: None,
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
