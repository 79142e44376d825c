//! Decoded images kept in memory, as many as fit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Sample, Source};
use crate::Result;

/// A source of files whose images are decoded once and kept, up to a number of bytes; what does
/// not fit is decoded each time. Nothing is thrown out again: in a shuffled order the next image
/// is as likely to be an old one as a new one.
#[derive(Debug)]
pub struct Cached<S> {
    source: S,
    /// One lock for each image: threads only ever wait for the very image they want.
    kept: Vec<Mutex<Option<Sample>>>,
    bytes_left: AtomicU64,
}

/// What a cached source may keep, unless said otherwise.
pub const CACHE_BYTES: u64 = 256 << 20;

impl<S: Source> Cached<S> {
    /// Keeps up to `max_bytes` of decoded images. Not for generated sets: their images depend on
    /// the size asked for.
    pub fn new(source: S, max_bytes: u64) -> Self {
        // Beyond this many images most would not fit anyway.
        let n_slots = source.len().min(max_bytes / 512) as usize;
        let kept = (0..n_slots).map(|_| Mutex::new(None)).collect();
        Self { source, kept, bytes_left: AtomicU64::new(max_bytes) }
    }

    fn reserve(&self, bytes: u64) -> bool {
        let take = |left: u64| left.checked_sub(bytes);
        self.bytes_left.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl<S: Source> Source for Cached<S> {
    fn len(&self) -> u64 {
        self.source.len()
    }
    fn classes(&self) -> &[String] {
        self.source.classes()
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        self.source.class_of(index)
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        let slot = usize::try_from(index).ok().and_then(|index| self.kept.get(index));
        // A panic while decoding poisons nothing here: the lock is only held to look.
        let Some(slot) = slot else { return self.source.sample(index, side) };
        if let Ok(kept) = slot.lock()
            && let Some(sample) = kept.as_ref()
        {
            return Ok(sample.clone());
        }
        let sample = self.source.sample(index, side)?;
        let bytes = sample.picture.rgb().len() as u64 + 256;
        if let Ok(mut kept) = slot.lock()
            && kept.is_none()
            && self.reserve(bytes)
        {
            *kept = Some(sample.clone());
        }
        Ok(sample)
    }
    fn size(&self) -> Option<[u32; 2]> {
        self.source.size()
    }
    fn listing(&self) -> Option<u64> {
        self.source.listing()
    }
    fn written(&self, index: u64) -> Option<u64> {
        self.source.written(index)
    }
    fn describe(&self) -> String {
        self.source.describe()
    }
    fn notes(&self) -> Vec<String> {
        self.source.notes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Picture;
    use crate::random::{Noise, Purpose};

    /// Counts how often an image was made.
    #[derive(Debug, Default)]
    struct Counting(AtomicU64);

    impl Source for Counting {
        fn len(&self) -> u64 {
            4
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn class_of(&self, _index: u64) -> Option<u32> {
            None
        }
        fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let picture = Picture::new(16, 16, vec![index as u8; 768])?;
            Ok(Sample { picture, class: None, caption: None, name: index.to_string() })
        }
        fn describe(&self) -> String {
            "four".to_owned()
        }
    }

    #[test]
    fn what_fits_is_decoded_once_and_the_rest_each_time() {
        let source = Cached::new(Counting::default(), 2 * 1024 + 100);
        for round in 0..50 {
            let index = u64::from(Noise::new(0, Purpose::Test, 0, round).below(0, 4));
            let sample = source.sample(index, 8).unwrap();
            assert_eq!(sample.picture.pixel(3, 3), Some([index as u8; 3]));
        }
        let before = source.source.0.load(Ordering::Relaxed);
        for index in 0..4 {
            source.sample(index, 8).unwrap();
        }
        assert_eq!(source.source.0.load(Ordering::Relaxed) - before, 2, "two of four fit");
    }
}
