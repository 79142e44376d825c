//! Work of an unexpected end: at the start it is looked for where this window keeps its own, and where windows kept
//! theirs that are no more open. The first that is found is brought back, the others are set aside.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Studio;
use crate::document::Notice;
use crate::files::autosave::Other;
use crate::files::disk::{rename, set_aside};
use crate::files::outcome::{Outcome, notice};
use crate::files::saved;

impl Studio {
    /// Brings back what was open when it ended unexpectedly. If something else is asked for at the start, it is set
    /// aside instead.
    pub(super) fn look_for_lost_work(&self, is_asked: bool) {
        let Some(autosave) = &self.keeping.autosave else { return };
        let look = Arc::new(Look {
            own: autosave.path().to_owned(),
            is_asked,
            is_full: AtomicBool::new(false),
            unapplied: Arc::clone(&self.keeping.unapplied),
        });
        let own = Arc::clone(&look);
        self.keeping.background.run(move || own.at_own());
        // One after the other, before anything is written to the window's own place.
        for other in autosave.others() {
            let look = Arc::clone(&look);
            self.keeping.background.run(move || look.at_other(&other));
        }
    }
}

/// The look for lost work of one start.
struct Look {
    /// Where this window keeps its work.
    own: PathBuf,
    is_asked: bool,
    /// Whether work is in the window's own place, which must not be written over.
    is_full: AtomicBool,
    /// [`super::Keeping::unapplied`].
    unapplied: Arc<AtomicBool>,
}

impl Look {
    /// Where this window keeps its work. Nothing there is the usual case: the last time ended well.
    fn at_own(&self) -> Option<Outcome> {
        if self.is_asked {
            return self.aside(&self.own, "recovered", &kept);
        }
        match saved::open(&self.own) {
            Ok(saved) => {
                self.fill();
                Some(Outcome::Document(None, Box::new(saved)))
            }
            Err(error) => {
                let summary = format!("The work of last time could not be read: {error}");
                self.aside(&self.own, "unreadable", &|kept| {
                    let hint =
                        format!("It is kept as {}; a newer Smalti may open it", kept.display());
                    Notice::warning(summary.clone(), hint)
                })
            }
        }
    }

    /// Where another window kept its work.
    fn at_other(&self, other: &Other) -> Option<Outcome> {
        let _held = other.hold()?;
        if self.is_asked || self.is_full.load(Ordering::Relaxed) {
            return self.aside(other.path(), "recovered", &kept);
        }
        match rename(other.path(), &self.own) {
            Ok(()) => self.at_own(),
            Err(error) => {
                let summary = format!("The work of another window was not brought back: {error}");
                let hint = format!("It stays in {}", other.path().display());
                Some(notice(Notice::warning(summary, hint)))
            }
        }
    }

    /// Moves it out of the way; what is said of it tells where it is now.
    fn aside(&self, path: &Path, kind: &str, said: &dyn Fn(&Path) -> Notice) -> Option<Outcome> {
        match set_aside(path, kind) {
            Ok(kept) => kept.map(|kept| notice(said(&kept))),
            Err(error) if path == self.own => {
                self.fill();
                let summary = format!("The work of last time is in the way: {error}");
                let hint = "Until it is moved, this window keeps nothing for an unexpected end";
                Some(notice(Notice::warning(summary, hint)))
            }
            Err(error) => {
                let summary = format!("The work of another window is not brought back: {error}");
                let hint = format!("It stays in {}", path.display());
                Some(notice(Notice::warning(summary, hint)))
            }
        }
    }

    /// The window's own place must not be written over.
    fn fill(&self) {
        self.is_full.store(true, Ordering::Relaxed);
        self.unapplied.store(true, Ordering::Relaxed);
    }
}

/// What is said of work that was set aside.
fn kept(path: &Path) -> Notice {
    let summary = "Smalti ended unexpectedly last time; the work of then is kept";
    Notice::warning(summary, format!("Open {}", path.display()))
}
