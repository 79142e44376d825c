//! The status bar: what is open, how long it took, what is running, what it costs.
//!
//! Where there is not room for all of it, the least important part goes first, then the next: no part is ever
//! painted over another. What is open comes last, and is cut short before it goes.

use egui::{
    Align, Button, Frame, Layout as Flow, Margin, Panel, RichText, Sense, Stroke, Ui, vec2,
};
use smalti_engine::questions::{
    CodeAppearance, CodeCard, CodeInImages, CodeUse, CodebookOrder, Comparison, Decode, Encode,
    Identify, ImageRef, InspectModel, LoadImage, ModelInfo, Reconstruct, SourceInfo, Thumbnail,
    WorkingImage,
};
use smalti_engine::session::{RunState, RunView, label};
use smalti_engine::tokens::Tokens;

use crate::ctx::{ViewCtx, subject_name};
use crate::document::{Layout, Slot, ViewId};
use crate::look::theme::{Theme, space};
use crate::look::words::{duration, size};

/// What is open is cut short to this before anything of it goes, before text is scaled.
const LEAST: f32 = 150.0;
/// The rail of a run, before text is scaled.
const RAIL: f32 = 56.0;
/// The words of a part are cut short to this where there is room for that of all parts, before text is scaled: a
/// run may have much to say.
const WIDE: f32 = 480.0;
/// And to this where there is not.
const WORDS: f32 = 280.0;
/// Runs that are told.
const RUNS: usize = 2;

/// A part of the bar, beside what is open.
enum Part {
    /// Something is worked out: what.
    Working(&'static str),
    /// A path is being opened.
    Opening(String),
    /// How many jobs there are, where there are several: not all of them are told.
    Jobs(String),
    /// A run, in a line.
    Run(Box<RunView>, String),
    /// How long encoding and decoding took.
    Times(String),
    /// What the kept answers take.
    Cache(String),
}

/// Draws it at the bottom. `opening` names what is being opened.
pub fn show(ui: &mut Ui, ctx: &ViewCtx<'_>, opening: &[String]) {
    bar(ui, ctx, "status", |ui| {
        let room = ui.available_width();
        let mut parts = parts(ctx, opening);
        let widths = |words: f32| -> Vec<f32> {
            parts.iter().map(|part| part.width(ui, ctx.theme, words)).collect()
        };
        let open = what_is_open(ctx);
        let least = text_width(ui, ctx.theme, &open).min(ctx.theme.px(LEAST));
        let (words, shown) = shortened(widths, room - least);
        parts.truncate(shown);
        // Drawn from the right, so that what is open gets what is left.
        ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
            let (right, left): (Vec<&Part>, Vec<&Part>) =
                parts.iter().partition(|part| matches!(part, Part::Cache(_) | Part::Working(_)));
            for part in right.into_iter().rev() {
                part.ui(ui, ctx, words);
            }
            let beside: f32 = left.iter().map(|part| part.width(ui, ctx.theme, words)).sum();
            ui.with_layout(Flow::left_to_right(Align::Center), |ui| {
                let most = ui.available_width() - beside;
                ui.scope(|ui| {
                    ui.set_max_width(most.max(0.0));
                    ui.add(egui::Label::new(ctx.theme.label(open)).truncate());
                });
                for part in left {
                    part.ui(ui, ctx, words);
                }
            });
        });
    });
}

/// What developers want to know, in a line of its own. `frame_ms` is the processor's time for the last frame.
pub fn timings(ui: &mut Ui, ctx: &ViewCtx<'_>, frame_ms: Option<f32>) {
    let status = ctx.session.status();
    bar(ui, ctx, "timings", |ui| {
        ui.horizontal_centered(|ui| {
            let mut figures = |label: &str, number: String, about: &str| {
                let text = ctx.theme.caption_figures(format!("{label} {number}"));
                ui.add(egui::Label::new(text).truncate()).on_hover_text(about);
            };
            // Figures that change by themselves have no place in pictures that must come out the same.
            let ms = frame_ms.filter(|_| !ctx.is_time_frozen);
            let frame = ms.map_or("–".to_owned(), |ms| format!("{ms:.1} ms"));
            figures("frame", frame, "Processor time of the last frame");
            let longest = if ctx.is_time_frozen { 0.0 } else { status.longest_piece_ms };
            let about = "The longest of the last ten pieces of work for the window";
            figures("longest engine piece", format!("{longest:.0} ms"), about);
            let open = status.open_questions.to_string();
            figures("open questions", open, "Questions in line or being worked on");
            let kept = format!("{} of {}", size(status.cache_bytes), size(status.budget_bytes));
            figures("cache", kept, "Answers that are kept, and how much they may take");
            figures("at", status.working_on.join(", "), "Questions being worked on");
        });
    });
}

