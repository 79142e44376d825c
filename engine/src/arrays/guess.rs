//! Whether a file's arrays are images, tokens, or the weights of a network: by their shapes and
//! types, where need be by their first numbers. What can be two things is said to be both.

use std::collections::BTreeSet;

use super::{Array, Arrays, ElementType, Kind, names_in_words, shape_in_words};
use crate::Result;

/// Numbers that are looked at.
const LOOKED_AT: usize = 1 << 16;
/// Images are at least this large; kernels of convolutions are smaller.
const MIN_SIDE: usize = 8;
/// From this side on images in bytes are no grids of tokens in bytes.
const SURE_SIDE: usize = 24;

/// What a file of arrays holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guess {
    /// A set of images.
    Images,
    /// Grids or sequences of codes.
    Tokens,
    /// A network.
    Weights,
    /// It can be images or tokens, or is neither.
    Unclear {
        /// What makes it so.
        reason: String,
        /// How to say which one it is.
        hint: String,
    },
}

/// How images lie in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageLayout {
    /// Images.
    pub count: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Numbers of a pixel: 1, 3 or 4.
    pub channels: usize,
    /// Whether an image is whole planes of one channel rather than whole pixels.
    pub is_channels_first: bool,
    /// The letters of the shape, such as "(N, H, W, 3)".
    pub letters: &'static str,
}

/// How images lie in a shape: (N, H, W, C), (N, C, H, W), (N, H, W) or one (H, W, C).
///
/// # Errors
/// The reason, if it is no such shape or can be two of them.
pub fn image_layout(shape: &[usize]) -> Result<ImageLayout, String> {
    let is_channels = |size: usize| matches!(size, 1 | 3 | 4);
    let is_side = |size: usize| size >= MIN_SIDE;
    let words = shape_in_words(shape);
    if shape.contains(&0) {
        return Err(format!("an array of {words} is empty"));
    }
    match *shape {
        [count, a, b, c] => {
            let last = is_channels(c).then(|| ImageLayout {
                count,
                height: a,
                width: b,
                channels: c,
                is_channels_first: false,
                letters: ["(N, H, W, 1)", "(N, H, W, 3)", "(N, H, W, 4)"][c / 2],
            });
            let first = is_channels(a).then(|| ImageLayout {
                count,
                height: b,
                width: c,
                channels: a,
                is_channels_first: true,
                letters: ["(N, 1, H, W)", "(N, 3, H, W)", "(N, 4, H, W)"][a / 2],
            });
            let large = |l: &ImageLayout| is_side(l.height) && is_side(l.width);
            match (last, first) {
                (Some(only), None) | (None, Some(only)) => Ok(only),
                (Some(last), Some(first)) => match (large(&last), large(&first)) {
                    (true, false) => Ok(last),
                    (false, true) => Ok(first),
                    _ => {
                        Err(format!("an array of {words} can be (N, H, W, {c}) or (N, {a}, H, W)"))
                    }
                },
                (None, None) => Err(format!(
                    "an array of {words} holds no images: pixels have 1, 3 or 4 channels, in the \
                     last place or before rows and columns"
                )),
            }
        }
        [height, width, channels @ (3 | 4)] if is_side(height) && is_side(width) => {
            let letters = if channels == 3 { "(H, W, 3)" } else { "(H, W, 4)" };
            let is_channels_first = false;
            Ok(ImageLayout { count: 1, height, width, channels, is_channels_first, letters })
        }
        [count @ (3 | 4), height, width] => Err(format!(
            "an array of {words} can be {count} gray images of {width}x{height} or one picture \
             with its {count} channels first"
        )),
        [count, height, width] => Ok(ImageLayout {
            count,
            height,
            width,
            channels: 1,
            is_channels_first: false,
            letters: "(N, H, W)",
        }),
        _ => Err(format!(
            "an array of {words} is no set of images: those are (N, H, W, 3), (N, 3, H, W) or \
             (N, H, W)"
        )),
    }
}

/// What one array is, as far as it can be told alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Images,
    Tokens,
    /// Images or tokens.
    Either,
    /// Neither: weights or measurements.
    Numbers,
}

