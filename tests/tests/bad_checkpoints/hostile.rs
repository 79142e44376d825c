//! Files that would never end, or that are something else than their name says.

use std::path::Path;

use smalti_engine::checkpoints::{Container, read};
use smalti_tests::case;

use crate::files::{call, dict, global, int, legacy, pickle, tensor, text, torch_zip, tuple, zip};
use crate::{open, refused};

/// An object of a class, made without its constructor, with a state that is built after it was put
/// aside under number 0.
fn object(state: &[(&str, Vec<u8>)]) -> Vec<u8> {
    [global("torch.nn.modules.foo", "Bar"), b")\x81q\0".to_vec(), dict(state), b"b".to_vec()]
        .concat()
}

#[test]
fn an_object_that_contains_itself_is_refused_at_once() {
    let error = read(&case("hang.pt")).unwrap_err();
    assert!(error.is_bad_input());
    let error = error.to_string();
    assert!(error.contains("hang.pt") && error.contains("contains itself"), "{error}");

    let own = || b"h\0".to_vec();
    let weights = || dict(&[("w", tensor("0", 2, 0, &[2], &[1]))]);
    let inner = dict(&[("child", own())]);
    let module = object(&[("_parameters", weights()), ("_modules", inner)]);
    let within =
        [b"}q\0(".to_vec(), text("w"), tensor("0", 2, 0, &[2], &[1]), text("self")].concat();
    let within = [within, own(), b"u".to_vec()].concat();
    for value in [module, within] {
        for bytes in [torch_zip(&value, &[1.0, 2.0]), legacy(&value, &[("0", &[1.0, 2.0])])] {
            let error = refused("x.pt", bytes);
            assert!(error.contains("contains itself"), "{error}");
        }
    }
}

