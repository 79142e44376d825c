//! The rarer kinds of each format: read with the right pixels, or named for what they are and never
//! called damaged. TIFF files are put together here, tag by tag, so that their pixels are known.

use std::path::Path;

use smalti_engine::images::{Decoded, Limits, decode};

use super::{crate_folder, odd_files};

const SHORT: u16 = 3;
const LONG: u16 = 4;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const SAMPLES: u16 = 277;
const PLANAR: u16 = 284;
const EXTRA: u16 = 338;
const FORMAT: u16 = 339;

/// A TIFF of one strip for each plane, with the tags given besides.
fn tiff(size: [u32; 2], tags: &[(u16, &[u32])], planes: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"II*\0\0\0\0\0".to_vec();
    let (mut offsets, mut counts) = (Vec::new(), Vec::new());
    for plane in planes {
        offsets.push(bytes.len() as u32);
        counts.push(plane.len() as u32);
        bytes.extend(*plane);
    }
    let mut all: Vec<(u16, u16, Vec<u32>)> = vec![
        (WIDTH, LONG, vec![size[0]]),
        (HEIGHT, LONG, vec![size[1]]),
        (273, LONG, offsets),
        (278, LONG, vec![size[1]]),
        (279, LONG, counts),
    ];
    all.extend(tags.iter().map(|(tag, values)| (*tag, SHORT, values.to_vec())));
    all.sort_by_key(|entry| entry.0);
    // Values of more than four bytes come first, then the directory.
    let mut fields = Vec::new();
    for (tag, kind, values) in &all {
        let data: Vec<u8> = match *kind {
            SHORT => values.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        let field = if data.len() <= 4 {
            let mut field = data;
            field.resize(4, 0);
            field
        } else {
            let at = bytes.len() as u32;
            bytes.extend(data);
            at.to_le_bytes().to_vec()
        };
        fields.push((*tag, *kind, values.len() as u32, field));
    }
    let at = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&at.to_le_bytes());
    bytes.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, count, field) in fields {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(field);
    }
    bytes.extend([0; 4]);
    bytes
}

fn try_decode(bytes: &[u8], name: &str) -> Result<Decoded, smalti_engine::Problem> {
    decode(bytes, Path::new(name), &Limits::default()).map_err(|error| error.problem())
}

fn opened(bytes: &[u8]) -> Decoded {
    try_decode(bytes, "x.tif").unwrap_or_else(|problem| panic!("{problem}"))
}

/// All pixels.
fn pixels(bytes: &[u8]) -> Vec<[u8; 3]> {
    opened(bytes).picture.rgb().as_chunks::<3>().0.to_vec()
}

fn grays(bytes: &[u8]) -> Vec<u8> {
    pixels(bytes).iter().map(|pixel| pixel[0]).collect()
}

const GRAY: (u16, &[u32]) = (PHOTOMETRIC, &[1]);
const RGB: (u16, &[u32]) = (PHOTOMETRIC, &[2]);

#[test]
fn tiles_that_are_far_larger_than_the_picture_are_not_unpacked() {
    // A column of pixels in tiles of 65536 x 256, all of which are said to be the same bytes.
    let column = |rows: u32| {
        let mut bytes = [b"II*\0\0\0\0\0".as_slice(), &[0; 16]].concat();
        let tiles = rows.div_ceil(256);
        let places = bytes.len() as u32;
        bytes.extend((0..tiles).flat_map(|_| 8_u32.to_le_bytes()));
        let counts = bytes.len() as u32;
        bytes.extend((0..tiles).flat_map(|_| 16_u32.to_le_bytes()));
        let directory = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&directory.to_le_bytes());
        let fields = [
            (WIDTH, 1, 1),
            (HEIGHT, 1, rows),
            (BITS, 1, 8),
            (COMPRESSION, 1, 32_773),
            (PHOTOMETRIC, 1, 1),
            (SAMPLES, 1, 1),
            (322, 1, 65_536),
            (323, 1, 256),
            // Where each tile is, and how long.
            (324, tiles, places),
            (325, tiles, counts),
        ];
        bytes.extend((fields.len() as u16).to_le_bytes());
        for (tag, count, value) in fields {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(LONG.to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0; 4]);
        bytes
    };
    let problem = try_decode(&column(1 << 24), "x.tif").expect_err("too much");
    assert!(problem.to_string().contains("tiles of 65536x256"), "{problem}");
}

