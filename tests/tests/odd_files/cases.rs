//! Files as people have them: sets in every wrapper, arrays, pictures of rarer kinds.
//!
//! `fixtures/cases` says in its README what each is; expected numbers are NumPy's and Pillow's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::data::{CropRule, Loader, LoaderOptions, Source, open_source};
use smalti_engine::images::{Fit, Limits, WorkingSize, open};
use smalti_engine::questions::{
    CodeUse, CodebookOrder, Identified, Identify, ImageRef, LoadImage, ModelRef, OrderBy, OwnSide,
    Sample, Scope, SourceInfo, SourceRef, Stamp, WorkingImage,
};
use smalti_engine::session::{Session, Settings};
use smalti_tests::tiny::{tiny_model, write_png};

use super::{crate_folder, psnr};

pub(super) fn case(name: &str) -> PathBuf {
    crate_folder().join("fixtures/cases").join(name)
}

fn set(path: impl AsRef<Path>) -> Arc<dyn Source> {
    open_source(path.as_ref()).unwrap()
}

fn names(source: &dyn Source) -> Vec<String> {
    (0..source.len()).map(|index| source.sample(index, 8).unwrap().name).collect()
}

fn session() -> Session {
    Session::new(Settings::new(crate_folder().join("../assets"))).unwrap()
}

fn identify(path: &Path) -> Result<Identified, Problem> {
    let question = Identify { path: path.into(), stamp: Stamp::of(path) };
    session().wait(&question).map(|found| Identified::clone(&found))
}

#[test]
fn a_folder_of_shards_is_one_set_also_with_loose_images_and_by_a_pattern() {
    let shards = set(case("shards"));
    assert_eq!((shards.len(), shards.classes().len()), (12, 0), "numbered shards are no classes");
    let listed = names(&*shards);
    assert_eq!(listed[0], "imagenet-0000.tar/0_0.jpg");
    assert_eq!(listed[11], "imagenet-0002.tar/2_3.jpg");
    assert!(shards.describe().contains("12 images in 3 archives"), "{}", shards.describe());
    // The mean color that Pillow says of 1_2.jpg.
    let picture = shards.sample(6, 8).unwrap().picture;
    let mean = |c: usize| {
        let values = picture.rgb().iter().skip(c).step_by(3);
        values.map(|value| f64::from(*value)).sum::<f64>() / 1024.0
    };
    for (c, expected) in [254.034, 254.281, 242.707].into_iter().enumerate() {
        assert!((mean(c) - expected).abs() < 1.0, "{c}: {}", mean(c));
    }
    let pattern = case("shards").join("imagenet-{0001..0002}.tar");
    let two = set(&pattern);
    assert_eq!(names(&*two), listed[4..]);
    assert!(matches!(identify(&pattern), Ok(Identified::Images(_))));
    let missing = open_source(&case("shards").join("imagenet-{0000..0003}.tar"));
    let problem = missing.unwrap_err().problem();
    assert!(problem.summary.contains("1 are not there"), "{problem}");
    assert!(problem.summary.contains("imagenet-0003.tar"), "{problem}");

    let folder = tempfile::tempdir().unwrap();
    for name in ["imagenet-0000.tar", "imagenet-0001.tar"] {
        std::fs::copy(case("shards").join(name), folder.path().join(name)).unwrap();
    }
    write_png(&folder.path().join("loose.png"), 8, 8, 1);
    std::fs::write(folder.path().join("broken.tar"), [7; 2000]).unwrap();
    let mixed = set(folder.path());
    assert_eq!(mixed.len(), 9);
    assert!(names(&*mixed).contains(&"loose.png".to_owned()));
    assert!(mixed.notes().iter().any(|note| note.contains("broken.tar")), "{:?}", mixed.notes());
}

