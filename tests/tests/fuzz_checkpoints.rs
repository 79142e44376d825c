//! Mutated checkpoints and token files by the hundred thousand: no panic, and no more memory and work
//! than fixed multiples of the file's size.
//!
//! The same mutations in every run; `SMALTI_FUZZ=10` makes ten times as many. Memory is counted by the
//! allocator of this test binary, for the thread that reads: the most at once, and all that was ever
//! taken, which notices what is copied over and over. Steps are those that the reader counts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use smalti_engine::device::of_tests;
use std::path::Path;
use std::sync::Arc;

use smalti_engine::checkpoints::{
    ElementType, codebook_candidates, read_bytes_counted, recognize, tensor_rows, views,
};
use smalti_engine::random::{Noise, Purpose, name_hash};
use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_engine::tokens::Tokens;
use smalti_tests::counting::{Cost, Counting, cost_of};
use smalti_tests::{case, fixture};

/// The most bytes at once that reading may take: this, and this many for each byte of the file.
const FIXED: usize = 256 << 10;
const PER_BYTE: usize = 32;
/// The same for all memory that was taken while reading, freed or not.
const FIXED_WORK: usize = 2 << 20;
const WORK_PER_BYTE: usize = 320;
/// And for the steps that the reader counts.
const FIXED_STEPS: u64 = 64 << 10;
const STEPS_PER_BYTE: u64 = 64;
/// All mutated files, over all tests here.
const ROUNDS: [(&str, u32); 7] = [
    ("safetensors", 20_000),
    ("zip", 20_000),
    ("pickle in zip", 20_000),
    ("pickle of modules", 10_000),
    ("pickle of arrays", 10_000),
    ("legacy", 20_000),
    ("tokens", 10_000),
];

/// How many times as many files are asked for.
fn times() -> u32 {
    #[allow(clippy::disallowed_methods, reason = "tests have no main that could pass it down")]
    let asked = std::env::var_os("SMALTI_FUZZ");
    asked.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(1)
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Random numbers for one mutated file.
struct Dice {
    noise: Noise,
    lane: u32,
}

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.lane += 1;
        self.noise.below(self.lane, n.max(1) as u32) as usize
    }
}

/// One to four changes: bits, extreme bytes, length fields, cuts, splices with another file.
fn mutated(file: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=dice.below(4) {
        if bytes.is_empty() {
            break;
        }
        // Headers and pickles at the start, directories at the end: most of the damage goes there.
        let reach = bytes.len().min(256);
        let at = match dice.below(3) {
            0 => dice.below(reach),
            1 => bytes.len() - 1 - dice.below(reach),
            _ => dice.below(bytes.len()),
        };
        let rest = bytes.len() - at;
        match dice.below(8) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.below(256) as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][dice.below(6)],
            3 => {
                let width = [2, 4, 8][dice.below(3)];
                let extreme = [0_u64, u64::MAX, 1 << 60, 1 << 31, 0x7fff_ffff_ffff_ffff, 1 << 20];
                let value = extreme[dice.below(6)].to_le_bytes();
                let width = rest.min(width);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
            4 => bytes.truncate(at),
            5 => {
                let from = dice.below(other.len());
                let length = dice.below(64).min(other.len() - from);
                let part = other[from..from + length].to_vec();
                bytes.splice(at..at + length.min(rest), part);
            }
            6 => {
                let part = bytes[at..at + dice.below(rest.min(64))].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                bytes.drain(at..at + dice.below(rest.min(64)));
            }
        }
    }
    bytes
}

/// Reads everything that a checkpoint gives; whether it could be read.
fn read_all(bytes: Vec<u8>) -> bool {
    let path = Path::new("mutated.bin");
    let len = bytes.len() as u64;
    let (checkpoint, cost) = read_bytes_counted(path, Arc::from(bytes));
    let allowed = FIXED_STEPS + STEPS_PER_BYTE * len;
    assert!(cost.steps <= allowed, "{} steps for a file of {len} bytes", cost.steps);
    let Ok(checkpoint) = checkpoint else { return false };
    let rows = tensor_rows(&checkpoint).len();
    assert_eq!(rows, checkpoint.tensors.len() + checkpoint.others.len());
    let views = views(&checkpoint);
    assert!((1..=32).contains(&views.len()), "{} views", views.len());
    drop(views);
    drop(codebook_candidates(&checkpoint));
    for entry in checkpoint.tensors.values() {
        let bytes = entry.bytes().unwrap_or_default();
        assert!(bytes.is_empty() || bytes.len() == entry.byte_len());
        if entry.dtype() == ElementType::F16 {
            drop(entry.to_tensor(&of_tests().unwrap()));
        }
    }
    drop(checkpoint.check_finite());
    drop(recognize(&checkpoint, path, None));
    true
}

