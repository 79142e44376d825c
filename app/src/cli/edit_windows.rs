//! What `smalti edit` writes, window after window of the generator's size, with the steps of each.

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::EngineError;
use smalti_engine::generators::{Request, Trace, TracedModel, Window, windows};
use smalti_engine::tokens::Tokens;

use super::arguments_paint::Edit;
use super::console::Console;
use super::engine::Engine;
use super::given::{Work, for_edit};
use super::outputs::Outputs;
use super::painting::{Opened, StepFiles, follow, keep_steps, steps_on_a_sheet};
use super::stop::Stop;
use crate::figures::sheet::Item;

/// What came of an edit.
pub(super) struct Edited {
    /// All tokens of the picture.
    pub(super) tokens: Tokens,
    pub(super) windows: usize,
    pub(super) steps: usize,
    pub(super) forward_passes: u32,
    pub(super) seconds: f64,
    /// Of each window, where steps are looked at.
    pub(super) step_files: Vec<WindowLine>,
    /// The steps of all windows, where a contact sheet shows them.
    pub(super) on_a_sheet: Vec<Item>,
}

/// A window whose steps are kept.
#[derive(Debug, Serialize)]
pub(super) struct WindowLine {
    /// Where its first token is in the picture.
    row: usize,
    column: usize,
    steps: usize,
    step_seconds: Vec<f64>,
    #[serde(flatten)]
    files: StepFiles,
}

/// A trace that is gone on with, and whether it was.
struct Resumed {
    path: PathBuf,
    trace: Trace,
    is_used: bool,
}

/// What is done to the picture of a seed, and the windows in which it is.
struct Plan {
    work: Work,
    windows: Vec<Window>,
}

/// What the pictures of an edit share, and the window that is written now.
pub(super) struct Editing<'a> {
    options: &'a Edit,
    opened: &'a Opened,
    /// As they were named.
    tokens: &'a Tokens,
    /// Of the picture that is written.
    plan: Plan,
    /// Which generator writes, where steps are looked at.
    model: Option<TracedModel>,
    resumed: Vec<Resumed>,
    /// Its trace, and how its files are called.
    now: Option<(Trace, String)>,
}

impl<'a> Editing<'a> {
    /// Reads the traces that are gone on with.
    pub(super) fn new(
        options: &'a Edit,
        (opened, tokens): (&'a Opened, &'a Tokens),
        model: Option<TracedModel>,
    ) -> Result<Self, Stop> {
        // Before anything is read: its words may be wrong.
        let plan = Plan::of(options, (opened, tokens), options.base.seed)?;
        let mut resumed = Vec::new();
        for path in &options.resume {
            let trace = Trace::read(path)?;
            model.iter().try_for_each(|model| trace.check(path, model))?;
            resumed.push(Resumed { path: path.clone(), trace, is_used: false });
        }
        Ok(Self { options, opened, tokens, plan, model, resumed, now: None })
    }

    /// What is done to the picture that is written.
    pub(super) fn work(&self) -> &Work {
        &self.plan.work
    }

    /// Whether the picture is of the generator's size.
    fn is_whole(&self) -> bool {
        self.tokens.layout() == self.opened.painter.config().layout
    }

    /// The trace of the window that is written, as far as it is, and how its files are called.
    pub(super) fn part(&self) -> Option<(&Trace, &str)> {
        self.now.as_ref().map(|(trace, name)| (trace, name.as_str()))
    }

    /// Writes a picture, window after window; what is asked for of their steps is staged.
    pub(super) fn paint(
        &mut self,
        asked: &Request,
        (name, number, count): (&str, u64, u64),
        outputs: &mut Outputs,
        (engine, console): (&Engine, &mut Console<'_, '_>),
    ) -> Result<Edited, Stop> {
        // Which cells are free is the seed's matter, too: a picture of several is the one that its seed alone makes.
        if number > 0 && self.options.free < 1.0 {
            self.plan = Plan::of(self.options, (self.opened, self.tokens), asked.seed)?;
        }
        let windows = self.plan.windows.clone();
        let mut edited = Edited {
            tokens: self.plan.work.tokens.clone(),
            windows: windows.len(),
            steps: 0,
            forward_passes: 0,
            seconds: 0.0,
            step_files: Vec::new(),
            on_a_sheet: Vec::new(),
        };
        let of = windows.len() as u64;
        for (at, window) in (0..).zip(&windows) {
            let request = self.request(asked, window, &edited.tokens)?;
            let mut trace = self.take_up(&request);
            let name = if self.is_whole() {
                name.to_owned()
            } else {
                format!("{name}.r{}-c{}", window.row, window.column)
            };
            let which = ("window", number * of + at, count * of);
            let painter = &self.opened.painter.painter;
            let painted = follow(engine, painter, request, trace.as_mut(), which, console);
            self.now = trace.map(|trace| (trace, name));
            let painted = painted?;
            let Some(tokens) = painted.tokens else {
                return Err(Stop::failure("the generator took no step", ""));
            };
            edited.tokens =
                if self.is_whole() { tokens } else { window.paste(&edited.tokens, &tokens)? };
            edited.steps += painted.steps;
            edited.forward_passes += painted.forward_passes;
            edited.seconds += painted.seconds;
            if let Some((trace, name)) = &self.now {
                let (opened, kept) =
                    (&self.opened.painter, (&self.options.show, self.options.is_kept()));
                let (files, pictures) =
                    keep_steps(kept, (trace, name), opened, outputs, (engine, console))?;
                let (row, column, steps) = (window.row, window.column, painted.steps);
                let step_seconds = painted.step_seconds;
                edited.step_files.push(WindowLine { row, column, steps, step_seconds, files });
                if self.options.show.sheet && count == 1 {
                    let items = steps_on_a_sheet(trace, &pictures).into_iter();
                    edited.on_a_sheet.extend(items.map(|item| self.placed(item, window)));
                }
            }
        }
        Ok(edited)
    }

