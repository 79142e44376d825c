//! What views offer under a name: their own buttons, so that the palette does what these do.

use std::cell::RefCell;

/// What views offer. A view says it in each frame that it is drawn in.
#[derive(Debug, Default)]
pub struct Offers {
    /// Those of this frame so far.
    now: RefCell<Vec<String>>,
    /// Those of the last frame.
    last: RefCell<Vec<String>>,
    /// The one that was picked in the palette.
    picked: RefCell<Option<String>>,
}

impl Offers {
    /// What was offered in the last frame, in the order in which it was drawn.
    pub fn all(&self) -> Vec<String> {
        self.last.borrow().clone()
    }

    /// Picks one: the next frame does it.
    pub(crate) fn pick(&self, name: String) {
        *self.picked.borrow_mut() = Some(name);
    }

    /// Offers something; true if it was picked. What two panels offer alike is numbered.
    pub(super) fn offer(&self, name: &str) -> bool {
        let mut now = self.now.borrow_mut();
        let mut name = name.to_owned();
        if now.contains(&name) {
            let numbered = |number: usize| format!("{name} ({number})");
            let free = (2..=now.len() + 1).map(numbered).find(|name| !now.contains(name));
            name = free.unwrap_or_default();
        }
        let is_picked = self.picked.borrow_mut().take_if(|picked| *picked == name).is_some();
        now.push(name);
        is_picked
    }

    /// The frame is over; gives what was picked and is offered no more.
    pub(crate) fn end_frame(&self) -> Option<String> {
        *self.last.borrow_mut() = self.now.take();
        self.picked.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_picked_is_done_once_by_the_one_that_offers_it() {
        let offers = Offers::default();
        let frame = || [offers.offer("Copy"), offers.offer("Copy"), offers.offer("Save")];
        assert_eq!(frame(), [false; 3]);
        assert_eq!(offers.end_frame(), None);
        assert_eq!(offers.all(), ["Copy", "Copy (2)", "Save"]);
        offers.pick("Copy (2)".to_owned());
        assert_eq!(frame(), [false, true, false]);
        assert_eq!(offers.end_frame(), None);
        assert_eq!(frame(), [false; 3]);
        assert_eq!(offers.end_frame(), None);
        offers.pick("Copy (3)".to_owned());
        assert_eq!((frame(), offers.end_frame()), ([false; 3], Some("Copy (3)".to_owned())));
    }
}