/// Mutates files of one kind and reads each; a few must still be read, most refused.
fn fuzz(kind: &str, files: &[Vec<u8>], read: impl Fn(Vec<u8>) -> bool) {
    let count = times() * ROUNDS.iter().find(|(name, _)| *name == kind).expect("a kind").1;
    let mut n_read = 0;
    for number in 0..count {
        let noise = Noise::new(2026, Purpose::Test, number, name_hash(kind));
        let mut dice = Dice { noise, lane: 0 };
        let file = &files[number as usize % files.len()];
        let other = &files[dice.below(files.len())];
        let bytes = mutated(file, other, &mut dice);
        let allowed = FIXED + PER_BYTE * bytes.len();
        let len = bytes.len();
        let mut was_read = false;
        let Cost { peak, taken: all } = cost_of(|| was_read = read(bytes));
        assert!(peak <= allowed, "{kind} {number}: {peak} bytes for a file of {len}");
        let allowed = FIXED_WORK + WORK_PER_BYTE * len;
        assert!(all <= allowed, "{kind} {number}: {all} bytes in all for a file of {len}");
        n_read += u32::from(was_read);
    }
    assert!(n_read > count / 1000, "{kind}: only {n_read} of {count} were read");
    assert!(n_read < count, "{kind}: nothing was refused");
}

fn fixtures(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = fixture("containers");
    names.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect()
}

#[test]
fn at_least_a_hundred_thousand_files_are_mutated() {
    assert!(ROUNDS.iter().map(|(_, n)| n).sum::<u32>() >= 100_000);
}

#[test]
fn the_counting_notices_an_allocation() {
    let Cost { peak, taken: all } = cost_of(|| (0..4).for_each(|_| drop(vec![1_u8; 3 << 20])));
    assert!((3 << 20..6 << 20).contains(&peak), "{peak}");
    assert!(all >= 12 << 20, "{all}");
}

#[test]
fn mutated_safetensors_are_answered() {
    let files = fixtures(&["expected.safetensors", "expected_jit.safetensors", "io.safetensors"]);
    fuzz("safetensors", &files, read_all);
}

#[test]
fn mutated_archives_are_answered() {
    let files =
        fixtures(&["zip.ckpt", "bare_zip.pth", "zip_proto4.ckpt", "traced.jit", "scripted.jit"]);
    fuzz("zip", &files, read_all);
}

#[test]
fn mutated_pickles_in_sound_archives_are_answered() {
    // The archive's checksums would stop damage to the pickle, so it is packed after the damage.
    let archives = fixtures(&["zip.ckpt", "zip_proto4.ckpt", "traced.jit", "scripted.jit"]);
    let pickles: Vec<Vec<u8>> =
        archives.iter().map(|archive| member(archive, "data.pkl")).collect();
    fuzz("pickle in zip", &pickles, |pickle| read_all(packed(&pickle)));
}

#[test]
fn mutated_pickles_of_modules_are_answered() {
    // Objects with parts that point at each other, and one that contains itself.
    let loops = std::fs::read(case("hang.pt")).unwrap();
    let modules = member(&fixtures(&["zip.ckpt"])[0], "data.pkl");
    fuzz("pickle of modules", &[member(&loops, "data.pkl"), nested_modules(), modules], |pickle| {
        read_all(packed(&pickle))
    });
}

/// A pickle of modules in modules, each of which stands in two places.
fn nested_modules() -> Vec<u8> {
    let mut bytes = b"\x80\x02".to_vec();
    for level in 0..6_u8 {
        bytes.extend(b"ctorch.nn\nModule\n)\x81}(X\x0b\0\0\0_parametersN");
        bytes.extend(b"X\x08\0\0\0_buffersNX\x08\0\0\0_modules}(");
        if level > 0 {
            for name in [b'a', b'b'] {
                bytes.extend([b'X', 1, 0, 0, 0, name, b'h', level - 1]);
            }
        } else {
            bytes.extend(b"X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage");
            bytes.extend(b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89}tR");
        }
        bytes.extend(b"uub");
        bytes.extend([b'q', level]);
        if level < 5 {
            bytes.push(b'0');
        }
    }
    bytes.push(b'.');
    bytes
}

