//! All runs that are looked at, each read once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use smalti_engine::Problem;
use smalti_engine::questions::ReadRun;
use smalti_engine::session::{Lane, Reply, RunId, RunState, RunView, Session};
use smalti_engine::training::TrainEvent;

use super::log_version::LogVersion;
use super::record::Record;

/// What is told of a run now.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What is known.
    pub record: Rc<Record>,
    /// Whether more of it is there, to be taken in the next frame.
    pub is_behind: bool,
}

/// A run by its folder.
#[derive(Debug, Default)]
struct Stored {
    /// Of which log `kept` is being made.
    since: u64,
    kept: Kept,
    /// What was known before that: seen until `kept` is whole.
    before: Option<Rc<Record>>,
    /// The log as it was seen last.
    seen: Option<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    record: Rc<Record>,
    /// Whether what the folder tells of the time before is taken.
    has_earlier: bool,
}

/// The runs that were looked at in this sitting.
#[derive(Debug, Default)]
pub struct Records {
    live: RefCell<BTreeMap<RunId, Kept>>,
    stored: RefCell<BTreeMap<PathBuf, Stored>>,
}

impl Records {
    /// A run of this sitting, of which `folder` may tell what was before. None if it is no training, or while
    /// nothing is known of it.
    pub fn live(&self, session: &Session, run: &RunView, folder: Option<&Path>) -> Option<Told> {
        let mut all = self.live.borrow_mut();
        if !all.contains_key(&run.id) {
            // Entries of other runs' logs have another type: they cannot be read as this.
            let last = run.entries.checked_sub(1)?;
            if session.log::<TrainEvent>(run.id, last).is_empty() {
                return None;
            }
        }
        let kept = all.entry(run.id).or_default();
        let has_ended = matches!(run.state, RunState::Cancelled | RunState::Failed(_));
        if run.entries == kept.record.taken && has_ended {
            Rc::make_mut(&mut kept.record).comes_back();
        }
        if run.entries == kept.record.taken {
            return Some(Told { record: Rc::clone(&kept.record), is_behind: false });
        }
        let record = Rc::make_mut(&mut kept.record);
        let new = session.log::<TrainEvent>(run.id, record.taken);
        if let (false, Some(first)) = (kept.has_earlier, new.first()) {
            match (&**first, folder) {
                (TrainEvent::Started { step, .. }, Some(folder)) if *step > 0 => {
                    let question = ReadRun { folder: folder.into(), since: run.id.0 };
                    match session.ask(Lane::Soon, &question) {
                        Reply::Working { .. } => return None,
                        Reply::Ready(found) if record.take_stored(&found, *step) => {
                            let record = Rc::clone(&kept.record);
                            return Some(Told { record, is_behind: true });
                        }
                        // Its log alone, then.
                        Reply::Ready(_) | Reply::Failed(_) => {}
                    }
                }
                _ => {}
            }
            kept.has_earlier = true;
        }
        let is_behind = record.take(&new);
        Some(Told { record: Rc::clone(&kept.record), is_behind })
    }

    /// A run that does not go on in this sitting, by its folder, in which another program may train. `second` is
    /// when it is looked at: the log is read again if it has changed since the second before. None while it is
    /// being read.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn resting(
        &self,
        session: &Session,
        folder: &Path,
        second: u64,
    ) -> Result<Option<Told>, Problem> {
        let log = LogVersion { folder: folder.into(), second };
        let now = match session.ask(Lane::Soon, &log) {
            Reply::Ready(version) => Some(*version),
            Reply::Working { .. } | Reply::Failed(_) => None,
        };
        let seen = {
            let mut all = self.stored.borrow_mut();
            let stored = all.entry(folder.to_owned()).or_default();
            stored.seen = now.or(stored.seen);
            stored.seen
        };
        let Some(seen) = seen else { return Ok(None) };
        self.stored(session, folder, seen)
    }

    /// A run by its folder; `since` as in [`ReadRun`]. None while it is being read for the first time.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn stored(
        &self,
        session: &Session,
        folder: &Path,
        since: u64,
    ) -> Result<Option<Told>, Problem> {
        let mut all = self.stored.borrow_mut();
        let Stored { since: of, kept, before, .. } = all.entry(folder.to_owned()).or_default();
        // A log that grows faster than it is read is read to its end first.
        if *of != since && (kept.has_earlier || *of == 0) {
            let old = std::mem::take(kept);
            if old.has_earlier {
                *before = Some(old.record);
            }
            *of = since;
        }
        if kept.has_earlier {
            return Ok(Some(Told { record: Rc::clone(&kept.record), is_behind: false }));
        }
        let question = ReadRun { folder: folder.into(), since: *of };
        let is_behind = match session.ask(Lane::Soon, &question) {
            Reply::Working { .. } => {
                let known = before.clone();
                return Ok(known.map(|record| Told { record, is_behind: false }));
            }
            Reply::Failed(problem) => {
                *of = 0;
                return Err(problem);
            }
            Reply::Ready(found) => Rc::make_mut(&mut kept.record).take_stored(&found, u64::MAX),
        };
        kept.has_earlier = !is_behind;
        // Curves must not begin anew at each change of the log.
        let record = if is_behind { before.as_ref() } else { None }.unwrap_or(&kept.record);
        Ok(Some(Told { record: Rc::clone(record), is_behind }))
    }

    /// What is known of the run in a folder without asking; none if nobody looked at it.
    pub fn known(&self, folder: &Path) -> Option<Rc<Record>> {
        let all = self.stored.borrow();
        let Stored { kept, before, .. } = all.get(folder)?;
        let before = before.as_ref().filter(|_| !kept.has_earlier);
        Some(Rc::clone(before.unwrap_or(&kept.record)))
    }
}