/// What a file's arrays are. Reads some numbers where shapes do not tell.
///
/// # Errors
/// Those of reading them.
pub fn guess(file: &Arrays) -> Result<Guess> {
    let is_network_file = !file.container.starts_with("NumPy");
    let mut looks = Vec::with_capacity(file.members.len());
    for array in file.members.iter().filter(|array| !array.shape().is_empty()) {
        // A network is one for its first weights: not all of them need a look.
        let look = looks_like(array, is_network_file)?;
        if look == Looks::Numbers && array.kind() == Kind::Floats && is_network_file {
            return Ok(Guess::Weights);
        }
        looks.push((array, look));
    }
    let floats = |look: &&(&Array, Looks)| look.0.kind() == Kind::Floats;
    if is_network_file && looks.iter().filter(floats).count() > 2 {
        return Ok(Guess::Weights);
    }
    // A whole number for each image is its label, and says that they are images.
    let labels = |array: &Array| {
        (array.shape().len() == 1 && array.kind() == Kind::Integers).then(|| array.len())
    };
    let images = |array: &Array| match *array.shape() {
        [count, _, _, ..] => Some(count),
        _ => None,
    };
    let lengths = |of: &dyn Fn(&Array) -> Option<usize>| -> BTreeSet<usize> {
        looks.iter().filter_map(|(array, _)| of(array)).collect()
    };
    let (all_labels, all_images) = (lengths(&labels), lengths(&images));
    let mut found = [false; 4];
    for (array, look) in &looks {
        if labels(array).is_some_and(|count| all_images.contains(&count)) {
            continue;
        }
        let has_labels = images(array).is_some_and(|count| all_labels.contains(&count));
        let look = if *look == Looks::Either && has_labels { Looks::Images } else { *look };
        found[look as usize] = true;
    }
    let [images, tokens, either, _] = found;
    let names = || names_in_words(&file.members);
    Ok(match (images, tokens, either) {
        (true, false, _) => Guess::Images,
        (false, true, false) => Guess::Tokens,
        (false, false, false) => Guess::Unclear {
            reason: format!("its arrays are neither images nor tokens: {}", names()),
            hint:
                "images are bytes or floats (N, H, W, 3), tokens whole numbers (B, H, W); save the \
                   weights of a network as safetensors"
                    .into(),
        },
        (true, true, _) => Guess::Unclear {
            reason: format!("it holds images and tokens: {}", names()),
            hint: BOTH_WAYS.into(),
        },
        _ => Guess::Unclear {
            reason: format!("its arrays can be images or tokens: {}", names()),
            hint: BOTH_WAYS.into(),
        },
    })
}

const BOTH_WAYS: &str = "for images, save bytes as (N, H, W, 3) or (N, H, W, 1), or name them as \
                         `--data`; for tokens, save them as int64, or give them to `smalti decode`";

fn looks_like(array: &Array, is_network_file: bool) -> Result<Looks> {
    let name = array.name().to_ascii_lowercase();
    let is_called = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let shape = array.shape();
    let layout = image_layout(shape);
    let least = layout.as_ref().map_or(0, |l| l.height.min(l.width));
    Ok(match (array.element(), shape.len()) {
        (ElementType::Bool, _) => Looks::Numbers,
        (element, _) if element.is_float() => match (is_whole(array)?, shape.len(), &layout) {
            (Some(_), 4, Ok(layout)) if layout.channels > 1 && least >= MIN_SIDE => Looks::Images,
            (Some(largest), _, _) if largest > 255.0 => Looks::Tokens,
            (Some(_), 3 | 4, Ok(_)) if least >= SURE_SIDE => Looks::Either,
            (Some(_), _, _) => Looks::Tokens,
            (None, 4, Ok(_)) if least >= MIN_SIDE => Looks::Images,
            (None, 3, Ok(_)) if least >= MIN_SIDE && !is_network_file => Looks::Images,
            _ => Looks::Numbers,
        },
        _ if is_called(&["token", "code", "indic", "index"]) => Looks::Tokens,
        _ if is_called(&["image", "pixel", "picture"]) && layout.is_ok() => Looks::Images,
        (ElementType::U8, 4) => match layout {
            Ok(layout) if layout.channels > 1 && !layout.is_channels_first => Looks::Images,
            Ok(_) if least >= SURE_SIDE => Looks::Images,
            Ok(_) => Looks::Either,
            Err(_) => Looks::Tokens,
        },
        (ElementType::U8, 3) => match layout {
            Ok(layout) if layout.channels > 1 && least >= SURE_SIDE => Looks::Images,
            _ => Looks::Either,
        },
        // A gray picture is no set of images, but should not be read as tokens either.
        (ElementType::U8, 2) if shape.iter().all(|side| *side >= 64) => Looks::Either,
        (_, 4) if layout.is_ok_and(|l| l.channels > 1) && least >= SURE_SIDE => Looks::Either,
        _ => Looks::Tokens,
    })
}

/// The largest of the first numbers, if all of these are whole, not negative, and not only 0 and 1.
fn is_whole(array: &Array) -> Result<Option<f64>> {
    // Shapes of weights do not need a look, which would read all of a tensor with gaps.
    let values = array.floats(0..array.len().min(LOOKED_AT))?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    let is_whole = values.iter().all(|x| x.fract() == 0.0 && *x >= 0.0);
    Ok((is_whole && largest > 1.0).then_some(largest))
}
