//! The status bar: what is open, how long it took, what is running, what it costs.

use egui::{
    Align, Button, Frame, Layout as Flow, Margin, Panel, RichText, Sense, Stroke, Ui, vec2,
};
use smalti_engine::questions::{Decode, ImageRef, ModelRef};
use smalti_engine::session::{RunState, RunView};
use smalti_engine::tokens::Tokens;

use crate::ctx::{ViewCtx, subject_name};
use crate::document::{Layout, Slot, ViewId};
use crate::look::theme::{Theme, space};
use crate::look::words::{duration, size};

/// Draws it at the bottom. `opening` names what is being opened, `frame_ms` is the processor's
/// time for the last frame.
pub fn show(ui: &mut Ui, ctx: &ViewCtx<'_>, opening: &[String], frame_ms: Option<f32>) {
    let colors = &ctx.theme.colors;
    let frame =
        Frame::new().fill(colors.background).inner_margin(Margin::symmetric(space::M as i8, 0));
    let panel = Panel::bottom("status")
        .exact_size(ctx.theme.px(24.0))
        .frame(frame)
        .show_separator_line(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = space::L;
            ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
                right_ui(ui, ctx, frame_ms);
                ui.with_layout(Flow::left_to_right(Align::Center), |ui| left_ui(ui, ctx, opening));
            });
        });
    let rect = panel.response.rect;
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, colors.line));
}

fn left_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, opening: &[String]) {
    let theme = ctx.theme;
    text(ui, theme, what_is_open(ctx));
    if let Some(times) = times(ctx) {
        text(ui, theme, times);
    }
    if let Some(first) = opening.first() {
        text(ui, theme, format!("opening {first}"));
    }
    let mut runs = ctx.session.runs();
    runs.retain(|run| !run.state.is_over());
    // What works before what waits.
    runs.sort_by_key(|run| run.state == RunState::Paused);
    for run in runs.iter().take(2) {
        if ui.available_width() < theme.px(RUN) {
            break;
        }
        run_ui(ui, ctx, run);
    }
}

/// A run takes at most so much, before text is scaled.
const RUN: f32 = 300.0;

fn right_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, frame_ms: Option<f32>) {
    let theme = ctx.theme;
    let status = ctx.session.status();
    let room = ui.available_width();
    // Figures that change by themselves, or with the machine, have no place in pictures that must
    // come out the same.
    if !ctx.is_time_frozen && room > theme.px(620.0) {
        if let Some(ms) = frame_ms {
            let about = "Processor time of the last frame";
            figures(ui, theme, "frame", format!("{ms:4.1} ms"), about);
        }
        let about = "The longest of the last ten pieces of work for the window";
        let longest = format!("{:4.0} ms", status.longest_piece_ms);
        figures(ui, theme, "longest engine piece", longest, about);
    }
    if !ctx.is_time_frozen && room > theme.px(360.0) {
        let used = format!("{} of {}", size(status.cache_bytes), size(status.budget_bytes));
        figures(ui, theme, "cache", used, "Answers that are kept, and how much they may take");
    }
    // The look at a run's log, once a second, must not blink.
    let label = status.working_on.first();
    let is_look = status.open_questions == 1 && label.is_some_and(|label| label == "LogVersion");
    if status.open_questions > 0 && !is_look && !ctx.is_time_frozen {
        let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
        ui.painter().circle_filled(dot.center(), 3.0, theme.colors.gold);
        let working = label.map_or("working", |label| in_words(label));
        text(ui, theme, working);
    }
}

fn text(ui: &mut Ui, theme: &Theme, text: impl Into<String>) {
    ui.add(egui::Label::new(theme.label(text)).truncate());
}

/// A word and a number that does not jump; drawn from right to left.
fn figures(ui: &mut Ui, theme: &Theme, label: &str, number: String, about: &str) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(theme.caption_figures(number)).on_hover_text(about);
        ui.label(theme.label(label)).on_hover_text(about);
    });
}

fn what_is_open(ctx: &ViewCtx<'_>) -> String {
    let document = ctx.document;
    let image = subject_name(document, ctx.session).unwrap_or_else(|| match document.image() {
        Some(ImageRef::InSource { index, .. }) => format!("image {}", index + 1),
        _ => "no image".to_owned(),
    });
    let models = Slot::ALL.iter().filter_map(|slot| document.model(*slot));
    let names: Vec<String> = models.map(ModelRef::label).collect();
    format!("{image} → {}", names.join(", "))
}

fn times(ctx: &ViewCtx<'_>) -> Option<String> {
    if ctx.is_time_frozen {
        return None;
    }
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

fn run_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, run: &RunView) {
    let theme = ctx.theme;
    let (rail, _) = ui.allocate_exact_size(vec2(theme.px(56.0), 4.0), Sense::hover());
    ui.painter().rect_filled(rail, 2.0, theme.colors.strong_line);
    let mut done = rail;
    done.set_width(rail.width() * run.progress.unwrap_or(0.0));
    ui.painter().rect_filled(done, 2.0, theme.colors.gold);
    let line = run_line(ctx, run);
    let button = Button::new(RichText::new(&line).font(theme.small())).frame(false).truncate();
    let width = ui.available_width().min(theme.px(RUN - 60.0));
    let response = ui.allocate_ui(vec2(width, ui.available_height()), |ui| ui.add(button)).inner;
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

/// What the engine is at, from the name of a question.
fn in_words(label: &str) -> &str {
    match label {
        "LoadImage" | "WorkingImage" | "Thumbnail" => "reading images",
        "LoadModel" | "ModelInfo" => "loading the tokenizer",
        "InspectModel" | "Identify" | "SourceInfo" => "looking at the file",
        "Encode" => "encoding",
        "Decode" | "CodeAppearance" | "CodeCard" => "decoding",
        "Comparison" => "comparing",
        "CodeUse" | "CodebookOrder" | "CodeInImages" => "counting codes",
        _ => "working",
    }
}