#[test]
fn tiff_of_every_width_of_numbers_has_its_grays() {
    let float = (FORMAT, &[3][..]);
    // 0, 1/4, 1/2 and 1 as halves, singles and doubles.
    let halves = [0, 0x3400, 0x3800, 0x3c00].map(u16::to_le_bytes).concat();
    assert_eq!(grays(&tiff([4, 1], &[GRAY, (BITS, &[16]), float], &[&halves])), [0, 64, 128, 255]);
    let doubles = [0.0, 0.25, 0.5, 1.0].map(f64::to_le_bytes).concat();
    assert_eq!(grays(&tiff([2, 2], &[GRAY, (BITS, &[64]), float], &[&doubles])), [0, 64, 128, 255]);
    let words = [0, 1 << 30, 1 << 31, u32::MAX].map(u32::to_le_bytes).concat();
    assert_eq!(grays(&tiff([4, 1], &[GRAY, (BITS, &[32])], &[&words])), [0, 64, 128, 255]);
    let shorts = [0, 257, 258, u16::MAX].map(u16::to_le_bytes).concat();
    assert_eq!(grays(&tiff([4, 1], &[GRAY, (BITS, &[16])], &[&shorts])), [0, 1, 1, 255]);
    // Rows begin at whole bytes.
    let nibbles = [0x08, 0xf0, 0xf0, 0x80];
    assert_eq!(
        grays(&tiff([3, 2], &[GRAY, (BITS, &[4])], &[&nibbles])),
        [0, 136, 255, 255, 0, 136]
    );
    let bits = [0b1010_0000, 0b0100_0000];
    assert_eq!(grays(&tiff([3, 2], &[GRAY, (BITS, &[1])], &[&bits])), [255, 0, 255, 0, 255, 0]);
    let inverted = (PHOTOMETRIC, &[0][..]);
    assert_eq!(grays(&tiff([3, 2], &[inverted, (BITS, &[1])], &[&bits])), [0, 255, 0, 255, 0, 255]);
}

#[test]
fn tiff_with_transparency_is_put_on_white_as_its_tag_says() {
    let eight = (BITS, &[8, 8, 8, 8][..]);
    let tags = |extra: &'static [u32]| [RGB, eight, (SAMPLES, &[4][..]), (EXTRA, extra)];
    let data = [100, 50, 0, 128];
    // Multiplied already: 100 + 127; not yet: 100 * 128/255 + 127.
    assert_eq!(pixels(&tiff([1, 1], &tags(&[1]), &[&data])), [[227, 177, 127]]);
    assert_eq!(pixels(&tiff([1, 1], &tags(&[2]), &[&data])), [[177, 152, 127]]);
    // A fourth sample of another meaning is no transparency.
    assert_eq!(pixels(&tiff([1, 1], &tags(&[0]), &[&data])), [[100, 50, 0]]);
    let gray = [GRAY, (BITS, &[8, 8][..]), (SAMPLES, &[2][..]), (EXTRA, &[2][..])];
    assert_eq!(pixels(&tiff([2, 1], &gray, &[&[0, 255, 0, 0]])), [[0; 3], [255; 3]]);
}

#[test]
fn tiff_in_planes_and_in_inks_is_read() {
    let planar = [RGB, (BITS, &[16, 16, 16][..]), (SAMPLES, &[3][..]), (PLANAR, &[2][..])];
    let plane = |a: u16, b: u16| [a * 257, b * 257].map(u16::to_le_bytes).concat();
    let (r, g, b) = (plane(1, 2), plane(3, 4), plane(5, 6));
    assert_eq!(pixels(&tiff([2, 1], &planar, &[&r, &g, &b])), [[1, 3, 5], [2, 4, 6]]);
    let inks = [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 255, 255, 0];
    let cmyk = [(PHOTOMETRIC, &[5][..]), (BITS, &[8, 8, 8, 8][..]), (SAMPLES, &[4][..])];
    let colors = [[255; 3], [0, 255, 255], [0; 3], [255, 0, 0]];
    assert_eq!(pixels(&tiff([4, 1], &cmyk, &[&inks])), colors);
    let [c, m, y, k] = [0, 1, 2, 3].map(|ink| inks.iter().skip(ink).step_by(4).copied().collect());
    let planes: [Vec<u8>; 4] = [c, m, y, k];
    let planes = planes.each_ref().map(Vec::as_slice);
    let planar = [cmyk[0], cmyk[1], cmyk[2], (PLANAR, &[2][..])];
    assert_eq!(pixels(&tiff([4, 1], &planar, &planes)), colors);
}

#[test]
fn a_tiff_with_a_jpeg_inside_shows_its_colors() {
    let bytes = std::fs::read(crate_folder().join("fixtures/cases/ycbcr_jpeg.tif")).unwrap();
    let picture = opened(&bytes).picture;
    assert_eq!((picture.width(), picture.height()), (48, 32));
    for (x, y) in [(4, 4), (40, 4), (4, 28), (40, 28), (24, 16)] {
        // The picture that was saved: three ramps.
        let expected = [5 * x, 7 * y, 255 - 3 * x - 2 * y].map(|v| v as u8);
        let off =
            picture.pixel(x, y).unwrap().iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(off < Some(8), "{x}, {y}: {:?}, but {expected:?}", picture.pixel(x, y));
    }
}