/// A bar at the bottom, one line high.
fn bar(ui: &mut Ui, ctx: &ViewCtx<'_>, id: &'static str, content: impl FnOnce(&mut Ui)) {
    let colors = &ctx.theme.colors;
    let margin = Margin::symmetric(space::M as i8, 0);
    let panel = Panel::bottom(id)
        .exact_size(ctx.theme.px(24.0))
        .frame(Frame::new().fill(colors.background).inner_margin(margin))
        .show_separator_line(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = space::L;
            content(ui);
        });
    let rect = panel.response.rect;
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, colors.line));
}

/// How many parts there is room for, from the most important on.
fn fitting(widths: &[f32], room: f32) -> usize {
    let mut used = 0.0;
    let fits = |width: &&f32| {
        used += **width;
        used <= room
    };
    widths.iter().take_while(fits).count()
}

/// How far words are told, and how many parts are: none is left out for the words of another.
fn shortened(widths: impl Fn(f32) -> Vec<f32>, room: f32) -> (f32, usize) {
    let wide = widths(WIDE);
    if fitting(&wide, room) == wide.len() {
        return (WIDE, wide.len());
    }
    (WORDS, fitting(&widths(WORDS), room))
}

/// What there is to be told, the most important first.
fn parts(ctx: &ViewCtx<'_>, opening: &[String]) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(first) = opening.first() {
        parts.push(Part::Opening(format!("opening {first}")));
    }
    let jobs = ctx.open_jobs();
    if jobs > 1 {
        parts.push(Part::Jobs(format!("{jobs} jobs")));
    }
    let mut runs = ctx.session.runs();
    runs.retain(|run| !run.state.is_over());
    // What works before what waits.
    runs.sort_by_key(|run| run.state == RunState::Paused);
    for run in runs.into_iter().take(RUNS) {
        let line = run_line(ctx, &run);
        parts.push(Part::Run(Box::new(run), line));
    }
    let status = ctx.session.status();
    // What changes by itself has no place in pictures that must come out the same.
    if !ctx.is_time_frozen {
        parts.extend(times(ctx).map(Part::Times));
        if status.is_at_work {
            let at = status.working_on.first().map_or("working", |at| in_words(at));
            parts.push(Part::Working(at));
        }
        let used = format!("{} of {} kept", size(status.cache_bytes), size(status.budget_bytes));
        parts.push(Part::Cache(used));
    }
    parts
}

fn text_width(ui: &Ui, theme: &Theme, text: &str) -> f32 {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), theme.small(), theme.colors.dim);
    galley.size().x.ceil() + 1.0
}

/// As wide as its words, or as far as they are told.
fn words_width(ui: &Ui, theme: &Theme, text: &str, words: f32) -> f32 {
    text_width(ui, theme, text).min(theme.px(words))
}

impl Part {
    /// With the space before it; its words are told as far as `words`, before text is scaled.
    fn width(&self, ui: &Ui, theme: &Theme, words: f32) -> f32 {
        let own = match self {
            Self::Working(text) => text_width(ui, theme, text) + 8.0 + space::L,
            Self::Opening(text) => words_width(ui, theme, text, words),
            Self::Times(text) => text_width(ui, theme, text),
            Self::Jobs(text) => text_width(ui, theme, text) + 2.0 * ui.spacing().button_padding.x,
            // In figures, which are wider.
            Self::Cache(text) => theme.px(8.0) * text.chars().count() as f32,
            Self::Run(_, line) => {
                let padding = 2.0 * ui.spacing().button_padding.x;
                theme.px(RAIL) + space::L + words_width(ui, theme, line, words) + padding
            }
        };
        own + space::L
    }

    fn ui(&self, ui: &mut Ui, ctx: &ViewCtx<'_>, words: f32) {
        let theme = ctx.theme;
        match self {
            Self::Working(text) => {
                ui.label(theme.label(*text));
                let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
                ui.painter().circle_filled(dot.center(), 3.0, theme.colors.gold);
            }
            Self::Opening(text) | Self::Times(text) => {
                let most = self.width(ui, theme, words) - space::L;
                ui.scope(|ui| {
                    ui.set_max_width(most);
                    ui.add(egui::Label::new(theme.label(text)).truncate());
                });
            }
            Self::Cache(text) => {
                // As wide as it was counted, whichever digits it has.
                let size = vec2(self.width(ui, theme, words) - space::L, ui.available_height());
                let flow = Flow::right_to_left(Align::Center);
                ui.allocate_ui_with_layout(size, flow, |ui| {
                    let about = "Answers that are kept, and how much they may take";
                    ui.label(theme.caption_figures(text)).on_hover_text(about);
                });
            }
            Self::Jobs(text) => {
                let button = Button::new(RichText::new(text).font(theme.small())).frame(false);
                if ui.add(button).on_hover_text("Show the jobs").clicked() {
                    ctx.send(Layout::Show(ViewId::Jobs));
                }
            }
            Self::Run(run, line) => run_ui(ui, ctx, (run, line), words),
        }
    }
}