#[test]
fn archives_in_an_archive_are_the_classes_of_imagenet() {
    let imagenet = set(case("tar_of_tars.tar"));
    assert_eq!(imagenet.classes(), ["n01440764", "n01443537"]);
    assert_eq!(imagenet.len(), 8);
    let sample = imagenet.sample(4, 8).unwrap();
    assert_eq!((sample.class, sample.picture.width()), (Some(1), 32));
    // As a folder of the same archives, which is how it is usually unpacked.
    let folder = tempfile::tempdir().unwrap();
    let archive = std::fs::File::open(case("tar_of_tars.tar")).unwrap();
    tar::Archive::new(archive).unpack(folder.path()).unwrap();
    let unpacked = set(folder.path());
    assert_eq!(unpacked.classes(), imagenet.classes());
    assert_eq!(names(&*unpacked), names(&*imagenet));
}

#[test]
fn cifar_is_read_inside_its_archive() {
    let cifar = set(case("cifar-10-binary.tar.gz"));
    assert_eq!((cifar.len(), cifar.size()), (20, Some([32, 32])));
    let labels: Vec<_> = (0..20).map(|index| cifar.class_of(index).unwrap()).collect();
    let expected: Vec<u32> = (0..10).chain(0..10).collect();
    assert_eq!(labels, expected);
    assert_eq!(cifar.classes()[3], "cat");
    // Python: the planes of record 1 at row 5, column 7.
    assert_eq!(cifar.sample(1, 8).unwrap().picture.pixel(7, 5), Some([137, 119, 105]));
    assert!(cifar.notes()[0].contains("test_batch.bin"), "{:?}", cifar.notes());
}

#[test]
fn cifar_100_in_an_archive_has_the_names_that_lie_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar-100-binary.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let records = |fine: u8| [vec![1, fine], vec![fine; 3072]].concat();
    let names: Vec<String> = (0..100).map(|i| format!("class {i}")).collect();
    for (name, bytes) in [
        ("cifar-100-binary/test.bin", records(5)),
        ("cifar-100-binary/train.bin", [records(7), records(8)].concat()),
        ("cifar-100-binary/fine_label_names.txt", names.join("\n").into_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap();
    let cifar = set(&path);
    assert_eq!(cifar.len(), 2);
    assert_eq!(cifar.sample(1, 8).unwrap().caption.as_deref(), Some("class 8"));
}

#[test]
fn sets_of_arrays_train_as_others_do() {
    for name in ["images_arr0.npz", "images_NHWC.npy", "digits.npz", "shards"] {
        let crop = CropRule { side: 16, scales: Vec::new(), mirror: false };
        let options = LoaderOptions { seed: 1, batch_size: 4, crop, threads: 2 };
        let mut loader = Loader::new(set(case(name)), options).unwrap();
        let batch = loader.next_batch().unwrap();
        assert_eq!((batch.pictures.len(), loader.skipped().count), (4, 0), "{name}");
        assert_eq!(batch.pictures[0].width(), 16, "{name}");
    }
}

#[test]
fn every_file_of_arrays_is_known_for_what_it_is() {
    for name in ["images_arr0.npz", "images_NHWC.npy", "digits.npz", "cifar-10-binary.tar.gz"] {
        let found = identify(&case(name));
        assert!(matches!(found, Ok(Identified::Images(_))), "{name}: {found:?}");
    }
    for name in ["tokens.npz", "tokens.pt", "tokens_f32.npy", "llamagen_1x2xN.npy"] {
        let found = identify(&case(name));
        assert!(matches!(found, Ok(Identified::Tokens(_))), "{name}: {found:?}");
    }
    let model = crate_folder().join("fixtures/taming_vqmodel");
    for name in ["weights.ckpt", "weights.safetensors"] {
        let found = identify(&model.join(name));
        assert!(matches!(found, Ok(Identified::Model(_))), "{name}: {found:?}");
    }
}

#[test]
fn published_generators_are_known_from_tokenizers() {
    let found = |fixture: &str, name: &str| {
        identify(&crate_folder().join("fixtures").join(fixture).join(name))
    };
    for (fixture, name) in [
        ("var", "var.pth"),
        ("var_saln", "var.pth"),
        ("llamagen_c2i", "weights.pt"),
        ("llamagen_t2i", "weights.pt"),
        ("open_magvit2_ar", "weights.ckpt"),
        ("taming_gpt_class", "weights.ckpt"),
        ("taming_gpt_prefix", "weights.ckpt"),
        ("maskgit", "weights.pth"),
        ("maskgit_halton", "weights.pth"),
        ("titok_imagebert", "weights.pth"),
    ] {
        let found = found(fixture, name);
        assert!(matches!(found, Ok(Identified::Generator(_))), "{fixture}: {found:?}");
    }
    for (fixture, name) in [
        ("var", "vae.pth"),
        ("var_vqvae", "weights.pth"),
        ("llamagen_vq", "weights.pt"),
        ("llamagen_vq", "weights.safetensors"),
        ("lfq", "weights.ckpt"),
        ("taming_gumbel", "weights.ckpt"),
        ("maskgit_vqgan", "weights.bin"),
        ("titok_vq", "weights.bin"),
        ("emu3_vq", "model.safetensors.index.json"),
    ] {
        let found = found(fixture, name);
        assert!(matches!(found, Ok(Identified::Model(_))), "{fixture}: {found:?}");
    }
}

#[test]
fn a_checkpoint_whose_length_is_a_multiple_of_cifars_is_no_cifar() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = crate_folder().join("fixtures/containers/zip.ckpt");
    let mut bytes = std::fs::read(checkpoint).unwrap();
    // A comment at the end of the archive makes it as long as need be.
    let longer = 3073 - bytes.len() % 3073;
    let at = bytes.len() - 2;
    bytes[at..].copy_from_slice(&(longer as u16).to_le_bytes());
    bytes.resize(bytes.len() + longer, b' ');
    for name in ["model.pt", "model.bin", "model.ckpt"] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let found = identify(&path);
        assert!(matches!(found, Ok(Identified::Model(_))), "{name}: {found:?}");
    }
    let cifar = folder.path().join("any.bin");
    std::fs::write(&cifar, vec![3; 3073]).unwrap();
    assert!(matches!(identify(&cifar), Ok(Identified::Images(_))));
}

