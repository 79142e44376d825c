//! Pareto: rate against quality of every tokenizer at hand on the person's own images, JPEG beside, and what
//! others published.

mod bar;
mod brush;
mod images;
mod keys;
mod marks;
mod measures;
mod pair;
mod probes;
mod scatter;
mod side;
mod taken;

use std::sync::Arc;

use egui::{Rect, RichText, UiBuilder, pos2, vec2};
use smalti_engine::evaluation::{Measured, Plan, ReadPublished};
use smalti_engine::session::{Control, Reply, RunState, RunView};

use self::brush::Brush;
use self::marks::{
    Key, Layer, Mark, Points, beyond_entropy, column_of, is_measured, probed_of, row_of,
};
use self::measures::{Measures, at_hand, going_on, tokenizer};
pub(super) use self::scatter::ticks;
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{ALL_POINTS, JobCommand, QualityAxis, RecipeRef, USUAL_IMAGES};
use crate::look::theme::space;
use crate::look::words::{counted, duration, name};
use crate::widgets::states;

/// The side column is this wide, before text is scaled.
const SIDE: f32 = 300.0;
/// Below this width there is no room for it beside the plot.
const NARROW: f32 = 720.0;

/// The Pareto view.
#[derive(Debug)]
pub(super) struct ParetoView {
    measures: Measures,
    /// Of how many images of the set at most.
    most: u64,
    /// Tokenizers that are left out.
    left_out: Vec<Measured>,
    /// The points that are looked at: one, or two against each other.
    picked: Vec<Key>,
    /// The point that arrow keys lead to.
    by_keys: Option<Key>,
    /// The points that are kept, if not all are.
    brush: Brush,
    /// The points as they were made last.
    points: Points,
}

impl Default for ParetoView {
    fn default() -> Self {
        let (measures, left_out, picked) = (Measures::default(), Vec::new(), Vec::new());
        let (points, brush) = (Points::default(), Brush::default());
        Self { measures, most: USUAL_IMAGES, left_out, picked, by_keys: None, brush, points }
    }
}

impl View for ParetoView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        if ctx.is_presented() {
            return;
        }
        let wanted = self.wanted(ctx);
        bar::ui(ui, ctx, &mut self.most, (&mut self.left_out, &wanted));
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        self.measures.follow(ctx, self.most);
        let look = ctx.document.looks.rates;
        let (layers, problems) = layers(ctx);
        let marks = self.points.follow(ctx, (&self.measures, &layers), look);
        self.brush_by_keys(ctx, &marks);
        let within = self.brush.within(&marks);
        self.picked.retain(|key| within.iter().any(|mark| mark.key == *key));
        let whole = ui.available_rect_before_wrap();
        // A hall sees the plot as large as can be until a point is picked.
        let is_told = !ctx.is_presented() || !self.picked.is_empty();
        let has_side = is_told && whole.width() > ctx.theme.px(NARROW);
        let wide = if has_side { ctx.theme.px(SIDE).min(whole.width() * 0.38) } else { 0.0 };
        let plot = Rect::from_min_max(whole.min, pos2(whole.right() - wide, whole.bottom()));
        let foot = ctx.theme.px(30.0);
        let plot_area = Rect::from_min_max(plot.min, plot.max - vec2(0.0, foot));
        if marks.is_empty() {
            ui.scope_builder(UiBuilder::new().max_rect(plot_area), |ui| self.empty_ui(ui, ctx));
        } else {
            let points = scatter::Points { all: &marks, within: &within };
            self.plot_ui(ui, ctx, plot_area, (points, &layers));
        }
        let below = Rect::from_min_max(pos2(plot.left(), plot.bottom() - foot), plot.max);
        let below = below.shrink2(vec2(space::M, space::XS));
        ui.scope_builder(UiBuilder::new().max_rect(below), |ui| {
            let counts = (within.len(), marks.len());
            self.foot_ui(ui, ctx, (counts, &problems));
        });
        if has_side {
            let line = egui::Stroke::new(1.0, ctx.theme.colors.line);
            ui.painter().vline(plot.right(), whole.y_range(), line);
            let side = Rect::from_min_max(pos2(plot.right(), whole.top()), whole.max);
            let side = side.shrink(space::M);
            ui.scope_builder(UiBuilder::new().max_rect(side), |ui| {
                ui.set_clip_rect(ui.clip_rect().intersect(side.expand(space::S)));
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    let known = (&self.measures, layers.as_slice());
                    side::ui(ui, ctx, known, &self.picked, look.quality);
                });
            });
        }
    }
}

