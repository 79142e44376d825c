//! The fonts that come with Smalti (`assets/fonts`): Inter for text, JetBrains Mono for figures.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

/// Medium weight, for what is picked.
pub const MEDIUM: &str = "inter-medium";
/// Semibold weight, for titles and numbers that matter.
pub const STRONG: &str = "inter-semibold";

/// Bytes of the regular text font, for figures that are drawn without egui.
pub static INTER_REGULAR: &[u8] = include_bytes!("../../../assets/fonts/Inter-Regular.ttf");
/// Bytes of the semibold text font.
pub static INTER_SEMIBOLD: &[u8] = include_bytes!("../../../assets/fonts/Inter-SemiBold.ttf");
static INTER_MEDIUM: &[u8] = include_bytes!("../../../assets/fonts/Inter-Medium.ttf");
/// Bytes of the font of figures.
pub static MONO_REGULAR: &[u8] = include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf");

/// Our fonts in front of egui's own, which serve as fallback for symbols.
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let ours = [
        ("inter", INTER_REGULAR),
        (MEDIUM, INTER_MEDIUM),
        (STRONG, INTER_SEMIBOLD),
        ("jetbrains-mono", MONO_REGULAR),
    ];
    for (name, bytes) in ours {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    let symbols = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let figures = fonts.families.get(&FontFamily::Monospace).cloned().unwrap_or_default();
    let with = |first: &str, rest: &[String]| {
        std::iter::once(first.to_owned()).chain(rest.iter().cloned()).collect::<Vec<_>>()
    };
    fonts.families.insert(FontFamily::Proportional, with("inter", &symbols));
    fonts.families.insert(FontFamily::Name(MEDIUM.into()), with(MEDIUM, &symbols));
    fonts.families.insert(FontFamily::Name(STRONG.into()), with(STRONG, &symbols));
    fonts.families.insert(FontFamily::Monospace, with("jetbrains-mono", &figures));
    fonts
}