#[test]
fn exif_with_the_letters_of_a_jpeg_turns_a_webp_upright() {
    let turned = open(&case("rot6_exif_prefix.webp"), &Limits::default()).unwrap().picture;
    // Pillow, of the stored picture: its top left, top right and bottom left corner. Turned a
    // quarter clockwise they are top right, bottom right and top left.
    let corners =
        [((63, 0), [137, 118, 104]), ((63, 63), [162, 151, 134]), ((0, 0), [118, 95, 80])];
    for ((x, y), expected) in corners {
        let color = turned.pixel(x, y).unwrap();
        let off = color.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(off <= 12, "{x}, {y}: {color:?}, but {expected:?}");
    }
}

#[test]
fn tiff_in_tiles_of_planes_and_in_floats_is_read() {
    let tiled = open(&case("tiled_planar.tif"), &Limits::default()).unwrap();
    let picture = tiled.picture;
    assert_eq!((picture.width(), picture.height()), (40, 24));
    for y in 0..24 {
        for x in 0..40 {
            // What Pillow reads at (0, 0), (39, 23), (33, 17) and (20, 5) lies on this plane.
            let expected = [(6 * x) as u8, (8 * y) as u8, 90];
            assert_eq!(picture.pixel(x, y), Some(expected), "{x}, {y}");
        }
    }
    let float = open(&case("f32.tif"), &Limits::default()).unwrap();
    assert!(float.warnings.is_empty(), "{:?}", float.warnings);
    let gray = |x, y| float.picture.pixel(x, y).unwrap();
    assert_eq!(
        [gray(0, 0), gray(1, 0), gray(20, 40), gray(50, 10)],
        [123, 121, 122, 167].map(|v| [v; 3])
    );
}

