//! How grave something is, as a color.

use crate::document::Severity;
use crate::look::theme::Theme;

/// The color of a severity: a mark beside words that say it too.
pub fn severity_color(theme: &Theme, severity: Severity) -> egui::Color32 {
    match severity {
        Severity::Info => theme.colors.teal,
        Severity::Warning => theme.colors.gold,
        Severity::Error => theme.colors.danger,
    }
}
