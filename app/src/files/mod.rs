//! Files of the window: reading and writing away from its thread, opening paths, documents, scenes.

pub mod autosave;
pub mod background;
pub mod deeds;
pub mod disk;
pub mod new_point;
pub mod opening;
pub mod outcome;
pub mod recipes;
pub mod saved;
pub mod scenes;
pub mod table;
pub mod training_form;
pub mod uri;
