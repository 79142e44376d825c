//! Small pieces of HTML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smalti_engine::Result;
use smalti_engine::images::{Picture, png_bytes};

/// Text with what HTML would take for markup made harmless.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A picture inside the page. `class` is empty or a CSS class.
pub(super) fn img(picture: &Picture, alt: &str, class: &str) -> Result<String> {
    Ok(format!(
        "<img class=\"{class}\" width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{}\">",
        picture.width(),
        picture.height(),
        escaped(alt),
        STANDARD.encode(png_bytes(picture)?),
    ))
}

/// A picture with its caption: left what it is, right its figures.
pub(super) fn figure(image: &str, what: &str, figures: &str) -> String {
    format!(
        "<figure>{image}<figcaption><span>{}</span><span class=\"num\">{}</span></figcaption></figure>\n",
        escaped(what),
        escaped(figures)
    )
}

/// A number that matters, with a small label above.
pub(super) fn large(label: &str, number: &str, unit: &str) -> String {
    format!(
        "<div class=\"large\"><dt>{}</dt><dd>{} <small>{}</small></dd></div>\n",
        escaped(label),
        escaped(number),
        escaped(unit)
    )
}

/// A color for CSS.
pub(super) fn css([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A whole number with its thousands apart: 196 608.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_become_markup() {
        let name = "<script>alert('x')</script>&\".png";
        let safe = figure("", name, "");
        assert!(!safe.contains("<script>") && safe.contains("&lt;script&gt;"), "{safe}");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(196_608), "196\u{202f}608");
        assert_eq!(grouped(1_000_000), "1\u{202f}000\u{202f}000");
    }
}
