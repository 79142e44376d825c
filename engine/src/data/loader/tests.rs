//! Tests of the loader: the same batches whatever the threads, broken images, endings.

use super::*;
use crate::data::Mix;
use crate::data::worlds::Worlds;

/// Images whose color tells their number; every `broken_every`th cannot be read.
#[derive(Debug)]
struct Colors {
    len: u64,
    broken_every: u64,
    panics: bool,
}

impl Source for Colors {
    fn len(&self) -> u64 {
        self.len
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn class_of(&self, _index: u64) -> Option<u32> {
        None
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        if self.broken_every > 0 && index.is_multiple_of(self.broken_every) {
            assert!(!self.panics, "a reader's own bug");
            return Err(EngineError::bad_file(
                format!("{index:03}.png"),
                "this PNG is damaged",
                "",
            ));
        }
        let rgb = (0..40 * 30)
            .flat_map(|i| [index as u8, (i % 40) as u8, (i / 40) as u8])
            .collect::<Vec<u8>>();
        let picture = Picture::new(40, 30, rgb)?;
        let class = Some(index as u32);
        Ok(Sample { picture, class, caption: None, name: index.to_string() })
    }
    fn describe(&self) -> String {
        "colors".to_owned()
    }
}

fn options(threads: usize) -> LoaderOptions {
    let crop = CropRule { side: 8, scales: vec![8, 16, 30], mirror: true };
    LoaderOptions { seed: 3, batch_size: 6, crop, threads }
}

fn colors(len: u64, broken_every: u64) -> Arc<dyn Source> {
    Arc::new(Colors { len, broken_every, panics: false })
}

fn batches(source: &Arc<dyn Source>, threads: usize, start: u64, count: usize) -> Vec<Batch> {
    let mut loader = Loader::start_at(Arc::clone(source), options(threads), start).unwrap();
    (0..count).map(|_| loader.next_batch().unwrap()).collect()
}

fn assert_same(a: &[Batch], b: &[Batch]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.step, b.step);
        assert_eq!(a.names, b.names);
        assert_eq!(a.pictures, b.pictures);
        assert_eq!(a.classes, b.classes);
    }
}

#[test]
fn batches_are_the_same_whatever_the_number_of_threads() {
    for source in [colors(50, 0), colors(50, 3)] {
        let one = batches(&source, 1, 0, 20);
        for threads in [2, 3, 7] {
            assert_same(&one, &batches(&source, threads, 0, 20));
        }
    }
}

#[test]
fn a_resumed_run_gets_the_batches_of_an_uninterrupted_one() {
    for source in [colors(50, 0), colors(50, 3)] {
        let whole = batches(&source, 2, 0, 20);
        assert_same(&whole[13..], &batches(&source, 3, 13, 7));
    }
}

#[test]
fn an_epoch_shows_every_image_once_and_the_next_in_another_order() {
    let source = colors(60, 0);
    let order = |start| -> Vec<u32> {
        batches(&source, 2, start, 10).iter().flat_map(|b| b.classes.clone()).flatten().collect()
    };
    let (first, second) = (order(0), order(10));
    let sorted = |mut v: Vec<u32>| {
        v.sort_unstable();
        v
    };
    assert_eq!(sorted(first.clone()), (0..60).collect::<Vec<_>>());
    assert_eq!(sorted(second.clone()), (0..60).collect::<Vec<_>>());
    assert_ne!(first, second);
}

#[test]
fn crops_lie_inside_and_come_in_every_size_and_both_directions() {
    let source = colors(50, 0);
    let (mut mirrored, mut spans) = (0, Vec::new());
    for batch in batches(&source, 2, 0, 40) {
        for (picture, class) in batch.pictures.iter().zip(&batch.classes) {
            assert_eq!((picture.width(), picture.height()), (8, 8));
            let (left, right) = (picture.pixel(0, 4).unwrap(), picture.pixel(7, 4).unwrap());
            assert_eq!(u32::from(left[0]), class.unwrap(), "the color of the image it came from");
            mirrored += u32::from(left[1] > right[1]);
            spans.push(left[1].abs_diff(right[1]));
        }
    }
    let n = spans.len() as f64;
    assert!((f64::from(mirrored) / n - 0.5).abs() < 0.12, "{mirrored} of {n}");
    for span in [7, 13, 26] {
        // 8 pixels at full size, at half size, and the whole short side.
        let count = spans.iter().filter(|&&s| s.abs_diff(span) <= 1).count();
        assert!((count as f64 / n - 1.0 / 3.0).abs() < 0.12, "{span}: {count} of {n}");
    }
}

