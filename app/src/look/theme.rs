//! How Smalti looks: every color, size and distance by its role, in one place.

use std::sync::Arc;

use egui::epaint::Shadow;
use egui::{
    Color32, CornerRadius, FontFamily, FontId, Margin, RichText, Stroke, Style, TextStyle, Visuals,
    vec2,
};

use super::colors::ColorMaps;
use super::fonts;
use crate::settings::ThemeChoice;

/// Distances in points: 4, 8, 12, 16, 24.
pub mod space {
    /// Between a mark and its text.
    pub const XS: f32 = 4.0;
    /// Between things that belong together.
    pub const S: f32 = 8.0;
    /// Inner margin of panels.
    pub const M: f32 = 12.0;
    /// Between groups.
    pub const L: f32 = 16.0;
    /// Between sections.
    pub const XL: f32 = 24.0;
}

/// Corner radius of pictures.
pub const RADIUS_PICTURE: u8 = 3;
/// Corner radius of buttons and fields.
pub const RADIUS_BUTTON: u8 = 6;

/// Text is this much larger in presentation mode.
pub const PRESENTATION_SCALE: f32 = 1.6;

/// Colors by role, and the sizes of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    /// Which theme it is.
    pub choice: ThemeChoice,
    /// Text larger or smaller; 1 is as designed. Heights of chrome follow it.
    pub scale: f32,
    /// No motion that is not needed.
    pub reduced_motion: bool,
    /// Colors by role.
    pub colors: Colors,
    /// Color maps for values.
    pub maps: Arc<ColorMaps>,
}

/// Colors by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colors {
    /// Menu bar and status bar.
    pub background: Color32,
    /// Views.
    pub panel: Color32,
    /// Buttons, fields, what floats.
    pub raised: Color32,
    /// Under the pointer.
    pub hover: Color32,
    /// Between panels.
    pub line: Color32,
    /// Around buttons and fields.
    pub strong_line: Color32,
    /// What is read first.
    pub text: Color32,
    /// What is read second.
    pub dim: Color32,
    /// Marks that are not text.
    pub faint: Color32,
    /// Active now: the selected tab, the current step, the one primary button, the selected cell.
    pub gold: Color32,
    /// Text on gold.
    pub on_gold: Color32,
    /// Run or family A.
    pub coral: Color32,
    /// Run or family B.
    pub teal: Color32,
    /// Run or family C.
    pub lapis: Color32,
    /// Run or family D.
    pub plum: Color32,
    /// Something went wrong.
    pub danger: Color32,
}

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

const DARK: Colors = Colors {
    background: hex(0x0f1218),
    panel: hex(0x161a22),
    raised: hex(0x1d222c),
    hover: hex(0x262c38),
    line: hex(0x2a303c),
    strong_line: hex(0x3a4252),
    text: hex(0xe8e6e1),
    dim: hex(0x9aa0ad),
    faint: hex(0x6b7280),
    gold: hex(0xe3b25c),
    on_gold: hex(0x1a1408),
    coral: hex(0xef7d6b),
    teal: hex(0x4fb8a8),
    lapis: hex(0x5b8def),
    plum: hex(0xb98be0),
    danger: hex(0xff7363),
};

const LIGHT: Colors = Colors {
    background: hex(0xf1eee8),
    panel: hex(0xfaf8f4),
    raised: hex(0xffffff),
    hover: hex(0xf1ede4),
    line: hex(0xddd7cc),
    strong_line: hex(0xc4bcae),
    text: hex(0x22252b),
    dim: hex(0x5c6270),
    faint: hex(0x8a8f99),
    gold: hex(0x996a0c),
    on_gold: hex(0xffffff),
    coral: hex(0xc2493a),
    teal: hex(0x1f7f72),
    lapis: hex(0x2b5fc4),
    plum: hex(0x7d4bb0),
    danger: hex(0xb3261e),
};

const HIGH_CONTRAST: Colors = Colors {
    background: hex(0x000000),
    panel: hex(0x000000),
    raised: hex(0x101010),
    hover: hex(0x2a2a2a),
    line: hex(0xffffff),
    strong_line: hex(0xffffff),
    text: hex(0xffffff),
    dim: hex(0xe0e0e0),
    faint: hex(0xc0c0c0),
    gold: hex(0xffd24a),
    on_gold: hex(0x000000),
    coral: hex(0xff9080),
    teal: hex(0x60e0d0),
    lapis: hex(0x80b0ff),
    plum: hex(0xe0b0ff),
    danger: hex(0xffa698),
};

impl Theme {
    /// The one of figures that are taken away: dark on light, as paper is.
    pub fn on_paper() -> Self {
        Self::new(ThemeChoice::Light, 1.0, false)
    }

