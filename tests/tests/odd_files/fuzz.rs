//! Damaged files by the ten thousand: every reader answers each, with a picture or an error.
//!
//! The same damage in every run. Pictures are tiny and the pixel budget small, so that a header
//! which claims more is refused rather than paid for.

use std::io::Write;
use std::path::Path;

use image::{DynamicImage, ImageFormat};
use smalti_engine::data::cifar::Cifar;
use smalti_engine::data::idx::Idx;
use smalti_engine::data::{Source, open_source};
use smalti_engine::images::{Limits, decode};
use smalti_engine::random::{Noise, Purpose};

use super::{crate_folder, odd_files};

const LIMITS: Limits = Limits { max_pixels: 4096, max_file_bytes: 1 << 20 };

/// Random numbers for one damaged file.
pub(super) struct Dice {
    noise: Noise,
    lane: u32,
}

impl Dice {
    pub(super) fn new(name: &str, number: u32) -> Self {
        let cell = smalti_engine::random::name_hash(name);
        Self { noise: Noise::new(2026, Purpose::Test, number, cell), lane: 0 }
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.lane += 1;
        self.noise.below(self.lane, n as u32) as usize
    }
}

/// The file with one to four places damaged.
pub(super) fn damaged(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=dice.below(4) {
        // Headers decide about sizes: half of the damage goes there.
        let reach = if dice.below(2) == 0 { bytes.len().min(64) } else { bytes.len() };
        let at = dice.below(reach.max(1));
        let rest = bytes.len() - at.min(bytes.len());
        match dice.below(7) {
            0 if rest > 0 => bytes[at] ^= 1 << dice.below(8),
            1 if rest > 0 => bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][dice.below(6)],
            2 if rest >= 2 => {
                bytes[at..at + 2]
                    .copy_from_slice(&[[0; 2], [0xff; 2], [0x7f, 0xff]][dice.below(3)]);
            }
            3 if rest >= 4 => {
                let extremes = [[0; 4], [0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0, 0, 1, 0]];
                bytes[at..at + 4].copy_from_slice(&extremes[dice.below(4)]);
            }
            4 => bytes.truncate(at),
            5 => {
                let length = dice.below(rest.min(64) + 1);
                let part = bytes[at..at + length].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let length = dice.below(rest.min(64) + 1);
                bytes.drain(at..at + length);
            }
        }
    }
    bytes
}

/// Makes the checksums of a PNG's chunks right again, so that damage gets past them.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(data) = bytes.get(at + 4..end) else { return };
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let sum = crc.sum().to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// Small images in one format: color, gray, transparent, 16 bits, as far as the format has them.
fn images(format: ImageFormat) -> Vec<Vec<u8>> {
    let plain = image::RgbaImage::from_fn(8, 8, |x, y| {
        image::Rgba([(x * 30) as u8, (y * 30) as u8, (x * y) as u8, (255 - x * 20) as u8])
    });
    let plain = DynamicImage::ImageRgba8(plain);
    let kinds = [
        DynamicImage::ImageRgb8(plain.to_rgb8()),
        plain.clone(),
        DynamicImage::ImageLuma8(plain.to_luma8()),
        DynamicImage::ImageRgba16(plain.to_rgba16()),
    ];
    kinds
        .iter()
        .filter_map(|image| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            image.write_to(&mut bytes, format).ok().map(|()| bytes.into_inner())
        })
        .collect()
}

/// Damages the files `count` times in all; how many still opened.
fn fuzz_images(name: &str, files: &[Vec<u8>], count: u32) -> u32 {
    assert!(!files.is_empty(), "no file to damage: {name}");
    let path = Path::new(name);
    let mut n_opened = 0;
    for number in 0..count {
        let mut dice = Dice::new(name, number);
        let file = &files[number as usize % files.len()];
        let mut bytes = damaged(file, &mut dice);
        if dice.below(2) == 0 && bytes.starts_with(b"\x89PNG") {
            mend_png(&mut bytes);
        }
        match decode(&bytes, path, &LIMITS) {
            Ok(decoded) => {
                let picture = decoded.picture;
                let pixels = u64::from(picture.width()) * u64::from(picture.height());
                assert!(pixels <= LIMITS.max_pixels, "{name} {number}: {picture:?}");
                n_opened += 1;
            }
            Err(error) => assert!(error.is_bad_input(), "{name} {number}: {error}"),
        }
    }
    assert!(n_opened < count, "{name}: nothing was ever refused");
    n_opened
}

#[test]
fn damaged_png_files_are_answered() {
    let opened = fuzz_images("x.png", &images(ImageFormat::Png), 20_000);
    assert!(opened > 100, "only {opened} opened: the damage never gets past the checksums");
}