/// The tables of others: the landscape if it is wanted, and the person's own; and why one cannot be read.
fn layers(ctx: &ViewCtx<'_>) -> (Vec<Layer>, Vec<smalti_engine::Problem>) {
    let mut layers = Vec::new();
    let mut problems = Vec::new();
    let landscape = ("published".to_owned(), ReadPublished::Landscape, None);
    let own = ctx.live.results.iter().map(|(path, stamp)| {
        let question = ReadPublished::File { path: Arc::clone(path), stamp: *stamp };
        (name(path), question, Some(Arc::clone(path)))
    });
    let wanted = ctx.document.looks.rates.published.then_some(landscape);
    for (name, question, path) in wanted.into_iter().chain(own) {
        match ctx.ask(("published", &path), &question) {
            Reply::Ready(rows) => layers.push(Layer { path, name, rows }),
            Reply::Failed(problem) => problems.push(problem),
            Reply::Working { .. } => {}
        }
    }
    (layers, problems)
}

impl ParetoView {
    /// What is to be measured: JPEG first, as it is the quickest.
    fn wanted(&self, ctx: &ViewCtx<'_>) -> Vec<Measured> {
        let tokenizers = at_hand(ctx).into_iter().map(tokenizer);
        let all = [Measured::Jpeg].into_iter().chain(tokenizers);
        all.filter(|it| !self.left_out.contains(it)).collect()
    }

    fn plans(&self, ctx: &ViewCtx<'_>) -> Vec<Plan> {
        let missing = self.measures.missing(&self.wanted(ctx));
        let plan = |measured| {
            let plan = Plan::new(measured, ctx.document.source.clone());
            Plan { most: self.most, lpips: ctx.live.lpips.cloned(), ..plan }
        };
        missing.into_iter().map(plan).collect()
    }

