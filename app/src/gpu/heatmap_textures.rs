//! The textures of heatmaps: made and filled once per answer.

use eframe::wgpu;
use egui::Color32;
use smalti_engine::images::Picture;

/// A texture without contents, (width, height).
pub(super) fn empty_texture(
    device: &wgpu::Device,
    format: wgpu::TextureFormat,
    [width, height]: [u32; 2],
) -> wgpu::Texture {
    let limit = device.limits().max_texture_dimension_2d;
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("heatmap"),
        size: wgpu::Extent3d {
            width: width.clamp(1, limit),
            height: height.clamp(1, limit),
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

fn write(queue: &wgpu::Queue, texture: &wgpu::Texture, row: u32, bytes: &[u8], bytes_per_row: u32) {
    let height = (bytes.len() as u32 / bytes_per_row.max(1)).min(texture.height() - row);
    queue.write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x: 0, y: row, z: 0 },
            aspect: wgpu::TextureAspect::All,
        },
        bytes,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(bytes_per_row),
            rows_per_image: Some(height),
        },
        wgpu::Extent3d { width: texture.width(), height, depth_or_array_layers: 1 },
    );
}

/// Writes values from a row on; the last row is filled up with zeros.
pub(super) fn write_rows(
    queue: &wgpu::Queue,
    texture: &wgpu::Texture,
    row: u32,
    width: u32,
    values: &[f32],
) {
    if row >= texture.height() {
        return;
    }
    if values.len().is_multiple_of(width as usize) {
        write(queue, texture, row, bytemuck::cast_slice(values), width * 4);
    } else {
        let mut padded = values.to_vec();
        padded.resize(values.len().next_multiple_of(width as usize), 0.0);
        write(queue, texture, row, bytemuck::cast_slice(&padded), width * 4);
    }
}

/// Bytes as a texture of the given width for that many cells; zeros where there are none.
pub(super) fn byte_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    bytes: &[u8],
    [width, cells]: [u32; 2],
) -> wgpu::Texture {
    let rows = cells.div_ceil(width).max(1);
    let texture = empty_texture(device, wgpu::TextureFormat::R8Uint, [width, rows]);
    let mut padded = bytes.to_vec();
    padded.resize(width as usize * texture.height() as usize, 0);
    write(queue, &texture, 0, &padded, width);
    texture
}

/// The code of each cell.
pub(super) fn code_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    codes: &[u32],
    width: u32,
) -> wgpu::Texture {
    let rows = (codes.len() as u32).div_ceil(width).max(1);
    let texture = empty_texture(device, wgpu::TextureFormat::R32Uint, [width, rows]);
    let mut padded = codes.to_vec();
    padded.resize(width as usize * texture.height() as usize, 0);
    write(queue, &texture, 0, bytemuck::cast_slice(&padded), width * 4);
    texture
}

/// A color map.
pub(super) fn color_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    table: &[Color32],
) -> wgpu::Texture {
    let texture = empty_texture(device, wgpu::TextureFormat::Rgba8Unorm, [256, 1]);
    let mut bytes: Vec<u8> = table.iter().flat_map(egui::Color32::to_array).collect();
    bytes.resize(256 * 4, 255);
    write(queue, &texture, 0, &bytes, 256 * 4);
    texture
}

/// The patches of all codes and the side of one; patches are thinned out where the adapter cannot
/// hold the whole.
pub(super) fn atlas_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    atlas: &Picture,
    side: u32,
) -> (wgpu::Texture, f32) {
    let limit = device.limits().max_texture_dimension_2d;
    let mut step = 1;
    while atlas.width().max(atlas.height()).div_ceil(step) > limit && step < side {
        step *= 2;
    }
    let (width, height) = (atlas.width() / step, atlas.height() / step);
    let size = [width.clamp(1, limit), height.clamp(1, limit)];
    let texture = empty_texture(device, wgpu::TextureFormat::Rgba8Unorm, size);
    let mut bytes = Vec::with_capacity(size[0] as usize * size[1] as usize * 4);
    let stride = atlas.width() as usize * 3;
    for y in 0..size[1] {
        let row = atlas.rgb().get((y * step) as usize * stride..).unwrap_or(&[]);
        for pixel in row.chunks_exact(3).step_by(step as usize).take(size[0] as usize) {
            bytes.extend_from_slice(&[pixel[0], pixel[1], pixel[2], 255]);
        }
    }
    bytes.resize(size[0] as usize * size[1] as usize * 4, 255);
    write(queue, &texture, 0, &bytes, size[0] * 4);
    (texture, (side / step).max(1) as f32)
}