fn what_is_open(ctx: &ViewCtx<'_>) -> String {
    let document = ctx.document;
    let image = subject_name(document, ctx.session).unwrap_or_else(|| match document.image() {
        Some(ImageRef::InSource { index, .. }) => format!("image {}", index + 1),
        _ => "no image".to_owned(),
    });
    let models = Slot::ALL.iter().filter_map(|slot| document.model(*slot));
    let names: Vec<String> = models.map(|model| document.name_of(model)).collect();
    format!("{image} → {}", names.join(", "))
}

fn times(ctx: &ViewCtx<'_>) -> Option<String> {
    let model = ctx.document.model(Slot::A)?.clone();
    // What no view asked for is not worked out to say how long that took.
    let encoded = ctx.session.known(&ctx.encode_question(Slot::A)?)?;
    let mut tokens = ctx.tokens(&encoded);
    if let Some(without) = ctx.document.without(&tokens) {
        tokens = Tokens::clone(&*ctx.session.known(&without)?);
    }
    let question = Decode { tokens, model };
    let encode_ms = encoded.seconds * 1e3;
    Some(match ctx.session.known(&question) {
        Some(decoded) => {
            format!("encode {encode_ms:.0} ms · decode {:.0} ms", decoded.seconds * 1e3)
        }
        None => format!("encode {encode_ms:.0} ms"),
    })
}

fn run_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, (run, line): (&RunView, &str), words: f32) {
    let theme = ctx.theme;
    let (rail, _) = ui.allocate_exact_size(vec2(theme.px(RAIL), 4.0), Sense::hover());
    ui.painter().rect_filled(rail, 2.0, theme.colors.strong_line);
    let mut done = rail;
    done.set_width(rail.width() * run.progress.unwrap_or(0.0));
    ui.painter().rect_filled(done, 2.0, theme.colors.gold);
    let button = Button::new(RichText::new(line).font(theme.small())).frame(false).truncate();
    let most = words_width(ui, theme, line, words) + 2.0 * ui.spacing().button_padding.x;
    let size = vec2(most, ui.available_height());
    let response = ui.allocate_ui(size, |ui| ui.add(button)).inner;
    if response.on_hover_text(format!("{line}\nShow the jobs")).clicked() {
        ctx.send(Layout::Show(ViewId::Jobs));
    }
}

/// A run in a line: title, how far, how fast, how long it will take.
fn run_line(ctx: &ViewCtx<'_>, run: &RunView) -> String {
    let mut parts = vec![ctx.run_title(run)];
    if run.state == RunState::Paused {
        parts.push(match &run.problem {
            Some(problem) => format!("paused: {}", problem.summary),
            None => "paused".to_owned(),
        });
    }
    if let Some(progress) = run.progress {
        parts.push(format!("{:.0} %", progress * 100.0));
    }
    // A run that waits has no end.
    let is_going = run.state == RunState::Running;
    if is_going && !run.rate.is_empty() {
        parts.push(run.rate.clone());
    }
    if let Some(left) = run.seconds_left.filter(|_| is_going) {
        parts.push(format!("{} left", duration(left)));
    }
    parts.join(" · ")
}

/// What the engine is at, from what a question is called.
fn in_words(at: &str) -> &'static str {
    let reading = [label::<LoadImage>(), label::<WorkingImage>(), label::<Thumbnail>()];
    let looking = [label::<InspectModel>(), label::<Identify>(), label::<SourceInfo>()];
    let decoding =
        [label::<Decode>(), label::<CodeAppearance>(), label::<CodeCard>(), label::<Reconstruct>()];
    let counting = [label::<CodeUse>(), label::<CodebookOrder>(), label::<CodeInImages>()];
    for (labels, words) in [
        (&reading[..], "reading images"),
        (&[label::<ModelInfo>()], "loading the tokenizer"),
        (&looking, "looking at the file"),
        (&[label::<Encode>()], "encoding"),
        (&decoding, "decoding"),
        (&[label::<Comparison>()], "comparing"),
        (&counting, "counting codes"),
    ] {
        if labels.contains(&at) {
            return words;
        }
    }
    "working"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_part_goes_first_and_none_stays_that_does_not_fit() {
        let widths = [100.0, 300.0, 50.0, 80.0];
        let shown: Vec<usize> = [600.0, 530.0, 529.0, 449.0, 399.0, 99.0, -5.0]
            .map(|room| fitting(&widths, room))
            .to_vec();
        assert_eq!(shown, [4, 4, 3, 2, 1, 0, 0]);
    }

    #[test]
    fn words_are_cut_short_only_where_there_is_no_room_for_them() {
        let widths = |words: f32| vec![words.min(400.0), 100.0];
        assert_eq!(shortened(widths, 500.0), (WIDE, 2));
        assert_eq!(shortened(widths, 499.0), (WORDS, 2), "shorter before one is left out");
        assert_eq!(shortened(widths, 300.0), (WORDS, 1));
    }

    #[test]
    fn what_the_engine_is_at_is_said_in_words() {
        assert_eq!(in_words(label::<Encode>()), "encoding");
        assert_eq!(in_words(label::<CodebookOrder>()), "counting codes");
        assert_eq!(in_words("Anything"), "working");
    }
}
