//! What views offer under a name, so that the palette does what they do: their own buttons, and what is seen and
//! can be taken away. Each says so in every frame that it is drawn in, and answers when it is picked.

use std::cell::{Cell, RefCell};

use crate::document::{Offer, PanelId, Way};

/// What views offer.
#[derive(Debug, Default)]
pub struct Offers {
    /// Those of this frame so far.
    now: RefCell<Vec<Offer>>,
    /// Those of the last frame.
    last: RefCell<Vec<Offer>>,
    /// The one that was picked.
    picked: RefCell<Option<(String, Way)>>,
    /// The panel that is being drawn.
    panel: Cell<Option<PanelId>>,
    /// The panel that was worked in last.
    worked: Cell<Option<PanelId>>,
    /// Whether the menu of a picture was asked for by its key.
    wants_menu: Cell<bool>,
}

impl Offers {
    /// What was offered in the last frame: of the panel that was worked in last first, then in the order in which
    /// it was drawn.
    pub(crate) fn all(&self) -> Vec<Offer> {
        let (mut all, worked) = (self.last.borrow().clone(), self.worked.get());
        all.sort_by_key(|offer| offer.panel.is_none() || offer.panel != worked);
        all
    }

    /// What is offered from now on is this panel's.
    pub(crate) fn draw(&self, panel: Option<PanelId>) {
        self.panel.set(panel);
    }

    /// A person works in this panel.
    pub(crate) fn work_in(&self, panel: PanelId) {
        self.worked.set(Some(panel));
    }

    /// The menu of the first picture of the panel that was worked in last is to open, or of the first one that is
    /// seen.
    pub(crate) fn ask_menu(&self) {
        self.wants_menu.set(true);
    }

    /// Whether the menu that was asked for is that of what is being drawn; only the first one is told so.
    pub(crate) fn takes_menu(&self) -> bool {
        let worked = self.worked.get();
        let has_one = worked.is_some()
            && self.last.borrow().iter().any(|o| o.panel == worked && o.taken().next().is_some());
        let is_it = !has_one || self.panel.get() == worked;
        is_it && self.wants_menu.take()
    }

    /// Picks one: the next frame does it.
    pub(crate) fn pick(&self, name: String, way: Way) {
        *self.picked.borrow_mut() = Some((name, way));
    }

    /// Offers something; gives in which way it was picked, if it was. What has the name of another thing is
    /// numbered; the same thing in two panels is one.
    pub(crate) fn offer(&self, mut offer: Offer) -> Option<Way> {
        let mut now = self.now.borrow_mut();
        offer.panel = self.panel.get();
        let is_button = offer.ways.contains(&Way::Press);
        let is_it =
            |known: &&Offer| known.named == offer.named && known.about == offer.about && !is_button;
        if let Some(known) = now.iter().find(is_it) {
            offer.name.clone_from(&known.name);
        } else {
            let is_free = |name: &str| now.iter().all(|known| known.name != name);
            let numbered = |number: usize| format!("{} ({number})", offer.named);
            let first = std::iter::once(offer.named.clone());
            let mut names = first.chain((2..=now.len() + 1).map(numbered));
            offer.name = names.find(|name| is_free(name)).unwrap_or_default();
            now.push(offer.clone());
        }
        let is_it =
            |(name, way): &mut (String, Way)| *name == offer.name && offer.ways.contains(way);
        self.picked.borrow_mut().take_if(is_it).map(|(_, way)| way)
    }

    /// The frame is over; gives whether a menu was asked for that no picture has. It is not asked for any more.
    pub(crate) fn end_menu(&self) -> bool {
        self.wants_menu.take()
    }

