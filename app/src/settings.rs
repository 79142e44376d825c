//! What a person set once for all documents: theme, text size, recent files.
//!
//! Kept as RON in the user's configuration folder; read once at start, written by the background
//! thread ([`crate::files::background`]).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Recent files that are kept.
const RECENT: usize = 12;
/// Runs elsewhere than in the usual folders that are remembered.
const RUNS: usize = 100;

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
    /// Folders of training runs elsewhere than in the usual folders, the latest first.
    pub runs: Vec<PathBuf>,
    /// Folders of training runs that were taken out of the list.
    pub unlisted: Vec<PathBuf>,
    /// Files with weights of LPIPS, by which it is measured; none measures none.
    pub lpips: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            presentation_theme: ThemeChoice::Light,
            text_scale: 1.0,
            reduced_motion: false,
            recent: Vec::new(),
            runs: Vec::new(),
            unlisted: Vec::new(),
            lpips: Vec::new(),
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

    /// A run was used: it is listed, also if it lies in none of the `places` where they usually are.
    pub fn remember_run(&mut self, folder: &Path, places: &[PathBuf]) {
        self.unlisted.retain(|known| known != folder);
        let is_usual = folder.parent().is_some_and(|place| places.iter().any(|p| p == place));
        if !is_usual && self.runs.first().is_none_or(|first| first != folder) {
            self.runs.retain(|known| known != folder);
            self.runs.insert(0, folder.to_owned());
            self.runs.truncate(RUNS);
        }
    }

    /// A run is not to be listed any more.
    pub fn unlist_run(&mut self, folder: &Path) {
        let known = self.runs.len();
        self.runs.retain(|known| known != folder);
        if self.runs.len() == known && !self.unlisted.iter().any(|known| known == folder) {
            self.unlisted.push(folder.to_owned());
        }
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

/// The folder of training runs that people find, if the system has one for them.
pub fn runs_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join("Smalti").join("runs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_elsewhere_are_remembered_and_those_that_are_taken_out_come_back_when_they_are_used() {
        let places = [PathBuf::from("/home/me/Smalti/runs")];
        let mut settings = Settings::default();
        for run in ["/home/me/Smalti/runs/a-1", "/data/b", "/data/c", "/data/b"] {
            settings.remember_run(Path::new(run), &places);
        }
        assert_eq!(settings.runs, [PathBuf::from("/data/b"), PathBuf::from("/data/c")]);
        settings.unlist_run(Path::new("/data/b"));
        settings.unlist_run(Path::new("/home/me/Smalti/runs/a-1"));
        assert_eq!(settings.runs, [PathBuf::from("/data/c")]);
        assert_eq!(settings.unlisted, [PathBuf::from("/home/me/Smalti/runs/a-1")]);
        assert_eq!(Settings::parse(&settings.to_text()), Ok(settings.clone()));
        settings.remember_run(Path::new("/home/me/Smalti/runs/a-1"), &places);
        assert!(settings.unlisted.is_empty());
    }

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
