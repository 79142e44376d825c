//! A network together with the tokenizer whose tokens it writes.

use std::sync::Arc;

use super::config::{GeneratorConfig, Way};
use super::network::Network;
use crate::quantizers::MultiScale;
use crate::tokenizers::Tokenizer;
use crate::{EngineError, Result};

/// A network and, where it reads more of tokens than their numbers, their tokenizer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Painter {
    network: Arc<Network>,
    tokenizer: Option<Arc<dyn Tokenizer>>,
}

impl Painter {
    /// From a network and the tokenizer of its tokens.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if VAR has no tokenizer of its scales.
    pub fn new(network: Arc<Network>, tokenizer: Option<Arc<dyn Tokenizer>>) -> Result<Self> {
        let painter = Self { network, tokenizer };
        if painter.config().way == Way::Var {
            let sides = &painter.scales()?.config().v_patch_nums;
            let own: Vec<usize> = painter.config().layout.iter().map(|part| part.rows).collect();
            if *sides != own {
                let reason = format!("its scales are {sides:?}, the generator writes {own:?}");
                let hint = "use the tokenizer that the generator was trained on";
                return Err(EngineError::bad_input("tokenizer", reason, hint));
            }
        }
        Ok(painter)
    }

    /// What it is.
    pub fn config(&self) -> &GeneratorConfig {
        self.network.config()
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The scales of its tokens.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if they have none.
    pub fn scales(&self) -> Result<&MultiScale> {
        let tokenizer = self.tokenizer.as_ref();
        let scales = tokenizer.and_then(|tokenizer| MultiScale::of(tokenizer.quantizer()));
        scales.ok_or_else(|| {
            let hint = "use the tokenizer that the generator was trained on";
            EngineError::bad_input("tokenizer", "VAR needs one whose codes come in scales", hint)
        })
    }
}
