//! What a lecturer says: the captions of a scene, one at a time, under the views in presentation.

use egui::{Frame, Key, Margin, Modifiers, Panel, RichText, Stroke, Ui};

use crate::files::scenes::Caption;
use crate::look::theme::{Theme, space};

/// Keys of the next caption: arrows, and what clickers send.
const NEXT: [Key; 2] = [Key::ArrowRight, Key::PageDown];
/// Keys of the one before.
const BEFORE: [Key; 2] = [Key::ArrowLeft, Key::PageUp];

/// The captions of the scene that is shown, and which of them is said now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    captions: Vec<Caption>,
    at: usize,
}

impl Script {
    /// From the first caption on.
    pub fn new(captions: Vec<Caption>) -> Self {
        Self { captions, at: 0 }
    }

    /// The caption that is said now.
    pub fn caption(&self) -> Option<&Caption> {
        self.captions.get(self.at)
    }

    /// Takes the keys that walk through the captions; they stay where they are at both ends.
    pub fn take_keys(&mut self, ctx: &egui::Context) {
        if self.captions.is_empty() || ctx.text_edit_focused() {
            return;
        }
        let (next, before) = ctx.input_mut(|input| {
            let mut pressed = |keys: [Key; 2]| {
                let count = |key| input.count_and_consume_key(Modifiers::NONE, key);
                keys.map(count).iter().sum::<usize>()
            };
            (pressed(NEXT), pressed(BEFORE))
        });
        let last = self.captions.len() - 1;
        self.at = (self.at + next).min(last).saturating_sub(before);
    }

    /// Draws the caption at the bottom of the window, if there is one.
    pub fn show(&self, ui: &mut Ui, theme: &Theme) {
        let Some(caption) = self.caption() else { return };
        let colors = &theme.colors;
        let frame = Frame::new().fill(colors.background).inner_margin(Margin {
            left: space::XL as i8,
            right: space::XL as i8,
            top: space::M as i8,
            bottom: space::L as i8,
        });
        let panel =
            Panel::bottom("caption").frame(frame).show_separator_line(false).show(ui, |ui| {
                let words = if caption.is_question { "Predict first" } else { "" };
                ui.horizontal(|ui| {
                    let place = format!("{} of {}", self.at + 1, self.captions.len());
                    ui.label(theme.caption_figures(place));
                    ui.label(RichText::new(words).font(theme.small()).color(colors.gold));
                });
                ui.add(egui::Label::new(RichText::new(&caption.text).font(theme.heading())).wrap());
            });
        let rect = panel.response.rect;
        ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, colors.line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caption(text: &str) -> Caption {
        Caption { text: text.to_owned(), is_question: false }
    }

    #[test]
    fn arrows_and_clickers_walk_through_the_captions_and_stop_at_the_ends() {
        let mut script = Script::new(vec![caption("a"), caption("b"), caption("c")]);
        let ctx = egui::Context::default();
        let mut press = |key: Key| {
            let events = vec![egui::Event::Key {
                key,
                physical_key: None,
                pressed: true,
                repeat: false,
                modifiers: Modifiers::NONE,
            }];
            let input = egui::RawInput { events, ..Default::default() };
            drop(ctx.run_ui(input, |ui| script.take_keys(ui.ctx())));
            script.caption().map(|caption| caption.text.clone())
        };
        let walk = [
            (Key::ArrowLeft, "a"),
            (Key::PageDown, "b"),
            (Key::ArrowRight, "c"),
            (Key::ArrowRight, "c"),
            (Key::PageUp, "b"),
            (Key::ArrowLeft, "a"),
        ];
        for (key, text) in walk {
            assert_eq!(press(key).as_deref(), Some(text), "{key:?}");
        }
    }
}