    /// A theme with text of a size.
    pub fn new(choice: ThemeChoice, scale: f32, reduced_motion: bool) -> Self {
        let (colors, blue, neutral, red) = match choice {
            ThemeChoice::Dark => (DARK, 0x6f9dff, 0x20242d, 0xff7b62),
            ThemeChoice::Light => (LIGHT, 0x2b5fc4, 0xf7f5f1, 0xc2382a),
            ThemeChoice::HighContrast => (HIGH_CONTRAST, 0x80b0ff, 0x000000, 0xff9080),
        };
        let maps = Arc::new(ColorMaps::new(hex(blue), hex(neutral), hex(red)));
        Self { choice, scale, reduced_motion, colors, maps }
    }

    /// The fixed hue of run or family A, B, C, D (0 to 3, then again from the start).
    pub fn family(&self, index: usize) -> Color32 {
        let Colors { coral, teal, lapis, plum, .. } = self.colors;
        [coral, teal, lapis, plum][index % 4]
    }

    /// A length in points that follows the size of text: heights of bars and rows.
    pub fn px(&self, points: f32) -> f32 {
        (points * self.scale).round()
    }

    /// The width of a line, which grows with the text but does not get thinner.
    pub fn line(&self, points: f32) -> f32 {
        points * self.scale.max(1.0)
    }

    /// Text of 12: labels above numbers, captions.
    pub fn small(&self) -> FontId {
        FontId::new(12.0 * self.scale, FontFamily::Proportional)
    }
    /// Text of 13: everything else.
    pub fn body(&self) -> FontId {
        FontId::new(13.0 * self.scale, FontFamily::Proportional)
    }
    /// Semibold of 13: titles of views, what is picked.
    pub fn strong(&self) -> FontId {
        FontId::new(13.0 * self.scale, FontFamily::Name(fonts::STRONG.into()))
    }
    /// Semibold of 16: headings.
    pub fn heading(&self) -> FontId {
        FontId::new(16.0 * self.scale, FontFamily::Name(fonts::STRONG.into()))
    }
    /// Semibold of 22: numbers that matter.
    pub fn number(&self) -> FontId {
        FontId::new(22.0 * self.scale, FontFamily::Name(fonts::STRONG.into()))
    }
    /// Semibold of 32: titles of presentations.
    pub fn title(&self) -> FontId {
        FontId::new(32.0 * self.scale, FontFamily::Name(fonts::STRONG.into()))
    }
    /// Monospace of 12: figures in captions and tables, ids.
    pub fn figures(&self) -> FontId {
        FontId::new(12.0 * self.scale, FontFamily::Monospace)
    }

    /// Dim small text, as above a number or in a caption.
    pub fn label(&self, text: impl Into<String>) -> RichText {
        RichText::new(text).font(self.small()).color(self.colors.dim)
    }

    /// Dim monospace figures.
    pub fn caption_figures(&self, text: impl Into<String>) -> RichText {
        RichText::new(text).font(self.figures()).color(self.colors.dim)
    }

    /// Makes egui look like this.
    pub fn apply(&self, ctx: &egui::Context) {
        let mut style = Style::default();
        self.apply_text(&mut style);
        self.apply_spacing(&mut style);
        style.visuals = self.visuals();
        style.animation_time = if self.reduced_motion { 0.0 } else { 0.12 };
        if self.reduced_motion {
            style.scroll_animation = egui::style::ScrollAnimation::none();
        }
        let theme = match self.choice {
            ThemeChoice::Light => egui::Theme::Light,
            ThemeChoice::Dark | ThemeChoice::HighContrast => egui::Theme::Dark,
        };
        ctx.set_theme(theme);
        ctx.set_style_of(theme, style);
    }

    fn apply_text(&self, style: &mut Style) {
        style.text_styles = [
            (TextStyle::Small, self.small()),
            (TextStyle::Body, self.body()),
            (TextStyle::Button, self.body()),
            (TextStyle::Heading, self.heading()),
            (TextStyle::Monospace, self.figures()),
        ]
        .into();
        style.drag_value_text_style = TextStyle::Monospace;
    }

    fn apply_spacing(&self, style: &mut Style) {
        let spacing = &mut style.spacing;
        spacing.item_spacing = vec2(space::S, space::S);
        spacing.button_padding = vec2(self.px(10.0), self.px(4.0));
        spacing.interact_size = vec2(self.px(32.0), self.px(24.0));
        spacing.menu_margin = Margin::same(6);
        spacing.window_margin = Margin::same(space::L as i8);
        spacing.icon_width = self.px(14.0);
        spacing.icon_width_inner = self.px(8.0);
        spacing.slider_width = self.px(120.0);
        spacing.slider_rail_height = self.px(4.0);
        spacing.tooltip_width = self.px(320.0);
        // What is larger to see is larger to hit, too.
        for width in [
            &mut spacing.scroll.bar_width,
            &mut spacing.scroll.floating_width,
            &mut spacing.scroll.handle_min_length,
            &mut style.interaction.interact_radius,
            &mut style.interaction.resize_grab_radius_side,
            &mut style.interaction.resize_grab_radius_corner,
        ] {
            *width *= self.scale.max(1.0);
        }
        style.interaction.tooltip_delay = 0.4;
        style.interaction.selectable_labels = false;
    }

