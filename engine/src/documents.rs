//! The file of a document: safetensors whose metadata hold the document as JSON, with pictures and
//! files that it carries along as tensors of bytes. The text itself is the window's matter.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::images::Picture;
use crate::{EngineError, Result};

/// The metadata's key; also how such a file is recognized.
pub const KEY: &str = "smalti_document";

/// What to do with one that cannot be read.
const HINT: &str = "It may be cut off or another program's: take a whole copy of it";

/// Something that a document carries along, u8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its name, such as "picture.0".
    pub name: String,
    /// (H, W, 3) for a picture, (N,) for the bytes of a file.
    pub shape: Vec<usize>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// The bytes of a file as they are.
    pub fn file(name: String, bytes: Vec<u8>) -> Self {
        Self { name, shape: vec![bytes.len()], bytes }
    }

    /// The pixels of a picture.
    pub fn picture(name: String, picture: &Picture) -> Self {
        let shape = vec![picture.height() as usize, picture.width() as usize, 3];
        Self { name, shape, bytes: picture.rgb().to_vec() }
    }

    /// As a picture, if it is one.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if its shape is not (H, W, 3).
    pub fn to_picture(&self) -> Result<Picture> {
        let bad = || {
            let reason = format!("its picture has the shape {:?}", self.shape);
            EngineError::bad_input("document", reason, "")
        };
        let &[height, width, 3] = self.shape.as_slice() else { return Err(bad()) };
        let side = |side: usize| u32::try_from(side).ok().ok_or_else(bad);
        Picture::new(side(width)?, side(height)?, self.bytes.as_slice())
    }
}

/// The bytes of the file.
///
/// # Errors
/// None that a person can cause.
pub fn to_bytes(json: String, blobs: &[Blob]) -> Result<Vec<u8>> {
    let wrong = |error: safetensors::SafeTensorError| EngineError::bad_input("document", error, "");
    let metadata = HashMap::from([(KEY.to_owned(), json)]);
    let mut tensors = Vec::new();
    for blob in blobs {
        let view = TensorView::new(Dtype::U8, blob.shape.clone(), &blob.bytes).map_err(wrong)?;
        tensors.push((blob.name.as_str(), view));
    }
    safetensors::serialize(tensors, Some(metadata)).map_err(wrong)
}

/// Whether a file that begins so is a document, whatever it is called.
pub fn begins(start: &[u8]) -> bool {
    // Behind the header's length comes its first entry, which is the metadata.
    let mark = format!("{{\"__metadata__\":{{\"{KEY}\":");
    start.get(8..).is_some_and(|header| header.starts_with(mark.as_bytes()))
}

/// The JSON and what the document carries along; `path` is only for messages.
///
/// # Errors
/// [`EngineError::BadFile`] with what is wrong.
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<(String, Vec<Blob>)> {
    let bad = |reason: String| EngineError::bad_file(path, reason, HINT);
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| bad(format!("not a document: {e}")))?;
    let json = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| bad(format!("not a document: its metadata has no {KEY}")))?
        .clone();
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
    let mut blobs = Vec::new();
    for (name, tensor) in tensors.iter() {
        if tensor.dtype() != Dtype::U8 {
            return Err(bad(format!("{name} is {:?}, not U8", tensor.dtype())));
        }
        let (shape, bytes) = (tensor.shape().to_vec(), tensor.data().to_vec());
        blobs.push(Blob { name: name.to_owned(), shape, bytes });
    }
    Ok((json, blobs))
}
