//! The file of a document: safetensors whose metadata hold the document as JSON, with a pasted
//! picture as the one tensor "pasted", u8, (H, W, 3). The text itself is the window's matter.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::images::Picture;
use crate::{EngineError, Result};

/// The metadata's key; also how such a file is recognized.
pub const KEY: &str = "smalti_document";

/// The bytes of the file.
///
/// # Errors
/// None that a person can cause.
pub fn to_bytes(json: String, pasted: Option<&Picture>) -> Result<Vec<u8>> {
    let wrong = |error: safetensors::SafeTensorError| EngineError::bad_input("document", error, "");
    let metadata = HashMap::from([(KEY.to_owned(), json)]);
    let mut tensors = Vec::new();
    if let Some(picture) = pasted {
        let shape = vec![picture.height() as usize, picture.width() as usize, 3];
        tensors.push(("pasted", TensorView::new(Dtype::U8, shape, picture.rgb()).map_err(wrong)?));
    }
    safetensors::serialize(tensors, Some(metadata)).map_err(wrong)
}

/// The JSON and the pasted picture; `path` is only for messages.
///
/// # Errors
/// [`EngineError::BadFile`] with what is wrong.
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<(String, Option<Picture>)> {
    let bad = |reason: String| EngineError::bad_file(path, reason, "Open another document");
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| bad(format!("not a document: {e}")))?;
    let json = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| bad(format!("not a document: its metadata has no {KEY}")))?
        .clone();
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
    let Ok(tensor) = tensors.tensor("pasted") else { return Ok((json, None)) };
    let &[height, width, 3] = tensor.shape() else {
        return Err(bad(format!("its picture has the shape {:?}", tensor.shape())));
    };
    if tensor.dtype() != Dtype::U8 {
        return Err(bad(format!("its picture is {:?}, not U8", tensor.dtype())));
    }
    let side = |side: usize| u32::try_from(side).map_err(|e| bad(format!("its picture: {e}")));
    Ok((json, Some(Picture::new(side(width)?, side(height)?, tensor.data())?)))
}
