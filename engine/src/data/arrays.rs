//! Sets of images as arrays: `.npz`, `.npy`, `.pt`, safetensors with (N, H, W, 3), (N, 3, H, W),
//! (N, H, W) or the like.
//!
//! Bytes are taken as they are. Floating point numbers are in [0, 1], [-1, 1] or [0, 255]: which is
//! judged by a sample of them and said. An array of N whole numbers beside N images is their labels.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Sample, Source, images_in_words, no_such_image, short_name};
use crate::arrays::guess::{Guess, ImageLayout, guess, image_layout};
use crate::arrays::{self, Array, ElementType, Kind, names_in_words, shape_in_words};
use crate::images::{Picture, file};
use crate::random::{bytes_hash, name_hash};
use crate::{EngineError, Result};

/// Images whose numbers are looked at to judge their range.
const JUDGED: usize = 64;
/// Sides above this are no images.
const MAX_SIDE: usize = 1 << 16;
/// No image has more pixels.
const MAX_PIXELS: usize = 64_000_000;
/// Of arrays of more bytes some images alone are looked at for [`Source::listing`].
const MOST_LISTED: usize = 256 << 20;
/// So many numbers are read at once for it.
const PIECE: usize = 1 << 20;
/// More classes than any set of images has.
const MAX_CLASSES: u32 = 100_000;

/// What numbers stand for black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    Bytes,
    ZeroToOne,
    MinusOneToOne,
    ZeroTo255,
}

/// Images in an array of a file.
#[derive(Debug)]
pub struct ArraySet {
    path: PathBuf,
    images: Array,
    layout: ImageLayout,
    range: Range,
    labels: Vec<u32>,
    classes: Vec<String>,
    notes: Vec<String>,
    listing: OnceLock<Option<u64>>,
}

impl ArraySet {
    /// Opens the images of a file of arrays.
    ///
    /// # Errors
    /// [`EngineError::Io`], or [`EngineError::BadFile`] if it has no array of images, or several.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of_arrays(path, &arrays::open(path)?)
    }

    /// As [`ArraySet::open`], of a file that is open; `path` is the name that errors show.
    ///
    /// # Errors
    /// As [`ArraySet::open`].
    pub fn of_arrays(path: &Path, file: &arrays::Arrays) -> Result<Self> {
        let bad = |(reason, hint): Problem| EngineError::bad_file(path, reason, hint);
        let is_npy = file.container.starts_with("NumPy");
        if !is_npy && guess(file)? == Guess::Weights {
            return Err(bad((
                format!("this is a checkpoint of {} tensors, not a set of images", {
                    file.members.len()
                }),
                "Open it as a tokenizer".to_owned(),
            )));
        }
        let (images, layout) = pick(file).map_err(bad)?;
        let images = images.clone();
        let mut notes = file.notes.clone();
        let range = range_of(&images, &layout, &mut notes)?.map_err(bad)?;
        let labels = labels(file, &images, &layout, &mut notes)?;
        let n_classes = labels.iter().max().map_or(0, |largest| largest + 1);
        let classes = (0..n_classes).map(|class| class.to_string()).collect();
        let path = path.to_owned();
        let listing = OnceLock::new();
        Ok(Self { path, images, layout, range, labels, classes, notes, listing })
    }

    fn picture(&self, place: usize) -> Result<Picture> {
        let ImageLayout { height, width, channels, is_channels_first, .. } = self.layout;
        let plane = height * width;
        let (start, count) = (place * plane * channels, plane * channels);
        let bytes = self.bytes(start, count)?;
        let at = |pixel: usize, channel: usize| {
            let place = if is_channels_first {
                channel * plane + pixel
            } else {
                pixel * channels + channel
            };
            bytes.get(place).copied().unwrap_or_default()
        };
        let mut rgb = Vec::with_capacity(3 * plane);
        for pixel in 0..plane {
            let color = match channels {
                1 => [at(pixel, 0); 3],
                _ => [at(pixel, 0), at(pixel, 1), at(pixel, 2)],
            };
            let alpha = if channels == 4 { u32::from(at(pixel, 3)) } else { 255 };
            rgb.extend(color.map(|value| over_white(u32::from(value), alpha)));
        }
        Picture::new(width as u32, height as u32, rgb)
    }

    /// Numbers as bytes, 0 black and 255 white.
    fn bytes(&self, start: usize, count: usize) -> Result<Vec<u8>> {
        let part = start..start + count;
        if self.images.element() == ElementType::U8 {
            return self.images.bytes(part);
        }
        let scaled = |x: f64| match self.range {
            Range::Bytes | Range::ZeroTo255 => x,
            Range::ZeroToOne => x * 255.0,
            Range::MinusOneToOne => (x + 1.0) * 127.5,
        };
        let floats = self.images.floats(part)?;
        // What is not finite becomes black; the sample that was judged had none.
        Ok(floats.into_iter().map(|x| scaled(x).round().clamp(0.0, 255.0) as u8).collect())
    }

    /// Images whose pixels are a part of [`Source::listing`]: all, or so many, evenly spread.
    fn listed(&self) -> usize {
        let bytes = self.numbers() * self.images.element().size();
        self.layout.count.min((MOST_LISTED / bytes.max(1)).max(1))
    }

    /// Numbers of an image.
    fn numbers(&self) -> usize {
        self.layout.height * self.layout.width * self.layout.channels
    }

    /// A hash over the pixels that are listed, with shape and kind of the array.
    fn hash(&self) -> Result<u64> {
        let (shape, element) = (shape_in_words(self.images.shape()), self.images.element().name());
        let (count, listed, size) = (self.layout.count, self.listed(), self.numbers());
        // All of them are read in long pieces, some of them one by one.
        let at_once = if listed == count { (PIECE / size.max(1)).max(1) } else { 1 };
        let mut hash = name_hash(&format!("{shape} {element}"));
        for number in (0..listed).step_by(at_once) {
            let place = if listed == count { number } else { spread_at(number, count, listed) };
            let end = (place + at_once).min(count);
            hash = bytes_hash(hash, &self.images.bytes(place * size..end * size)?);
        }
        Ok(self.labels.iter().fold(hash, |hash, label| bytes_hash(hash, &label.to_le_bytes())))
    }

    fn what(&self) -> String {
        let ImageLayout { height, width, letters, .. } = self.layout;
        let range = match self.range {
            Range::Bytes => "",
            Range::ZeroToOne => " in [0, 1]",
            Range::MinusOneToOne => " in [-1, 1]",
            Range::ZeroTo255 => " in [0, 255]",
        };
        format!("{width}x{height}, {letters} {}{range}", self.images.element().name())
    }
}

