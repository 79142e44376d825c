//! The window's icon: the mark (`assets/icon/smalti.svg`) as pixels.

/// Side of the icon in pixels.
const SIDE: usize = 64;

/// The mark, 64 x 64 pixels with transparency.
pub fn icon() -> egui::IconData {
    // Gold, lapis, teal, coral of the dark theme: an icon stands on any background.
    let tiles: [(f32, f32, [u8; 3]); 4] = [
        (6.0, 6.0, [0xe3, 0xb2, 0x5c]),
        (34.0, 6.0, [0x5b, 0x8d, 0xef]),
        (6.0, 34.0, [0x4f, 0xb8, 0xa8]),
        (34.0, 34.0, [0xef, 0x7d, 0x6b]),
    ];
    let mut rgba = vec![0_u8; SIDE * SIDE * 4];
    for (at, pixel) in rgba.chunks_exact_mut(4).enumerate() {
        let (x, y) = ((at % SIDE) as f32 + 0.5, (at / SIDE) as f32 + 0.5);
        for (left, top, color) in tiles {
            // Distance to a square of 24 with corners of radius 7, for smooth edges.
            let (dx, dy) = ((x - left - 12.0).abs() - 5.0, (y - top - 12.0).abs() - 5.0);
            let outside = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - 7.0;
            let cover = (0.5 - outside).clamp(0.0, 1.0);
            if cover > 0.0 {
                pixel[..3].copy_from_slice(&color);
                pixel[3] = (cover * 255.0) as u8;
            }
        }
    }
    egui::IconData { rgba, width: SIDE as u32, height: SIDE as u32 }
}
