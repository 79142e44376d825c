//! Pictures and colored buffers as egui textures: made once, kept while they are shown.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use egui::{Color32, ColorImage, TextureHandle, TextureOptions};
use smalti_engine::images::Picture;

/// A texture that was not shown for this many frames is given back.
const KEPT_FRAMES: u64 = 120;

/// How a picture is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// Enlarged pixels keep their edges, reduced ones are smoothed: for pictures under a zoom.
    Pixels,
    /// Smooth in both directions: for thumbnails.
    Smooth,
}

impl Sampling {
    fn options(self) -> TextureOptions {
        match self {
            Self::Pixels => TextureOptions {
                magnification: egui::TextureFilter::Nearest,
                minification: egui::TextureFilter::Linear,
                mipmap_mode: Some(egui::TextureFilter::Linear),
                ..TextureOptions::LINEAR
            },
            Self::Smooth => TextureOptions {
                mipmap_mode: Some(egui::TextureFilter::Linear),
                ..TextureOptions::LINEAR
            },
        }
    }
}

/// What a texture was made from, known by its address. It is kept as long as the texture is, so that
/// nothing else can come to stand at that address while it is a key.
pub struct Source {
    address: usize,
    kept: Option<Box<dyn Any>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({:x})", self.address)
    }
}

impl Source {
    /// Shared values.
    pub fn of<T: ?Sized + 'static>(values: &Arc<T>) -> Self {
        let address = Arc::as_ptr(values).cast::<u8>().addr();
        Self { address, kept: Some(Box::new(Arc::clone(values))) }
    }

    /// Nothing but what is in the key.
    pub fn key() -> Self {
        Self { address: 0, kept: None }
    }
}

struct Kept {
    texture: TextureHandle,
    shown: u64,
    _source: Option<Box<dyn Any>>,
}

/// All textures that are shown now or were a moment ago.
pub struct Textures {
    ctx: egui::Context,
    kept: RefCell<HashMap<u64, Kept>>,
    frame: std::cell::Cell<u64>,
}

impl std::fmt::Debug for Textures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Textures({})", self.kept.borrow().len())
    }
}

impl Textures {
    /// None yet.
    pub fn new(ctx: &egui::Context) -> Self {
        Self { ctx: ctx.clone(), kept: RefCell::default(), frame: std::cell::Cell::new(0) }
    }

    /// The texture of a picture. Known by the address of its pixels, so asking costs no pass.
    pub fn picture(&self, picture: &Picture, sampling: Sampling) -> TextureHandle {
        let source = Source::of(picture.rgb());
        let key = hash(&(source.address, sampling, 0_u8));
        let make = || {
            let size = [picture.width() as usize, picture.height() as usize];
            ColorImage::from_rgb(size, picture.rgb())
        };
        self.get(key, sampling, source, make)
    }

    /// The texture of colors that were worked out from `source`. With the same source `key` must be
    /// another value whenever the colors are; `colors` is only called when the texture is not there.
    pub fn colors(
        &self,
        (key, source): (impl Hash, Source),
        size: [usize; 2],
        sampling: Sampling,
        colors: impl FnOnce() -> Vec<Color32>,
    ) -> TextureHandle {
        let make = || {
            let mut pixels = colors();
            // A wrong length is the caller's mistake; a hole in the picture shows it best.
            pixels.resize(size[0] * size[1], Color32::TRANSPARENT);
            ColorImage::new(size, pixels)
        };
        let key = hash(&(hash(&key), source.address, size, sampling, 1_u8));
        self.get(key, sampling, source, make)
    }

    fn get(
        &self,
        key: u64,
        sampling: Sampling,
        source: Source,
        make: impl FnOnce() -> ColorImage,
    ) -> TextureHandle {
        let frame = self.frame.get();
        if let Some(kept) = self.kept.borrow_mut().get_mut(&key) {
            kept.shown = frame;
            return kept.texture.clone();
        }
        let texture = self.ctx.load_texture(format!("{key:x}"), make(), sampling.options());
        let kept = Kept { texture: texture.clone(), shown: frame, _source: source.kept };
        self.kept.borrow_mut().insert(key, kept);
        texture
    }

    /// The frame is over: what was not shown for a while is given back.
    pub fn end_frame(&self) {
        let frame = self.frame.get() + 1;
        self.frame.set(frame);
        self.kept.borrow_mut().retain(|_, kept| kept.shown + KEPT_FRAMES > frame);
    }

    /// Number of textures that are kept.
    pub fn len(&self) -> usize {
        self.kept.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_uploaded_once_and_given_back_when_it_is_no_longer_shown() {
        let textures = Textures::new(&egui::Context::default());
        let picture = Picture::new(2, 2, vec![7; 12]).unwrap();
        let first = textures.picture(&picture, Sampling::Pixels).id();
        assert_eq!(textures.picture(&picture.clone(), Sampling::Pixels).id(), first);
        assert_eq!(textures.len(), 1);
        for _ in 0..=KEPT_FRAMES {
            textures.end_frame();
        }
        assert!(textures.is_empty());
    }

    /// As the engine's cache does: an answer is dropped, and the next one comes to its place in memory.
    #[test]
    fn another_answer_at_the_same_place_in_memory_has_a_texture_of_its_own() {
        let textures = Textures::new(&egui::Context::default());
        let show = |values: &Arc<[u8]>| {
            let key = ("difference", Source::of(values));
            let gray = || values.iter().map(|v| Color32::from_gray(*v)).collect();
            textures.colors(key, [64, 64], Sampling::Pixels, gray).id()
        };
        let mut seen = std::collections::HashSet::new();
        for value in 0..40 {
            let values: Arc<[u8]> = vec![value; 64 * 64].into();
            assert!(
                seen.insert(show(&values)),
                "answer {value} is shown with another one's pixels"
            );
        }
        for _ in 0..=KEPT_FRAMES {
            textures.end_frame();
        }
        assert!(textures.is_empty(), "what was made is given back");
    }
}