    /// Nothing to be drawn: what would make something of it.
    fn empty_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let look = ctx.document.looks.rates;
        ui.vertical_centered(|ui| {
            ui.add_space(ui.available_height() * 0.36);
            match going_on(ctx) {
                Some(run) if run.is_here(ctx) => {
                    ui.label(ctx.theme.label("The first image is being measured…"));
                    return;
                }
                Some(_) => {
                    ui.label(ctx.theme.label("Another set is being measured"));
                }
                None => {}
            }
            if !is_measured(ctx, look.quality) && !look.published {
                let text = format!("{} is in published tables alone", look.quality.label());
                ui.label(RichText::new(text).font(ctx.theme.heading()));
                ui.label(ctx.theme.label("Show them with the button published, or pick another number"));
                return;
            }
            if !self.measures.is_empty() {
                let of_probes = Some(look.rate.label()).filter(|_| look.rate.is_probe());
                let text = format!("Nothing has {} here", of_probes.unwrap_or(look.quality.label()));
                ui.label(RichText::new(text).font(ctx.theme.heading()));
                let hint = if look.rate.is_probe() || look.quality.is_probe() {
                    "An AR probe is trained on the tokens of painted worlds, some minutes a tokenizer"
                } else if look.quality == QualityAxis::Lpips {
                    "What was measured without LPIPS has to be measured again"
                } else if beyond_entropy(&self.measures, look) > 0 {
                    "What codes are worth takes eight tokens of each to say: measure more images"
                } else {
                    "MS-SSIM is of pictures with sides of 176 pixels or more; the proxy distance comes when a \
                     tokenizer is measured to the end"
                };
                ui.label(ctx.theme.label(hint));
                ui.add_space(space::S);
                self.start_probes_ui(ui, ctx);
                return;
            }
            let text = "Which tokenizer, at which rate, on these images?";
            ui.label(RichText::new(text).font(ctx.theme.heading()));
            ui.label(ctx.theme.label("Each is measured on the set that Dataset shows, JPEG beside it"));
            ui.add_space(space::S);
            self.start_ui(ui, ctx);
        });
    }

    /// The button that starts what is not measured yet.
    fn start_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let plans = self.plans(ctx);
        if plans.is_empty() || going_on(ctx).is_some_and(|run| run.is_here(ctx)) {
            return;
        }
        let what = Measured::counted(plans.iter().map(|plan| &plan.measured));
        let text = format!("Measure {what}");
        let colors = &ctx.theme.colors;
        let words = RichText::new(&text).font(ctx.theme.strong()).color(colors.on_gold);
        let button = ui.add(egui::Button::new(words).fill(colors.gold));
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &text));
        if ctx.offer("Measure tokenizers", button.clicked()) {
            ctx.send(JobCommand::Measure(plans));
        }
    }

    fn plot_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        (points, layers): (scatter::Points<'_>, &[Layer]),
    ) {
        let (look, marks) = (ctx.document.looks.rates, points.within);
        let keys = (self.picked.as_slice(), &mut self.by_keys);
        let (done, response) = scatter::ui(ui, ctx, area, (points, look), keys);
        taken::exported(ctx, (points, layers, &self.measures), |exported| {
            exported.menu(&response, ctx);
            if ctx.is_presented() {
                return;
            }
            // Above the plot, where no curve goes.
            let corner = pos2(area.right() - ctx.theme.px(92.0), area.top() + space::XS / 2.0);
            let place = Rect::from_min_size(corner, vec2(ctx.theme.px(74.0), ctx.theme.px(24.0)));
            ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
                let button = egui::Button::new("Export").small();
                let menu = egui::containers::menu::MenuButton::from_button(button);
                let (response, _) = menu.ui(ui, |ui| exported.menu_ui(ui, ctx));
                response.on_hover_text("Takes this plot away, as a figure or as numbers");
            });
        });
        if let Some(keys) = done.brushed {
            self.brush.keep(keys);
            return;
        }
        let Some(key) = done.near else {
            // A click beside the second point keeps the first one; a key is beside none.
            let is_beside = response.interact_pointer_pos().is_some();
            if done.is_clicked && is_beside && !done.is_second {
                self.picked.clear();
                self.brush.clear();
            }
            return;
        };
        if done.is_opened {
            self.open(ctx, &key);
        } else if done.is_clicked && done.is_second && self.picked.len() == 1 {
            if self.picked[0] != key {
                self.picked.push(key.clone());
            }
        } else if done.is_clicked {
            self.picked = vec![key.clone()];
        }
        if let Some(mark) = marks.iter().find(|mark| mark.key == key) {
            response.on_hover_ui_at_pointer(|ui| {
                hover_ui(ui, ctx, mark, layers);
                self.probe_ui(ui, ctx, mark);
            });
        }
    }

    /// Under the pointer, where an axis is one of AR probes: that it is a probe, and with which budget.
    fn probe_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, mark: &Mark) {
        let look = ctx.document.looks.rates;
        let Key::Measured(measured, at) = &mark.key else { return };
        let probed = self.measures.get(measured).and_then(|told| probed_of(told, *at));
        if let Some(probed) = probed.filter(|_| look.rate.is_probe() || look.quality.is_probe()) {
            ui.add(egui::Label::new(ctx.theme.label(probed.about())).wrap());
        }
    }

    /// The button that trains the AR probes that an axis lacks.
    fn start_probes_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let look = ctx.document.looks.rates;
        if look.rate.is_probe() || look.quality.is_probe() {
            probes::start_ui(ui, ctx, self.measures.not_probed());
        }
    }

    /// What keys and the palette do about which points are kept.
    fn brush_by_keys(&mut self, ctx: &ViewCtx<'_>, marks: &[Mark]) {
        if self.picked.len() == 2
            && ctx.offer("Keep the points between the two that are picked", false)
        {
            self.brush.keep_between(marks, &self.picked);
        }
        if !self.brush.is_on() {
            return;
        }
        // Escape picks it as well.
        if ctx.offer(ALL_POINTS, false) {
            self.brush.clear();
        }
    }

    /// Opens a tokenizer in Compare where it is worst.
    fn open(&self, ctx: &ViewCtx<'_>, key: &Key) {
        let Key::Measured(measured, at) = key else { return };
        let Some(told) = self.measures.get(measured) else { return };
        let column = column_of(ctx.document.looks.rates.quality);
        let column = column.unwrap_or(smalti_engine::evaluation::Column::Psnr);
        if let (Some(model), Some(Reply::Ready(found))) =
            (images::model_of(told), images::images_of(ctx, told, *at))
            && let Some(worst) = &found.worst[column.place()]
        {
            images::open(ctx, std::slice::from_ref(model), (worst.index, told.identity.side));
        }
    }

    /// How far measuring is, or what can be measured, and what went wrong.
    fn foot_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        ((within, all), unread): ((usize, usize), &[smalti_engine::Problem]),
    ) {
        let is_drawn = all > 0;
        ui.horizontal_centered(|ui| {
            if self.brush.is_on() && is_drawn {
                ui.label(RichText::new(brush::words(within, all)).font(ctx.theme.strong()));
                let about = "Escape, or a click beside the points, does the same";
                if ui.small_button("All points").on_hover_text(about).clicked() {
                    self.brush.clear();
                }
            }
            if let Some(going_on) = going_on(ctx) {
                run_ui(ui, ctx, &going_on.run);
            }
            if let Some(run) = probes::going_on(ctx) {
                run_ui(ui, ctx, &run);
            }
            if (is_drawn || !self.measures.is_empty()) && !ctx.is_presented() {
                self.start_ui(ui, ctx);
            }
            if is_drawn && !ctx.is_presented() {
                self.start_probes_ui(ui, ctx);
            }
            if !ctx.is_presented() {
                let about = "Asks which quantizer, factor and codes, and how long; it is trained in the background, and \
                             measured on this set when it is done";
                if ui.small_button("Train a new point…").on_hover_text(about).clicked() {
                    let recipe = RecipeRef::Shipped("worlds-fsq-f8".into());
                    ctx.send(JobCommand::AskPoint(recipe, self.most));
                }
            }
            let beyond = beyond_entropy(&self.measures, ctx.document.looks.rates);
            if is_drawn && beyond > 0 {
                let text = format!("{} left out: too few tokens", counted(beyond, "tokenizer"));
                let about = "Of fewer than eight tokens a code the entropy says how many there are, and not what \
                             codes are worth: measure more images";
                ui.add(egui::Label::new(ctx.theme.label(text)).truncate()).on_hover_text(about);
            }
            let unread = unread.iter().map(|it| (it.summary.clone(), it.hint.as_str()));
            problems_ui(ui, ctx, &self.measures.problems().chain(unread).collect::<Vec<_>>());
        });
    }
}

