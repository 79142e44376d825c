//! What a lecturer says: the captions of a scene, one at a time, under the picture in presentation. A question
//! veils its answer until somebody guesses, or asks to be shown.

use egui::{Button, Frame, Key, Margin, Modifiers, Panel as Bar, RichText, Stroke, Ui};

use crate::document::{Looks, Panel, Secret};
use crate::files::deeds::Deed;
use crate::files::scenes::{Caption, Scene};
use crate::look::theme::{Theme, space};

/// Keys of the next caption: what clickers send, and arrows. A question is answered by them first.
const NEXT: &[Key] = &[Key::PageDown, Key::ArrowRight];
/// The same for who is led, where nothing else has the keyboard.
const NEXT_ALONE: &[Key] = &[Key::PageDown, Key::ArrowRight, Key::Enter];
/// Keys of the one before. They take back what the others did, one by one: an answer is veiled again first.
const BEFORE: &[Key] = &[Key::PageUp, Key::ArrowLeft];
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

/// Where in a scene one is: a caption, before or after its question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The caption, from 0.
    pub caption: usize,
    /// Whether nothing is asked there, or not any more.
    pub is_told: bool,
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
    /// Whether a person has gone from one to another: none comes by itself any more.
    is_by_hand: bool,
}

impl Script {
    /// The captions of a scene, from the first on.
    pub fn new(scene: &Scene) -> Self {
        let told = vec![None; scene.captions.len()];
        let (captions, presentation) = (scene.captions.clone(), scene.presentation.clone());
        Self { captions, presentation, at: 0, told, is_by_hand: false }
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

    /// Where one is now.
    pub fn place(&self) -> At {
        At { caption: self.at, is_told: !self.is_open() }
    }

    /// What is to be done between two places, the first of which was reached, in order.
    pub fn due(&self, reached: Option<At>, to: At) -> Vec<(At, &[Deed])> {
        let places = self.captions.iter().enumerate().flat_map(|(caption, it)| {
            [(false, &it.does), (true, &it.reveals)]
                .map(|(is_told, deeds)| (At { caption, is_told }, deeds.as_slice()))
        });
        let is_due = |at: &At| reached.is_none_or(|reached| *at > reached) && *at <= to;
        places.filter(|(at, deeds)| is_due(at) && !deeds.is_empty()).collect()
    }

    /// After so many seconds the next caption comes by itself; none if it waits for a person.
    pub fn lasts(&self) -> Option<f32> {
        let caption = self.caption().filter(|_| !self.is_by_hand && !self.is_open())?;
        caption.lasts.filter(|_| self.at + 1 < self.captions.len())
    }

    /// Goes on, where nothing is asked.
    pub fn go_on(&mut self) {
        if !self.is_open() {
            self.go_to(self.at + 1);
        }
    }

    /// Whether something is asked that nobody has answered yet.
    fn is_open(&self) -> bool {
        let is_question = self.caption().is_some_and(|caption| caption.is_question);
        is_question && self.told.get(self.at) == Some(&None)
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
        let caption = self.caption().filter(|_| self.is_open());
        caption.map_or(&[], |caption| &caption.veils)
    }

    fn tell(&mut self, told: Told) {
        self.is_by_hand = true;
        if let Some(now) = self.told.get_mut(self.at) {
            *now = Some(told);
        }
    }

    /// Takes the keys that walk through the captions, which stay where they are at both ends, and those that
    /// guess. Who is alone with them works in the views as well: what has the keyboard there keeps arrows and Enter,
    /// and digits guess only while something is asked.
    pub fn take_keys(&mut self, ctx: &egui::Context, is_alone: bool) {
        if self.captions.is_empty() || ctx.text_edit_focused() {
            return;
        }
        let is_asked = self.is_open();
        let choices = self.caption().map_or(0, |caption| caption.choices.len());
        let choices = if is_alone && !is_asked { 0 } else { choices };
        let (on, back) = match (is_alone, ctx.memory(egui::Memory::focused)) {
            (true, Some(_)) => (&NEXT[..1], &BEFORE[..1]),
            (true, None) => (NEXT_ALONE, BEFORE),
            (false, _) => (NEXT, BEFORE),
        };
        let (next, before, guess) = ctx.input_mut(|input| {
            let mut count = |keys: &[Key]| {
                let count = |key: &Key| input.count_and_consume_key(Modifiers::NONE, *key);
                keys.iter().map(count).sum::<usize>()
            };
            let (next, before) = (count(on), count(back));
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
            if self.step_on() {
                // What is shown is looked at before a key that is held goes on.
                break;
            }
        }
        for _ in 0..before {
            if self.step_back() {
                // As above: a key that is held stops here.
                break;
            }
        }
    }

    /// The answer, or the next caption; gives whether it was an answer.
    fn step_on(&mut self) -> bool {
        self.is_by_hand = true;
        let is_answer = self.is_open();
        if is_answer {
            self.tell(Told::Shown);
        } else {
            self.go_on();
        }
        is_answer
    }

    /// Takes that back; gives whether it was an answer.
    fn step_back(&mut self) -> bool {
        self.is_by_hand = true;
        let is_answer = self.veil_again();
        if !is_answer {
            self.at = self.at.saturating_sub(1);
        }
        is_answer
    }

    /// Takes back that the answer to the caption's question was shown; gives whether it was.
    fn veil_again(&mut self) -> bool {
        let is_question = self.caption().is_some_and(|caption| caption.is_question);
        let told = self.told.get_mut(self.at).filter(|_| is_question);
        told.is_some_and(|told| told.take().is_some())
    }

    /// Draws the caption at the bottom of the window, if there is one. Who is alone with it has buttons to go on by;
    /// gives whether that person wants to leave.
    pub fn show(&mut self, ui: &mut Ui, theme: &Theme, is_alone: bool) -> bool {
        let Some(caption) = self.caption().cloned() else { return false };
        let mut leaves = false;
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
            if self.is_open() {
                self.guesses_ui(ui, theme, &caption);
            }
            leaves = is_alone && self.steps_ui(ui, theme);
        });
        let rect = shown.response.rect;
        let line = Stroke::new(theme.line(1.0), colors.line);
        ui.painter().hline(rect.x_range(), rect.top() + 0.5, line);
        leaves
    }

