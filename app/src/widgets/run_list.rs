//! All training runs, also those of before, each with how far it is and what can be done with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use egui::{Label, RichText};
use smalti_engine::Problem;
use smalti_engine::questions::{ListRuns, ListedRun};
use smalti_engine::session::{Control, Reply, RunState, RunView};
use smalti_engine::training::{Brief, recipe_file};

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, JobCommand, Open, RecipeRef, RunFolder, Slot};
use crate::look::theme::space;
use crate::look::words::{ago, counted, date, grouped, name};
use crate::runs::Record;
use crate::widgets::visible;

/// Folders are looked at again so often while a run of another program goes on in one.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// And so often while none does, and nothing else draws the window: a run that begins elsewhere is to be found.
const LOOK_RARELY: Duration = Duration::from_mins(1);

/// Draws the list; `empty` is said where there is none.
pub fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, empty: &str) {
    let reply = ctx.ask_soon("runs", &question(ctx));
    if let Reply::Failed(problem) = &reply {
        ui.add(Label::new(RichText::new(&problem.summary).color(ctx.theme.colors.danger)).wrap());
    }
    let Some(all) = reply.best() else {
        ui.label(ctx.theme.label("Looking for runs…"));
        return;
    };
    let unlisted = &ctx.live.settings.unlisted;
    let is_listed = |run: &&ListedRun| !unlisted.contains(&run.folder);
    let live = ctx.session.runs();
    let mut runs: Vec<Row<'_>> =
        all.iter().filter(is_listed).map(|run| Row::new(ctx, &live, run)).collect();
    if !ctx.is_time_frozen {
        let goes_on = runs.iter().any(Row::goes_on_elsewhere);
        ui.ctx().request_repaint_after(if goes_on { LOOK_AGAIN } else { LOOK_RARELY });
    }
    // Those that go on come first; the others as they are, the newest first.
    runs.sort_by_key(|run| !run.goes_on());
    if runs.is_empty() {
        ui.add(Label::new(ctx.theme.label(empty)).wrap());
    }
    for run in &runs {
        let id = ui.scope_id().with(&run.listed.folder);
        visible::ui(ui, id, |ui| {
            ui.push_id(&run.listed.folder, |ui| run.ui(ui, ctx));
            ui.add_space(space::M);
        });
    }
    let hidden = all.iter().filter(|run| unlisted.contains(&run.folder)).count();
    if hidden > 0 {
        ui.horizontal(|ui| {
            ui.label(ctx.theme.label(format!("{} not listed", counted(hidden, "run"))));
            if ui.small_button("List all again").clicked() {
                ctx.send(JobCommand::ListAll);
            }
        });
    }
}

/// What is asked: anew every few seconds, and when a run begins or ends.
fn question(ctx: &ViewCtx<'_>) -> ListRuns {
    let runs = ctx.session.runs();
    let changes = runs.len() + runs.iter().filter(|run| run.state.is_over()).count();
    let settings = ctx.live.settings;
    ListRuns {
        places: ctx.live.places.into(),
        runs: settings.runs.as_slice().into(),
        since: ctx.live.second / LOOK_AGAIN.as_secs() + ((changes as u64) << 32),
    }
}

/// A run, as it is told by its folder and by this sitting.
struct Row<'a> {
    listed: &'a ListedRun,
    name: String,
    slot: Option<Slot>,
    /// As it stands in this sitting.
    view: Option<RunView>,
    record: Option<std::rc::Rc<Record>>,
}

impl<'a> Row<'a> {
    fn new(ctx: &ViewCtx<'_>, live: &[RunView], listed: &'a ListedRun) -> Self {
        let folder = &listed.folder;
        let is_it = |run: &Option<RunFolder>| run.as_ref().is_some_and(|r| r.folder == *folder);
        let slot = ctx.document.runs.iter().position(is_it).map(|slot| Slot::ALL[slot]);
        let id = ctx.live.runs.get(folder);
        let view = id.and_then(|id| live.iter().find(|run| run.id == *id)).cloned();
        let told = view
            .as_ref()
            .and_then(|view| ctx.live.records.live(ctx.session, view, Some(folder.as_path())));
        let record = told.map(|told| told.record);
        Self { listed, name: name(folder), slot, view, record }
    }

    fn goes_on(&self) -> bool {
        self.view.as_ref().is_some_and(|view| !view.state.is_over())
    }

    /// What goes on in this one wakes the window by itself.
    fn goes_on_elsewhere(&self) -> bool {
        !self.goes_on() && self.listed.told.as_ref().is_ok_and(|told| told.is_going_on)
    }

