//! wgpu pipelines for what is too large for egui, and rendering without a window.

pub mod offscreen;
