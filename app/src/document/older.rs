//! What documents of older versions say otherwise: a code was a bare number of the only book.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use smalti_engine::tokens::Code;

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Code(Code),
    Number(u32),
}

impl From<Either> for Code {
    fn from(either: Either) -> Self {
        match either {
            Either::Code(code) => code,
            Either::Number(number) => Self::first(number),
        }
    }
}

/// A code or none.
pub(super) fn code<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Code>, D::Error> {
    Ok(Option::<Either>::deserialize(from)?.map(Code::from))
}

/// A list of codes.
pub(super) fn codes<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[Code]>, D::Error> {
    Ok(Vec::<Either>::deserialize(from)?.into_iter().map(Code::from).collect())
}
