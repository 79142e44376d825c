//! Smalti: the window and the command line. Knows egui, never a tensor.
//!
//! Start reading at [`studio`] (one frame of the window), then [`document`] (what a person decided)
//! and [`views`] (what is drawn).

pub mod cli;
pub mod ctx;
pub mod document;
pub mod figures;
pub mod files;
pub mod gpu;
pub mod logging;
pub mod look;
pub mod runs;
pub mod settings;
pub mod shell;
pub mod studio;
pub mod views;
pub mod widgets;