#[test]
fn mutated_pickles_of_arrays_are_answered() {
    let alone = std::fs::read(case("numpy_pickle.pkl")).unwrap();
    let list = [alone, member(&fixtures(&["zip_proto4.ckpt"])[0], "data.pkl")];
    fuzz("pickle of arrays", &list, read_all);
}

/// Reading it is refused, within the stated memory; gives the error.
fn refused_within_bounds(bytes: Vec<u8>) -> String {
    let len = bytes.len();
    let mut error = String::new();
    let Cost { peak, taken: all } = cost_of(|| {
        let (read, cost) = read_bytes_counted(Path::new("amplify.pt"), Arc::from(bytes));
        let allowed = FIXED_STEPS + STEPS_PER_BYTE * len as u64;
        assert!(cost.steps <= allowed, "{} steps for a file of {len} bytes", cost.steps);
        error = read.map(|_| ()).unwrap_err().to_string();
    });
    assert!(peak <= FIXED + PER_BYTE * len, "{peak} bytes for a file of {len}");
    assert!(all <= FIXED_WORK + WORK_PER_BYTE * len, "{all} bytes in all for a file of {len}");
    error
}

#[test]
fn an_archive_that_unpacks_to_millions_of_values_is_refused() {
    // A pickle that compresses a thousand times, beside bytes that do not compress at all.
    let noise = Noise::new(2026, Purpose::Test, 0, 1);
    let pad: Vec<u8> = (0..50_000).flat_map(|i| noise.bits(i).to_le_bytes()).collect();
    for opcode in [b"]".as_slice(), b"}", b"N", b"(", b"K\x01", b"](e", b"]\x94", b"\x8c\x00"] {
        let body = [b"\x80\x02", opcode.repeat(2_800_000 / opcode.len()).as_slice(), b"."].concat();
        let members: [(&str, &[u8]); 3] =
            [("a/version", b"3"), ("a/pad", &pad), ("a/data.pkl", &body)];
        let archive = deflated(&members);
        assert!(archive.len() < 220_000, "{}", archive.len());
        let error = refused_within_bounds(archive);
        assert!(error.contains("times its size in memory") || error.contains("broken"), "{error}");
    }
}

fn deflated(members: &[(&str, &[u8])]) -> Vec<u8> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Text of a pickle, put aside under number 0.
fn kept_text(len: usize) -> Vec<u8> {
    let mut bytes = b"X".to_vec();
    bytes.extend((len as u32).to_le_bytes());
    bytes.extend(vec![b'k'; len]);
    bytes.extend(b"q\0");
    bytes
}

