//! How large an image may be, for all readers of image files.

/// How much an image file may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Width times height, at most.
    pub max_pixels: u64,
    /// Bytes of the file, at most.
    pub max_file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 64_000_000, max_file_bytes: 512 << 20 }
    }
}