    /// What is asked of the generator in a window.
    fn request(&self, asked: &Request, window: &Window, tokens: &Tokens) -> Result<Request, Stop> {
        let own = &self.opened.painter.config().layout;
        let (given, origin) = match own.as_slice() {
            [own] if !self.is_whole() => {
                (window.given(tokens, *own)?, Some(window.origin(tokens.first().shape())))
            }
            _ => {
                let free: Vec<_> = window.cells.iter().map(|cell| (*cell, None)).collect();
                (tokens.with(free)?, None)
            }
        };
        Ok(Request { given, origin, ..asked.clone() })
    }

    /// The trace of a request where steps are looked at: one that is gone on with, or a new one.
    fn take_up(&mut self, request: &Request) -> Option<Trace> {
        let model = self.model.as_ref()?;
        let is_it = |one: &&mut Resumed| !one.is_used && one.trace.request == *request;
        if let Some(found) = self.resumed.iter_mut().find(is_it) {
            found.is_used = true;
            return Some(found.trace.clone());
        }
        Some(Trace::new(model.clone(), request.clone()))
    }

    /// That each trace is of these words, before any work: of one of the pictures, and of one of their windows. What
    /// was written in the windows before is known only when they are; which cells are free in one is known now, and
    /// of the first one everything is.
    pub(super) fn check_resumed(&self, asked: &Request, count: u64) -> Result<(), Stop> {
        for one in &self.resumed {
            let own = &one.trace.request;
            let is_asked = own.seed.wrapping_sub(asked.seed) < count
                && (own.class, &own.prompt, own.sampling, own.groups)
                    == (asked.class, &asked.prompt, asked.sampling, asked.groups)
                && own.unmasking == asked.unmasking;
            if !(is_asked && self.is_placed(own, asked)?) {
                return Err(of_another(&one.path));
            }
        }
        Ok(())
    }

    /// Whether a request is one of a window of its seed's picture, as far as that is known before anything is written.
    fn is_placed(&self, own: &Request, asked: &Request) -> Result<bool, Stop> {
        let plan = Plan::of(self.options, (self.opened, self.tokens), own.seed)?;
        let free =
            |given: &Tokens| given.cells().map(|(_, token)| token.is_none()).collect::<Vec<_>>();
        for (at, window) in plan.windows.iter().enumerate() {
            let planned = self.request(asked, window, &plan.work.tokens)?;
            let is_it = own.origin == planned.origin
                && own.given.layout() == planned.given.layout()
                && free(&own.given) == free(&planned.given)
                && (at > 0 || own.given == planned.given);
            if is_it {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a trace was not gone on with so far: what is written anew must not take its place.
    pub(super) fn has_unused_trace(&self) -> bool {
        self.resumed.iter().any(|one| !one.is_used)
    }

    /// That every trace was gone on with.
    pub(super) fn check_all_resumed(&self) -> Result<(), Stop> {
        let Some(other) = self.resumed.iter().find(|one| !one.is_used) else { return Ok(()) };
        Err(of_another(&other.path))
    }

    /// A step on the sheet with the window that it is of, where there are several.
    fn placed(&self, item: Item, window: &Window) -> Item {
        if self.plan.windows.len() < 2 {
            return item;
        }
        Item { label: format!("r{},c{} {}", window.row, window.column, item.label), ..item }
    }
}

impl Plan {
    /// By the words of the command.
    fn of(options: &Edit, (opened, tokens): (&Opened, &Tokens), seed: u64) -> Result<Self, Stop> {
        let config = opened.painter.config();
        let work = for_edit(options, tokens, config, seed)?;
        let windows = match config.layout.as_slice() {
            _ if work.written.is_empty() => Vec::new(),
            [own] if work.tokens.layout() != [*own] => {
                windows(work.tokens.first().shape(), *own, &work.written)?
            }
            _ => vec![Window { row: 0, column: 0, cells: work.written.clone() }],
        };
        Ok(Self { work, windows })
    }
}

fn of_another(path: &Path) -> Stop {
    let reason = "it is the trace of another edit than this command asks for";
    let hint = "repeat the words of the command that was cancelled: the same picture, cells, seed and settings";
    EngineError::bad_file(path, reason, hint).into()
}