#[test]
fn original_size_of_a_painted_world_is_a_size_to_look_at() {
    let image = ImageRef::InSource { source: SourceRef::Worlds { seed: 1 }, index: 3 };
    let size = WorkingSize { side: 0, mode: Fit::KeepOriginal, multiple_of: 4 };
    let picture = session().wait(&WorkingImage { image: image.clone(), size }).unwrap();
    assert_eq!(picture.width().min(picture.height()), 256);
    let loaded = session().wait(&LoadImage { image, paint_side: 64 }).unwrap();
    assert_eq!(loaded.picture.width().min(loaded.picture.height()), 64);
}

fn source(path: &Path) -> SourceRef {
    SourceRef::Path { path: path.into(), stamp: Stamp::of(path) }
}

#[test]
fn sets_are_measured_at_their_own_size_up_to_256() {
    let session = session();
    let side = |source| *session.wait(&OwnSide { source }).unwrap();
    assert_eq!(side(source(&crate_folder().join("fixtures/data/mini-images-idx3-ubyte"))), 28);
    assert_eq!(side(source(&case("shards"))), 32);
    assert_eq!(side(SourceRef::Samples), 256);
    assert_eq!(side(SourceRef::Worlds { seed: 0 }), 256);
    let facts = session.wait(&SourceInfo { source: source(&case("digits.npz")) }).unwrap();
    assert_eq!(facts.size, Some([28, 28]));
    assert!(facts.description.contains("28x28"), "{}", facts.description);
}

#[test]
fn a_picture_that_was_written_over_is_not_shown_for_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    write_png(&path, 8, 8, 1);
    let before = LoadImage { image: ImageRef::file(&path), paint_side: 0 };
    session().wait(&before).unwrap();
    write_png(&path, 9, 8, 2);
    let problem = session().wait(&before).unwrap_err();
    assert!(problem.summary.contains("a.png: it has changed since it was opened"), "{problem}");
    let now = LoadImage { image: ImageRef::file(&path), paint_side: 0 };
    assert_eq!(session().wait(&now).unwrap().picture.width(), 9);
}

#[test]
fn a_part_of_a_set_is_called_a_sample_and_enlarged_images_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.safetensors");
    tiny_model(&path);
    let model = ModelRef::File { stamp: Stamp::of(&path), path: path.into() };
    let digits = source(&crate_folder().join("fixtures/data/mini-images-idx3-ubyte"));
    let images: Arc<[ImageRef]> =
        (0..5).map(|index| ImageRef::InSource { source: digits.clone(), index }).collect();
    let survey = |side| {
        let (model, images) = (model.clone(), Arc::clone(&images));
        let sample = Sample::Images { model, images, size: WorkingSize::square(side, 1) };
        CodeUse { sample, scope: Scope::default(), by_image: false }
    };
    let survey = |side| session().wait(&survey(side)).unwrap();
    let own = survey(28);
    assert_eq!(own.sample.map(|s| (s.images, s.total, s.is_part())), Some((5, 100, true)));
    assert_eq!((own.sizes, own.enlarged), ([[28, 28]; 2], 0));
    let large = survey(64);
    assert_eq!((large.sizes, large.enlarged), ([[64, 64]; 2], 5));
    let odd = survey(29);
    assert_eq!(odd.sizes, [[28, 28]; 2], "two pixels a token");
    let size = WorkingSize::square(28, 1);
    let sample = Sample::Images { model: model.clone(), images: Arc::clone(&images), size };
    let counts = CodeUse { sample, scope: Scope::default(), by_image: false };
    let order = CodebookOrder { model: Some(model.clone()), counts, by: OrderBy::Count };
    let sample = session().wait(&order).unwrap().sample.unwrap();
    assert_eq!((sample.images, sample.total), (5, 100));
}

#[test]
fn the_same_pixels_are_the_same_picture_in_every_wrapper() {
    let (npz, npy) = (set(case("images_arr0.npz")), set(case("images_NHWC.npy")));
    for index in 0..npz.len() {
        let [a, b] = [&npz, &npy].map(|set| set.sample(index, 8).unwrap().picture);
        assert!(psnr(&a, &b).is_infinite(), "{index}");
    }
}
