//! The axes that figures of numbers are drawn between.

use plotters::coord::Shift;
use plotters::coord::ranged1d::AsRangedCoord;
use plotters::prelude::*;
use smalti_engine::Result;

use super::plotting::{FAINT, GRID, INK, cannot};
use crate::look::words::short;

/// Where a figure is drawn.
pub(super) type Area<B> = DrawingArea<B, Shift>;

/// Axes of any kind.
type Axes<'a, B, X, Y> = ChartContext<'a, B, Cartesian2d<X, Y>>;

/// Axes with their names: across, and up.
pub(super) fn axes<'a, B: DrawingBackend, X, Y>(
    names: (&str, &str),
    (across, up): (X, Y),
    area: &'a Area<B>,
    times: u32,
) -> Result<Axes<'a, B, X::CoordDescType, Y::CoordDescType>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let small = ("sans-serif", 14 * times).into_font();
    let mut plot = ChartBuilder::on(area)
        .margin(16 * times)
        .x_label_area_size(44 * times)
        .y_label_area_size(64 * times)
        .build_cartesian_2d(across, up)
        .map_err(cannot)?;
    plot.configure_mesh()
        .disable_x_mesh()
        .axis_style(FAINT)
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .label_style(small.color(&INK))
        .x_desc(names.0)
        .y_desc(names.1)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| short(*y))
        .draw()
        .map_err(cannot)?;
    Ok(plot)
}
