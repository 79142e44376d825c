//! Damaged arrays, archives of archives and TIFF files by the ten thousand, with memory and work
//! counted: no reader takes more than a stated multiple of its file.

use std::path::Path;

use smalti_engine::arrays;
use smalti_engine::arrays::guess::guess;
use smalti_engine::data::arrays::ArraySet;
use smalti_engine::data::{braces, open_source};
use smalti_engine::images::{Limits, decode};
use smalti_engine::token_files::from_arrays::{Index, Wanted, of_arrays};
use smalti_tests::counting::{Cost, Counting, cost_of};

use super::cases::case;
use super::fuzz::{Dice, damaged, mend_tar, read_some};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Damages files of one kind `count` times. `limit` is the most that one of `len` bytes may cost; a
/// few must still be read, and some refused.
fn fuzz(
    kind: &str,
    files: &[Vec<u8>],
    count: u32,
    limit: impl Fn(usize) -> Cost,
    read: impl Fn(Vec<u8>) -> bool,
) {
    let mut n_read = 0;
    for number in 0..count {
        let mut dice = Dice::new(kind, number);
        let bytes = damaged(&files[number as usize % files.len()], &mut dice);
        let (len, most) = (bytes.len(), limit(bytes.len()));
        let mut was_read = false;
        let cost = cost_of(|| was_read = read(bytes));
        let fits = cost.peak <= most.peak && cost.taken <= most.taken;
        assert!(fits, "{kind} {number}: {cost:?} for a file of {len}, at most {most:?}");
        n_read += u32::from(was_read);
    }
    assert!((count / 1000..count).contains(&n_read), "{kind}: {n_read} of {count} were read");
}

/// Reads arrays as tokens and as images; whether there were any.
fn read_arrays(bytes: Vec<u8>) -> bool {
    let path = Path::new("damaged");
    let Ok(file) = arrays::open_bytes(path, bytes) else { return false };
    if let Err(error) = guess(&file) {
        assert!(error.is_bad_input(), "{error}");
    }
    for array in &file.members {
        let wanted = [
            Wanted::default(),
            Wanted { grid: Some((11, 16)), index: Some(Index::One(0)), ..Wanted::default() },
        ];
        for wanted in wanted {
            let wanted = Wanted { key: Some(array.name().to_owned()), ..wanted };
            match of_arrays(path, &file, &wanted) {
                Ok(read) => assert!(read.grids.iter().all(|g| g.codes.len() == g.rows * g.columns)),
                Err(error) => assert!(error.is_bad_input(), "{error}"),
            }
        }
    }
    read_some(ArraySet::of_arrays(path, &file));
    true
}

fn bytes_of(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| std::fs::read(case(name)).unwrap()).collect()
}

#[test]
fn damaged_arrays_are_answered_within_a_multiple_of_their_size() {
    let mut files = bytes_of(&["tokens_B1HW.npy", "tokens_batch3.npy", "tokens_f32.npy"]);
    files.extend(bytes_of(&["llamagen_1x2xN.npy", "own_tokens_worlds-fsq.npy"]));
    // A byte can be a code of 4, and is held as a number of 16 while it is looked at.
    let limit = |len: usize| Cost { peak: (256 << 10) + 64 * len, taken: (1 << 20) + 512 * len };
    fuzz("npy", &files, 10_000, limit, read_arrays);
    let images: Vec<Vec<u8>> = bytes_of(&["images_NHWC.npy"])
        .iter()
        .map(|bytes| {
            let mut two = bytes[..128 + 2 * 3072].to_vec();
            let at = two.windows(4).position(|w| w == b"(12,").unwrap();
            two[at + 1..at + 3].copy_from_slice(b" 2");
            two
        })
        .collect();
    fuzz("npy images", &images, 3_000, limit, read_arrays);
}

#[test]
fn damaged_archives_of_arrays_are_answered_within_what_deflate_can_give() {
    let files = bytes_of(&["arrays.npz", "tokens.npz", "digits.npz"]);
    // A deflated byte can be 1032, which are held as codes or pixels.
    let limit = |len: usize| Cost { peak: (1 << 20) + 4096 * len, taken: (8 << 20) + 16_384 * len };
    fuzz("npz", &files, 10_000, limit, read_arrays);
}

