//! What a lecturer says: the captions of a scene, one at a time, under the picture in presentation. A question
//! veils its answer until somebody guesses, or asks to be shown.

use egui::{Button, Frame, Key, Margin, Modifiers, Panel as Bar, RichText, Stroke, Ui};

use crate::document::{Looks, Panel, Secret};
use crate::files::scenes::{Caption, Scene};
use crate::look::theme::{Theme, space};

/// Keys of the next caption: arrows, and what clickers send. A question is answered by them first.
const NEXT: [Key; 2] = [Key::ArrowRight, Key::PageDown];
/// Keys of the one before. They take back what the others did, one by one: an answer is veiled again first.
const BEFORE: [Key; 2] = [Key::ArrowLeft, Key::PageUp];
/// The keys of nine things in a row: of views, and of what is guessed.
pub const DIGITS: [Key; 9] = [
    Key::Num1,
    Key::Num2,
    Key::Num3,
    Key::Num4,
    Key::Num5,
    Key::Num6,
    Key::Num7,
    Key::Num8,
    Key::Num9,
];

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nobody guessed.
    Shown,
    /// This choice was guessed.
    Guessed(usize),
}

/// The captions of the scene that is shown, and which of them is said now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    captions: Vec<Caption>,
    /// What is where in presentation, where no caption says it.
    presentation: Option<Panel>,
    at: usize,
    /// Of each caption.
    told: Vec<Option<Told>>,
}

impl Script {
    /// The captions of a scene, from the first on.
    pub fn new(scene: &Scene) -> Self {
        let told = vec![None; scene.captions.len()];
        let (captions, presentation) = (scene.captions.clone(), scene.presentation.clone());
        Self { captions, presentation, at: 0, told }
    }

    /// The caption that is said now.
    pub fn caption(&self) -> Option<&Caption> {
        self.captions.get(self.at)
    }

    /// Which caption is said, from 0.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes to a caption, from 0; to the last one if there are fewer.
    pub fn go_to(&mut self, at: usize) {
        self.at = at.min(self.captions.len().saturating_sub(1));
    }

    /// What is where while it is said, if the scene says so.
    pub fn shows(&self) -> Option<&Panel> {
        let own = self.caption().and_then(|caption| caption.shows.as_ref());
        own.or(self.presentation.as_ref())
    }

    /// How things are looked at while it is said, if the scene says so.
    pub fn looks(&self) -> Option<&Looks> {
        self.caption()?.looks.as_ref()
    }

    /// What no view may say now.
    pub fn veiled(&self) -> &[Secret] {
        let caption = self.caption().filter(|_| self.told.get(self.at) == Some(&None));
        caption.map_or(&[], |caption| &caption.veils)
    }

    fn tell(&mut self, told: Told) {
        if let Some(now) = self.told.get_mut(self.at) {
            *now = Some(told);
        }
    }

    /// Takes the keys that walk through the captions, which stay where they are at both ends, and those that
    /// guess.
    pub fn take_keys(&mut self, ctx: &egui::Context) {
        if self.captions.is_empty() || ctx.text_edit_focused() {
            return;
        }
        let choices = self.caption().map_or(0, |caption| caption.choices.len());
        let is_asked = !self.veiled().is_empty();
        let (next, before, guess) = ctx.input_mut(|input| {
            let mut count = |keys: &[Key]| {
                let count = |key: &Key| input.count_and_consume_key(Modifiers::NONE, *key);
                keys.iter().map(count).sum::<usize>()
            };
            let (next, before) = (count(&NEXT), count(&BEFORE));
            // All of them, also once it is answered: a key that is held must not put another view there.
            let pressed: Vec<bool> = if choices > 0 {
                DIGITS.iter().map(|key| count(&[*key]) > 0).collect()
            } else {
                Vec::new()
            };
            let guess = pressed.iter().take(choices).position(|pressed| *pressed);
            (next, before, guess.filter(|_| is_asked))
        });
        if let Some(choice) = guess {
            self.tell(Told::Guessed(choice));
        }
        for _ in 0..next {
            if self.veiled().is_empty() {
                self.go_to(self.at + 1);
            } else {
                // What is shown is looked at before a key that is held goes on.
                self.tell(Told::Shown);
                break;
            }
        }
        for _ in 0..before {
            if self.veil_again() {
                // As above: a key that is held stops here.
                break;
            }
            self.at = self.at.saturating_sub(1);
        }
    }

    /// Takes back that the answer to the caption's question was shown; gives whether it was.
    fn veil_again(&mut self) -> bool {
        let is_question = self.caption().is_some_and(|caption| !caption.veils.is_empty());
        let told = self.told.get_mut(self.at).filter(|_| is_question);
        told.is_some_and(|told| told.take().is_some())
    }

