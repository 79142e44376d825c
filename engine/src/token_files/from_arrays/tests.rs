//! Files of other people's tokens, with what NumPy says of them.

use super::*;

/// Files made for Smalti with NumPy.
fn case(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/cases").join(name)
}

fn told(grid: Option<(usize, usize)>, index: Option<Index>) -> Wanted {
    Wanted { grid, index, ..Wanted::default() }
}

fn read_case(name: &str, wanted: &Wanted) -> Read {
    read(&case(name), wanted).unwrap()
}

fn refused(name: &str, wanted: &Wanted) -> crate::Problem {
    read(&case(name), wanted).unwrap_err().problem()
}

/// Shape of the grids, how many, their first codes, and the sum of all.
fn summary(read: &Read) -> (usize, usize, usize, [u32; 3], u64) {
    let first = &read.grids[0];
    let sum = read.grids.iter().flat_map(|grid| &grid.codes).map(|code| u64::from(*code)).sum();
    let start = [first.codes[0], first.codes[1], first.codes[2]];
    (read.grids.len(), first.rows, first.columns, start, sum)
}

/// An array of a shape, filled with `data` bytes.
fn array(descr: &str, shape: &str, data: &[u8]) -> Arrays {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    arrays::open_bytes(Path::new("x.npy"), bytes).unwrap()
}

