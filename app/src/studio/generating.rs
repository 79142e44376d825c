//! Generations of the window: what the document asks for is begun when it is looked at, and not a second time.

use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::generators::GenerateRun;
use smalti_engine::questions::OpenedPainter;
use smalti_engine::session::{Control, Lane, Reply, RunState};
use smalti_engine::tokens::Tokens;

use super::Studio;
use super::begun::{By, Pending, RaceOn};
use crate::ctx::Trace;
use crate::document::{Asked, Command, Generate, Layout, Notice, ViewId};
use crate::shell::folded;

impl Studio {
    /// A generation is to begin, in place of any other that was to.
    pub(super) fn ask_generation(&mut self, asked: &Asked, waits: bool, by: By) {
        self.generation_asked = Some(Pending { asked: Arc::new(asked.clone()), waits, by });
    }

    /// Whoever opens a document asks for what is seen of it: the generation that it shows, and its race. What was
    /// written into tokens is in them.
    pub(super) fn ask_for_what_is_opened(&mut self) {
        let document = self.history.document();
        let whole = document.generating.whole().filter(|_| self.sees(ViewId::Generate)).cloned();
        let raced = document.race.raced.clone().filter(|_| self.sees(ViewId::Race));
        self.generation_asked = None;
        if let Some(asked) = whole {
            self.ask_generation(&asked, false, By::Person);
        }
        self.racing = raced.map(RaceOn::of);
    }

    pub(super) fn generate(&mut self, generate: Generate, ctx: &egui::Context) {
        match generate {
            Generate::Rewrite { asked, count } => self.rewrite(asked, count, ctx),
            Generate::Pick(number) => self.pick_trial_by_hand(number, ctx),
            Generate::Leave => self.leave_trials(),
            other => self.generate_whole(other, ctx),
        }
    }

    fn generate_whole(&mut self, generate: Generate, ctx: &egui::Context) {
        if let Generate::Start { asked, waits } = &generate {
            let is_there = self.history.document().generating.moment.as_ref();
            let is_there = is_there.is_some_and(|moment| *moment.asked == **asked);
            let state = self.generations.get(asked).map(|trace| trace.state.clone());
            match state {
                Some(RunState::Done) if is_there => {
                    let hint = "Change a setting, or take another seed (Ctrl+Shift+G)".to_owned();
                    let summary = "The same request gives the same tokens: they are there";
                    self.notices.add(Notice { hint, ..Notice::info(summary) });
                }
                Some(RunState::Cancelled | RunState::Failed(_)) => self.generate_on(asked, *waits),
                // One that is being cancelled is wanted again.
                Some(RunState::Running | RunState::Paused) => {
                    let run = self.generations.get(asked).and_then(Trace::run);
                    let control = if *waits { Control::StepOnce } else { Control::Resume };
                    if let Some(run) = run {
                        self.session.control(run, control);
                    }
                }
                _ => self.ask_generation(asked, *waits, By::Person),
            }
            // Two at a time would take twice as long.
            for run in self.generations.runs().collect::<Vec<_>>() {
                let is_this = self.generations.get(asked).and_then(Trace::run);
                if is_this != Some(run) {
                    self.session.control(run, Control::Cancel);
                }
            }
            // Its timeline has the keyboard from now on.
            self.send(Layout::Show(ViewId::Generate));
        }
        let is_use = matches!(generate, Generate::Use(..));
        self.change(&Command::Generate(generate), ctx);
        if is_use {
            self.send(Layout::Show(ViewId::Tokens));
        }
    }

    pub(super) fn sees(&self, view: ViewId) -> bool {
        folded::seen(self.drawn()).contains(&view)
    }

    /// Begins what is looked at, when its generator is there.
    pub(super) fn go_on_generating(&mut self) {
        self.generations.follow(&self.session);
        let Some(moment) = &self.history.document().generating.moment else { return };
        if self.generations.get(&moment.asked).is_some() || !self.sees(ViewId::Generate) {
            return;
        }
        let asked = Arc::clone(&moment.asked);
        let is_it = |pending: &&Pending| pending.asked == asked;
        let pending = self.generation_asked.as_ref().filter(is_it);
        // A picture of a document has it, too.
        if pending.is_none() && !self.fixed.options.frozen_time {
            return;
        }
        let Reply::Ready(opened) = self.session.ask(Lane::Now, &asked.opens()) else { return };
        let pending = self.generation_asked.take_if(|pending| pending.asked == asked);
        let waits = pending.as_ref().is_some_and(|pending| pending.waits);
        self.begin_generation(&asked, opened, waits);
        if pending.is_some_and(|pending| pending.by == By::Scene)
            && let Some(run) = self.generations.get(&asked).and_then(Trace::run)
        {
            self.begun_by_scene(run);
        }
    }

    /// Begins one, whose generator is there.
    pub(super) fn begin_generation(
        &mut self,
        asked: &Arc<Asked>,
        opened: Arc<OpenedPainter>,
        waits: bool,
    ) {
        let (work, beginning) = begun(asked, &opened);
        let session = &self.session;
        let run =
            work.map(|work| if waits { session.start_paused(work) } else { session.start(work) });
        let wanted = self.wanted_generations();
        self.generations.begin(asked, (opened, beginning), run, &wanted);
    }

    /// The generations that are looked at, raced or picked from: none of them makes room for another one.
    pub(super) fn wanted_generations(&self) -> Vec<Arc<Asked>> {
        let document = self.history.document();
        let moment = document.generating.moment.iter().map(|moment| &moment.asked);
        let raced = document.race.raced.iter().filter(|_| self.sees(ViewId::Race));
        let raced = raced.flat_map(|raced| raced.lanes());
        let trials = self.trials.iter().flat_map(|trials| &trials.asked);
        moment.chain(raced).chain(trials).cloned().collect()
    }

    /// Goes on after the last step of one that was cancelled, or failed.
    pub(super) fn generate_on(&mut self, asked: &Asked, waits: bool) {
        let Some(trace) = self.generations.get(asked) else { return };
        let last = trace.steps.last().map(|last| &last.step);
        let painter = trace.opened.painter.clone();
        let work = asked
            .request(trace.opened.config())
            .and_then(|request| GenerateRun::new(title(asked), painter, request, last));
        match work {
            Ok(work) => {
                let session = &self.session;
                let run = if waits { session.start_paused(work) } else { session.start(work) };
                self.generations.go_on(asked, run);
            }
            Err(error) => self.notices.add(error.problem().into()),
        }
    }
}

fn title(asked: &Asked) -> String {
    format!("generate {}", asked.name())
}

/// The work of a generation and the tokens before it; or why there is none.
pub(super) fn begun(
    asked: &Asked,
    opened: &OpenedPainter,
) -> (Result<GenerateRun, Problem>, Option<Tokens>) {
    let request = asked.request(opened.config());
    let beginning = match &request {
        Ok(request) => Some(request.given.clone()),
        Err(_) => None,
    };
    let work = request
        .and_then(|request| GenerateRun::new(title(asked), opened.painter.clone(), request, None));
    match work {
        Ok(work) => (Ok(work), beginning),
        Err(error) => (Err(error.problem()), beginning),
    }
}
