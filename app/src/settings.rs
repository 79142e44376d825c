//! What a person set once for all documents: theme, text size, recent files.
//!
//! Kept as RON in the user's configuration folder; read once at start, written by the background
//! thread ([`crate::files::background`]).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Recent files that are kept.
const RECENT: usize = 12;

/// Which colors the window wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// For work.
    #[default]
    Dark,
    /// For bright rooms.
    Light,
    /// For projectors and weak eyes.
    HighContrast,
}

impl ThemeChoice {
    /// All, in the order of menus.
    pub const ALL: [Self; 3] = [Self::Dark, Self::Light, Self::HighContrast];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dark => "Dark",
            Self::Light => "Light",
            Self::HighContrast => "High contrast",
        }
    }
}

impl std::str::FromStr for ThemeChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            "high-contrast" | "contrast" => Ok(Self::HighContrast),
            _ => Err(format!("there is no theme {name:?}; use dark, light or high-contrast")),
        }
    }
}

/// What a person set once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Which colors the window wears.
    pub theme: ThemeChoice,
    /// Which ones in presentation: halls are bright.
    pub presentation_theme: ThemeChoice,
    /// Text larger or smaller, 0.8 to 2; 1 is as designed.
    pub text_scale: f32,
    /// No motion that is not needed.
    pub reduced_motion: bool,
    /// The last opened paths, newest first.
    pub recent: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            presentation_theme: ThemeChoice::Light,
            text_scale: 1.0,
            reduced_motion: false,
            recent: Vec::new(),
        }
    }
}

impl Settings {
    /// Text sizes that make sense.
    pub const TEXT_SCALES: std::ops::RangeInclusive<f32> = 0.8..=2.0;

    /// Puts a path in front of the recent ones.
    pub fn remember(&mut self, path: &Path) {
        self.recent.retain(|known| known != path);
        self.recent.insert(0, path.to_owned());
        self.recent.truncate(RECENT);
    }

    /// Settings from the text of their file.
    ///
    /// # Errors
    /// Line, column and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut settings: Self = ron::from_str(text).map_err(|error| error.to_string())?;
        settings.text_scale =
            settings.text_scale.clamp(*Self::TEXT_SCALES.start(), *Self::TEXT_SCALES.end());
        settings.recent.truncate(RECENT);
        Ok(settings)
    }

    /// The text of their file.
    pub fn to_text(&self) -> String {
        let pretty = ron::ser::PrettyConfig::new();
        ron::ser::to_string_pretty(self, pretty).unwrap_or_default()
    }
}

/// The user's folder for settings and what must survive a kill, if the system has one.
pub fn user_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "smalti").map(|dirs| dirs.config_dir().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_file_and_odd_values_are_brought_into_range() {
        let mut settings = Settings { theme: ThemeChoice::Light, ..Settings::default() };
        settings.remember(Path::new("/a/图像.png"));
        settings.remember(Path::new("/b"));
        settings.remember(Path::new("/a/图像.png"));
        assert_eq!(settings.recent, [PathBuf::from("/a/图像.png"), PathBuf::from("/b")]);
        assert_eq!(Settings::parse(&settings.to_text()), Ok(settings));
        assert_eq!(Settings::parse("(text_scale: 99.0)").unwrap().text_scale, 2.0);
        assert!(Settings::parse("(text_scale: ]").unwrap_err().contains("1:"));
    }
}
