//! What a file is, judged by its first bytes and never by its name (TGA excepted).

use image::ImageFormat;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An image that can be decoded.
    Image(ImageFormat),
    /// Something known that cannot be decoded here: what it is, and what to do about it.
    Known(&'static str, &'static str),
    /// Nothing at all: zero bytes.
    Empty,
    /// Text of some sort.
    Text,
    /// Bytes without meaning to Smalti.
    Unknown,
}

/// Suffixes of files that are taken for images when a folder or an archive is listed. The last
/// line cannot be decoded: listing them lets the person know that they were skipped, and why.
pub const IMAGE_SUFFIXES: [&str; 23] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "gif", "webp", "bmp", "dib", "tif", "tiff", "qoi",
    "ppm", "pgm", "pbm", "pnm", "tga", //
    "avif", "heic", "heif", "jxl", "jp2",
];

/// Whether a file's suffix is that of an image.
pub fn has_image_suffix(name: &std::path::Path) -> bool {
    name.extension()
        .and_then(|suffix| suffix.to_str())
        .is_some_and(|suffix| IMAGE_SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

const CONVERT: &str = "Save it as PNG, JPEG or WebP and open that";

const SIGNATURES: [(&[u8], Kind); 29] = [
    (b"\x89PNG\r\n\x1a\n", Kind::Image(ImageFormat::Png)),
    (b"\xff\xd8\xff", Kind::Image(ImageFormat::Jpeg)),
    (b"GIF87a", Kind::Image(ImageFormat::Gif)),
    (b"GIF89a", Kind::Image(ImageFormat::Gif)),
    (b"II*\0", Kind::Image(ImageFormat::Tiff)),
    (b"MM\0*", Kind::Image(ImageFormat::Tiff)),
    (b"II+\0", Kind::Image(ImageFormat::Tiff)),
    (b"MM\0+", Kind::Image(ImageFormat::Tiff)),
    (b"qoif", Kind::Image(ImageFormat::Qoi)),
    (b"\xff\x0a", Kind::Known("a JPEG XL image, a format that Smalti does not read", CONVERT)),
    (
        b"\0\0\0\x0cJXL \r\n\x87\n",
        Kind::Known("a JPEG XL image, a format that Smalti does not read", CONVERT),
    ),
    (
        b"\0\0\0\x0cjP  \r\n\x87\n",
        Kind::Known("a JPEG 2000 image, a format that Smalti does not read", CONVERT),
    ),
    (
        b"\xff\x4f\xff\x51",
        Kind::Known("a JPEG 2000 image, a format that Smalti does not read", CONVERT),
    ),
    (b"8BPS", Kind::Known("a Photoshop document, which Smalti does not read", CONVERT)),
    (b"gimp xcf", Kind::Known("a GIMP document, which Smalti does not read", CONVERT)),
    (b"DDS ", Kind::Known("a DDS texture, a format that Smalti does not read", CONVERT)),
    (b"\x76\x2f\x31\x01", Kind::Known("an OpenEXR image, which Smalti does not read", CONVERT)),
    (b"#?RADIANCE", Kind::Known("a Radiance HDR image, which Smalti does not read", CONVERT)),
    (b"farbfeld", Kind::Known("a farbfeld image, which Smalti does not read", CONVERT)),
    (
        b"PF\n",
        Kind::Known("a PFM image of floating point numbers, which Smalti does not read", CONVERT),
    ),
    (
        b"Pf\n",
        Kind::Known("a PFM image of floating point numbers, which Smalti does not read", CONVERT),
    ),
    (b"\0\0\x01\0", Kind::Known("an icon file (ICO), which Smalti does not read", CONVERT)),
    (b"%PDF", Kind::Known("a PDF document, not an image", "Export the page as PNG and open that")),
    (
        b"PK\x03\x04",
        Kind::Known("a zip archive, not an image", "Unpack it and open the image or the folder"),
    ),
    (
        b"\x1f\x8b",
        Kind::Known("gzip-compressed data, not an image", "Open it as a data set, or unpack it"),
    ),
    (b"7z\xbc\xaf\x27\x1c", Kind::Known("a 7-Zip archive, not an image", "Unpack it first")),
    (b"\x1aE\xdf\xa3", Kind::Known("a video (Matroska or WebM), not an image", VIDEO)),
    (
        b"\x93NUMPY",
        Kind::Known("a NumPy array, not an image", "Open it as tokens, or as a data set of images"),
    ),
    (b"\x7fELF", Kind::Known("a program, not an image", "")),
];

const VIDEO: &str = "Extract a frame as PNG and open that";

/// What a file is; `start` are its first bytes (64 or more if it has them).
pub fn sniff(start: &[u8]) -> Kind {
    if start.is_empty() {
        return Kind::Empty;
    }
    for (signature, kind) in SIGNATURES {
        if start.starts_with(signature) {
            return kind;
        }
    }
    if let Some(kind) = sniff_boxes(start) {
        return kind;
    }
    // Two-letter signatures only together with what must follow, as text can begin with them.
    if start.starts_with(b"BM") && start.get(6..10) == Some(&[0; 4]) {
        return Kind::Image(ImageFormat::Bmp);
    }
    if let [b'P', b'1'..=b'7', third, ..] = start
        && third.is_ascii_whitespace()
    {
        return Kind::Image(ImageFormat::Pnm);
    }
    sniff_text(start)
}

/// RIFF and ISO media files say what they are some bytes in.
fn sniff_boxes(start: &[u8]) -> Option<Kind> {
    if start.starts_with(b"RIFF") {
        return Some(match start.get(8..12) {
            Some(b"WEBP") => Kind::Image(ImageFormat::WebP),
            Some(b"AVI ") => Kind::Known("a video (AVI), not an image", VIDEO),
            Some(b"WAVE") => Kind::Known("a sound file, not an image", ""),
            _ => return None,
        });
    }
    if start.get(4..8) == Some(b"ftyp") {
        // The main brand, and those that the file says it is compatible with.
        let length = start.get(..4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let end = (length as usize).min(start.len()).max(12.min(start.len()));
        let brands = start.get(8..end).unwrap_or_default().as_chunks::<4>().0;
        let has = |known: &[&[u8; 4]]| brands.iter().any(|brand| known.contains(&brand));
        let heif: [&[u8; 4]; 11] = [
            b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1",
            b"msf1", b"heif",
        ];
        return Some(if has(&[b"avif", b"avis"]) {
            Kind::Known("an AVIF image, a format that Smalti does not read", CONVERT)
        } else if has(&heif) {
            Kind::Known("a HEIC (HEIF) image, a format that Smalti does not read", CONVERT)
        } else if has(&[b"crx "]) {
            Kind::Known("a raw photograph (CR3), which Smalti does not read", CONVERT)
        } else {
            Kind::Known("a video (MP4 or QuickTime), not an image", VIDEO)
        });
    }
    None
}

fn sniff_text(start: &[u8]) -> Kind {
    let head = &start[..start.len().min(512)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The cut can fall inside a character; anything else is not text.
        Err(error) if error.error_len().is_none() && head.len() > 8 => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Kind::Unknown,
    };
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c')) {
        return Kind::Unknown;
    }
    let text = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if text.starts_with("<!doctype html") || text.starts_with("<html") || text.contains("<head>") {
        return Kind::Known(
            "an HTML page, not an image",
            "A server probably answered with a page; download the image itself",
        );
    }
    if text.contains("<svg") {
        return Kind::Known("an SVG drawing, which Smalti does not read", "Export it as PNG");
    }
    if text.starts_with("version https://git-lfs") {
        return Kind::Known(
            "a Git LFS pointer: the image itself was not downloaded",
            "Run `git lfs pull` in its repository",
        );
    }
    Kind::Text
}

/// The usual name of a format.
pub fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Qoi => "QOI",
        ImageFormat::Pnm => "PNM",
        ImageFormat::Tga => "TGA",
        _ => "image",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0";
        let cases: [(&[u8], &str); 8] = [
            (b"", "Empty"),
            (b"not a picture at all\n", "Text"),
            (b"  <!DOCTYPE html><html>", "HTML"),
            (b"<?xml version='1.0'?>\n<svg xmlns=''>", "SVG"),
            (heic, "HEIC"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
            (b"BMW is not a bitmap", "Text"),
            (b"\x00\xfe\x12\x99\x01\x02", "Unknown"),
        ];
        for (bytes, expected) in cases {
            let kind = format!("{:?}", sniff(bytes));
            assert!(kind.contains(expected), "{kind} should be {expected}");
        }
        assert_eq!(sniff(b"P6\n1 1\n255\n..."), Kind::Image(ImageFormat::Pnm));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WEBPVP8 "), Kind::Image(ImageFormat::WebP));
    }
}
