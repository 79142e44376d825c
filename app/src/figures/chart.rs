//! Figures that are drawn from numbers for a paper or a slide: curves over steps, bars, fields of use; as PNG and
//! SVG.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use smalti_engine::Result;
use smalti_engine::images::Picture;

use super::axes::{Area, axes};
use super::plotting::{HUES, INK, cannot, with_fonts};
use crate::document::{Chart, Series, Shape};
use crate::look::palette::viridis;

/// Width and height in pixels at 1×, and in points of the SVG.
pub const SIZE: (u32, u32) = (900, 560);
/// Bars and fields beyond this have no width of their own; so many are drawn, each the largest of its place.
const MOST: usize = 1600;
/// Lines of fields that are drawn.
const MOST_LINES: usize = 480;

/// The figure as pixels, `times` larger than it is as designed: letters and lines, too.
///
/// # Errors
/// If it cannot be drawn.
pub fn picture(chart: &Chart, times: u32) -> Result<Picture> {
    let (width, height) = (SIZE.0 * times, SIZE.1 * times);
    let mut rgb = vec![0; width as usize * height as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut rgb, (width, height)).into_drawing_area();
        draw(chart, &root, times)?;
    }
    Picture::new(width, height, rgb)
}

/// The figure as SVG.
///
/// # Errors
/// If it cannot be drawn.
pub fn svg(chart: &Chart) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(chart, &root, 1)?;
    }
    Ok(text)
}

fn draw<B: DrawingBackend>(chart: &Chart, root: &Area<B>, times: u32) -> Result<()> {
    with_fonts();
    root.fill(&WHITE).map_err(cannot)?;
    let (head, body) = root.split_vertically(44 * times);
    let title = ("sans-serif", 18 * times, FontStyle::Bold).into_font().color(&INK);
    let at = (20 * times as i32, 16 * times as i32);
    head.draw_text(&chart.title, &title, at).map_err(cannot)?;
    let names = (chart.across.as_str(), chart.up.as_str());
    match &chart.shape {
        Shape::Curves(curves) => draw_curves(chart, curves, &body, times),
        Shape::Points(points) => {
            super::points::draw((names, chart.is_logarithmic), points, &body, times)
        }
        Shape::Bars(counts) => {
            let bars: Vec<f64> = largest(counts.len(), MOST, |at| counts[at]);
            let highest = bars.iter().copied().fold(1e-9, f64::max);
            let width = counts.len() as f64 / bars.len().max(1) as f64;
            let ranges = (0.0..counts.len().max(1) as f64, 0.0..highest * 1.05);
            let mut plot = axes(names, ranges, &body, times)?;
            let bars = bars.iter().enumerate().map(|(at, value)| {
                let (left, right) = (at as f64 * width, (at + 1) as f64 * width);
                Rectangle::new([(left, 0.0), (right, *value)], HUES[0].filled())
            });
            plot.draw_series(bars).map(drop).map_err(cannot)
        }
        Shape::Heat { rows, columns, full } => {
            let lines = rows.len().min(MOST_LINES);
            let ranges = (0.0..(*columns).max(1) as f64, (rows.len().max(1) as f64)..0.0);
            let mut plot = axes(names, ranges, &body, times)?;
            let fields = columns.min(&MOST);
            // The last line may be short: there is nothing.
            let value =
                |line: usize, at: usize| rows[line].get(at).map_or(f64::NAN, |v| f64::from(*v));
            let all: Vec<Vec<f64>> = (0..lines)
                .map(|line| line * rows.len() / lines.max(1))
                .map(|line| largest(*columns, *fields, |at| value(line, at)))
                .collect();
            let highest = all.iter().flatten().copied().fold(0.0, f64::max);
            let has_color = |value: f64| value > 0.0 || (full.is_some() && value >= 0.0);
            let highest = full.map_or(highest, f64::from).max(f64::MIN_POSITIVE);
            let full = if chart.is_logarithmic { (1.0 + highest).ln() } else { highest };
            let (wide, high) = (
                *columns as f64 / (*fields).max(1) as f64,
                rows.len() as f64 / lines.max(1) as f64,
            );
            let fields = all.iter().enumerate().flat_map(|(line, values)| {
                values.iter().enumerate().filter(move |(_, value)| has_color(**value)).map(
                    move |(at, value)| {
                        let value = if chart.is_logarithmic { (1.0 + value).ln() } else { *value };
                        let [r, g, b] = viridis((value / full) as f32);
                        let (x, y) = (at as f64 * wide, line as f64 * high);
                        Rectangle::new([(x, y), (x + wide, y + high)], RGBColor(r, g, b).filled())
                    },
                )
            });
            plot.draw_series(fields).map(drop).map_err(cannot)
        }
    }
}

/// Of `count` values as many as `most`, each the largest of those in its place.
fn largest(count: usize, most: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let places = count.min(most);
    (0..places)
        .map(|place| (place * count / places)..((place + 1) * count / places))
        .map(|part| part.map(&value).fold(f64::NEG_INFINITY, f64::max))
        .collect()
}

