//! Archives made here: plain, compressed, one in another, broken.

use super::*;
use crate::data::Source;
use crate::images::{Picture, png_bytes};

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gray(value: u8) -> Vec<u8> {
    png_bytes(&Picture::new(2, 2, vec![value; 12]).unwrap()).unwrap()
}

fn sample_archive() -> Vec<u8> {
    archive(&[
        ("./set/dog/2.png", &gray(2)),
        ("./set/dog/1.png", &gray(1)),
        ("./set/dog/1.txt", b"one dog\n"),
        ("./set/cat/._3.png", b"resource fork"),
        ("./set/cat/3.png", &gray(3)),
        ("./set/README.md", b"words"),
    ])
}

fn check(source: &Pictures) {
    assert_eq!(source.len(), 3);
    assert_eq!(source.classes(), ["cat", "dog"]);
    let sample = source.sample(1, 8).unwrap();
    assert_eq!((sample.name.as_str(), sample.class), ("set/dog/1.png", Some(1)));
    assert_eq!(sample.caption.as_deref(), Some("one dog"));
    assert_eq!(sample.picture.pixel(1, 1), Some([1; 3]));
    assert_eq!(source.sample(2, 8).unwrap().caption, None);
    assert!(source.sample(3, 8).is_err());
}

#[test]
fn an_archive_is_read_where_it_lies_plain_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("set.tar");
    std::fs::write(&plain, sample_archive()).unwrap();
    check(&open(&plain, Limits::default()).unwrap());
    let packed = folder.path().join("set.tar.gz");
    let file = std::fs::File::create(&packed).unwrap();
    let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    std::io::Write::write_all(&mut writer, &sample_archive()).unwrap();
    writer.finish().unwrap();
    check(&open(&packed, Limits::default()).unwrap());
}

#[test]
fn a_broken_image_inside_names_the_archive_and_the_entry() {
    let bytes = archive(&[("a/x.png", b"words"), ("b/y.png", &gray(1))]);
    let source = from_bytes(bytes, Path::new("set.tar"), Limits::default()).unwrap();
    let error = source.sample(0, 8).unwrap_err().to_string();
    assert!(error.contains("set.tar") && error.contains("a/x.png"), "{error}");
    assert!(source.sample(1, 8).is_ok());
}

#[test]
fn names_that_are_far_too_long_are_stepped_over_with_a_note() {
    let (long, deep) = (format!("{}/x.png", "a".repeat(5000)), format!("{}x.png", "d/".repeat(65)));
    let bytes = archive(&[("cat/x.png", &gray(1)), (&long, &gray(2)), (&deep, &gray(3))]);
    let source = from_bytes(bytes, Path::new("set.tar"), Limits::default()).unwrap();
    assert_eq!(source.len(), 1);
    let note = &source.notes()[0];
    assert!(note.contains("set.tar: stepped over 2 files") && note.len() < 200, "{note}");
}

#[test]
fn an_archive_that_is_overwritten_while_it_is_open_gives_no_wrong_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.tar");
    std::fs::write(&path, archive(&[("a/x.png", &gray(1)), ("b/y.png", &gray(2))])).unwrap();
    let source = open(&path, Limits::default()).unwrap();
    assert_eq!(source.sample(1, 8).unwrap().picture.pixel(0, 0), Some([2; 3]));
    std::fs::write(&path, archive(&[("a/x.png", &gray(3)), ("b/z.png", &gray(4)), ("c", b"")]))
        .unwrap();
    let error = source.sample(1, 8).unwrap_err().to_string();
    assert!(error.contains("set.tar") && error.contains("changed while it was open"), "{error}");
}

#[test]
fn an_archive_that_is_cut_off_is_refused() {
    let large = vec![7; 5000];
    let bytes = archive(&[("a/x.png", &gray(1)), ("a/large.png", &large)]);
    for cut in [1200, 1700, 3000] {
        let part = bytes[..cut].to_vec();
        let result = from_bytes(part, Path::new("set.tar"), Limits::default());
        let error = result.unwrap_err().to_string();
        assert!(error.contains("cut off") || error.contains("damaged"), "{cut}: {error}");
    }
}

#[test]
fn an_entry_that_claims_more_than_there_is_is_refused() {
    let mut bytes = archive(&[("a/x.png", &gray(1))]);
    let mut header = ::tar::Header::new_gnu();
    header.set_path("a/x.png").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    bytes[..512].copy_from_slice(header.as_bytes());
    let result = from_bytes(bytes, Path::new("set.tar"), Limits::default());
    assert!(result.unwrap_err().to_string().contains("cut off"));
}

#[test]
fn an_archive_of_archives_has_a_class_each_plain_and_compressed() {
    let inner = |values: [u8; 2]| {
        let [a, b] = values.map(gray);
        archive(&[("0.png", &a), ("0.txt", b"a caption"), ("1.png", &b)])
    };
    let (fish, shark) = (inner([10, 11]), inner([20, 21]));
    let broken = archive(&[("0.png", &gray(3))])[..520].to_vec();
    let whole = archive(&[
        ("train/n01440764.tar", &fish),
        ("train/n01484850.tar", &shark),
        ("train/n02000000.tar", &broken),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.tar");
    std::fs::write(&path, &whole).unwrap();
    let in_memory = from_bytes(whole, &path, Limits::default()).unwrap();
    for source in [open(&path, Limits::default()).unwrap(), in_memory] {
        assert_eq!(
            (source.len(), source.classes()),
            (4, &["n01440764", "n01484850"].map(str::to_owned)[..])
        );
        let sample = source.sample(3, 8).unwrap();
        assert_eq!((sample.class, sample.picture.pixel(0, 0)), (Some(1), Some([21; 3])));
        assert_eq!(sample.name, "train/n01484850.tar/1.png");
        assert_eq!(source.sample(0, 8).unwrap().caption.as_deref(), Some("a caption"));
        assert!(source.notes()[0].contains("n02000000.tar"), "{:?}", source.notes());
    }
}

#[test]
fn archives_of_the_oldest_sort_are_known_by_their_checksum() {
    let mut header = ::tar::Header::new_old();
    header.set_path("a.png").unwrap();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    assert!(is_tar(header.as_bytes()));
    let mut other = *header.as_bytes();
    other[0] ^= 1;
    assert!(!is_tar(&other));
    assert!(!is_tar(&[0; 512]) && !is_tar(b"ustar"));
}
