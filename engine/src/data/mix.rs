//! A weighted mix of sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Sample, Source, images_in_words, no_such_image};
use crate::random::{Noise, Purpose, name_hash};
use crate::{EngineError, Result};

/// One source of a [`Mix`].
#[derive(Debug)]
struct Part {
    source: Arc<dyn Source>,
    /// The weights of this part and of those before it, of 2^32.
    until: u64,
    /// Its classes as classes of the mix.
    classes: Vec<u32>,
}

/// Images drawn from several sources in proportion to their weights, whatever their sizes.
///
/// Image `index` is always the same one. Which source it comes from and which image of it are
/// drawn evenly with replacement, so a small source can have a large weight.
#[derive(Debug)]
pub struct Mix {
    parts: Vec<Part>,
    classes: Vec<String>,
    len: u64,
    seed: u64,
}

/// Longer mixes are as good as endless.
const MAX_LEN: u64 = 1 << 40;

impl Mix {
    /// A mix of sources with their weights (any positive scale).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there is no source, one is empty, or a weight is no number
    /// above 0.
    pub fn new(sources: Vec<(Arc<dyn Source>, f64)>, seed: u64) -> Result<Self> {
        let bad = |reason: String, hint: &str| EngineError::bad_input("mix", reason, hint);
        let sum: f64 = sources.iter().map(|(_, weight)| *weight).sum();
        for (source, weight) in &sources {
            if !(weight.is_finite() && *weight > 0.0) {
                let what = source.describe();
                return Err(bad(format!("the weight {weight} of {what} is not above 0"), ""));
            }
            if source.is_empty() {
                return Err(bad(format!("{} is empty", source.describe()), "Leave it out"));
            }
        }
        if sources.is_empty() || !sum.is_finite() {
            return Err(bad("there is nothing to mix".to_owned(), "Name at least one source"));
        }
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let mut classes: Vec<String> = Vec::new();
        let (mut parts, mut so_far, mut len) = (Vec::new(), 0.0, 0_u64);
        for (source, weight) in sources {
            so_far += weight;
            len = len.saturating_add(source.len());
            let of_part = source
                .classes()
                .iter()
                .map(|name| {
                    *numbers.entry(name.clone()).or_insert_with(|| {
                        classes.push(name.clone());
                        classes.len() as u32 - 1
                    })
                })
                .collect();
            let until = (so_far / sum * 4_294_967_296.0).round() as u64;
            parts.push(Part { source, until, classes: of_part });
        }
        if let Some(last) = parts.last_mut() {
            last.until = 1 << 32;
        }
        Ok(Self { parts, classes, len: len.min(MAX_LEN), seed })
    }

    /// The part that an image comes from, and its index there.
    fn place(&self, index: u64) -> Option<(&Part, u64)> {
        let noise = Noise::new(self.seed, Purpose::Mix, 0, index);
        let pick = u64::from(noise.bits(0));
        let part = self.parts.iter().find(|part| pick < part.until)?;
        (index < self.len).then(|| (part, below(&noise, 0, part.source.len())))
    }

    /// An image, of the class that its source's class is in the mix.
    fn of_its_source(
        &self,
        index: u64,
        sample: impl FnOnce(&dyn Source, u64) -> Result<Sample>,
    ) -> Result<Sample> {
        let Some((part, inside)) = self.place(index) else {
            return Err(no_such_image(index, self));
        };
        let mut sample = sample(part.source.as_ref(), inside)?;
        sample.class = sample.class.and_then(|class| part.classes.get(class as usize)).copied();
        Ok(sample)
    }
}

/// A whole number in 0..n from 64 random bits.
pub(super) fn below(noise: &Noise, block: u32, n: u64) -> u64 {
    let [_, _, high, low] = noise.block(block);
    let bits = (u128::from(high) << 32) | u128::from(low);
    ((bits * u128::from(n)) >> 64) as u64
}