#[test]
fn pickles_whose_cost_would_grow_with_the_square_of_their_size_are_answered() {
    let (text, many) = (kept_text(400_000), 100_000);
    let pickle = |parts: &[&[u8]]| packed(&[b"\x80\x02", parts.concat().as_slice(), b"."].concat());
    // A long key for each of many lists, an attribute of many objects, the name of many classes.
    let keys = pickle(&[&text, b"0}(", &b"h\0]".repeat(many), b"u"]);
    let nested = pickle(&[&text, b"0", &b"}h\0".repeat(60), b"]", &b"s".repeat(60)]);
    let classes = pickle(&[&text, b"0](", &b"h\0h\0\x93".repeat(many), b"e"]);
    let calls = pickle(&[&text, b"0](h\0h\0\x93q\x01", &b"h\x01)R".repeat(many), b"e"]);
    // Many objects that share one large state.
    let state = [b"}(".as_slice(), &b"NN".repeat(many), b"uq\x01"].concat();
    let shared =
        [b"ca\nB\nq\x02", state.as_slice(), b"0](", &b"h\x02)\x81h\x01b".repeat(many), b"e"];
    let shared = pickle(&[&shared.concat()]);
    // Copies of a dictionary, of a list.
    let copy = |function: &[u8], of: &[u8]| {
        pickle(&[function, b"q\x03", of, b"q\x01\x85q\x02](", &b"h\x03h\x02R".repeat(many), b"e"])
    };
    let dictionary = [b"}(".as_slice(), &b"NN".repeat(many), b"u"].concat();
    let list = [b"](".as_slice(), &b"N".repeat(many), b"e"].concat();
    // Long words where short ones belong: an encoding, an element type, the kind of a storage.
    let encode = [b"c_codecs\nencode\nq\x03(", text.as_slice(), b"h\0tq\x02"].concat();
    let encode = pickle(&[&encode, b"](", &b"h\x03h\x02R".repeat(many), b"e"]);
    let kind = [text.as_slice(), b"0cnumpy\ndtype\n(h\0tRq\x01"].concat();
    let make = b"(K\0cnumpy.core.multiarray\nscalar\n(h\x01h\0tR";
    let kind = pickle(&[&kind, b"0}(", &make.repeat(many / 10), &b"d".repeat(many / 10), b"u"]);
    let storage = b"ctorch._utils\n_rebuild_tensor_v2\n((h\0NK\0NK\0tQK\0))NNtR";
    let storage =
        pickle(&[&text, b"0}(", &[b"K\0", storage.as_slice()].concat().repeat(5000), b"u"]);
    let copies = copy(b"ccollections\nOrderedDict\n", &dictionary);
    let lists = copy(b"cbuiltins\nlist\n", &list);
    for (name, bytes) in [
        ("keys", keys),
        ("nested", nested),
        ("classes", classes),
        ("calls", calls),
        ("shared", shared),
        ("encode", encode),
        ("kind", kind),
        ("storage", storage),
        ("copies", copies),
        ("lists", lists),
    ] {
        let len = bytes.len();
        let Cost { peak, taken: all } = cost_of(|| {
            read_all(bytes);
        });
        assert!(peak <= FIXED + PER_BYTE * len, "{name}: {peak} bytes for a file of {len}");
        assert!(all <= FIXED_WORK + WORK_PER_BYTE * len, "{name}: {all} bytes in all of {len}");
    }
}