#[test]
fn floats_beyond_one_are_shown_with_a_word_and_measurements_are_not() {
    let float = |values: &[f32]| {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let size = [values.len() as u32, 1];
        tiff(size, &[GRAY, (BITS, &[32]), (FORMAT, &[3])], &[&data])
    };
    assert!(opened(&float(&[0.0, 0.5, 1.0])).warnings.is_empty());
    for (values, expected, word) in [
        ([0.0, 127.5, 255.0], [0, 128, 255], "255 is taken for white"),
        ([0.0, 0.5, 4.0], [0, 128, 255], "cut off"),
        ([-0.25, 0.5, 1.0], [0, 128, 255], "cut off"),
        ([f32::NAN, 0.5, 1.0], [0, 128, 255], "no numbers"),
    ] {
        let decoded = opened(&float(&values));
        assert!(decoded.warnings.iter().any(|w| w.contains(word)), "{:?}", decoded.warnings);
        assert_eq!(grays(&float(&values)), expected);
    }
    for values in [[0.0, 1.0, 1e6], [-40.0, 0.0, 1.0]] {
        let problem = try_decode(&float(&values), "x.tif").unwrap_err();
        assert!(problem.summary.contains("measurements"), "{problem}");
    }
}

#[test]
fn sound_files_of_kinds_that_are_not_read_are_never_called_damaged() {
    let one = |tags: &[(u16, &[u32])], data: &[u8]| tiff([1, 1], tags, &[data]);
    let three = [(BITS, &[8, 8, 8][..]), (SAMPLES, &[3][..])];
    let odd = odd_files();
    let jpeg = std::fs::read(odd.path().join("ycc444.jpeg")).unwrap();
    let start = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let marked = |offset: usize, byte: u8| {
        let mut bytes = jpeg.clone();
        bytes[start + offset] = byte;
        bytes
    };
    let bmp = std::fs::read(odd.path().join("rgb24.bmp")).unwrap();
    let mut bmp_with_jpeg = bmp.clone();
    bmp_with_jpeg[30] = 4;
    let cases: [(&str, Vec<u8>, &str); 13] = [
        (
            "palette.tif",
            one(&[(PHOTOMETRIC, &[3]), (BITS, &[8]), (320, &[0; 768])], &[0]),
            "palette",
        ),
        ("signed.tif", one(&[GRAY, (BITS, &[8]), (FORMAT, &[2])], &[0]), "signed"),
        ("lab.tif", one(&[(PHOTOMETRIC, &[8]), three[0], three[1]], &[0; 3]), "Lab"),
        ("raw.tif", one(&[(PHOTOMETRIC, &[32803]), (BITS, &[8])], &[0]), "raw photograph"),
        ("jbig.tif", one(&[GRAY, (BITS, &[1]), (COMPRESSION, &[34661])], &[0]), "compression"),
        ("bands.tif", one(&[GRAY, (BITS, &[8; 5]), (SAMPLES, &[5])], &[0; 5]), "bands"),
        ("mixed.tif", one(&[RGB, (BITS, &[5, 6, 5]), (SAMPLES, &[3])], &[0; 2]), "widths"),
        ("arithmetic.jpg", marked(1, 0xc9), "arithmetic"),
        ("lossless.jpg", marked(1, 0xc3), "lossless"),
        ("twelve.jpg", marked(4, 12), "12-bit"),
        ("jpeg.bmp", bmp_with_jpeg, "BMP"),
        ("float.pfm", b"PF\n1 1\n-1.0\n000000000000".to_vec(), "PFM"),
        ("mif1.avif", b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf".to_vec(), "AVIF"),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, word) in cases {
        match try_decode(&bytes, name) {
            Ok(_) => wrong.push(format!("{name} opens")),
            Err(problem) => {
                let has_way = problem.hint.contains("PNG");
                let is_fair = problem.bad_input && !problem.summary.contains("damaged");
                if !has_way || !is_fair || !problem.summary.contains(word) {
                    wrong.push(format!("{problem}, but should say: {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_pages_are_told_and_the_first_is_shown() {
    let mut bytes = tiff([1, 1], &[GRAY, (BITS, &[8])], &[&[77]]);
    let second = bytes.len() as u32;
    let first = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let directory = bytes[first..].to_vec();
    bytes[second as usize - 4..].copy_from_slice(&second.to_le_bytes());
    bytes.extend(directory);
    let decoded = opened(&bytes);
    assert!(decoded.warnings.iter().any(|word| word.contains("pages")), "{:?}", decoded.warnings);
    assert_eq!(decoded.picture.pixel(0, 0), Some([77; 3]));
}
