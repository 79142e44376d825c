//! wgpu pipelines for what is too large for egui.

pub mod heatmap;
mod heatmap_textures;

/// Builds the pipelines; called once, when there is a renderer.
pub fn install(render_state: &eframe::egui_wgpu::RenderState) {
    let heatmaps = heatmap::Heatmaps::new(&render_state.device, render_state.target_format);
    render_state.renderer.write().callback_resources.insert(heatmaps);
}