    fn visuals(&self) -> Visuals {
        let c = &self.colors;
        let light = self.choice == ThemeChoice::Light;
        let mut v = if light { Visuals::light() } else { Visuals::dark() };
        v.panel_fill = c.panel;
        v.window_fill = c.raised;
        v.extreme_bg_color = c.background;
        v.text_edit_bg_color = Some(c.raised);
        v.faint_bg_color = c.raised;
        v.code_bg_color = c.raised;
        v.window_stroke = Stroke::new(1.0, c.strong_line);
        v.window_corner_radius = CornerRadius::same(8);
        v.menu_corner_radius = CornerRadius::same(8);
        let shadow = Shadow {
            offset: [0, 6],
            blur: 20,
            spread: 0,
            color: Color32::from_black_alpha(if light { 40 } else { 110 }),
        };
        v.window_shadow = shadow;
        v.popup_shadow = shadow;
        v.hyperlink_color = c.lapis;
        v.warn_fg_color = c.gold;
        v.error_fg_color = c.danger;
        v.weak_text_color = Some(c.dim);
        v.selection.bg_fill = c.gold.gamma_multiply(0.30);
        v.selection.stroke = Stroke::new(1.0, c.text);
        // A blinking cursor would repaint the whole window twice a second.
        v.text_cursor.blink = false;
        v.text_cursor.stroke = Stroke::new(2.0, c.gold);
        v.slider_trailing_fill = true;
        v.striped = false;
        v.indent_has_left_vline = false;
        v.interact_cursor = Some(egui::CursorIcon::PointingHand);
        self.widget_visuals(&mut v.widgets);
        v
    }

    fn widget_visuals(&self, widgets: &mut egui::style::Widgets) {
        let c = &self.colors;
        for (state, fill, line) in [
            (&mut widgets.noninteractive, c.panel, c.line),
            (&mut widgets.inactive, c.raised, c.strong_line),
            (&mut widgets.hovered, c.hover, c.faint),
            (&mut widgets.active, c.hover, c.gold),
            (&mut widgets.open, c.hover, c.strong_line),
        ] {
            state.bg_fill = fill;
            state.weak_bg_fill = fill;
            state.bg_stroke = Stroke::new(self.line(1.0), line);
            state.fg_stroke = Stroke::new(self.line(1.0), c.text);
            state.corner_radius = CornerRadius::same(RADIUS_BUTTON);
            state.expansion = 0.0;
        }
        // Rails of sliders and boxes need to be seen on a panel, and the mark in a box on them.
        let is_high = self.choice == ThemeChoice::HighContrast;
        widgets.inactive.bg_fill = if is_high { hex(0x505050) } else { c.strong_line };
        // What has the keyboard's focus is drawn as active: its ring must be seen from afar.
        widgets.active.bg_stroke = Stroke::new(self.line(2.0), c.gold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast by WCAG 2.1, worked out from its text.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let luminance = |c: Color32| {
            let linear = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.03928 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
        };
        let (x, y) = (luminance(a), luminance(b));
        (x.max(y) + 0.05) / (x.min(y) + 0.05)
    }

    #[test]
    fn what_is_hit_and_drawn_grows_with_the_text() {
        let style = |scale: f32| {
            let ctx = egui::Context::default();
            Theme::new(ThemeChoice::Light, scale, false).apply(&ctx);
            ctx.style_of(egui::Theme::Light)
        };
        let (usual, large) = (style(1.0), style(PRESENTATION_SCALE));
        let sizes = |style: &Style| {
            let (spacing, widgets) = (&style.spacing, &style.visuals.widgets);
            [
                spacing.button_padding.x,
                spacing.interact_size.y,
                spacing.slider_rail_height,
                spacing.scroll.bar_width,
                style.interaction.resize_grab_radius_side,
                widgets.inactive.bg_stroke.width,
                widgets.active.bg_stroke.width,
            ]
        };
        for (at, (usual, large)) in std::iter::zip(sizes(&usual), sizes(&large)).enumerate() {
            assert!(large >= usual * 1.4, "{at}: {usual} becomes {large}");
        }
        assert_eq!(Theme::new(ThemeChoice::Light, 0.8, false).line(1.0), 1.0);
    }

    #[test]
    fn every_text_can_be_read_on_every_background_it_stands_on() {
        for choice in ThemeChoice::ALL {
            let c = Theme::new(choice, 1.0, false).colors;
            let least = if choice == ThemeChoice::HighContrast { 7.0 } else { 4.5 };
            let backgrounds = [c.background, c.panel, c.raised, c.hover];
            let texts = [("text", c.text), ("dim", c.dim), ("danger", c.danger)];
            for (name, text) in texts {
                for background in backgrounds {
                    let found = contrast(text, background);
                    assert!(found >= least, "{choice:?}: {name} on {background:?}: {found:.2}");
                }
            }
            assert!(contrast(c.on_gold, c.gold) >= 4.5, "{choice:?}: on gold");
            for mark in [c.gold, c.faint, c.coral, c.teal, c.lapis, c.plum] {
                assert!(contrast(mark, c.panel) >= 3.0, "{choice:?}: mark {mark:?}");
            }
        }
    }
}
