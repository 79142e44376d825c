//! Generators by reference.

use super::model::ModelRef;
use crate::Result;
use crate::generators::{OpenedGenerator, open_generator};
use crate::session::{Desk, Question};
use crate::{EngineError, generators};

/// The generator of a file, or one that comes with Smalti. What comes back is for
/// [`generators::GenerateRun`]; its network is nobody else's matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenGenerator {
    /// Which one.
    pub generator: ModelRef,
}

impl Question for OpenGenerator {
    type Answer = OpenedGenerator;

    fn answer(&self, desk: &Desk<'_>) -> Result<OpenedGenerator> {
        let path = self.generator.path(desk.assets());
        if let ModelRef::Shipped(name) = &self.generator
            && !path.is_file()
        {
            let known = desk.ask(&ShippedGenerators).map(|names| names.join(", "));
            let hint = match known {
                Ok(known) if !known.is_empty() => {
                    format!("use one of {known}, or the path of a generator")
                }
                _ => "use the path of a generator".to_owned(),
            };
            let reason = format!("no shipped generator is called {name:?}");
            return Err(EngineError::bad_input("generator", reason, hint));
        }
        open_generator(&path, desk.device())
    }

    fn bytes(answer: &OpenedGenerator) -> usize {
        answer.network.parameters() * 4
    }
}

/// Names of the generators that come with Smalti, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShippedGenerators;

impl Question for ShippedGenerators {
    type Answer = Vec<String>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<String>> {
        super::model::shipped_of_kind(desk.assets(), |kind| kind == Some(generators::KIND))
    }

    fn bytes(answer: &Vec<String>) -> usize {
        answer.len() * 64
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
