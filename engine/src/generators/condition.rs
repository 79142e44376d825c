//! What leads a generator beside the tokens that stand: a class, a caption, tokens that come before.

use std::sync::Arc;

/// What leads a picture.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub enum Condition {
    /// Nothing: what guidance leads away from.
    #[default]
    Nothing,
    /// A class, by its number.
    Class(u32),
    /// A caption.
    Caption(Caption),
    /// Tokens that stand before those of the picture, such as those of another one (taming-transformers).
    Tokens(Arc<[u32]>),
}

/// The condition of each picture of a batch.
pub type Conditions<'a> = &'a [Condition];

/// A caption as a text encoder tells it: the last rows of those that a network has for captions. What is left
/// before them is padding, which nothing sees.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Caption {
    /// Rows that are no padding; at least one.
    pub rows: usize,
    /// Their features, row by row; `None` stands for no caption of as many rows.
    pub features: Option<Arc<[f32]>>,
}

impl Condition {
    /// What kind it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "any",
            Self::Class(_) => "class",
            Self::Caption(_) => "caption",
            Self::Tokens(_) => "prefix",
        }
    }

    /// What guidance leads away from: the same without what leads.
    #[must_use]
    pub fn without(&self) -> Self {
        match self {
            Self::Caption(caption) => Self::Caption(Caption { rows: caption.rows, features: None }),
            _ => Self::Nothing,
        }
    }

    /// The class, if it is one.
    pub fn class(&self) -> Option<u32> {
        if let Self::Class(class) = self { Some(*class) } else { None }
    }
}

impl From<Option<u32>> for Condition {
    fn from(class: Option<u32>) -> Self {
        class.map_or(Self::Nothing, Self::Class)
    }
}

/// The conditions of classes; `None`: no class.
pub fn conditions(classes: &[Option<u32>]) -> Vec<Condition> {
    classes.iter().copied().map(Condition::from).collect()
}

/// The classes of conditions; whatever is none counts as no class.
pub(super) fn classes(conditions: Conditions<'_>) -> Vec<Option<u32>> {
    conditions.iter().map(Condition::class).collect()
}
