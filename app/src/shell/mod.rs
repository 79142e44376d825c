//! What surrounds the views: theme, menu, palette, docking, status, notices, files.

pub mod actions;
pub mod autosave;
pub mod background;
pub mod colors;
pub mod dialogs;
pub mod dock;
pub mod fonts;
pub mod icon;
pub mod menu;
pub mod notices;
pub mod opening;
pub mod palette;
pub mod saved;
pub mod scenes;
pub mod script;
pub mod status;
pub mod theme;