fn le(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn of(file: &Arrays, wanted: &Wanted) -> Result<Read, String> {
    of_arrays(Path::new("x.npy"), file, wanted).map_err(|error| error.problem().to_string())
}

/// `count` tokens of one byte in a shape.
fn shaped(shape: &str, count: usize) -> Arrays {
    array("'|u1'", shape, &vec![7; count])
}

#[test]
fn leading_ones_are_dropped_and_batches_are_grids() {
    let any = Wanted::default();
    let one = read_case("tokens_B1HW.npy", &any);
    assert_eq!(summary(&one), (1, 16, 16, [484, 524, 773], 132_998));
    let three = read_case("tokens_batch3.npy", &any);
    assert_eq!(summary(&three), (3, 11, 16, [102, 380, 133], 136_116));
    assert_eq!((three.total, three.largest()), (3, 510));
    let last = read_case("tokens_batch3.npy", &told(None, Some(Index::One(2))));
    assert_eq!((last.grids.len(), last.total), (1, 3));
    assert_eq!(last.grids[0], three.grids[2]);
    let problem = refused("tokens_batch3.npy", &told(None, Some(Index::One(3))));
    assert!(problem.summary.contains("no grid 3") && problem.hint.contains("0 to 2"), "{problem}");
}

#[test]
fn archives_and_tensors_of_other_programs_are_read_as_arrays_are() {
    for name in ["tokens.npz", "tokens.pt"] {
        let read = read_case(name, &Wanted::default());
        assert_eq!(summary(&read), (1, 16, 16, [484, 524, 773], 132_998), "{name}");
        assert_eq!(read.codebook_size, None, "{name}: nobody says it");
    }
}

#[test]
fn floats_that_are_whole_are_taken_with_a_remark_and_others_refused_with_their_place() {
    let read = read_case("tokens_f32.npy", &Wanted::default());
    assert_eq!(summary(&read), (1, 11, 16, [102, 380, 133], 45_372));
    assert!(read.remarks.contains(&Remark::Floats), "{read:?}");
    let half = [1.0_f32, 2.0, 3.0, 2.5, 4.0, 5.0].map(f32::to_le_bytes).concat();
    let error = of(&array("'<f4'", "(2, 3)", &half), &Wanted::default()).unwrap_err();
    assert!(error.contains("2.5 at row 1, column 0"), "{error}");
    let nan = [1.0_f32, f32::NAN].map(f32::to_le_bytes).concat();
    let error = of(&array("'<f4'", "(1, 2)", &nan), &told(Some((1, 2)), None)).unwrap_err();
    assert!(error.contains("NaN at row 0, column 1"), "{error}");
}

#[test]
fn sequences_are_never_guessed_into_a_picture() {
    for name in ["llamagen_1x2xN.npy", "frames_NxHW.npy"] {
        let problem = refused(name, &Wanted::default());
        assert!(problem.summary.contains("sequences of 176 tokens"), "{problem}");
        assert!(problem.hint.contains("--grid 11x16 or 16x11"), "{problem}");
        assert!(!problem.hint.contains("smalti encode"), "{problem}");
    }
    let grid = Some((11, 16));
    let two = read_case("llamagen_1x2xN.npy", &told(grid, None));
    assert_eq!(summary(&two), (2, 11, 16, [102, 380, 133], 90_744));
    assert_eq!(two.grids[1].codes[171..], [449, 271, 470, 293, 187]);
    let six = read_case("frames_NxHW.npy", &told(grid, None));
    assert_eq!(summary(&six), (6, 11, 16, [102, 380, 133], 272_232));
    let one = read_case("frames_NxHW.npy", &told(grid, Some(Index::One(5))));
    assert_eq!(one.grids[0], six.grids[5]);
}

#[test]
fn the_models_own_grid_answers_for_the_person_but_is_overruled_by_them() {
    let fixed = |grid, fixed| Wanted { fixed: Some(fixed), ..told(grid, None) };
    assert_eq!(read_case("frames_NxHW.npy", &fixed(None, (11, 16))).grids.len(), 6);
    assert_eq!(read_case("frames_NxHW.npy", &fixed(Some((8, 22)), (11, 16))).grids[0].rows, 8);
    // A model of other grids does not make these of them.
    assert!(read(&case("frames_NxHW.npy"), &fixed(None, (16, 16))).is_err());
    assert_eq!(read_case("tokens_f32.npy", &fixed(None, (16, 16))).grids[0].rows, 11);
}

#[test]
fn what_smalti_writes_is_a_grid_whatever_its_shape_suggests() {
    let read = read_case("own_tokens_worlds-fsq.npy", &Wanted::default());
    assert_eq!(summary(&read), (1, 21, 32, [458, 742, 270], 278_695));
    assert!(read.remarks.is_empty(), "{read:?}");
    let read = read_case("own_tokens_worlds-fsq.safetensors", &Wanted::default());
    assert_eq!((read.codebook_size, read.grids[0].columns), (Some(1000), 32));
    let read = read_case("tokens_say_K512.safetensors", &Wanted::default());
    assert_eq!(read.codebook_size, Some(512));
    // A photograph of 2400x1600 pixels at 16 a token.
    let wide = array("'<u4'", "(100, 150)", &vec![0; 60_000]);
    assert_eq!(of(&wide, &Wanted::default()).unwrap().grids[0].columns, 150);
}

#[test]
fn rows_that_are_long_like_sequences_are_asked_about() {
    // 50 frames of 8x16, 100 pictures of 16x16, 20 of 24x24: wide grids as well as sequences.
    for (shape, count) in [("(50, 128)", 6400), ("(100, 256)", 25_600), ("(200, 576)", 115_200)] {
        let error = of(&shaped(shape, count), &Wanted::default()).unwrap_err();
        assert!(error.contains("--grid") && error.contains("sequences"), "{error}");
    }
    let read = of(&shaped("(20, 32)", 640), &Wanted::default()).unwrap();
    assert_eq!(read.remarks, [Remark::OneGrid(20, 32)]);
    assert_eq!(
        read.remarks[0].hint().unwrap(),
        "if each row is a picture of its own, say --grid 4x8 or 8x4 or 2x16 or 16x2"
    );
    assert_eq!(of(&shaped("(2, 64, 64)", 8192), &Wanted::default()).unwrap().total, 2);
    assert_eq!(of(&shaped("(2, 3, 8, 8)", 384), &Wanted::default()).unwrap().total, 6);
}

#[test]
fn several_codes_at_a_place_are_no_rows() {
    let error = of(&shaped("(2, 16, 16, 4)", 2048), &Wanted::default()).unwrap_err();
    assert!(error.contains("4 codes at each of 16x16 places"), "{error}");
}

#[test]
fn one_long_row_is_cut_as_told() {
    assert!(of(&shaped("(512,)", 512), &Wanted::default()).unwrap_err().contains("16x32"));
    assert_eq!(of(&shaped("(512,)", 512), &told(Some((16, 32)), None)).unwrap().total, 1);
    let two = of(&shaped("(512,)", 512), &told(Some((16, 16)), None)).unwrap();
    assert!(two.total == 2 && two.remarks == [Remark::Row(512, 2)], "{two:?}");
    assert_eq!(
        of(&shaped("(1, 32)", 32), &told(Some((1, 32)), None)).unwrap().grids[0].columns,
        32
    );
    assert_eq!(of(&shaped("(5, 1, 32)", 160), &told(Some((1, 32)), None)).unwrap().total, 5);
    let error = of(&shaped("(2, 176)", 352), &told(Some((16, 16)), None)).unwrap_err();
    assert!(error.contains("16x16 does not fit") && error.contains("11x16"), "{error}");
    assert!(of(&shaped("(2, 176)", 352), &told(Some((16, 22)), None)).is_err(), "two are not one");
    assert!(of(&shaped("(4,)", 4), &told(Some((0, 4)), None)).is_err());
    assert!(of(&shaped("(4,)", 4), &told(Some((usize::MAX, 4)), None)).is_err());
}

#[test]
fn possible_shapes_are_the_square_ones_first() {
    assert_eq!(possible_shapes(176), [(11, 16), (16, 11), (8, 22), (22, 8)]);
    assert_eq!(possible_shapes(256), [(16, 16), (8, 32), (32, 8)]);
    assert_eq!(possible_shapes(257), [(1, 257), (257, 1)]);
    assert_eq!(possible_shapes(1), [(1, 1)]);
    // An array may say any shape: what no image has must not take seconds in each frame.
    assert_eq!(possible_shapes(4_611_686_018_427_387_847), []);
    assert_eq!(possible_shapes(0), []);
}

#[test]
fn numbers_that_are_no_codes_are_refused_with_their_place() {
    let minus = array("'<i4'", "(2, 2, 1)", &le(&[0, 1, 2, -1]));
    let error = of(&minus, &Wanted::default()).unwrap_err();
    assert!(error.contains("code -1 at row 1, column 1"), "{error}");
    let huge = array("'<u8'", "(1, 1)", &[255; 8]);
    assert!(of(&huge, &Wanted::default()).unwrap_err().contains("18446744073709551615"));
    let flags = array("'|b1'", "(2, 2)", &[0; 4]);
    assert!(of(&flags, &Wanted::default()).unwrap_err().contains("true and false"));
    let codes = Wanted { codes: Some(7), ..Wanted::default() };
    let error = of(&shaped("(2, 2, 2)", 8), &codes).unwrap_err();
    assert!(
        error.contains("code 7 at grid 0, row 0, column 0") && error.contains("0..7"),
        "{error}"
    );
    let mut read = of(&shaped("(2, 2, 2)", 8), &Wanted::default()).unwrap();
    assert_eq!((read.assume_codes(), read.codebook_size), (8, Some(8)));
    assert_eq!(read.remarks, [Remark::CodebookSize(8)]);
}

#[test]
fn of_several_arrays_the_key_decides_and_names_are_told() {
    let wanted = Wanted::default();
    let problem = refused("arrays.npz", &wanted);
    assert!(problem.summary.contains("columns (3, 4) I64"), "{problem}");
    assert!(problem.hint.contains("--key"), "{problem}");
    let key = |name: &str| Wanted { key: Some(name.to_owned()), ..Wanted::default() };
    let read = read_case("arrays.npz", &key("columns"));
    assert_eq!(read.grids[0].codes, [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
    assert!(refused("arrays.npz", &key("colums")).hint.contains("columns"));
    assert!(refused("arrays.npz", &key("half")).summary.contains("0.25 at row 0, column 1"));
}
