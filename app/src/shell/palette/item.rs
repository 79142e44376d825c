//! What stands in the palette.

use std::path::Path;

use super::also;
use crate::document::Open;
use crate::shell::actions::{self, Action, Done, Now};

/// What the palette can do.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is called.
    pub title: String,
    /// What kind of thing it is: view, command, scene, file, code.
    pub kind: &'static str,
    /// Other words by which it is found.
    pub also: String,
    /// Its keys, in words.
    pub keys: String,
    /// More about it; may be empty.
    pub about: String,
    /// Whether what it switches is on; none if it switches nothing.
    pub is_on: Option<bool>,
    /// What it does, or why it cannot be done now.
    pub does: Done,
    /// What is typed by it instead of anything being done.
    pub types: Option<String>,
}

impl Item {
    /// An action as it stands now.
    pub fn new(ctx: &egui::Context, action: &Action, now: &Now<'_>) -> Self {
        Self {
            title: action.title(now),
            kind: action.kind,
            also: also::words(&action.name, action.kind),
            keys: action.keys.first().map(|k| actions::key_name(ctx, *k)).unwrap_or_default(),
            about: action.about.clone(),
            is_on: action.is_on(now),
            does: action.does(now),
            types: None,
        }
    }

    /// Opens a path.
    pub fn file(path: &Path) -> Self {
        Self {
            title: format!("Open {}", path.display()),
            kind: "file",
            also: String::new(),
            keys: String::new(),
            about: String::new(),
            is_on: None,
            does: Ok(vec![Open::Path(path.to_owned()).into()]),
            types: None,
        }
    }
}
