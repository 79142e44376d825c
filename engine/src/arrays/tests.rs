//! Arrays that NumPy wrote, and headers that it never would.

use super::*;

/// A `.npy` by hand.
fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn open_named(bytes: Vec<u8>) -> Result<Arrays> {
    open_bytes(Path::new("x.npy"), bytes)
}

fn integers(bytes: Vec<u8>) -> Vec<i128> {
    let file = open_named(bytes).unwrap();
    let array = &file.members[0];
    array.integers(0..array.len()).unwrap()
}

/// What NumPy 2.4 saved by `savez_compressed`; its arrays are 10 i + j, made by formulas.
fn by_numpy() -> Arrays {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/cases");
    open(&cases.join("arrays.npz")).unwrap()
}

fn array<'a>(file: &'a Arrays, name: &str) -> &'a Array {
    file.members.iter().find(|array| array.name() == name).unwrap()
}

#[test]
fn arrays_of_numpy_have_its_numbers_in_every_order() {
    let file = by_numpy();
    let rows: Vec<i128> = (0..3).flat_map(|i| (0..4).map(move |j| 10 * i + j)).collect();
    for name in ["columns", "big_endian"] {
        let array = array(&file, name);
        assert_eq!((array.shape(), array.kind()), (&[3, 4][..], Kind::Integers), "{name}");
        assert_eq!(array.integers(0..12).unwrap(), rows, "{name}");
        assert_eq!(array.integers(5..8).unwrap(), rows[5..8], "{name}");
    }
    let halves: Vec<f64> = rows.iter().map(|n| *n as f64 / 4.0).collect();
    assert_eq!(array(&file, "half").floats(0..12).unwrap(), halves);
    let three: Vec<f64> = (0..24).map(f64::from).collect();
    assert_eq!(array(&file, "three").shape(), [2, 3, 4]);
    assert_eq!(array(&file, "three").floats(0..24).unwrap(), three);
    assert_eq!(array(&file, "flags").kind(), Kind::Bools);
    assert_eq!(array(&file, "unsigned").integers(0..1).unwrap(), [i128::from(u64::MAX)]);
    assert_eq!(array(&file, "scalar").shape(), [0_usize; 0]);
    assert_eq!(array(&file, "scalar").integers(0..1).unwrap(), [7]);
}

#[test]
fn members_without_numbers_are_named_and_the_rest_is_read() {
    let file = by_numpy();
    assert_eq!(file.members.len(), 7);
    for (name, what) in [("objects", "Python objects"), ("words", "text"), ("complex", "complex")] {
        let note = file.notes.iter().find(|note| note.contains(name));
        assert!(note.is_some_and(|note| note.contains(what)), "{name}: {:?}", file.notes);
    }
}

#[test]
fn a_listing_says_names_shapes_and_kinds_without_the_numbers() {
    let listed: Vec<Listed> = by_numpy().members.iter().map(Array::listed).collect();
    let three = listed.iter().find(|array| array.name == "three").unwrap();
    assert_eq!((three.shape.as_slice(), three.kind), (&[2, 3, 4][..], Kind::Floats));
}