    /// The frame is over; gives what was picked and is offered no more.
    pub(crate) fn end_frame(&self) -> Option<(String, Way)> {
        self.last.replace(self.now.take());
        self.picked.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::How;

    fn gone(offers: &Offers) -> Option<String> {
        offers.end_frame().map(|(name, _)| name)
    }

    #[test]
    fn what_is_picked_is_done_once_by_the_one_that_offers_it() {
        let offers = Offers::default();
        let frame =
            || ["Copy", "Copy", "Save"].map(|name| offers.offer(Offer::button(name)).is_some());
        assert_eq!(frame(), [false; 3]);
        assert_eq!(gone(&offers), None);
        let names: Vec<String> = offers.all().into_iter().map(|offer| offer.name).collect();
        assert_eq!(names, ["Copy", "Copy (2)", "Save"]);
        offers.pick("Copy (2)".to_owned(), Way::Press);
        assert_eq!(frame(), [false, true, false]);
        assert_eq!(gone(&offers), None);
        assert_eq!(frame(), [false; 3]);
        assert_eq!(gone(&offers), None);
        offers.pick("Copy (3)".to_owned(), Way::Press);
        assert_eq!((frame(), gone(&offers)), ([false; 3], Some("Copy (3)".to_owned())));
    }

    #[test]
    fn what_was_worked_in_last_is_offered_first() {
        use crate::document::ViewId;
        let offers = Offers::default();
        let frame = || {
            for (view, name) in [(ViewId::Dataset, "sheet"), (ViewId::Tokens, "tokens")] {
                offers.draw(Some(view.into()));
                offers.offer(Offer::of(name, "", &[How::Png(1)]));
            }
            offers.draw(None);
            offers.offer(Offer::button("Copy"));
            offers.end_frame();
            offers.all().into_iter().map(|offer| offer.name).collect::<Vec<_>>()
        };
        assert_eq!(frame(), ["sheet", "tokens", "Copy"]);
        offers.work_in(ViewId::Tokens.into());
        assert_eq!(frame(), ["tokens", "sheet", "Copy"]);
        // One that is not seen any more changes nothing.
        offers.work_in(ViewId::Log.into());
        assert_eq!(frame(), ["sheet", "tokens", "Copy"]);
    }

    #[test]
    fn a_menu_that_no_picture_has_is_not_asked_for_any_more() {
        let offers = Offers::default();
        offers.ask_menu();
        assert!(offers.takes_menu() && !offers.takes_menu(), "one picture opens it");
        assert!(!offers.end_menu());
        offers.ask_menu();
        assert!(offers.end_menu(), "nothing was drawn that has one");
        assert!(!offers.takes_menu(), "it does not open later by itself");
    }

    #[test]
    fn what_is_asked_for_answers_once_and_what_is_gone_is_said() {
        let offers = Offers::default();
        let offer = || Offer::of("tokens", "of a cat", &[How::Copy, How::Csv]);
        assert_eq!(offers.offer(offer()), None);
        assert_eq!(gone(&offers), None);
        offers.pick("tokens".to_owned(), Way::Take(How::Csv));
        assert_eq!(offers.offer(offer()), Some(Way::Take(How::Csv)));
        assert_eq!(offers.offer(offer()), None, "two panels of one view save one file");
        assert_eq!(gone(&offers), None);
        assert_eq!(offers.all().len(), 1);
        offers.pick("tokens".to_owned(), Way::Take(How::Svg));
        assert_eq!(offers.offer(offer()), None);
        assert_eq!(gone(&offers).as_deref(), Some("tokens"));
    }

    #[test]
    fn two_things_of_one_name_are_two_and_each_answers_by_itself() {
        let offers = Offers::default();
        let frame = || {
            ["of a cat", "of a dog", "of a cat"]
                .map(|about| offers.offer(Offer::of("tokens", about, &[How::Csv])).is_some())
        };
        frame();
        assert_eq!(gone(&offers), None);
        let names: Vec<String> = offers.all().into_iter().map(|offer| offer.name).collect();
        assert_eq!(names, ["tokens", "tokens (2)"]);
        offers.pick("tokens (2)".to_owned(), Way::Take(How::Csv));
        assert_eq!(frame(), [false, true, false]);
    }
}