#[test]
fn broken_images_are_replaced_counted_and_named() {
    let mut loader = Loader::new(colors(30, 10), options(2)).unwrap();
    for _ in 0..10 {
        assert_eq!(loader.next_batch().unwrap().pictures.len(), 6);
    }
    let report = loader.skipped();
    assert_eq!(report.count, 3);
    let names: Vec<&str> = report.first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["000.png", "010.png", "020.png"]);
    assert!(report.to_string().contains("3 images skipped"), "{report}");
    assert!(report.to_string().contains("damaged"), "{report}");
}

#[test]
fn a_reader_that_panics_costs_one_image() {
    let source = Arc::new(Colors { len: 30, broken_every: 10, panics: true });
    let mut loader = Loader::new(source, options(2)).unwrap();
    for _ in 0..10 {
        loader.next_batch().unwrap();
    }
    assert_eq!(loader.skipped().count, 3);
}

#[test]
fn a_source_of_broken_images_is_an_error_and_not_an_endless_search() {
    let mut loader = Loader::new(colors(30, 1), options(2)).unwrap();
    assert!(loader.next_batch().unwrap_err().to_string().contains("damaged"));
}

#[test]
fn dropping_ends_the_threads_at_any_moment() {
    let source = colors(50, 0);
    for taken in 0..4 {
        let mut loader = Loader::new(Arc::clone(&source), options(3)).unwrap();
        for _ in 0..taken {
            loader.next_batch().unwrap();
        }
        drop(loader);
        assert_eq!(Arc::strong_count(&source), 1, "no thread holds the source any more");
    }
}

#[test]
fn memory_is_bounded_however_long_nobody_takes_a_batch() {
    let source = Arc::new(Counting::default());
    let loader = Loader::new(Arc::clone(&source) as Arc<dyn Source>, options(2)).unwrap();
    // Two threads: one batch each in the channel and one each in hand, six images in a batch.
    while source.0.load(Ordering::Relaxed) < 24 {
        std::thread::yield_now();
    }
    for _ in 0..1000 {
        std::thread::yield_now();
    }
    assert_eq!(source.0.load(Ordering::Relaxed), 24);
    drop(loader);
}

#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicU64);

impl Source for Counting {
    fn len(&self) -> u64 {
        1000
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn class_of(&self, _index: u64) -> Option<u32> {
        None
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let picture = Picture::new(8, 8, vec![0; 192])?;
        Ok(Sample { picture, class: None, caption: None, name: index.to_string() })
    }
    fn describe(&self) -> String {
        "counting".to_owned()
    }
}

#[test]
fn options_without_sense_are_refused() {
    assert!(Loader::new(colors(0, 0), options(1)).is_err());
    let mut none = options(1);
    none.batch_size = 0;
    assert!(Loader::new(colors(5, 0), none).is_err());
    for side in [0, u32::MAX] {
        let mut crop = options(1);
        crop.crop.side = side;
        assert!(Loader::new(colors(5, 0), crop).is_err());
    }
}

#[test]
fn pictures_of_any_shape_give_crops() {
    let rule = CropRule { side: 16, scales: vec![64], mirror: false };
    for (w, h) in [(1, 1), (1, 4096), (4096, 1), (15, 400), (16, 16), (17, 16)] {
        let picture = Picture::new(w, h, vec![200; (w * h * 3) as usize]).unwrap();
        for cell in 0..20 {
            let noise = Noise::new(1, Purpose::Test, 0, cell);
            let out = cut(&picture, &rule, scale_of(&rule, &noise), &noise).unwrap();
            assert_eq!((out.width(), out.height()), (16, 16));
            assert_eq!(out.pixel(8, 8), Some([200; 3]));
        }
    }
}

#[test]
fn crops_of_painted_images_are_those_of_whole_ones() {
    /// Worlds that are painted whole.
    #[derive(Debug)]
    struct Whole(Worlds);
    impl Source for Whole {
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn classes(&self) -> &[String] {
            self.0.classes()
        }
        fn class_of(&self, index: u64) -> Option<u32> {
            self.0.class_of(index)
        }
        fn sample(&self, index: u64, side: u32) -> Result<Sample> {
            self.0.sample(index, side)
        }
        fn describe(&self) -> String {
            self.0.describe()
        }
    }
    let mixed = |worlds: Arc<dyn Source>| -> Arc<dyn Source> {
        Arc::new(Mix::new(vec![(worlds, 2.0), (colors(50, 0), 1.0)], 8).unwrap())
    };
    let parts = mixed(Arc::new(Worlds::training(5)));
    let whole = mixed(Arc::new(Whole(Worlds::training(5))));
    assert!((0..99).any(|i| parts.painted_size(i, 9).is_some()));
    assert!((0..99).all(|i| whole.painted_size(i, 9).is_none()));
    assert_same(&batches(&parts, 1, 0, 12), &batches(&whole, 1, 0, 12));
}