#[test]
fn every_width_and_byte_order_of_whole_numbers_is_read() {
    assert_eq!(integers(npy("'|u1'", "False", "(1, 3)", &[1, 2, 255])), [1, 2, 255]);
    assert_eq!(integers(npy("'<u2'", "False", "(2,)", &[1, 2, 3, 4])), [513, 1027]);
    assert_eq!(integers(npy("'>i2'", "False", "(2,)", &[1, 2, 3, 4])), [258, 772]);
    assert_eq!(integers(npy("'<i4'", "False", "()", &[255; 4])), [-1]);
    assert_eq!(integers(npy("'|i1'", "True", "(3, 2)", &[1, 3, 5, 2, 4, 6])), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn headers_that_cannot_be_are_refused_before_memory_is_taken() {
    let cases = [
        (npy("'<u4'", "False", "(2, 1)", &[0; 4]), "truncated"),
        (npy("'|u1'", "False", "(1, 3)", &[0; 4]), "too long"),
        (npy("'<u4'", "False", "(9223372036854775807, 3)", &[0; 4]), "overflows"),
        (npy("'<u4'", "False", "(1099511627776,)", &[0; 4]), "truncated"),
        (npy("'<u4'", "False", "(-1, -4)", &[0; 4]), "no list of sizes"),
        (npy("'|O'", "False", "(2, 2)", &[0; 4]), "Python objects"),
        (npy("[('a', '<u4'), ('b', '<u4')]", "False", "(1,)", &[0; 8]), "several fields"),
        (npy("'<u4'", "Maybe", "(1,)", &[0; 4]), "fortran_order"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "truncated"),
        (b"\x93NUMPY\x09\x00\x01\x00{".to_vec(), "version 9"),
    ];
    for (bytes, words) in cases {
        let problem = open_named(bytes).unwrap_err().problem();
        assert!(problem.bad_input && problem.summary.contains(words), "{words}: {problem}");
        assert!(!problem.hint.is_empty(), "{problem}");
    }
}

#[test]
fn other_files_are_told_what_they_are() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "0 bytes"),
        (b"1 2 3\n4 5 6\n", "text"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"<html><head></head>", "HTML"),
        (b"\x00\xfe\x12\x99\x01\x02", "not a file of arrays"),
    ];
    for (bytes, words) in cases {
        let error = open_named(bytes.to_vec()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// A `.npz` whose only member is deflated.
fn packed(member: &[u8]) -> Vec<u8> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("x.npy", options).unwrap();
    std::io::Write::write_all(&mut writer, member).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_packed_member_that_claims_more_than_it_can_hold_is_refused() {
    let bytes = packed(&npy("'|u1'", "False", "(100, 1000)", &vec![0; 100_000]));
    assert_eq!(integers(bytes.clone()), vec![0; 100_000]);
    assert!(bytes.len() < 600);
    // The directory at the end claims a gigabyte, and so does the array's header.
    let member = npy("'|u1'", "False", "(1073741824,)", &vec![0; 100_000]);
    let mut bytes = packed(&member);
    let size = (member.len() as u32).to_le_bytes();
    let claimed = ((1 << 30) + member.len() as u32 - 100_000).to_le_bytes();
    let places: Vec<usize> =
        (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 4].copy_from_slice(&claimed);
    }
    let error = open_named(bytes).unwrap_err().to_string();
    assert!(error.contains("cannot give"), "{error}");
}

#[test]
fn a_part_beyond_the_end_is_refused() {
    let file = open_named(npy("'|u1'", "False", "(4,)", &[1, 2, 3, 4])).unwrap();
    assert_eq!(file.members[0].bytes(1..3).unwrap(), [2, 3]);
    assert!(file.members[0].bytes(3..5).is_err());
}

#[test]
fn a_file_that_is_overwritten_while_it_is_open_gives_no_wrong_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    std::fs::write(&path, npy("'|u1'", "False", "(4,)", &[1, 2, 3, 4])).unwrap();
    let file = open(&path).unwrap();
    assert_eq!(file.members[0].bytes(0..4).unwrap(), [1, 2, 3, 4]);
    std::fs::write(&path, npy("'<u2'", "False", "(40, 2)", &[9; 160])).unwrap();
    let problem = file.members[0].bytes(0..4).unwrap_err().problem();
    assert!(problem.summary.contains("it changed while it was open"), "{problem}");
    assert_eq!(problem.hint, "open it again");
}

#[test]
fn arrays_outside_of_the_weights_have_their_whole_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let names = |name: &str| -> Vec<String> {
        open(&folder.join(name)).unwrap().members.into_iter().map(|array| array.name).collect()
    };
    // A model beside averaged weights; a file of arrays alone.
    let both = names("llamagen_vq/weights.pt");
    for name in ["ema.quantize.embedding.weight", "model.quantize.embedding.weight"] {
        assert!(both.contains(&name.to_owned()), "{both:?}");
    }
    assert!(names("cases/tokens.pt").iter().all(|name| !name.contains('.')));
}

