//! Words in a PNG file that say what it is.
//!
//! Source: Portable Network Graphics (PNG) Specification, third edition, 5.3 (chunk layout) and 11.3.3.4 (iTXt).

use super::Picture;
use super::encode::png_bytes;
use crate::Result;

/// The signature, and the header chunk (length, type, 13 bytes, checksum) that must come first.
const UP_TO_HEADER: usize = 8 + 4 + 4 + 13 + 4;

/// The picture as the bytes of a PNG file that says what it is: (keyword, text) each, such as
/// ("Software", "Smalti").
///
/// # Errors
/// Those of [`png_bytes`].
pub fn png_with_words(picture: &Picture, words: &[(String, String)]) -> Result<Vec<u8>> {
    let mut bytes = png_bytes(picture)?;
    let chunks: Vec<u8> = words.iter().flat_map(|(keyword, text)| chunk(keyword, text)).collect();
    bytes.splice(UP_TO_HEADER..UP_TO_HEADER, chunks);
    Ok(bytes)
}

/// An iTXt chunk: UTF-8, not compressed, of no language.
fn chunk(keyword: &str, text: &str) -> Vec<u8> {
    let mut typed = b"iTXt".to_vec();
    // A keyword is 1 to 79 Latin-1 letters; ours are ASCII.
    typed.extend(keyword.bytes().filter(u8::is_ascii_graphic).take(79));
    typed.extend([0, 0, 0, 0, 0]);
    typed.extend(text.bytes().filter(|byte| *byte != 0));
    let mut sum = flate2::Crc::new();
    sum.update(&typed);
    let length = (typed.len() - 4) as u32;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(typed);
    bytes.extend(sum.sum().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read_by_another_decoder_and_the_pixels_stay() {
        let picture = Picture::new(2, 1, vec![1, 2, 3, 250, 251, 252]).unwrap();
        let words = [("Software", "Smalti"), ("Description", "鹦鹉, worlds-fsq")];
        let words = words.map(|(keyword, text)| (keyword.to_owned(), text.to_owned()));
        let bytes = png_with_words(&picture, &words).unwrap();
        // The decoder checks every checksum.
        let back = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(&**picture.rgb(), back.as_raw().as_slice());
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("Description") && text.contains("鹦鹉, worlds-fsq"));
    }
}
