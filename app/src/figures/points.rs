//! Points over a rate, as a figure: how far each reaches, the frontier, and labels where there is room.

use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use smalti_engine::Result;

use super::axes::{Area, axes};
use super::plotting::{FAINT, HUES, INK, cannot};
use crate::document::{Point, Points};

/// Draws them; `names` are those of the axes, across and up, and whether the one across is logarithmic.
pub(super) fn draw<B: DrawingBackend>(
    (names, is_logarithmic): ((&str, &str), bool),
    points: &Points,
    area: &Area<B>,
    times: u32,
) -> Result<()> {
    let across = || points.marks.iter().map(|point| point.at.0);
    let up = || {
        let ends = points.marks.iter().filter_map(|point| point.ends);
        let ends = ends.flat_map(|(low, high)| [low, high]);
        points.marks.iter().map(|point| point.at.1).chain(ends)
    };
    let (x, y) = (range(across(), is_logarithmic), range(up(), points.is_up_logarithmic));
    let steps = |(low, high): (f64, f64)| {
        (low..high).log_scale().with_key_points(steps_of_ten((low, high)))
    };
    match (is_logarithmic, points.is_up_logarithmic) {
        (true, true) => {
            draw_in(axes(names, (steps(x), steps(y)), area, times)?, points, area, times)
        }
        (true, false) => {
            draw_in(axes(names, (steps(x), y.0..y.1), area, times)?, points, area, times)
        }
        (false, true) => {
            draw_in(axes(names, (x.0..x.1, steps(y)), area, times)?, points, area, times)
        }
        (false, false) => {
            draw_in(axes(names, (x.0..x.1, y.0..y.1), area, times)?, points, area, times)
        }
    }
}

/// The numbers that are written along a logarithmic axis: 1, 2 and 5 of each ten.
fn steps_of_ten((low, high): (f64, f64)) -> Vec<f64> {
    let decades = (-12..=12).flat_map(|ten| [1.0, 2.0, 5.0].map(|x| x * 10.0_f64.powi(ten)));
    decades.filter(|step| (low..=high).contains(step)).collect()
}

fn range(values: impl Iterator<Item = f64>, is_logarithmic: bool) -> (f64, f64) {
    let usable = values.filter(|value| value.is_finite() && (!is_logarithmic || *value > 0.0));
    let (low, high) =
        usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return (0.1, 1.0);
    }
    if is_logarithmic {
        // So wide that one of the numbers along it is inside, however near the points are to each other.
        return (low / 1.4, high * 1.8);
    }
    let room = ((high - low) * 0.08).max(high.abs() * 1e-3).max(1e-6);
    (low - room, high + room)
}

fn draw_in<B: DrawingBackend, X, Y>(
    mut plot: ChartContext<'_, B, Cartesian2d<X, Y>>,
    points: &Points,
    area: &Area<B>,
    times: u32,
) -> Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for point in &points.frontier {
        if let Some(last) = stairs.last() {
            stairs.push((point.0, last.1));
        }
        stairs.push(*point);
    }
    // As in the window: no color of a family.
    plot.draw_series(LineSeries::new(stairs, INK.stroke_width(2 * times))).map_err(cannot)?;
    let mut groups: Vec<&str> = Vec::new();
    for point in &points.marks {
        if !groups.contains(&point.group.as_str()) {
            groups.push(&point.group);
        }
    }
    let size = 5 * times as i32;
    for (number, group) in groups.iter().enumerate() {
        let of: Vec<&Point> = points.marks.iter().filter(|point| point.group == *group).collect();
        let is_reference = of.first().is_some_and(|point| point.is_reference);
        let hue_of = |point: &Point| match point.color {
            _ if is_reference => FAINT,
            Some([r, g, b]) => RGBColor(r, g, b),
            None => HUES[number % HUES.len()],
        };
        let hue = of.first().map_or(FAINT, |point| hue_of(point));
        let line = of.iter().map(|point| point.at).filter(|_| !group.is_empty());
        if is_reference {
            let style = FAINT.stroke_width(2 * times);
            plot.draw_series(DashedLineSeries::new(line, 5 * times, 4 * times, style))
                .map_err(cannot)?;
        } else {
            plot.draw_series(LineSeries::new(line, hue.stroke_width(times))).map_err(cannot)?;
            let ends = of.iter().filter_map(|point| Some((point, point.ends?)));
            let ends = ends.map(|(point, (low, high))| {
                let (x, style) = (point.at.0, hue_of(point).stroke_width(times));
                PathElement::new(vec![(x, low), (x, high)], style)
            });
            plot.draw_series(ends).map_err(cannot)?;
            let marks = of.iter().map(|point| {
                let hue = hue_of(point);
                let style =
                    if point.is_filled { hue.filled() } else { hue.stroke_width(2 * times) };
                Circle::new(point.at, size, style)
            });
            plot.draw_series(marks).map_err(cannot)?;
        }
    }
    name_all(&plot, points, groups, (area, times))
}

