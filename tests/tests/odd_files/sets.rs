//! Whole data sets: the shipped ones, the small fixtures, and a folder of everything odd.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::data::{CropRule, Loader, LoaderOptions, Mix, Source, open_source};

use super::{crate_folder, expected, odd_files};

fn asset(path: &str) -> PathBuf {
    crate_folder().join("../assets").join(path)
}

fn fixture(name: &str) -> PathBuf {
    crate_folder().join("fixtures/data").join(name)
}

fn options(batch_size: u32, side: u32, scales: &[u32]) -> LoaderOptions {
    let crop = CropRule { side, scales: scales.to_vec(), mirror: true };
    LoaderOptions { seed: 1, batch_size, crop, threads: 2 }
}

#[test]
fn a_folder_of_odd_files_gives_all_that_opens_and_names_the_rest() {
    let folder = odd_files();
    let source = open_source(folder.path()).unwrap();
    let mut refused = Vec::new();
    let mut opened = Vec::new();
    for index in 0..source.len() {
        match source.sample(index, 64) {
            Ok(sample) => opened.push(sample.name),
            Err(error) => refused.push(error.to_string()),
        }
    }
    for file in expected() {
        let is_open = opened.contains(&file.name);
        // The folder is not an image itself; what is inside it is.
        let is_folder = folder.path().join(&file.name).is_dir();
        let is_refused = refused.iter().any(|error| error.contains(&file.name));
        assert!(is_open != is_refused || is_folder, "{}: neither or both", file.name);
        if file.lenient.is_none() {
            assert_eq!(is_open, file.outcome != "refused", "{}", file.name);
        }
    }
    let n_refused = refused.len() as u64;
    let mut loader = Loader::new(source, options(50, 32, &[])).unwrap();
    for _ in 0..3 {
        assert_eq!(loader.next_batch().unwrap().pictures.len(), 50);
    }
    let report = loader.skipped();
    assert_eq!(report.count, n_refused, "{report}");
    assert!(report.first.iter().any(|(name, _)| name.contains("truncated.png")), "{report}");
}

#[test]
fn one_broken_image_among_many_is_skipped_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(fixture_picture()).unwrap();
    for number in 0..200 {
        let bytes = if number == 77 { &good[..good.len() / 2] } else { &good[..] };
        std::fs::write(folder.path().join(format!("{number:03}.webp")), bytes).unwrap();
    }
    let source = open_source(folder.path()).unwrap();
    let mut loader = Loader::new(source, options(20, 16, &[])).unwrap();
    let mut names = Vec::new();
    for _ in 0..10 {
        names.extend(loader.next_batch().unwrap().names);
    }
    assert_eq!(names.len(), 200);
    assert!(!names.contains(&"077.webp".to_owned()));
    let report = loader.skipped();
    assert_eq!(report.count, 1);
    assert!(report.first[0].0.ends_with("077.webp") && report.first[0].1.contains("cut off"));
}

/// A small picture out of the emoji, as a file.
fn fixture_picture() -> PathBuf {
    static FOLDER: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let packed = std::fs::File::open(asset("emoji/noto-emoji-64.tar.gz")).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        entry.unpack(folder.path().join("picture.webp")).unwrap();
        folder
    });
    folder.path().join("picture.webp")
}

#[test]
fn the_shipped_photographs_are_what_their_table_says() {
    let source = open_source(&asset("photos/photos.tar")).unwrap();
    let table = std::fs::read_to_string(asset("photos/photos.csv")).unwrap();
    let sizes: BTreeMap<&str, (&str, &str)> = table
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split(',');
            let mut next = || cells.next().unwrap();
            (next(), (next(), next()))
        })
        .collect();
    assert_eq!((source.len(), sizes.len()), (274, 274));
    assert!(source.classes().is_empty(), "one folder for all is no class");
    for index in 0..source.len() {
        let sample = source.sample(index, 64).unwrap();
        let size = (sample.picture.width().to_string(), sample.picture.height().to_string());
        assert_eq!((size.0.as_str(), size.1.as_str()), sizes[sample.name.as_str()]);
    }
}