    fn ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let theme = ctx.theme;
        let (state, problem) = self.state();
        ui.horizontal_wrapped(|ui| {
            if let Some(slot) = self.slot {
                let hue = theme.family(slot as usize);
                ui.label(RichText::new(slot.letter()).font(theme.strong()).color(hue));
            }
            let title = ui.label(RichText::new(&self.name).font(theme.strong()));
            title.on_hover_text(self.listed.folder.display().to_string());
            ui.label(theme.label(state));
            if let Ok(told) = &self.listed.told {
                let when = ui.label(theme.label(self.when(ctx, told)));
                when.on_hover_text(date(told.modified));
            }
        });
        if let Ok(told) = &self.listed.told {
            ui.add(Label::new(theme.caption_figures(self.figures(told))).wrap());
        }
        if let Some(Problem { summary, hint, .. }) = problem {
            ui.add(Label::new(RichText::new(summary).color(theme.colors.danger)).wrap());
            if !hint.is_empty() {
                ui.add(Label::new(theme.label(hint)).wrap());
            }
        }
        ui.horizontal_wrapped(|ui| self.buttons_ui(ui, ctx));
    }

    /// Where it stands, in a word, and why.
    fn state(&self) -> (&'static str, Option<&Problem>) {
        if let Some(view) = &self.view {
            match &view.state {
                RunState::Running => return ("running", None),
                RunState::Paused => return ("paused", view.problem.as_ref()),
                RunState::Failed(problem) => return ("failed", Some(problem)),
                // It may go on elsewhere.
                RunState::Done | RunState::Cancelled => {}
            }
        }
        match &self.listed.told {
            Err(problem) => ("not to be read", Some(problem)),
            Ok(told) if told.is_going_on => ("running in another program", None),
            Ok(told) if told.is_done() => ("done", None),
            Ok(told) if told.problem.is_some() => ("failed", told.problem.as_ref()),
            Ok(told) if told.checkpoint.is_none() => ("ended before its first checkpoint", None),
            Ok(_) => ("stopped", None),
        }
    }

    fn when(&self, ctx: &ViewCtx<'_>, told: &Brief) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        if ctx.is_time_frozen || self.goes_on() {
            date(told.modified)
        } else {
            ago(now.saturating_sub(told.modified))
        }
    }

    /// By what it trains, how far it is, and what it said last.
    fn figures(&self, told: &Brief) -> String {
        let mut parts = Vec::new();
        parts.extend(told.recipe.as_ref().map(|recipe| recipe.name.clone()));
        // Between two checkpoints the log is ahead.
        let stored = if told.is_going_on { told.step.max(told.reported) } else { told.step };
        let step = self.record.as_ref().map_or(stored, |record| record.step);
        parts.push(match told.steps() {
            0 => format!("step {}", grouped(step)),
            steps => format!("step {} of {}", grouped(step), grouped(steps)),
        });
        let mut figures = Vec::new();
        for (name, shown, unit) in
            [("loss", "loss", ""), ("psnr", "PSNR", " dB"), ("accuracy", "accuracy", "")]
        {
            let digits = if name == "psnr" { 2 } else { 4 };
            let value = told.figure(name).filter(|value| value.is_finite());
            figures.extend(value.map(|value| format!("{shown} {value:.digits$}{unit}")));
        }
        if !figures.is_empty() && told.reported != step {
            figures.push(format!("at step {}", grouped(told.reported)));
        }
        parts.extend(figures);
        parts.join(" · ")
    }

    fn buttons_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let mut button = |text: &str, hint: &str| {
            let response = ui.small_button(text).on_hover_text(hint);
            response.widget_info(|| {
                let label = format!("{text} {}", self.name);
                egui::WidgetInfo::labeled(egui::Role::Button, true, label)
            });
            response.clicked()
        };
        let folder = &self.listed.folder;
        let told = self.listed.told.as_ref().ok();
        if told.is_some() && button("Open", "Watch it in Training: curves, codes, probe") {
            ctx.send(Open::Path(folder.clone()));
        }
        match self.view.as_ref().filter(|view| !view.state.is_over()) {
            Some(view) if view.state == RunState::Paused => {
                if button("Resume", "Goes on from where it waits") {
                    ctx.send(JobCommand::Control(view.id, Control::Resume));
                }
            }
            Some(_) => {}
            None => {
                let can = |told: &&Brief| {
                    told.checkpoint.is_some() && !told.is_done() && !told.is_going_on
                };
                if let Some(told) = told.filter(can)
                    && button("Resume", "Goes on from its last checkpoint, to the same numbers")
                {
                    ctx.send(JobCommand::Resume(self.run(told)));
                }
            }
        }
        let is_tokenizer =
            |told: &&Brief| told.recipe.as_ref().is_none_or(|r| r.tokenizer.is_some());
        let model = told
            .filter(is_tokenizer)
            .and_then(|told| told.model.as_ref().or(told.checkpoint.as_ref()));
        if let Some(model) = model
            && button("Open as model", "As the tokenizer that all views look at")
        {
            ctx.send(Open::Path(model.clone()));
        }
        if button("Copy path", "The path of its folder") {
            ctx.send(AppCommand::CopyText(folder.display().to_string()));
        }
        if !self.goes_on() && button("Remove", "From this list alone; its files stay") {
            ctx.send(JobCommand::Unlist(folder.clone()));
        }
    }

    fn run(&self, told: &Brief) -> RunFolder {
        let folder = self.listed.folder.clone();
        let name = told.recipe.as_ref().map_or("", |recipe| recipe.name.as_str());
        let recipe = if told.has_recipe {
            RecipeRef::File(recipe_file(&folder).into())
        } else {
            RecipeRef::Shipped(name.into())
        };
        RunFolder { folder, recipe }
    }
}
