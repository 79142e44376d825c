//! What surrounds the views: theme, menu, palette, docking, status, notices, files.

pub mod colors;
pub mod dock;
pub mod fonts;
pub mod notices;
pub mod theme;
