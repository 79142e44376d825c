//! A set whose images without a class are given one.

use std::sync::Arc;

use super::{Sample, Source};
use crate::Result;

/// A source, and the class of those of its images that have none.
#[derive(Debug)]
pub struct Named {
    source: Arc<dyn Source>,
    classes: Vec<String>,
    class: u32,
}

impl Named {
    /// A class for what has none; one of the source's own, or a new one behind them.
    pub fn new(source: Arc<dyn Source>, class: &str) -> Self {
        let mut classes = source.classes().to_vec();
        let known = classes.iter().position(|known| known == class);
        let number = known.unwrap_or(classes.len());
        if known.is_none() {
            classes.push(class.to_owned());
        }
        Self { source, classes, class: number as u32 }
    }

    fn named(&self, sample: Sample) -> Sample {
        Sample { class: sample.class.or(Some(self.class)), ..sample }
    }
}

impl Source for Named {
    fn len(&self) -> u64 {
        self.source.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        let is_there = index < self.len();
        self.source.class_of(index).or_else(|| is_there.then_some(self.class))
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        Ok(self.named(self.source.sample(index, side)?))
    }
    fn size(&self) -> Option<[u32; 2]> {
        self.source.size()
    }
    fn painted_size(&self, index: u64, side: u32) -> Option<[u32; 2]> {
        self.source.painted_size(index, side)
    }
    fn sample_part(&self, index: u64, side: u32, part: [u32; 4]) -> Result<Sample> {
        Ok(self.named(self.source.sample_part(index, side, part)?))
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
    use crate::data::{Mix, worlds::Worlds};

    /// Pictures without classes.
    #[derive(Debug)]
    struct Plain;

    impl Source for Plain {
        fn len(&self) -> u64 {
            2
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn class_of(&self, _index: u64) -> Option<u32> {
            None
        }
        fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
            let picture = crate::images::Picture::new(1, 1, vec![index as u8; 3])?;
            Ok(Sample { picture, class: None, caption: None, name: index.to_string() })
        }
        fn describe(&self) -> String {
            "plain".to_owned()
        }
    }

    #[test]
    fn images_without_a_class_get_one_and_the_others_keep_theirs() {
        let worlds: Arc<dyn Source> = Arc::new(Worlds::training(1));
        let plain: Arc<dyn Source> = Arc::new(Named::new(Arc::new(Plain), "photograph"));
        assert_eq!(plain.classes(), ["photograph"]);
        assert_eq!((plain.class_of(1), plain.class_of(2)), (Some(0), None));
        let mix = Mix::new(vec![(Arc::clone(&worlds), 1.0), (plain, 1.0)], 3).unwrap();
        let known = worlds.classes().len();
        assert_eq!(mix.classes().len(), known + 1);
        let classes: Vec<u32> =
            (0..40).map(|index| mix.sample(index, 8).unwrap().class.unwrap()).collect();
        assert!(classes.iter().all(|class| *class as usize <= known));
        assert!(classes.contains(&(known as u32)) && classes.iter().any(|c| (*c as usize) < known));
        let first = worlds.classes()[0].clone();
        assert_eq!(Named::new(worlds, &first).classes().len(), known, "one that is there already");
    }
}