    /// The way through the captions for who is alone with them; gives whether that person wants to leave.
    fn steps_ui(&mut self, ui: &mut Ui, theme: &Theme) -> bool {
        let is_last = self.at + 1 >= self.captions.len();
        let gold = |text: &str, is_gold: bool| {
            let colors = &theme.colors;
            let text =
                RichText::new(text).color(if is_gold { colors.on_gold } else { colors.text });
            let button = Button::new(text);
            if is_gold { button.fill(colors.gold) } else { button }
        };
        ui.horizontal(|ui| {
            let back = ui.add_enabled(self.at > 0, Button::new("Back"));
            if back.on_hover_text("Page Up").clicked() {
                self.step_back();
                ui.ctx().request_repaint();
            }
            // A question has its own way on.
            if !self.is_open() && !is_last {
                let next = ui.add(gold("Next", true)).on_hover_text("Page Down or Enter");
                if next.clicked() {
                    self.step_on();
                    ui.ctx().request_repaint();
                }
            }
            let leave = ui.add(gold("Try it yourself", is_last));
            leave.on_hover_text("The same picture with all tools (Esc)").clicked()
        })
        .inner
    }

    /// What stands above a question, and beside the guess the truth, where the scene says it.
    fn words(&self, caption: &Caption) -> Option<String> {
        let truth = caption.answer.and_then(|answer| caption.choices.get(answer.checked_sub(1)?));
        let told = match self.told.get(self.at).copied().flatten() {
            _ if self.is_open() => return Some("Predict first".to_owned()),
            Some(Told::Guessed(choice)) => caption.choices.get(choice),
            Some(Told::Shown) => None,
            None => return None,
        };
        match (told, truth) {
            (Some(guess), Some(truth)) if guess == truth => {
                Some(format!("You guessed: {guess} \u{00b7} and so it is"))
            }
            (Some(guess), Some(truth)) => {
                Some(format!("You guessed: {guess} \u{00b7} It is: {truth}"))
            }
            (Some(guess), None) => Some(format!("You guessed: {guess}")),
            (None, truth) => truth.map(|truth| format!("It is: {truth}")),
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
        drop(egui::Context::default().run_ui(input, |ui| script.take_keys(ui.ctx(), false)));
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
    fn what_has_the_keyboard_keeps_arrows_and_digits_from_the_captions_of_who_is_led() {
        let asked = Caption {
            is_question: true,
            answer: Some(1),
            choices: vec!["few".to_owned(), "many".to_owned()],
            ..caption("how many?")
        };
        let mut script = script(vec![asked, caption("b"), caption("c"), caption("d")]);
        let mut press = |key: Key, has_focus: bool| {
            let (physical_key, pressed, repeat, modifiers) = (None, true, false, Modifiers::NONE);
            let event = egui::Event::Key { key, physical_key, pressed, repeat, modifiers };
            let input = egui::RawInput { events: vec![event], ..Default::default() };
            let mut is_left = false;
            drop(egui::Context::default().run_ui(input, |ui| {
                if has_focus {
                    ui.ctx().memory_mut(|memory| memory.request_focus(egui::Id::unique("view")));
                }
                script.take_keys(ui.ctx(), true);
                is_left = ui.input(|input| !input.events.is_empty());
            }));
            (script.at(), script.is_open(), is_left)
        };
        assert_eq!(press(Key::ArrowRight, true), (0, true, true), "it is the view's");
        assert_eq!(press(Key::Num1, true), (0, false, false), "it answers");
        assert_eq!(press(Key::Num1, true), (0, false, true), "nothing is asked any more");
        assert_eq!(press(Key::PageDown, true), (1, false, false));
        assert_eq!(press(Key::Enter, true), (1, false, true), "it is the view's");
        assert_eq!(press(Key::Enter, false), (2, false, false));
        assert_eq!(press(Key::ArrowRight, false), (3, false, false));
        assert_eq!(press(Key::ArrowLeft, true), (3, false, true), "it is the view's");
        assert_eq!(press(Key::PageUp, true), (2, false, false));
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

    #[test]
    fn the_truth_stands_beside_the_guess_and_only_then() {
        let asked = Caption {
            is_question: true,
            answer: Some(2),
            choices: vec!["few".to_owned(), "many".to_owned()],
            ..caption("how many?")
        };
        let told = |keys: &[Key]| {
            let mut script = script(vec![asked.clone(), caption("so many")]);
            for key in keys {
                press(&mut script, *key);
            }
            (script.at(), script.words(&asked).unwrap_or_default())
        };
        assert_eq!(told(&[]), (0, "Predict first".to_owned()));
        assert_eq!(told(&[Key::Num1]), (0, "You guessed: few \u{00b7} It is: many".to_owned()));
        assert_eq!(told(&[Key::Num2]), (0, "You guessed: many \u{00b7} and so it is".to_owned()));
        assert_eq!(told(&[Key::PageDown]), (0, "It is: many".to_owned()));
        assert_eq!(
            told(&[Key::Num1, Key::PageUp]),
            (0, "Predict first".to_owned()),
            "veiled again"
        );
        assert_eq!(told(&[Key::Num1, Key::PageDown]).0, 1);
    }

    #[test]
    fn what_captions_do_is_due_in_their_order_once_and_after_the_answer() {
        let asked = Caption {
            is_question: true,
            answer: Some(1),
            choices: vec!["few".to_owned()],
            does: vec![Deed::Deselect],
            reveals: vec![Deed::StartRace],
            ..caption("how many?")
        };
        let last = Caption { does: vec![Deed::GoToEnd], ..caption("so many") };
        let mut script = script(vec![caption("first"), asked, last]);
        let due = |script: &Script, reached| -> Vec<Deed> {
            let due = script.due(reached, script.place());
            due.into_iter().flat_map(|(_, deeds)| deeds.to_vec()).collect()
        };
        assert_eq!(due(&script, None), []);
        press(&mut script, Key::PageDown);
        let place = script.place();
        assert_eq!((due(&script, None), place.is_told), (vec![Deed::Deselect], false));
        press(&mut script, Key::Num1);
        assert!(script.place() > place);
        assert_eq!(due(&script, Some(place)), [Deed::StartRace]);
        script.go_to(2);
        assert_eq!(
            due(&script, None),
            [Deed::Deselect, Deed::StartRace, Deed::GoToEnd],
            "all before it"
        );
        assert_eq!(due(&script, Some(script.place())), [], "once");
    }
}