/// Writes what points are called: after all lines, each on a ground of its own, so that none is struck through.
fn name_all<B: DrawingBackend, X, Y>(
    plot: &ChartContext<'_, B, Cartesian2d<X, Y>>,
    points: &Points,
    groups: Vec<&str>,
    (area, times): (&Area<B>, u32),
) -> Result<()>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let size = 5 * times as i32;
    let mut taken: Vec<Box4> = points
        .marks
        .iter()
        .filter(|point| !point.is_reference)
        .map(|point| plot.backend_coord(&point.at))
        .map(|(x, y)| [x - size - 2, y - size - 2, x + size + 2, y + size + 2])
        .collect();
    for group in groups {
        let of: Vec<&Point> = points.marks.iter().filter(|point| point.group == group).collect();
        let is_reference = of.first().is_some_and(|point| point.is_reference);
        let style =
            ("sans-serif", 13 * times).into_font().color(if is_reference { &FAINT } else { &INK });
        let named: Vec<(&Point, &str)> = if is_reference {
            of.last().map(|last| (*last, group)).into_iter().collect()
        } else {
            of.iter().map(|point| (*point, point.label.as_str())).collect()
        };
        for (point, label) in named {
            place(area, (label, &style), plot.backend_coord(&point.at), &mut taken)?;
        }
    }
    Ok(())
}

/// A rectangle: left, top, right, bottom.
type Box4 = [i32; 4];

/// Writes a label beside a mark where there is room: right, left, above, below; at the right if nowhere is.
fn place<B: DrawingBackend>(
    area: &Area<B>,
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
    let own = of(at);
    taken.push(own);
    let corners = [(own[0] - left - 1, own[1] - top), (own[2] - left + 1, own[3] - top)];
    area.draw(&Rectangle::new(corners, WHITE.mix(0.85).filled())).map_err(cannot)?;
    area.draw_text(text, style, (at.0 - left, at.1 - top)).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Chart, Shape};
    use crate::figures::chart::svg;

    #[test]
    fn a_number_stands_along_a_logarithmic_axis_however_near_points_are() {
        for rate in [0.011, 0.021, 0.051, 0.3, 1.99, 24.0, 499.0] {
            let axis = range([rate, rate * 1.001].into_iter(), true);
            assert!(!steps_of_ten(axis).is_empty(), "{rate}: {axis:?}");
        }
        assert_eq!(steps_of_ten((0.09, 1.1)), [0.1, 0.2, 0.5, 1.0]);
    }

    #[test]
    fn names_stand_over_all_lines_and_points_have_the_colors_that_are_asked_for() {
        let point = |label: &str, color: [u8; 3], at| Point {
            color: Some(color),
            label: label.to_owned(),
            group: label.to_owned(),
            at,
            ends: Some((20.0, 23.0)),
            is_filled: true,
            is_reference: false,
        };
        let marks = vec![
            point("first", [17, 34, 51], (0.1, 21.0)),
            point("second", [68, 85, 102], (0.11, 22.0)),
        ];
        let points = Points { marks, frontier: vec![(0.1, 21.0)], is_up_logarithmic: false };
        let [title, across, up] = ["Title", "bits", "PSNR"].map(str::to_owned);
        let shape = Shape::Points(points);
        let text = svg(&Chart { title, across, up, is_logarithmic: true, shape }).unwrap();
        assert!(text.contains("#112233") && text.contains("#445566"), "{text}");
        let last_line = text.rfind("<polyline").unwrap().max(text.rfind("<circle").unwrap());
        for name in ["first", "second"] {
            assert!(text.find(name).unwrap() > last_line, "{name} is struck through: {text}");
        }
    }

    #[test]
    fn points_are_named_and_a_reference_is_named_once() {
        let point = |label: &str, group: &str, at, is_reference| Point {
            color: None,
            label: label.to_owned(),
            group: group.to_owned(),
            at,
            ends: Some((20.0, 23.0)),
            is_filled: true,
            is_reference,
        };
        for (across, up) in [(true, true), (true, false), (false, true), (false, false)] {
            let points = Points {
                marks: vec![
                    point("fsq", "fsq", (0.1, 21.0), false),
                    point("JPEG 5", "JPEG", (0.3, 22.0), true),
                    point("JPEG 50", "JPEG", (0.9, 30.0), true),
                ],
                frontier: vec![(0.1, 21.0)],
                is_up_logarithmic: up,
            };
            let [title, across_words, up_words] = ["Title", "bits", "PSNR"].map(str::to_owned);
            let chart = Chart {
                title,
                across: across_words,
                up: up_words,
                is_logarithmic: across,
                shape: Shape::Points(points),
            };
            let text = svg(&chart).unwrap();
            assert!(text.contains("fsq") && text.contains("Title"), "{text}");
            assert_eq!(text.matches("JPEG").count(), 1);
        }
    }
}