impl Source for Mix {
    fn len(&self) -> u64 {
        self.len
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        let (part, inside) = self.place(index)?;
        part.classes.get(part.source.class_of(inside)? as usize).copied()
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        self.of_its_source(index, |source, inside| source.sample(inside, side))
    }
    fn painted_size(&self, index: u64, side: u32) -> Option<[u32; 2]> {
        let (part, inside) = self.place(index)?;
        part.source.painted_size(inside, side)
    }
    fn sample_part(&self, index: u64, side: u32, part: [u32; 4]) -> Result<Sample> {
        self.of_its_source(index, |source, inside| source.sample_part(inside, side, part))
    }
    fn listing(&self) -> Option<u64> {
        // Painted parts are told apart by what they are called.
        let of = |part: &Part| part.source.listing().unwrap_or_default();
        let fold = |hash: u64, part: &Part| {
            name_hash(&format!("{hash:x} {:x} {} {}", of(part), part.until, part.source.describe()))
        };
        Some(self.parts.iter().fold(self.seed, fold))
    }
    fn written(&self, index: u64) -> Option<u64> {
        let (part, inside) = self.place(index)?;
        part.source.written(inside)
    }
    fn describe(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| part.source.describe()).collect();
        format!("mix of {} ({})", parts.join(" and "), images_in_words(self.len))
    }
    fn notes(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| part.source.notes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Picture;

    #[derive(Debug)]
    struct Numbers(u64, Vec<String>);

    impl Source for Numbers {
        fn len(&self) -> u64 {
            self.0
        }
        fn classes(&self) -> &[String] {
            &self.1
        }
        fn class_of(&self, index: u64) -> Option<u32> {
            Some((index % self.1.len() as u64) as u32)
        }
        fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
            assert!(index < self.0);
            let picture = Picture::new(1, 1, vec![index as u8; 3])?;
            let class = Some((index % self.1.len() as u64) as u32);
            Ok(Sample { picture, class, caption: None, name: format!("{}-{index}", self.0) })
        }
        fn describe(&self) -> String {
            format!("{} numbers", self.0)
        }
    }

    fn source(len: u64, classes: &[&str]) -> Arc<dyn Source> {
        Arc::new(Numbers(len, classes.iter().map(|&c| c.to_owned()).collect()))
    }

    fn mix(seed: u64) -> Mix {
        let large = (source(1 << 50, &["sea", "cat"]), 1.0);
        Mix::new(vec![large, (source(5, &["cat", "dog"]), 3.0)], seed).unwrap()
    }

    #[test]
    fn shares_follow_the_weights_and_small_sources_are_used_evenly() {
        let mix = mix(1);
        let mut counts = [0_u32; 5];
        let n = 20_000;
        for index in 0..n {
            let name = mix.sample(index, 8).unwrap().name;
            if let Some(number) = name.strip_prefix("5-") {
                counts[number.parse::<usize>().unwrap()] += 1;
            }
        }
        let share = f64::from(counts.iter().sum::<u32>()) / n as f64;
        assert!((share - 0.75).abs() < 0.015, "{share}");
        for count in counts {
            assert!((f64::from(count) / 3000.0 - 1.0).abs() < 0.1, "{counts:?}");
        }
    }

    #[test]
    fn a_mix_of_other_parts_or_weights_is_another_one() {
        let listing = |large: u64, weight: f64| {
            let parts = vec![(source(large, &["sea"]), 1.0), (source(5, &["cat"]), weight)];
            Mix::new(parts, 1).unwrap().listing()
        };
        assert_eq!(listing(9, 3.0), listing(9, 3.0));
        assert_ne!(listing(9, 3.0), listing(8, 3.0));
        assert_ne!(listing(9, 3.0), listing(9, 2.0));
    }

    #[test]
    fn an_index_is_always_the_same_image_and_another_seed_another_mix() {
        let names = |mix: &Mix| -> Vec<String> {
            (0..64).map(|i| mix.sample(i, 8).unwrap().name).collect()
        };
        assert_eq!(names(&mix(1)), names(&mix(1)));
        assert_ne!(names(&mix(1)), names(&mix(2)));
    }

    #[test]
    fn classes_of_the_same_name_are_one() {
        let mix = mix(1);
        assert_eq!(mix.classes(), ["sea", "cat", "dog"]);
        for index in 0..200 {
            let sample = mix.sample(index, 8).unwrap();
            let (len, number) = sample.name.split_once('-').unwrap();
            let even = number.parse::<u64>().unwrap() % 2 == 0;
            let expected = match (len, even) {
                ("5", true) | (_, false) if len != "5" || even => "cat",
                ("5", _) => "dog",
                _ => "sea",
            };
            assert_eq!(mix.classes()[sample.class.unwrap() as usize], expected, "{}", sample.name);
        }
    }

    #[test]
    fn weights_and_sources_without_sense_are_refused() {
        assert!(Mix::new(Vec::new(), 0).is_err());
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Mix::new(vec![(source(5, &["a"]), weight)], 0).is_err());
        }
        assert!(Mix::new(vec![(source(0, &["a"]), 1.0)], 0).is_err());
        let mix = Mix::new(vec![(source(5, &["a"]), 1.0)], 0).unwrap();
        assert!(mix.sample(5, 8).is_err(), "beyond the end");
    }

    #[test]
    fn the_class_is_known_without_the_picture() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        let parts: Vec<(Arc<dyn Source>, f64)> = vec![
            (Arc::new(Numbers(7, names(&["a", "b"]))), 1.0),
            (Arc::new(Numbers(9, names(&["c", "b", "d"]))), 2.0),
        ];
        let mix = Mix::new(parts, 3).unwrap();
        for index in 0..mix.len() {
            assert_eq!(mix.class_of(index), mix.sample(index, 8).unwrap().class, "{index}");
        }
        assert_eq!(mix.class_of(mix.len()), None);
    }
}
