//! Pictures as plain data: decode safely, resize, encode.

use std::sync::Arc;

use crate::{EngineError, Result};

/// An RGB picture, 8 bits a channel, row by row. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Arc<[u8]>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

impl Picture {
    /// A picture from its bytes, (H, W, 3).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the number of bytes does not fit, or a side is zero.
    pub fn new(width: u32, height: u32, rgb: impl Into<Arc<[u8]>>) -> Result<Self> {
        let rgb = rgb.into();
        let bytes = (width as usize).checked_mul(height as usize).and_then(|n| n.checked_mul(3));
        if rgb.is_empty() || bytes != Some(rgb.len()) {
            return Err(EngineError::bad_input(
                "picture",
                format!("{} bytes do not fill {width}x{height} RGB", rgb.len()),
                "",
            ));
        }
        Ok(Self { width, height, rgb })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }
    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }
    /// The bytes, (H, W, 3).
    pub fn rgb(&self) -> &Arc<[u8]> {
        &self.rgb
    }
    /// The color at a place inside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb.get(at..at + 3).map(|p| [p[0], p[1], p[2]])
    }
}
