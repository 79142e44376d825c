//! What a person changed while a run went on, and when.

use serde::{Deserialize, Serialize};

use crate::{Knob, Result};

/// A knob that was turned between two steps. Kept in the run's checkpoints, so that a resumed run goes on to
/// the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Steps done before.
    pub step: u64,
    /// What was turned.
    pub knob: Knob,
    /// To which value.
    pub value: f64,
}

impl Order {
    /// Reads `KNOB=VALUE`, such as `lr=1e-4`, for a run that has done some steps.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if there is no such knob, or no number.
    pub fn parse(text: &str, step: u64) -> Result<Self> {
        let bad = || {
            let reason = format!("{text:?} is not KNOB=VALUE");
            crate::EngineError::bad_input("knob", reason, "such as lr=1e-4 or restart=0.5")
        };
        let (knob, value) = text.split_once('=').ok_or_else(bad)?;
        let knob = Knob::of_id(knob.trim())?;
        let value = value.trim().parse().map_err(|_error| {
            let reason = format!("{:?} is no number", value.trim());
            crate::EngineError::bad_input(knob.name(), reason, "such as 1e-4 or 0.5")
        })?;
        Ok(Self { step, knob, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_and_what_is_none_is_refused_by_name() {
        let order = Order::parse("lr = 1e-4", 7).unwrap();
        assert_eq!(order, Order { step: 7, knob: Knob::LearningRate, value: 1e-4 });
        let problem = Order::parse("codes=5", 7).unwrap_err().problem();
        assert!(problem.summary.contains("codes"), "{problem}");
        assert!(problem.hint.contains("restart"), "{problem}");
        for text in ["lr", "lr=", "lr=fast", "=1"] {
            assert!(Order::parse(text, 0).is_err(), "{text}");
        }
        let problem = Order::parse("lr=fast", 0).unwrap_err().problem();
        assert!(problem.summary.contains("\"fast\" is no number"), "{problem}");
    }

    #[test]
    fn a_value_is_read_back_to_the_last_bit() {
        for n in 1..5000 {
            let value = 0.1 / f64::from(n);
            let order = Order { step: 1, knob: Knob::LearningRate, value };
            let text = serde_json::to_string(&order).unwrap();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            let read: Order = serde_json::from_value(read).unwrap();
            assert_eq!(read.value.to_bits(), value.to_bits(), "{text}");
        }
    }
}
