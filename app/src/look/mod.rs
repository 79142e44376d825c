//! How things look: theme, colors, fonts, textures, and words for numbers.

pub mod colors;
pub mod fonts;
pub mod icon;
pub mod palette;
pub mod textures;
pub mod theme;
pub mod words;