/// What went wrong, in one line; all of it, with what to do, under the pointer.
fn problems_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, problems: &[(String, &str)]) {
    let all: Vec<&str> = problems.iter().map(|(text, _)| text.as_str()).collect();
    let text = match all.as_slice() {
        [] => return,
        [only] => (*only).to_owned(),
        several => format!("{} problems: {}", several.len(), several.join("; ")),
    };
    let label = RichText::new(text).font(ctx.theme.small()).color(ctx.theme.colors.danger);
    let line = |(text, hint): &(String, &str)| {
        if hint.is_empty() { text.clone() } else { format!("{text}\n    {hint}") }
    };
    let about: Vec<String> = problems.iter().map(line).collect();
    ui.add(egui::Label::new(label).truncate()).on_hover_text(about.join("\n"));
}

fn run_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, run: &RunView) {
    let progress = run.progress.unwrap_or(0.0);
    if run.state == RunState::Running {
        states::busy(ui, ctx, run.progress);
    }
    let (doing, kept) = if probes::is_probing(run) {
        ("probing", "Probes that are done stay, and this one begins anew")
    } else {
        ("measuring", "What is measured stays, and is gone on with")
    };
    let left = run.seconds_left.map(|left| format!(" · {} left", duration(left)));
    let text =
        format!("{doing} {} · {:.0} %{}", run.rate, progress * 100.0, left.unwrap_or_default());
    ui.label(ctx.theme.label(text));
    if ctx.is_presented() {
        return;
    }
    let is_paused = run.state == RunState::Paused;
    let (word, control) =
        if is_paused { ("Resume", Control::Resume) } else { ("Pause", Control::Pause) };
    if ui.small_button(word).clicked() {
        ctx.send(JobCommand::Control(run.id, control));
    }
    let stop = ui.small_button("Cancel").on_hover_text(kept);
    if stop.clicked() {
        ctx.send(JobCommand::Control(run.id, Control::Cancel));
    }
}

/// What a point is, in a few words.
fn hover_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, mark: &Mark, layers: &[Layer]) {
    let look = ctx.document.looks.rates;
    let is_level = matches!(mark.key, Key::Measured(..)) && mark.label.contains("level");
    let title =
        if is_level { format!("{}, {}", mark.group, mark.label) } else { mark.label.clone() };
    ui.label(RichText::new(title).font(ctx.theme.strong()));
    let text = format!(
        "{:.3} {} · {} {}",
        mark.rate,
        look.rate.label(),
        look.quality.label(),
        look.quality.words(mark.quality)
    );
    ui.label(RichText::new(text).font(ctx.theme.figures()));
    if let Some((low, high)) = mark.ends {
        let between = if matches!(mark.key, Key::Measured(..)) {
            "in 95 of 100 samples"
        } else {
            "as several people measured it"
        };
        let words = |value| look.quality.words(value);
        ui.label(ctx.theme.label(format!("{} to {} {between}", words(low), words(high))));
    }
    if let Some(unlike) = &mark.unlike {
        ui.label(ctx.theme.label(unlike));
    }
    if let Key::Published(path, line) = &mark.key
        && let Some((_, row)) = row_of(layers, (path.as_ref(), *line))
    {
        ui.label(ctx.theme.label(if row.source.is_empty() { &row.paper } else { &row.source }));
    }
}
