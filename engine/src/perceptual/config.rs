//! What a classifier is before it has weights.

use crate::{EngineError, Result};

/// Channels that are normalized together.
pub(super) const GROUP: usize = 8;

/// Settings of [`super::Classifier`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// What a person calls it, such as "worlds-kinds".
    pub name: String,
    /// Channels of each stage, multiples of 8; every stage but the first halves the size.
    #[serde(default = "default_widths")]
    pub widths: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
}

fn default_widths() -> Vec<usize> {
    vec![16, 32, 64, 96, 128]
}

impl ClassifierConfig {
    /// With the usual widths.
    pub fn new(name: impl Into<String>, classes: usize) -> Self {
        Self { name: name.into(), widths: default_widths(), classes }
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        let bad = |field: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(format!("classifier.{field}"), reason, hint))
        };
        if !(1..=8).contains(&self.widths.len()) {
            return bad("widths", format!("{} stages", self.widths.len()), "1 to 8; usual: 5");
        }
        let fits = |width: &usize| (1..=1024).contains(width) && width.is_multiple_of(GROUP);
        if let Some(width) = self.widths.iter().find(|width| !fits(width)) {
            let reason = format!("{width} channels");
            return bad("widths", reason, "multiples of 8 up to 1024");
        }
        if !(1..=1 << 16).contains(&self.classes) {
            let reason = format!("{} classes", self.classes);
            return bad("classes", reason, "as many as the data has, up to 65536");
        }
        Ok(())
    }
}