#[test]
fn damaged_jpeg_files_are_answered() {
    assert!(fuzz_images("x.jpg", &images(ImageFormat::Jpeg), 12_000) > 100);
}

#[test]
fn damaged_gif_and_webp_files_are_answered() {
    assert!(fuzz_images("x.gif", &images(ImageFormat::Gif), 10_000) > 100);
    assert!(fuzz_images("x.webp", &images(ImageFormat::WebP), 10_000) > 10);
}

#[test]
fn damaged_tiff_files_are_answered() {
    assert!(fuzz_images("x.tiff", &images(ImageFormat::Tiff), 12_000) > 100);
}

#[test]
fn damaged_bmp_qoi_pnm_and_tga_files_are_answered() {
    assert!(fuzz_images("x.bmp", &images(ImageFormat::Bmp), 7_000) > 100);
    assert!(fuzz_images("x.qoi", &images(ImageFormat::Qoi), 5_000) > 100);
    assert!(fuzz_images("x.ppm", &images(ImageFormat::Pnm), 7_000) > 100);
    assert!(fuzz_images("x.tga", &images(ImageFormat::Tga), 7_000) > 100);
}

#[test]
fn damaged_files_from_other_programs_are_answered() {
    let folder = odd_files();
    for name in ["lossy.webp", "animated.webp", "cmyk.jpg", "progressive_exif6.jpg", "pal8.bmp"] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let limits = Limits { max_pixels: 192 * 128, max_file_bytes: 1 << 20 };
        for number in 0..300 {
            let bytes = damaged(&bytes, &mut Dice::new(name, number));
            if let Err(error) = decode(&bytes, Path::new(name), &limits) {
                assert!(error.is_bad_input(), "{name} {number}: {error}");
            }
        }
    }
}

/// Reads the first images of a source, if it is one.
pub(super) fn read_some(source: Result<impl Source, smalti_engine::EngineError>) -> bool {
    let Ok(source) = source else { return false };
    let n = source.len();
    for index in [0, 1, n.saturating_sub(1), n] {
        let is_there = source.sample(index, 8).is_ok();
        assert!(!is_there || index < n);
    }
    true
}

#[test]
fn damaged_archives_are_answered() {
    let png = &images(ImageFormat::Png)[0];
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/b.png", "long".repeat(40));
    for (name, bytes) in [("a/a.png", &png[..]), ("a/a.txt", b"a caption"), (long.as_str(), png)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    let plain = builder.into_inner().unwrap();
    let mut n_opened = 0;
    for number in 0..6_000 {
        let mut dice = Dice::new("x.tar", number);
        let mut bytes = damaged(&plain, &mut dice);
        if dice.below(2) == 0 {
            mend_tar(&mut bytes);
        }
        let source = smalti_engine::data::tar::from_bytes(bytes, Path::new("x.tar"), LIMITS);
        n_opened += u32::from(read_some(source));
    }
    assert!((100..6_000).contains(&n_opened), "{n_opened}");
}

/// Makes the checksums of the headers right again.
pub(super) fn mend_tar(bytes: &mut [u8]) {
    for block in bytes.as_chunks_mut::<512>().0 {
        if &block[257..262] == b"ustar" {
            block[148..156].copy_from_slice(b"        ");
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

#[test]
fn damaged_cifar_and_idx_files_are_answered() {
    let folder = crate_folder().join("fixtures/data");
    let cifar = std::fs::read(folder.join("cifar10-mini_batch.bin")).unwrap();
    let cifar = &cifar[..3073 * 2];
    let images = std::fs::read(folder.join("mini-images-idx3-ubyte")).unwrap();
    let labels = std::fs::read(folder.join("mini-labels-idx1-ubyte")).unwrap();
    let name = Path::new("x");
    let (mut n_cifar, mut n_idx) = (0, 0);
    for number in 0..3_000 {
        let mut dice = Dice::new("x.bin", number);
        n_cifar += u32::from(read_some(Cifar::from_bytes(damaged(cifar, &mut dice), name)));
        let images = damaged(&images, &mut dice);
        let labels = damaged(&labels, &mut dice);
        n_idx += u32::from(read_some(Idx::from_bytes(&images, name, Some((&labels, name)))));
    }
    assert!(n_cifar > 100 && n_idx > 10, "{n_cifar} {n_idx}");
}

#[test]
fn damaged_compressed_files_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let images =
        std::fs::read(crate_folder().join("fixtures/data/mini-images-idx3-ubyte")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&images).unwrap();
    let packed = packer.finish().unwrap();
    let path = folder.path().join("x.gz");
    for number in 0..1_000 {
        std::fs::write(&path, damaged(&packed, &mut Dice::new("x.gz", number))).unwrap();
        if let Err(error) = open_source(&path) {
            assert!(error.is_bad_input(), "{number}: {error}");
        }
    }
}