#[test]
fn a_loop_beside_the_weights_does_not_keep_them_from_being_read() {
    // A configuration object that knows its parent, as OmegaConf's do.
    let config = [b"]q\x05h\x05a".to_vec()].concat();
    let state = dict(&[("w", tensor("0", 2, 0, &[2], &[1]))]);
    let value = dict(&[("config", config), ("state_dict", state)]);
    let got = open("x.ckpt", torch_zip(&value, &[1.0, 2.0])).unwrap();
    assert_eq!(got.tensors["w"].values().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_maze_without_tensors_costs_no_more_than_its_size() {
    // Each of sixty lists holds the one before it twice; nothing is below them.
    let mut maze = b"]".to_vec();
    for level in 0..60_u8 {
        maze.extend([b'q', level, b'0', b']', b'(', b'h', level, b'h', level, b'e']);
    }
    let state = dict(&[("w", tensor("0", 2, 0, &[2], &[1]))]);
    let value = dict(&[("maze", maze), ("state_dict", state)]);
    let got = open("x.ckpt", torch_zip(&value, &[1.0, 2.0])).unwrap();
    assert_eq!(got.tensors.len(), 1);
}

#[test]
fn a_pickle_of_numpy_arrays_is_read() {
    let got = read(&case("numpy_pickle.pkl")).unwrap();
    assert_eq!(got.container, Container::NumpyPickle);
    let codebook = &got.tensors["codebook"];
    assert_eq!((codebook.shape(), codebook.dtype().name()), (&[16, 4][..], "F32"));
    assert_eq!(codebook.values().unwrap(), [0.0; 64]);
}

/// An array as NumPy pickles it: `order` is true where columns come first.
fn array(code: &str, shape: &[i64], columns: bool, data: Vec<u8>) -> Vec<u8> {
    let shape = tuple(&shape.iter().map(|n| int(*n)).collect::<Vec<_>>());
    let kind = call(global("numpy", "dtype"), &[text(code), b"\x89".to_vec(), b"\x88".to_vec()]);
    let none = || b"N".to_vec();
    let order = tuple(&[int(3), text("<"), none(), none(), none(), int(-1), int(-1), int(0)]);
    let kind = [kind, order, b"b".to_vec()].concat();
    let flag = if columns { b"\x88" } else { b"\x89" };
    let make = global("numpy.core.multiarray", "_reconstruct");
    let empty = call(make, &[global("numpy", "ndarray"), tuple(&[int(0)]), text("b")]);
    let state = tuple(&[int(1), shape, kind, flag.to_vec(), data]);
    [empty, state, b"b".to_vec()].concat()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    [b"B".as_slice(), &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

#[test]
fn numpy_arrays_of_every_protocol_and_order_give_their_numbers() {
    let values = [1.0_f32, -2.5, 3.0, 4.0, 5.0, 6.5];
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    // Protocol 2 writes bytes as text, one character a byte.
    let as_text: String = bytes.iter().map(|b| char::from(*b)).collect();
    let latin = call(global("_codecs", "encode"), &[text(&as_text), text("latin1")]);
    // Protocol 5 has a function of its own.
    let kind = [
        call(global("numpy", "dtype"), &[text("f4"), b"\x89".to_vec(), b"\x88".to_vec()]),
        tuple(&[int(3), text("<")]),
        b"b".to_vec(),
    ];
    let buffer = [b"\x96".as_slice(), &(bytes.len() as u64).to_le_bytes(), &bytes].concat();
    let shape = tuple(&[int(2), int(3)]);
    let five = call(
        global("numpy._core.numeric", "_frombuffer"),
        &[buffer, kind.concat(), shape, text("C")],
    );
    let whole: Vec<u8> = [7_i64, -8].iter().flat_map(|x| x.to_le_bytes()).collect();
    let value = dict(&[
        ("rows", array("f4", &[2, 3], false, raw(&bytes))),
        ("columns", array("f4", &[2, 3], true, raw(&bytes))),
        ("latin", array("f4", &[2, 3], false, latin)),
        ("five", five),
        ("whole", array("i8", &[2], false, raw(&whole))),
        ("objects", array("O8", &[2], false, b"]".to_vec())),
        ("short", array("f4", &[2, 4], false, raw(&bytes))),
    ]);
    for bytes in [pickle(&value), torch_zip(&value, &[0.0])] {
        let got = open("x.pkl", bytes).unwrap();
        for name in ["rows", "latin", "five"] {
            assert_eq!(got.tensors[name].values().unwrap(), values, "{name}");
            assert_eq!(got.tensors[name].shape(), [2, 3], "{name}");
        }
        assert_eq!(got.tensors["columns"].values().unwrap(), [1.0, 3.0, 5.0, -2.5, 4.0, 6.5]);
        assert_eq!(got.tensors["whole"].values().unwrap(), [7.0, -8.0]);
        assert_eq!(got.tensors.len(), 5);
        let notes = got.notes.join("\n");
        assert!(notes.contains("objects, which is of NumPy's type \"O8\""), "{notes}");
        assert!(notes.contains("short, which"), "{notes}");
    }
}

#[test]
fn a_pickle_is_named_for_what_it_holds_with_the_step_that_works() {
    let objects = dict(&[("a", array("O8", &[2], false, b"]".to_vec()))]);
    let inner = call(global("torch.storage", "_load_from_bytes"), &[raw(b"\x80\x02N.")]);
    let arguments = [inner, int(0), tuple(&[int(2)]), tuple(&[int(1)])];
    let dumped = dict(&[("codes", call(global("torch._utils", "_rebuild_tensor_v2"), &arguments))]);
    for (part, hint, bytes) in [
        ("pickle of NumPy objects", "numpy.save", pickle(&objects)),
        ("PyTorch's objects", "torch.save", pickle(&dumped)),
        ("a pickle, but not one that PyTorch wrote", "numpy.save", pickle(&int(3))),
    ] {
        let error = smalti_engine::checkpoints::read_bytes(Path::new("x.pkl"), bytes.into());
        let problem = error.unwrap_err().problem();
        assert!(problem.summary.contains(part), "{part}: {problem}");
        assert!(problem.hint.contains(hint) && !problem.hint.contains("download"), "{problem}");
    }
}

#[test]
fn a_web_page_is_recognized_after_blank_lines_and_under_any_name() {
    let page = std::fs::read(case("page_blank_lines.pth")).unwrap();
    let error = read(&case("page_blank_lines.pth")).unwrap_err().problem();
    assert!(error.summary.contains("a web page, not a checkpoint"), "{error}");
    assert!(error.hint.contains("download it again"), "{error}");
    let blank = [vec![b'\n'; 600], page.clone()].concat();
    for (name, bytes) in [("x.safetensors", page), ("x.pt", blank)] {
        let error = refused(name, bytes);
        assert!(error.contains("a web page, not a checkpoint"), "{name}: {error}");
    }
}

#[test]
fn archives_and_other_files_are_named() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (part, bytes) in [
        ("a tar archive", tar),
        ("packed with gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
        ("an HDF5 file", b"\x89HDF\r\n\x1a\n".to_vec()),
        ("a JSON file", b"\n{\"a\": 1}".to_vec()),
        ("a NumPy array", b"\x93NUMPY\x01\0".to_vec()),
        ("a NumPy archive (.npz)", zip(&[("a.npy", b"\x93NUMPY")], false)),
        ("a picture", b"\x89PNG\r\n\x1a\n".to_vec()),
    ] {
        let error = refused("x.ckpt", bytes);
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn honest_files_of_very_many_small_things_are_not_taken_for_hostile_ones() {
    // As picklers write them, with the numbers under which they put things aside.
    let list = |item: &[u8], n: usize| [b"](".as_slice(), &item.repeat(n), b"e"].concat();
    let weights = || ("state_dict", dict(&[("w", tensor("0", 2, 0, &[2], &[1]))]));
    for (name, item) in [
        ("tokens", b"K\x07".as_slice()),
        ("large tokens", b"M\x07\x01"),
        ("losses", b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
        ("flags", b"\x88"),
        ("nothing", b"N"),
        ("places", b"K\x01K\x02\x86\x94"),
        ("words", b"\x8c\x01a\x94"),
        ("lists of two", b"]\x94(K\x01K\x02e"),
        ("lists of none", b"]\x94"),
        ("dictionaries", b"}\x94K\x01K\x02s"),
    ] {
        let value = dict(&[("kept", list(item, 250_000)), weights()]);
        let got = open("x.ckpt", torch_zip(&value, &[1.0, 2.0]));
        assert!(got.is_ok_and(|got| got.tensors.len() == 1), "{name}");
    }
    // The smallest tensors: single numbers, such as num_batches_tracked.
    let names: Vec<String> = (0..20_000).map(|i| format!("layers.{i}.n")).collect();
    let many: Vec<(&str, Vec<u8>)> =
        names.iter().map(|name| (name.as_str(), tensor("0", 2, 0, &[], &[]))).collect();
    let got = open("x.ckpt", legacy(&dict(&many), &[("0", &[1.0, 2.0])])).unwrap();
    assert_eq!(got.tensors.len(), 20_000);
}