/// A safetensors file of one small tensor.
fn safetensors(name: &str, metadata: &str) -> Vec<u8> {
    let header =
        format!(r#"{{{metadata}"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat()
}

/// Recognizes a file; the most memory that it took.
fn recognizing(bytes: Vec<u8>) -> (usize, Vec<String>) {
    let path = Path::new("x.safetensors");
    let (checkpoint, _) = read_bytes_counted(path, Arc::from(bytes));
    let checkpoint = checkpoint.unwrap();
    let mut problems = Vec::new();
    let Cost { peak, .. } = cost_of(|| {
        problems = match recognize(&checkpoint, path, None) {
            Ok(found) => found.problems,
            Err(error) => vec![error.to_string()],
        };
    });
    (peak, problems)
}

#[test]
fn a_codebook_that_only_the_metadata_claims_takes_no_memory() {
    let own = |quantizer: serde_json::Value, dim: usize| {
        let network = serde_json::json!({
            "naming": "Taming", "ch": 32, "ch_mult": [1], "num_res_blocks": 1,
            "attn_resolutions": [], "z_channels": dim, "embed_dim": dim,
        });
        let config = serde_json::json!({ "name": "x", "network": network, "quantizer": quantizer });
        let text = serde_json::json!({ "format": 1, "config": config }).to_string();
        let text = serde_json::Value::from(text).to_string();
        safetensors("a", &format!(r#""__metadata__":{{"smalti":{text}}},"#))
    };
    let codes = 1_u32 << 22;
    let vq = |update: &str, restart: f64| serde_json::json!({ "codes": codes, "update": update, "restart": restart });
    for (quantizer, dim) in [
        (serde_json::json!({ "Vq": vq("Ema", 0.0) }), 64),
        (serde_json::json!({ "Vq": vq("Gradient", 0.5) }), 64),
        (serde_json::json!({ "Residual": { "levels": 64, "vq": vq("Ema", 0.0) } }), 1),
        (serde_json::json!({ "Residual": { "levels": 64, "vq": vq("Gradient", 1.0) } }), 1),
        (serde_json::json!({ "Gumbel": { "n_embed": codes } }), 64),
        (serde_json::json!({ "Ibq": { "n_embed": codes } }), 64),
        (serde_json::json!({ "SimVq": { "codes": codes } }), 64),
    ] {
        let name = quantizer.to_string();
        let (peak, problems) = recognizing(own(quantizer, dim));
        assert!(problems.iter().any(|problem| problem.contains("is missing")), "{problems:?}");
        assert!(peak < 4 << 20, "{name}: {peak} bytes");
    }
    let levels = serde_json::json!({ "Residual": { "levels": 64, "vq": vq("Ema", 0.0) } });
    let (_, problems) = recognizing(own(levels, 2));
    assert!(problems[0].contains("64 levels of 4194304 codes"), "{problems:?}");
}

#[test]
fn names_that_are_no_names_are_stepped_over_with_a_note() {
    let long = "module.".repeat(200_000);
    let bytes =
        safetensors(&long, r#""encoder.w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"#);
    let (checkpoint, _) = read_bytes_counted(Path::new("x.safetensors"), Arc::from(bytes));
    let checkpoint = checkpoint.unwrap();
    assert!(checkpoint.tensors.keys().eq(["encoder.w"]), "{:?}", checkpoint.tensors.keys());
    assert!(checkpoint.notes[0].contains("more than 4096 bytes"), "{:?}", checkpoint.notes);
    // The longest that is read: looked at once a part, not once a part for each part.
    let names = 1000;
    let header: Vec<String> = (0..names)
        .map(|i| {
            let name = format!("a.{}{i:04}", "module.".repeat(584));
            format!(r#""{name}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#)
        })
        .collect();
    let bytes = safetensors("w", &format!("{},", header.join(",")));
    let (checkpoint, _) = read_bytes_counted(Path::new("x.safetensors"), Arc::from(bytes));
    let checkpoint = checkpoint.unwrap();
    assert_eq!(checkpoint.tensors.len(), names + 1);
    assert!(!views(&checkpoint).is_empty());
}

#[test]
fn averages_of_very_many_parts_are_looked_for_beside_each_part_alone() {
    // Each of them looks like a tokenizer and has averages of its own.
    let entries: Vec<String> = (0..20_000)
        .flat_map(|i| {
            ["encoder.w", "decoder.w", "model_ema.encoderw"].map(|name| {
                format!(r#""n{i}.{name}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#)
            })
        })
        .collect();
    let bytes = safetensors("w", &format!("{},", entries.join(",")));
    let len = bytes.len();
    let (checkpoint, _) = read_bytes_counted(Path::new("x.safetensors"), Arc::from(bytes));
    let checkpoint = checkpoint.unwrap();
    let Cost { taken, .. } = cost_of(|| assert_eq!(views(&checkpoint).len(), 32));
    assert!(taken < FIXED_WORK + WORK_PER_BYTE * len, "{taken} bytes in all for a file of {len}");
}

#[test]
fn mutated_legacy_files_are_answered() {
    fuzz("legacy", &fixtures(&["legacy.ckpt", "bare_legacy.pth"]), read_all);
}

#[test]
fn mutated_token_files_are_answered() {
    let grid = Tokens::grid(6, 7, 1024, (0..42).map(|i| i * 24).collect::<Vec<u32>>()).unwrap();
    let columns = {
        let mut bytes = token_files::npy_bytes(&grid).unwrap();
        let place = bytes.windows(5).position(|w| w == b"False").unwrap();
        bytes[place..place + 5].copy_from_slice(b"True ");
        bytes
    };
    let batch = token_files::safetensors_bytes(
        &[grid.clone(), grid.clone()],
        &token_files::Maker::default(),
    )
    .unwrap();
    let list = [token_files::npy_bytes(&grid).unwrap(), columns, batch];
    fuzz("tokens", &list, |bytes| {
        let len = bytes.len();
        let read = token_files::parse(Path::new("mutated"), &bytes, &Wanted::default(), Some(1024));
        read.is_ok_and(|file| {
            let tokens: usize = file.images.iter().map(Tokens::len).sum();
            assert!(tokens <= len);
            true
        })
    });
}

fn member(archive: &[u8], ending: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut names = archive.file_names().map(|n| n.unwrap().into_owned());
    let name = names.find(|n| n.ends_with(ending)).unwrap();
    drop(names);
    let mut bytes = Vec::new();
    let mut file = archive.by_name(&name).unwrap();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    bytes
}

/// An archive of the pickle and of storages as long as the fixture's.
fn packed(pickle: &[u8]) -> Vec<u8> {
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| {
        writer.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    };
    add("a/data.pkl", pickle);
    for key in 0..18 {
        add(&format!("a/data/{key}"), &[7; 448]);
    }
    writer.finish().unwrap().into_inner()
}