/// The place of one of `listed` images that are spread evenly over `count`.
fn spread_at(number: usize, count: usize, listed: usize) -> usize {
    ((number as u128 * count as u128) / listed.max(1) as u128) as usize
}

/// `value`, `alpha` of 255 opaque, over white.
fn over_white(value: u32, alpha: u32) -> u8 {
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// What is wrong, and what to do.
type Problem = (String, String);

const SHAPES: &str = "Images are bytes or floats of the shape (N, H, W, 3), (N, 3, H, W), \
                      (N, H, W, 1) or (N, H, W)";

/// The array of images, and how they lie in it.
fn pick(file: &arrays::Arrays) -> Result<(&Array, ImageLayout), Problem> {
    let numbers = file.members.iter().filter(|array| array.kind() != Kind::Bools);
    let many: Vec<&Array> = numbers.filter(|array| array.shape().len() > 2).collect();
    let mut found = Vec::new();
    let mut why = None;
    for array in &many {
        match image_layout(array.shape()) {
            Ok(layout)
                if layout.width.max(layout.height) > MAX_SIDE
                    || layout.width * layout.height > MAX_PIXELS =>
            {
                let (w, h) = (layout.width, layout.height);
                why = Some(format!("array {} would hold images of {w}x{h} pixels", array.name()));
            }
            Ok(layout) => found.push((*array, layout)),
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    match &found[..] {
        [only] => Ok(*only),
        [] => {
            let names = names_in_words(&file.members);
            Err((
                why.unwrap_or_else(|| format!("no images found: its arrays are {names}")),
                SHAPES.into(),
            ))
        }
        several => {
            // Sets for training come with those for testing.
            let train: Vec<_> =
                several.iter().filter(|(a, _)| a.name().contains("train")).collect();
            if let [only] = train[..] {
                return Ok(*only);
            }
            let names = several.iter().map(|(array, _)| array.to_string()).collect::<Vec<_>>();
            let reason = format!("it holds several arrays of images: {}", names.join(", "));
            Err((reason, "Save the one that is wanted in a file of its own".to_owned()))
        }
    }
}

/// What the numbers of images mean, by a sample of the images.
fn range_of(
    images: &Array,
    layout: &ImageLayout,
    notes: &mut Vec<String>,
) -> Result<Result<Range, Problem>> {
    if images.element() == ElementType::U8 {
        return Ok(Ok(Range::Bytes));
    }
    let size = layout.height * layout.width * layout.channels;
    let judged = layout.count.min(JUDGED);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in 0..judged {
        let place = number * layout.count / judged;
        for x in images.floats(place * size..(place + 1) * size)? {
            if !x.is_finite() {
                let reason = format!("image {place} of it has a pixel that is {x}");
                return Ok(Err((reason, "What made these images went wrong".to_owned())));
            }
            (least, most) = (least.min(x), most.max(x));
        }
    }
    // A little beyond is what networks give; it is cut off.
    let range = match images.kind() {
        Kind::Floats if least >= -0.05 && most <= 1.05 => Range::ZeroToOne,
        Kind::Floats if least >= -1.25 && most <= 1.25 => Range::MinusOneToOne,
        Kind::Floats if least >= -0.5 && most <= 255.5 => Range::ZeroTo255,
        Kind::Integers if least >= 0.0 && most <= 255.0 => Range::Bytes,
        _ => {
            let reason = format!(
                "its numbers go from {least:.3} to {most:.3}, but pixels are bytes, or floats in \
                 [0, 1] or [-1, 1]"
            );
            let hint = "Undo the normalization (such as x * std + mean) before saving";
            return Ok(Err((reason, hint.to_owned())));
        }
    };
    if judged < layout.count {
        notes.push(format!(
            "what its numbers mean was judged by {judged} of {}",
            images_in_words(layout.count as u64)
        ));
    }
    Ok(Ok(range))
}

/// A class for each image, if an array beside them is that.
fn labels(
    file: &arrays::Arrays,
    images: &Array,
    layout: &ImageLayout,
    notes: &mut Vec<String>,
) -> Result<Vec<u32>> {
    let fit = |array: &&Array| {
        let shape = array.shape();
        array.kind() == Kind::Integers
            && shape.first() == Some(&layout.count)
            && array.len() == layout.count
    };
    let found: Vec<&Array> = file.members.iter().filter(fit).collect();
    // Images of several arrays, such as x_train and x_test, can be equally many.
    let same_end = |array: &&&Array| {
        let end = |name: &str| name.rsplit('_').next().map(str::to_owned);
        end(array.name()) == end(images.name())
    };
    let labels = match &found[..] {
        [] => return Ok(Vec::new()),
        [only] => *only,
        several => {
            let [only] = several.iter().filter(same_end).collect::<Vec<_>>()[..] else {
                notes.push("several arrays could be its labels: the images have no classes".into());
                return Ok(Vec::new());
            };
            *only
        }
    };
    let values = labels.integers(0..labels.len())?;
    let classes: Option<Vec<u32>> = values
        .into_iter()
        .map(|value| u32::try_from(value).ok().filter(|class| *class < MAX_CLASSES))
        .collect();
    if classes.is_none() {
        let what = format!("{} {}", labels.name(), shape_in_words(labels.shape()));
        notes.push(format!("{what} holds no classes: they are whole numbers from 0 on"));
    }
    Ok(classes.unwrap_or_default())
}

impl Source for ArraySet {
    fn len(&self) -> u64 {
        self.layout.count as u64
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        self.labels.get(usize::try_from(index).ok()?).copied()
    }
    fn size(&self) -> Option<[u32; 2]> {
        Some([self.layout.width as u32, self.layout.height as u32])
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        if index >= self.len() {
            return Err(no_such_image(index, self));
        }
        Ok(Sample {
            picture: self.picture(index as usize)?,
            class: self.class_of(index),
            caption: None,
            name: format!("{} {index}", short_name(&self.path)),
        })
    }
    fn listing(&self) -> Option<u64> {
        if let Some(known) = self.listing.get() {
            return *known;
        }
        // What failed may be read again in a moment.
        let hash = self.hash().ok()?;
        *self.listing.get_or_init(|| Some(hash))
    }
    fn written(&self, _index: u64) -> Option<u64> {
        if self.listed() < self.layout.count { file::written(&self.path) } else { None }
    }
    fn describe(&self) -> String {
        let (name, count) = (short_name(&self.path), images_in_words(self.len()));
        format!("arrays {name}, {count} of {}", self.what())
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

#[cfg(test)]
mod tests;