    /// Draws the caption at the bottom of the window, if there is one.
    pub fn show(&mut self, ui: &mut Ui, theme: &Theme) {
        let Some(caption) = self.caption().cloned() else { return };
        let colors = &theme.colors;
        let frame = Frame::new().fill(colors.background).inner_margin(Margin {
            left: space::XL as i8,
            right: space::XL as i8,
            top: space::M as i8,
            bottom: space::L as i8,
        });
        let shown = Bar::bottom("caption").frame(frame).show_separator_line(false).show(ui, |ui| {
            ui.horizontal(|ui| {
                let place = format!("{} of {}", self.at + 1, self.captions.len());
                ui.label(theme.caption_figures(place));
                if let Some(words) = self.words(&caption) {
                    ui.label(RichText::new(words).font(theme.small()).color(colors.gold));
                }
            });
            ui.add(egui::Label::new(RichText::new(&caption.text).font(theme.heading())).wrap());
            if !self.veiled().is_empty() {
                self.guesses_ui(ui, theme, &caption);
            }
        });
        let rect = shown.response.rect;
        let line = Stroke::new(theme.line(1.0), colors.line);
        ui.painter().hline(rect.x_range(), rect.top() + 0.5, line);
    }

    /// What stands above a question.
    fn words(&self, caption: &Caption) -> Option<String> {
        let guessed = match self.told.get(self.at).copied().flatten() {
            Some(Told::Guessed(choice)) => caption.choices.get(choice),
            _ => None,
        };
        match guessed {
            Some(choice) => Some(format!("You guessed: {choice}")),
            None if !self.veiled().is_empty() => Some("Predict first".to_owned()),
            None => None,
        }
    }

    /// What can be guessed, and that nobody wants to.
    fn guesses_ui(&mut self, ui: &mut Ui, theme: &Theme, caption: &Caption) {
        ui.horizontal_wrapped(|ui| {
            for (at, choice) in caption.choices.iter().enumerate() {
                let button = Button::new(format!("{}  {choice}", at + 1));
                let about = format!("The key {} guesses it, too", at + 1);
                if ui.add(button).on_hover_text(about).clicked() {
                    self.tell(Told::Guessed(at));
                    ui.ctx().request_repaint();
                }
            }
            let text = RichText::new("Show it").color(theme.colors.on_gold);
            let button = Button::new(text).fill(theme.colors.gold);
            let about = "The key of the next caption does it, too";
            if ui.add(button).on_hover_text(about).clicked() {
                self.tell(Told::Shown);
                ui.ctx().request_repaint();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scenes;

    fn caption(text: &str) -> Caption {
        Caption { text: text.to_owned(), ..Caption::default() }
    }

    fn script(captions: Vec<Caption>) -> Script {
        Script::new(&Scene { captions, ..scenes::studio() })
    }

    fn press(script: &mut Script, key: Key) {
        let events = vec![egui::Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::NONE,
        }];
        let input = egui::RawInput { events, ..Default::default() };
        drop(egui::Context::default().run_ui(input, |ui| script.take_keys(ui.ctx())));
    }

    #[test]
    fn arrows_and_clickers_walk_through_the_captions_and_stop_at_the_ends() {
        let mut script = script(vec![caption("a"), caption("b"), caption("c")]);
        let walk = [
            (Key::ArrowLeft, "a"),
            (Key::PageDown, "b"),
            (Key::ArrowRight, "c"),
            (Key::ArrowRight, "c"),
            (Key::PageUp, "b"),
            (Key::ArrowLeft, "a"),
        ];
        for (key, text) in walk {
            press(&mut script, key);
            assert_eq!(
                script.caption().map(|caption| caption.text.as_str()),
                Some(text),
                "{key:?}"
            );
        }
    }

    #[test]
    fn a_question_is_answered_before_the_next_caption_comes_and_veiled_again_on_the_way_back() {
        let asked = || Caption {
            is_question: true,
            veils: vec![Secret::Usage],
            choices: vec!["few".to_owned(), "many".to_owned()],
            ..caption("how many?")
        };
        let mut script = script(vec![asked(), asked(), caption("so many")]);
        press(&mut script, Key::Num3);
        assert_eq!(script.veiled(), [Secret::Usage], "there is no third choice");
        press(&mut script, Key::Num2);
        assert_eq!((script.veiled(), script.at()), (&[][..], 0));
        assert_eq!(script.words(&asked()).as_deref(), Some("You guessed: many"));
        press(&mut script, Key::ArrowRight);
        press(&mut script, Key::PageDown);
        assert_eq!((script.veiled(), script.at()), (&[][..], 1), "shown, and still there");
        press(&mut script, Key::PageDown);
        assert_eq!(script.at(), 2);
        press(&mut script, Key::ArrowLeft);
        assert_eq!((script.veiled(), script.at()), (&[][..], 1), "as it was when it was left");
        press(&mut script, Key::PageUp);
        assert_eq!((script.veiled(), script.at()), (&[Secret::Usage][..], 1), "veiled again");
        press(&mut script, Key::PageUp);
        assert_eq!((script.veiled(), script.at()), (&[][..], 0));
        press(&mut script, Key::PageUp);
        assert_eq!((script.veiled(), script.at()), (&[Secret::Usage][..], 0), "the guess, too");
        assert_eq!(script.words(&asked()).as_deref(), Some("Predict first"));
        press(&mut script, Key::PageUp);
        press(&mut script, Key::Num1);
        assert_eq!((script.veiled(), script.at()), (&[][..], 0), "and can be guessed anew");
    }
}
