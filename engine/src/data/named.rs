//! A set that is one class as a whole.

use std::sync::Arc;

use super::{Sample, Source};
use crate::Result;

/// A source whose images are all of one class, whichever classes they have by themselves.
#[derive(Debug)]
pub struct Named {
    source: Arc<dyn Source>,
    classes: [String; 1],
}

impl Named {
    /// All of a source's images as one class.
    pub fn new(source: Arc<dyn Source>, class: &str) -> Self {
        Self { source, classes: [class.to_owned()] }
    }
}

/// As a sample of the only class.
fn named(sample: Sample) -> Sample {
    Sample { class: Some(0), ..sample }
}

impl Source for Named {
    fn len(&self) -> u64 {
        self.source.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        (index < self.len()).then_some(0)
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        Ok(named(self.source.sample(index, side)?))
    }
    fn size(&self) -> Option<[u32; 2]> {
        self.source.size()
    }
    fn painted_size(&self, index: u64, side: u32) -> Option<[u32; 2]> {
        self.source.painted_size(index, side)
    }
    fn sample_part(&self, index: u64, side: u32, part: [u32; 4]) -> Result<Sample> {
        Ok(named(self.source.sample_part(index, side, part)?))
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
    fn all_images_are_of_the_class_that_is_given_also_those_that_have_one() {
        let worlds: Arc<dyn Source> = Arc::new(Worlds::training(1));
        let plain: Arc<dyn Source> = Arc::new(Named::new(Arc::new(Plain), "photograph"));
        assert_eq!(plain.classes(), ["photograph"]);
        assert_eq!((plain.class_of(1), plain.class_of(2)), (Some(0), None));
        let painted: Arc<dyn Source> = Arc::new(Named::new(Arc::clone(&worlds), "painted"));
        let mix = vec![(Arc::clone(&worlds), 1.0), (plain, 1.0), (painted, 1.0)];
        let mix = Mix::new(mix, 3).unwrap();
        let known = worlds.classes().len();
        assert_eq!(mix.classes()[known..], ["photograph", "painted"]);
        let classes: Vec<u32> =
            (0..60).map(|index| mix.sample(index, 8).unwrap().class.unwrap()).collect();
        assert!(classes.contains(&(known as u32)) && classes.contains(&(known as u32 + 1)));
        assert!(classes.iter().any(|class| (*class as usize) < known));
    }
}