#[test]
fn the_shipped_emoji_have_their_classes_and_captions() {
    let source = open_source(&asset("emoji/noto-emoji-64.tar.gz")).unwrap();
    assert_eq!(source.len(), 1906);
    let mut counts = vec![0; source.classes().len()];
    for index in 0..source.len() {
        let sample = source.sample(index, 64).unwrap();
        assert_eq!((sample.picture.width(), sample.picture.height()), (64, 64));
        assert!(sample.caption.is_some_and(|caption| !caption.is_empty()), "{}", sample.name);
        counts[sample.class.unwrap() as usize] += 1;
    }
    let counted: Vec<String> =
        source.classes().iter().zip(counts).map(|(name, n)| format!("{name} {n}")).collect();
    assert_eq!(
        counted.join(", "),
        "activities 85, animals-nature 159, flags 270, food-drink 131, objects 264, \
         people-body 386, smileys-emotion 169, symbols 224, travel-places 218"
    );
}

#[test]
fn cifar_and_mnist_in_their_official_layouts() {
    let cifar = open_source(&fixture("cifar10-mini_batch.bin")).unwrap();
    assert_eq!(cifar.len(), 20);
    let captions: Vec<String> =
        (0..6).map(|i| cifar.sample(i, 32).unwrap().caption.unwrap()).collect();
    assert_eq!(captions, ["cat", "ship", "ship", "airplane", "frog", "frog"]);
    let mnist = open_source(&fixture("mini-images-idx3-ubyte")).unwrap();
    assert_eq!(mnist.len(), 100);
    let digits: Vec<u32> = (0..10).map(|i| mnist.sample(i, 28).unwrap().class.unwrap()).collect();
    assert_eq!(digits, [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let seven = mnist.sample(0, 28).unwrap().picture;
    assert_eq!((seven.width(), seven.height()), (28, 28));
    assert_eq!(seven.pixel(0, 0), Some([0; 3]));
    // The folder of both is IDX, as its .bin is no training file; the folder of one is that one.
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("t10k-images-idx3-ubyte.gz");
    let mut writer = flate2::write::GzEncoder::new(
        std::fs::File::create(&packed).unwrap(),
        flate2::Compression::fast(),
    );
    let bytes = std::fs::read(fixture("mini-images-idx3-ubyte")).unwrap();
    std::io::Write::write_all(&mut writer, &bytes).unwrap();
    writer.finish().unwrap();
    let labels = folder.path().join("t10k-labels-idx1-ubyte");
    std::fs::copy(fixture("mini-labels-idx1-ubyte"), labels).unwrap();
    let gzipped = open_source(folder.path()).unwrap();
    let sample = gzipped.sample(0, 28).unwrap();
    assert_eq!((sample.picture, sample.class), (seven, Some(7)));
}

#[test]
fn a_training_mix_gives_the_same_batches_after_a_resume() {
    let mix = || -> Arc<dyn Source> {
        let photos = open_source(&asset("photos/photos.tar")).unwrap();
        let emoji = open_source(&asset("emoji/noto-emoji-64.tar.gz")).unwrap();
        Arc::new(Mix::new(vec![(photos, 3.0), (emoji, 1.0)], 5).unwrap())
    };
    let options = options(8, 64, &[64, 128, 320]);
    let mut whole = Loader::new(mix(), options.clone()).unwrap();
    let batches: Vec<_> = (0..6).map(|_| whole.next_batch().unwrap()).collect();
    let mut resumed = Loader::start_at(mix(), LoaderOptions { threads: 3, ..options }, 4).unwrap();
    for batch in &batches[4..] {
        let again = resumed.next_batch().unwrap();
        assert_eq!((again.step, &again.names), (batch.step, &batch.names));
        assert_eq!(again.pictures, batch.pictures);
    }
    assert_eq!(whole.skipped().count, 0);
}
