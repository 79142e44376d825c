//! The document: everything a person decided, as one immutable value. No egui in it.
//!
//! A change makes a new value ([`Document::after`]), so undo, saving, comparing and sending are all
//! the same thing: keeping the value. What is large is shared behind `Arc`.

mod command;
mod history;
mod value;

pub use command::{
    AppCommand, Command, Edit, JobCommand, Layout, Look, Notice, Open, RecipeRef, Severity, Slot,
};
pub use history::History;
pub use value::{ColorBy, CompareMode, DifferenceKind, Document, Looks, Selection};

#[cfg(test)]
mod tests;
