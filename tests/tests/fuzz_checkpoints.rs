//! Mutated checkpoints and token files by the hundred thousand: no panic, and no more memory than a
//! fixed multiple of the file's size.
//!
//! The same mutations in every run. Memory is counted by the allocator of this test binary, for the
//! thread that reads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use smalti_engine::device::of_tests;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use smalti_engine::checkpoints::{ElementType, read_bytes, recognize};
use smalti_engine::random::{Noise, Purpose, name_hash};
use smalti_engine::tokens::{Tokens, files};
use smalti_tests::fixture;

/// The most bytes at once that reading may take: this, and this many for each byte of the file.
const FIXED: usize = 256 << 10;
const PER_BYTE: usize = 32;
/// All mutated files, over all tests here.
const ROUNDS: [(&str, u32); 5] = [
    ("safetensors", 30_000),
    ("zip", 30_000),
    ("pickle in zip", 20_000),
    ("legacy", 30_000),
    ("tokens", 30_000),
];

struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn grow(bytes: usize) {
    // While a thread ends its counters are gone; nobody measures then.
    let counted = LIVE.try_with(|live| {
        let now = live.get().wrapping_add(bytes);
        live.set(now);
        // Memory that another thread took may be freed here: below zero is not a peak.
        if now < usize::MAX / 2 {
            PEAK.try_with(|peak| peak.set(peak.get().max(now))).unwrap_or_default();
        }
    });
    counted.unwrap_or_default();
}

fn shrink(bytes: usize) {
    LIVE.try_with(|live| live.set(live.get().wrapping_sub(bytes))).unwrap_or_default();
}

// SAFETY: every call is passed on to the system's allocator with the same arguments; counting
// touches only thread-local numbers and does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both pieces may exist at once.
        grow(size);
        // SAFETY: the caller keeps the promises of `realloc`.
        let moved = unsafe { System.realloc(place, layout, size) };
        shrink(layout.size());
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` had at once.
fn peak_of(work: impl FnOnce()) -> usize {
    LIVE.set(0);
    PEAK.set(0);
    work();
    PEAK.get()
}

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
    let Ok(checkpoint) = read_bytes(path, Arc::from(bytes)) else { return false };
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
    let count = ROUNDS.iter().find(|(name, _)| *name == kind).expect("a kind").1;
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
        let peak = peak_of(|| was_read = read(bytes));
        assert!(peak <= allowed, "{kind} {number}: {peak} bytes for a file of {len}");
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
    let peak = peak_of(|| drop(vec![1_u8; 3 << 20]));
    assert!(peak >= 3 << 20, "{peak}");
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
fn mutated_legacy_files_are_answered() {
    fuzz("legacy", &fixtures(&["legacy.ckpt", "bare_legacy.pth"]), read_all);
}

#[test]
fn mutated_token_files_are_answered() {
    let grid = Tokens::grid(6, 7, 1024, (0..42).map(|i| i * 24).collect::<Vec<u32>>()).unwrap();
    let columns = {
        let mut bytes = files::npy_bytes(&grid).unwrap();
        let place = bytes.windows(5).position(|w| w == b"False").unwrap();
        bytes[place..place + 5].copy_from_slice(b"True ");
        bytes
    };
    let batch =
        files::safetensors_bytes(&[grid.clone(), grid.clone()], &files::Maker::default()).unwrap();
    let list = [files::npy_bytes(&grid).unwrap(), columns, batch];
    fuzz("tokens", &list, |bytes| {
        let len = bytes.len();
        let read = files::parse(Path::new("mutated"), &bytes, Some(1024));
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
