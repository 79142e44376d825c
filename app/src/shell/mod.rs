//! What surrounds the views: menu, palette, docking, status, notices.

pub mod actions;
pub mod dialogs;
pub mod dock;
pub mod doors;
pub mod folded;
pub mod menu;
pub mod notices;
pub mod palette;
pub mod scenes;
pub mod script;
pub mod status;