#[test]
fn a_shape_that_overflows_and_is_empty_has_no_numbers() {
    let file = open_named(npy("'|u1'", "False", "(9223372036854775807, 4, 0)", &[])).unwrap();
    assert_eq!(file.members[0].len(), 0);
    assert!(file.members[0].bytes(0..0).unwrap().is_empty());
    let columns = npy("'|u1'", "True", "(9223372036854775807, 4, 0)", &[]);
    assert!(integers(columns).is_empty());
}

mod guesses {
    use super::super::guess::{Guess, guess, image_layout};
    use super::*;

    fn of(descr: &str, shape: &[usize], value: f32) -> Guess {
        let size: usize = descr.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let count: usize = shape.iter().product();
        let number = match descr {
            "'<f4'" => value.to_le_bytes().to_vec(),
            _ => vec![value as u8; size],
        };
        let shape = shape_in_words(shape);
        let file = open_named(npy(descr, "False", &shape, &number.repeat(count))).unwrap();
        guess(&file).unwrap()
    }

    #[test]
    fn images_and_tokens_are_told_apart_by_shape_and_type() {
        for shape in [&[2, 32, 32, 3][..], &[2, 3, 32, 32], &[2, 28, 28, 1], &[64, 48, 3]] {
            assert_eq!(of("'|u1'", shape, 9.0), Guess::Images, "{shape:?}");
        }
        assert_eq!(of("'<f4'", &[2, 3, 32, 32], 0.25), Guess::Images);
        assert_eq!(of("'<f4'", &[2, 32, 32], -0.25), Guess::Images);
        for shape in [&[11, 16][..], &[3, 11, 16], &[1, 2, 176], &[176], &[1, 1, 16, 16]] {
            assert_eq!(of("'<i8'", shape, 1.0), Guess::Tokens, "{shape:?}");
        }
        assert_eq!(of("'<f4'", &[11, 16], 510.0), Guess::Tokens);
        assert_eq!(of("'|u1'", &[16, 16], 9.0), Guess::Tokens);
    }

    #[test]
    fn what_can_be_both_is_said_to_be_both_with_both_ways() {
        for shape in [&[5, 28, 28][..], &[3, 16, 16], &[2, 1, 16, 16], &[512, 512]] {
            let Guess::Unclear { reason, hint } = of("'|u1'", shape, 9.0) else {
                panic!("{shape:?} was guessed");
            };
            assert!(reason.contains("images or tokens"), "{reason}");
            assert!(hint.contains("images") && hint.contains("tokens"), "{hint}");
        }
        assert!(matches!(of("'<f4'", &[16, 16], 0.5), Guess::Unclear { .. }), "neither");
    }

    #[test]
    fn labels_beside_them_make_gray_images_of_an_array() {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let of = |name: &str| guess(&open(&cases.join(name)).unwrap()).unwrap();
        assert_eq!(of("cases/digits.npz"), Guess::Images);
        assert_eq!(of("cases/images_arr0.npz"), Guess::Images);
        assert_eq!(of("cases/tokens.npz"), Guess::Tokens);
        assert_eq!(of("cases/tokens.pt"), Guess::Tokens);
        assert_eq!(of("taming_vqmodel/weights.safetensors"), Guess::Weights);
        assert_eq!(of("taming_vqmodel/weights.ckpt"), Guess::Weights);
        assert_eq!(of("llamagen_vq/weights.pt"), Guess::Weights);
    }

    #[test]
    fn a_shape_that_can_be_two_sorts_of_images_is_no_layout() {
        assert!(image_layout(&[2, 3, 32, 3]).is_err());
        assert!(image_layout(&[3, 32, 32]).unwrap_err().contains("channels first"));
        assert_eq!(image_layout(&[5, 3, 32, 32]).unwrap().letters, "(N, 3, H, W)");
        assert!(image_layout(&[5, 3, 64, 4]).is_err());
    }
}
