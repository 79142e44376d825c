//! Sets of images as NumPy saves them.

use super::*;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/cases").join(name)
}

/// A set of one array that is filled with `data`.
fn set(descr: &str, shape: &[usize], data: &[u8]) -> Result<ArraySet> {
    let shape = shape_in_words(shape);
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    ArraySet::of_arrays(Path::new("x.npy"), &arrays::open_bytes(Path::new("x.npy"), bytes)?)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn a_file_of_numpy_has_its_pixels() {
    for name in ["images_arr0.npz", "images_NHWC.npy"] {
        let set = ArraySet::open(&case(name)).unwrap();
        assert_eq!((set.len(), set.size()), (12, Some([32, 32])), "{name}");
        // NumPy: x[3, 5, 7] and x[11, 31, 31].
        assert_eq!(set.sample(3, 8).unwrap().picture.pixel(7, 5), Some([124, 125, 109]));
        assert_eq!(set.sample(11, 8).unwrap().picture.pixel(31, 31), Some([26, 33, 15]));
        assert!(set.describe().contains("(N, H, W, 3) U8"), "{}", set.describe());
        assert!(set.sample(12, 8).is_err());
    }
}

#[test]
fn digits_for_training_come_with_their_labels() {
    let set = ArraySet::open(&case("digits.npz")).unwrap();
    assert_eq!((set.len(), set.size()), (5, Some([28, 28])));
    let classes: Vec<_> = (0..5).map(|index| set.class_of(index)).collect();
    assert_eq!(classes, [3, 1, 4, 1, 5].map(Some));
    assert_eq!(set.classes().len(), 6);
    // NumPy: x_train[2, 5, 7].
    assert_eq!(set.sample(2, 8).unwrap().picture.pixel(7, 5), Some([5; 3]));
}

#[test]
fn planes_and_pixels_give_the_same_picture() {
    let value = |y: usize, x: usize, c: usize| (40 * y + 10 * x + c) as u8;
    let (mut pixels, mut planes) = (Vec::new(), vec![0; 192]);
    for y in 0..8 {
        for x in 0..8 {
            for c in 0..3 {
                pixels.push(value(y, x, c));
                planes[64 * c + 8 * y + x] = value(y, x, c);
            }
        }
    }
    let pixels = set("'|u1'", &[1, 8, 8, 3], &pixels).unwrap();
    let planes = set("'|u1'", &[1, 3, 8, 8], &planes).unwrap();
    let picture = planes.sample(0, 8).unwrap().picture;
    assert_eq!(picture, pixels.sample(0, 8).unwrap().picture);
    assert_eq!(picture.pixel(5, 2), Some([130, 131, 132]));
}

#[test]
fn floats_are_in_the_range_that_is_said() {
    let picture = |values: &[f32], words: &str| {
        let mut data = values.to_vec();
        data.resize(64, values[0]);
        let set = set("'<f4'", &[1, 8, 8, 1], &floats(&data)).unwrap();
        assert!(set.describe().contains(words), "{}", set.describe());
        let picture = set.sample(0, 8).unwrap().picture;
        [0, 1, 2].map(|x| picture.pixel(x, 0).unwrap()[0])
    };
    assert_eq!(picture(&[0.0, 0.5, 1.0], "in [0, 1]"), [0, 128, 255]);
    assert_eq!(picture(&[-1.0, 0.0, 1.0], "in [-1, 1]"), [0, 128, 255]);
    assert_eq!(picture(&[-1.2, 0.0, 1.2], "in [-1, 1]"), [0, 128, 255]);
    assert_eq!(picture(&[0.0, 128.0, 255.0], "in [0, 255]"), [0, 128, 255]);
    let refused = |value: f32| {
        let data = floats(&[value; 64]);
        set("'<f4'", &[1, 8, 8, 1], &data).unwrap_err().problem()
    };
    // ImageNet's normalization: from -2.1 to 2.6.
    let data = floats(&[[-2.1; 32], [2.64; 32]].concat());
    let problem = set("'<f4'", &[1, 8, 8, 1], &data).unwrap_err().problem();
    assert!(problem.summary.contains("from -2.100 to 2.640"), "{problem}");
    assert!(refused(f32::NAN).summary.contains("NaN"));
    assert!(refused(300.0).hint.contains("normalization"));
}

#[test]
fn transparency_is_put_on_white() {
    let pixel = [200, 100, 0, 0, 200, 100, 0, 255, 200, 100, 0, 51];
    let data: Vec<u8> = pixel.iter().copied().cycle().take(256).collect();
    let picture = set("'|u1'", &[1, 8, 8, 4], &data).unwrap().sample(0, 8).unwrap().picture;
    assert_eq!(picture.pixel(0, 0), Some([255; 3]));
    assert_eq!(picture.pixel(1, 0), Some([200, 100, 0]));
    // A fifth of the color: 0.2 c + 0.8 255.
    assert_eq!(picture.pixel(2, 0), Some([244, 224, 204]));
}

#[test]
fn what_holds_no_images_or_several_sorts_is_refused_in_words() {
    let error = |file: &str| ArraySet::open(&case(file)).unwrap_err().problem();
    assert!(error("tokens.npz").summary.contains("tokens (16, 16) I64"), "{}", error("tokens.npz"));
    let checkpoint = case("../taming_vqmodel/weights.ckpt");
    let problem = ArraySet::open(&checkpoint).unwrap_err().problem();
    assert!(problem.summary.contains("checkpoint"), "{problem}");
    assert!(
        set("'|u1'", &[3, 8, 8], &[0; 192]).unwrap_err().to_string().contains("channels first")
    );
    assert!(set("'|u1'", &[0, 8, 8, 3], &[]).is_err());
    assert!(set("'<i8'", &[1, 8, 8, 1], &[255; 512]).is_err(), "-1 is no pixel");
}

/// Whoever measures goes on with what was measured of the same images, so one pixel must tell.
#[test]
fn two_arrays_of_one_name_and_shape_are_told_apart_by_their_pixels() {
    let listing = |data: &[u8]| set("'|u1'", &[3, 2, 2, 3], data).unwrap().listing().unwrap();
    let data: Vec<u8> = (0..36).collect();
    let mut other = data.clone();
    other[35] = 0;
    assert_eq!(listing(&data), listing(&data.clone()));
    assert_ne!(listing(&data), listing(&other));
}