#[test]
fn damaged_tensors_are_answered_as_arrays() {
    let files = bytes_of(&["tokens.pt", "own_tokens_worlds-fsq.safetensors"]);
    let limit = |len: usize| Cost { peak: (512 << 10) + 128 * len, taken: (2 << 20) + 1024 * len };
    fuzz("tensors", &files, 10_000, limit, read_arrays);
}

#[test]
fn damaged_archives_of_archives_are_answered_within_their_size() {
    let whole = std::fs::read(case("tar_of_tars.tar")).unwrap();
    let limit = |len: usize| Cost { peak: (256 << 10) + 32 * len, taken: (4 << 20) + 64 * len };
    fuzz("tar of tars", &[whole], 10_000, limit, |mut bytes| {
        if bytes.len() % 2 == 0 {
            mend_tar(&mut bytes);
        }
        let limits = Limits { max_pixels: 4096, max_file_bytes: 1 << 20 };
        read_some(smalti_engine::data::tar::from_bytes(bytes, Path::new("x.tar"), limits))
    });
}

#[test]
fn damaged_tiff_of_rarer_kinds_is_answered_within_the_pixels_allowed() {
    let limits = Limits { max_pixels: 4096, max_file_bytes: 1 << 20 };
    let files = bytes_of(&["tiled_planar.tif", "f32.tif", "ycbcr_jpeg.tif"]);
    // A value of a tag is held in 32 bytes; the decoder of JPEG has tables of its own.
    let limit = |len: usize| Cost { peak: (4 << 20) + 64 * len, taken: (32 << 20) + 512 * len };
    fuzz("tiff", &files, 10_000, limit, |bytes| {
        match decode(&bytes, Path::new("x.tif"), &limits) {
            Ok(decoded) => {
                let pixels = decoded.picture.width() * decoded.picture.height();
                assert!(u64::from(pixels) <= limits.max_pixels);
                true
            }
            Err(error) => {
                assert!(error.is_bad_input(), "{error}");
                false
            }
        }
    });
}

#[test]
fn damaged_archives_of_cifar_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["c/data_batch_1.bin", "c/test_batch.bin"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(3073);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &[3_u8; 3073][..]).unwrap();
    }
    let plain = builder.into_inner().unwrap();
    let path = folder.path().join("x.tar");
    let limit = |len: usize| Cost { peak: (256 << 10) + 32 * len, taken: (4 << 20) + 64 * len };
    fuzz("cifar.tar", &[plain], 3_000, limit, |mut bytes| {
        mend_tar(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        match open_source(&path) {
            Ok(source) => source.sample(0, 8).is_ok(),
            Err(error) => {
                assert!(error.is_bad_input(), "{error}");
                false
            }
        }
    });
}

#[test]
fn patterns_of_any_letters_stand_for_a_bounded_number_of_files() {
    let letters = ["{", "}", "..", ",", "0", "9", "00", "x", "99999999999999999999", "-"];
    for number in 0..10_000 {
        let mut dice = Dice::new("braces", number);
        let pattern: String =
            (0..dice.below(14)).map(|_| letters[dice.below(letters.len())]).collect();
        let path = Path::new(&pattern);
        match braces::expand(path) {
            Ok(paths) => {
                assert!((1..=100_000).contains(&paths.len()), "{pattern}");
                assert!(braces::has_braces(path) || paths == [path], "{pattern}");
            }
            Err(error) => assert!(error.is_bad_input(), "{error}"),
        }
    }
}

#[test]
fn a_png_with_gigabytes_behind_its_pixels_costs_no_more_than_its_pixels() {
    // One gray pixel, and behind it 256 MiB of zeros that are 256 KiB packed.
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..256 {
        std::io::Write::write_all(&mut packer, &zeros).unwrap();
    }
    let mut data = packer.finish().unwrap();
    let png = gray_pixel(&data);
    let cost = cost_of(|| drop(decode(&png, Path::new("x.png"), &Limits::default())));
    assert!(cost.taken < 8 << 20, "{cost:?} for a file of {}", png.len());
    // Nor is time spent on it: that its checksum, far behind the pixels, is wrong is not found out.
    let end = data.len();
    data[end - 4..].fill(7);
    decode(&gray_pixel(&data), Path::new("x.png"), &Limits::default()).unwrap();
}

/// A PNG of one gray pixel with these packed data.
fn gray_pixel(data: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in
        [(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0][..]), (b"IDAT", data), (b"IEND", &[])]
    {
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(kind);
        png.extend(data);
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}
