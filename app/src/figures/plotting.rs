//! What all figures that plotters draws have in common: letters, hues, PNG and SVG with words in them.

use std::fmt::Write as _;
use std::sync::Once;

use plotters::style::{FontStyle, RGBColor, register_font};
use smalti_engine::EngineError;

use crate::look::fonts::{INTER_REGULAR, INTER_SEMIBOLD};

/// Black on white, since it goes on paper; hues that color-blind eyes tell apart (Okabe and Ito, 2008).
pub(super) const HUES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];
pub(super) const INK: RGBColor = RGBColor(32, 36, 44);
pub(super) const FAINT: RGBColor = RGBColor(140, 146, 156);
pub(super) const GRID: RGBColor = RGBColor(228, 230, 234);

pub(super) fn cannot<E: std::fmt::Display>(error: E) -> EngineError {
    EngineError::bad_input("figure", error, "")
}

/// Plots are written in the window's own letters: none of the machine's are asked for.
pub(super) fn with_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, bytes) in
            [(FontStyle::Normal, INTER_REGULAR), (FontStyle::Bold, INTER_SEMIBOLD)]
        {
            if register_font("sans-serif", style, bytes).is_err() {
                tracing::warn!("a font of the figures cannot be read");
            }
        }
    });
}

/// An SVG that says what it is: to people in `<title>` and `<desc>`, to programs in `<metadata>`, by the keywords
/// of Dublin Core.
pub fn svg_with_words(svg: &str, words: &[(String, String)]) -> String {
    let Some((head, body)) = svg.split_once('>') else { return svg.to_owned() };
    let text = |keyword: &str| {
        let found = words.iter().find(|(known, _)| known == keyword);
        found.map(|(_, text)| escaped(text))
    };
    let mut said = String::new();
    let mut add = |tag: &str, text: Option<String>| {
        if let Some(text) = text {
            writeln!(said, "<{tag}>{text}</{tag}>").unwrap_or_default();
        }
    };
    add("title", text("Title").or_else(|| text("Source")));
    add("desc", text("Description"));
    let fields = [("creator", "Software"), ("description", "Description"), ("source", "Source")];
    let fields = fields.iter().filter_map(|(field, keyword)| {
        Some(format!("<dc:{field}>{}</dc:{field}>\n", text(keyword)?))
    });
    let name_space = "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";
    let fields: String = fields.collect();
    write!(said, "<metadata {name_space}>\n{fields}</metadata>\n").unwrap_or_default();
    format!("{head}>\n{said}{}", body.trim_start_matches('\n'))
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_svg_says_what_it_is_and_stays_one() {
        let words = [("Source", "cat & hat.png"), ("Description", "usage"), ("Software", "Smalti")];
        let words = words.map(|(a, b)| (a.to_owned(), b.to_owned()));
        let svg = svg_with_words("<svg width=\"1\">\n<rect/>\n</svg>\n", &words);
        let start =
            "<svg width=\"1\">\n<title>cat &amp; hat.png</title>\n<desc>usage</desc>\n<metadata ";
        assert!(svg.starts_with(start), "{svg}");
        assert!(svg.contains("<dc:creator>Smalti</dc:creator>"), "{svg}");
        assert!(svg.ends_with("</metadata>\n<rect/>\n</svg>\n"), "{svg}");
        let own = [words.to_vec(), vec![("Title".to_owned(), "use".to_owned())]].concat();
        let svg = svg_with_words("<svg width=\"1\">\n</svg>\n", &own);
        assert!(svg.contains("<title>use</title>"), "its own title before its source's: {svg}");
    }
}
