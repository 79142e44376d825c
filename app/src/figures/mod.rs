//! Figures without a window: token maps, difference maps, usage heatmaps, charts, and the page of the tour.
//!
//! All of them are [`smalti_engine::images::Picture`]s in the colors of the window.

mod axes;
pub mod bits;
pub mod canvas;
pub mod chart;
pub mod difference;
pub mod pareto;
pub mod plotting;
pub mod points;
pub mod rate;
pub mod report;
pub mod sheet;
pub mod steps;
pub mod story;
pub mod tokens;
pub mod usage;