type Plot<'a, B, Y> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, Y>>;
fn draw_curves<B: DrawingBackend>(
    chart: &Chart,
    curves: &[Series],
    area: &Area<B>,
    times: u32,
) -> Result<()> {
    let names = (chart.across.as_str(), chart.up.as_str());
    let usable = |value: f64| value.is_finite() && (!chart.is_logarithmic || value > 0.0);
    let all = || curves.iter().flat_map(|curve| &curve.points).filter(|(_, y)| usable(*y));
    let end = all().map(|(step, _)| *step).max().unwrap_or(1).max(1) as f64;
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, y)| {
        (low.min(*y), high.max(*y))
    });
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    if chart.is_logarithmic && low > 0.0 {
        let up = (low / 1.15..(high * 1.15).max(low * 1.3)).log_scale();
        let plot = axes(names, (0.0..end, up), area, times)?;
        return draw_lines(plot, curves, usable, times);
    }
    let room = ((high - low) * 0.06).max(high.abs() * 1e-3).max(1e-9);
    let plot = axes(names, (0.0..end, low - room..high + room), area, times)?;
    draw_lines(plot, curves, usable, times)
}

fn draw_lines<'a, B: DrawingBackend + 'a, Y>(
    mut plot: Plot<'a, B, Y>,
    curves: &[Series],
    usable: impl Fn(f64) -> bool,
    times: u32,
) -> Result<()>
where
    Y: plotters::coord::ranged1d::Ranged<ValueType = f64> + 'a,
{
    for (number, curve) in curves.iter().enumerate() {
        let hue = HUES[number % HUES.len()];
        // Where a run has no number the line is broken.
        for piece in curve.points.split(|(_, value)| !usable(*value)) {
            let points = piece.iter().map(|(step, value)| (*step as f64, *value));
            let style = hue.stroke_width(2 * times);
            plot.draw_series(LineSeries::new(points, style)).map_err(cannot)?;
        }
        let nothing = LineSeries::new(std::iter::empty(), hue.stroke_width(2 * times));
        let long = 18 * times as i32;
        plot.draw_series(nothing).map_err(cannot)?.label(&curve.name).legend(move |(x, y)| {
            PathElement::new(vec![(x, y), (x + long, y)], hue.stroke_width(2 * times))
        });
    }
    plot.configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .legend_area_size(26 * times)
        .margin(8 * times)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 14 * times).into_font().color(&INK))
        .draw()
        .map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(shape: Shape, is_logarithmic: bool) -> Chart {
        let [title, across, up] = ["Title", "steps", "PSNR in dB"].map(str::to_owned);
        Chart { title, across, up, is_logarithmic, shape }
    }

    #[test]
    fn figures_of_all_shapes_name_their_axes_and_grow_as_a_whole() {
        let curve = |name: &str, points: &[(u64, f64)]| Series {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let curves = vec![
            curve("A first", &[(0, 2.0), (10, f64::NAN), (20, 0.5)]),
            curve("B <second>", &[(5, 1.0)]),
        ];
        let rows = vec![vec![0.0, 1.0, 5.0].into(), vec![2.0, 0.0, 0.0].into()];
        for shape in [
            Shape::Curves(curves.clone()),
            Shape::Bars([9.0, 3.0, 1.0, 0.0].into()),
            Shape::Heat { rows, columns: 3, full: None },
        ] {
            for is_logarithmic in [false, true] {
                let chart = chart(shape.clone(), is_logarithmic);
                let text = svg(&chart).unwrap();
                for word in ["Title", "steps", "PSNR in dB"] {
                    assert!(text.contains(word), "{word}");
                }
                let sizes = [1, 2].map(|times| picture(&chart, times).unwrap());
                assert_eq!(sizes[1].width(), 2 * sizes[0].width());
            }
        }
        let text = svg(&chart(Shape::Curves(curves), false)).unwrap();
        assert!(text.contains("A first") && text.contains("B &lt;second&gt;"));
        svg(&chart(Shape::Curves(Vec::new()), true)).unwrap();
        svg(&chart(Shape::Bars([].into()), false)).unwrap();
    }

    #[test]
    fn a_field_that_has_a_scale_of_its_own_keeps_it_whatever_its_largest_value_is() {
        let rows = || vec![vec![0.0, 1.0].into(), vec![2.0].into()];
        let drawn =
            |full| svg(&chart(Shape::Heat { rows: rows(), columns: 2, full }, false)).unwrap();
        let has = |text: &str, share: f32| {
            let [r, g, b] = viridis(share);
            text.contains(&format!("#{r:02X}{g:02X}{b:02X}"))
        };
        let (own, fixed) = (drawn(None), drawn(Some(8.0)));
        assert!(has(&own, 1.0) && has(&own, 0.5) && !has(&own, 0.0), "0 is empty");
        assert!(has(&fixed, 0.25) && has(&fixed, 0.125) && has(&fixed, 0.0));
        assert!(!has(&fixed, 1.0), "nothing comes near to the last value");
    }

    #[test]
    fn of_bars_without_room_the_largest_of_each_place_is_drawn() {
        let values = [1.0, 7.0, 2.0, 3.0, 9.0, 0.0];
        assert_eq!(largest(6, 3, |at| values[at]), [7.0, 3.0, 9.0]);
        assert_eq!(largest(2, 3, |at| values[at]), [1.0, 7.0]);
    }
}
