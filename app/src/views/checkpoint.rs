//! Checkpoint: what a file of weights holds. A file of no known family is no blank wall: its tensors are
//! listed, and what looks like a codebook can be looked at, of images or of anything else.

use std::sync::Arc;

use egui::{Color32, Rect, RichText, Sense, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::questions::{
    CodeUse, CodebookLook, InspectModel, Inspection, LookAtCodebook, ModelRef, Reconstruct, Sample,
    Scope, Subject,
};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Code;

use super::view::View;
use crate::ctx::{ViewCtx, subject_name};
use crate::document::{AppCommand, Chart, Column, Open, Secret, Shape, Slot, Table};
use crate::look::textures::{Sampling, Source};
use crate::look::theme::space;
use crate::look::words::{counted, counted_in_groups, grouped};
use crate::widgets::export::{Exported, picture_of};
use crate::widgets::states;
use crate::widgets::tokenizer_card::{self, Known};

/// Rows of the list that are made in a frame are those that are seen; this is their height.
const ROW: f32 = 18.0;

/// The Checkpoint view.
#[derive(Debug, Default)]
pub(super) struct CheckpointView {
    filter: String,
    /// The candidate that is looked at, of which file.
    picked: Option<(ModelRef, String)>,
}

impl View for CheckpointView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let (model, _) = looked_at(ctx);
        ui.label(ctx.theme.caption_figures(model.label()));
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let (model, is_own) = looked_at(ctx);
        let found = match ctx.ask("inspect", &InspectModel { model: model.clone() }) {
            Reply::Ready(found) => found,
            Reply::Failed(problem) => {
                states::problem(ui, ctx, &problem);
                return;
            }
            Reply::Working { .. } => {
                ui.label(ctx.theme.label("Reading the file…"));
                return;
            }
        };
        let area = ui.available_rect_before_wrap().shrink(space::S);
        let beside = area.width() > ctx.theme.px(560.0);
        let (list, book) = if beside {
            area.split_left_right_at_fraction(0.45)
        } else {
            area.split_top_bottom_at_fraction(0.5)
        };
        ui.scope_builder(egui::UiBuilder::new().max_rect(list.shrink(space::XS)), |ui| {
            head_ui(ui, ctx, &found, (&model, is_own));
            self.list_ui(ui, ctx, &found, &model);
        });
        ui.scope_builder(egui::UiBuilder::new().max_rect(book.shrink(space::XS)), |ui| {
            self.book_ui(ui, ctx, &found, (&model, is_own));
        });
    }
}

/// The file that is looked at: one that was opened for it, or else the tokenizer's.
fn looked_at(ctx: &ViewCtx<'_>) -> (ModelRef, bool) {
    match &ctx.document.checkpoint {
        Some(model) => (model.clone(), false),
        None => (ctx.document.model.clone(), true),
    }
}

/// Its tokens of what is worked on, and how near to it they decode.
fn here(ctx: &ViewCtx<'_>) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let encoded = ctx.encoded(Slot::A);
    let Some(encoded) = encoded.as_ref().and_then(Reply::ready) else { return lines };
    let name = subject_name(ctx.document, ctx.session).unwrap_or_else(|| "the image".to_owned());
    let (layout, count) = (encoded.tokens.words().replace(" x ", "×"), encoded.tokens.len());
    let mut tokens = format!("{}, {layout}, of {name}", counted_in_groups(count as u64, "token"));
    if ctx.document.image().is_some() {
        let (width, height) = (encoded.picture.width(), encoded.picture.height());
        tokens = format!("{tokens} at {width}×{height} pixels");
    }
    lines.push(("here", tokens));
    if let Some(question) = ctx.encode_question(Slot::A)
        && !ctx.is_veiled(Secret::Reconstruction)
        && let Reply::Ready(compared) = ctx.ask_soon("card quality", &Reconstruct(question))
        && compared.psnr.is_finite()
    {
        let (psnr, ssim, rate) = (compared.psnr, compared.ssim, compared.bits_per_pixel);
        let figures = format!("PSNR {psnr:.1} dB, SSIM {ssim:.2}, {rate:.2} bpp");
        lines.push(("measured", format!("{figures}, of {name} alone, without edits")));
    }
    lines
}

fn head_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    found: &Arc<Inspection>,
    (model, is_own): (&ModelRef, bool),
) {
    let theme = ctx.theme;
    let about = &found.recognized;
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(model.label()).font(theme.heading()));
        ui.label(theme.label(format!(
            "{} · {} · {} · {} numbers in them",
            about.family,
            about.container,
            counted(about.tensors, "tensor"),
            grouped(about.parameters)
        )));
    });
    if let Some(facts) = &about.facts {
        let metadata = found.metadata.as_ref().unwrap_or(&serde_json::Value::Null);
        let (family, bytes) = (about.family.as_str(), found.bytes);
        let mut lines = Known { model, family, facts, metadata, bytes }.lines();
        if is_own {
            lines.extend(here(ctx));
        }
        let most = ui.available_height() * 0.5;
        egui::ScrollArea::vertical().id_salt("card").max_height(most).show(ui, |ui| {
            tokenizer_card::ui(ui, ctx, &lines);
        });
    }
    for problem in about.problems.iter().take(4) {
        ui.label(RichText::new(problem).font(theme.small()).color(theme.colors.danger));
    }
    for note in about.notes.iter().take(6) {
        ui.label(theme.label(note));
    }
    ui.horizontal_wrapped(|ui| {
        let about = "A few lines of Python with which the code that made this file writes its tokens \
                     for Smalti";
        let copy = ui.button("Copy snippet").on_hover_text(about).clicked();
        if ctx.offer("Copy the snippet that writes tokens", copy) {
            ctx.send(AppCommand::CopyText(found.snippet.clone()));
        }
        if !is_own {
            if found.recognized.design.is_some() {
                let used = ui.button("Use as tokenizer").clicked();
                if ctx.offer("Use the checkpoint as tokenizer", used) {
                    ctx.send(Open::Model(Slot::A, model.clone()));
                }
            }
            let back = ui.button("Back to the tokenizer's own").clicked();
            if ctx.offer("Back to the tokenizer's own checkpoint", back) {
                ctx.send(Open::Checkpoint(None));
            }
        }
    });
}

impl CheckpointView {
    fn list_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        found: &Arc<Inspection>,
        model: &ModelRef,
    ) {
        let theme = ctx.theme;
        let picked = self.picked_name(found, model);
        let levels = found.recognized.facts.as_ref().map(|facts| &*facts.book(0).levels);
        if found.candidates.is_empty() {
            let text = match levels {
                Some(levels @ [_, ..]) => {
                    let levels: Vec<String> = levels.iter().map(ToString::to_string).collect();
                    format!(
                        "its codes are steps of its latents, not a tensor: {}",
                        levels.join(" × ")
                    )
                }
                _ => "nothing in it looks like a codebook".to_owned(),
            };
            ui.label(theme.label(text));
        } else {
            ui.label(theme.label("looks like a codebook"));
            let most = theme.px(ROW + 4.0) * found.candidates.len().min(4) as f32;
            egui::ScrollArea::vertical().id_salt("candidates").max_height(most).show(ui, |ui| {
                for candidate in &found.candidates {
                    let is_it = picked.as_deref() == Some(&*candidate.tensor);
                    let text =
                        format!("{}  {} × {}", candidate.tensor, candidate.size, candidate.dim);
                    let response = ui.selectable_label(is_it, theme.caption_figures(text));
                    if response.on_hover_text(&candidate.why).clicked() {
                        self.picked = Some((model.clone(), candidate.tensor.clone()));
                    }
                }
            });
        }
        ui.add_space(space::S);
        let field = egui::TextEdit::singleline(&mut self.filter)
            .hint_text("filter by name")
            .desired_width(f32::INFINITY);
        ui.add(field).widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Filter tensors by name")
        });
        tensors_ui(ui, ctx, found, model);
        let rows = found.tensors.iter().zip(&found.norms);
        let shown: Vec<_> = rows.filter(|(row, _)| row.name.contains(self.filter.trim())).collect();
        let height = theme.px(ROW);
        egui::ScrollArea::vertical().id_salt("tensors").auto_shrink(false).show_rows(
            ui,
            height,
            shown.len(),
            |ui, rows| {
                for (row, norm) in shown.iter().skip(rows.start).take(rows.len()) {
                    let shape: Vec<String> = row.shape.iter().map(ToString::to_string).collect();
                    let text = format!("{}  {}  {}", row.name, shape.join("×"), row.dtype);
                    let mut text = theme.caption_figures(text);
                    if norm.is_some_and(|norm| !norm.is_finite()) {
                        text = text.color(theme.colors.danger);
                    }
                    let label = ui.add(egui::Label::new(text).truncate());
                    if let Some(norm) = norm {
                        label.on_hover_text(format!("{}\nnorm {norm:.4}", row.name));
                    }
                }
            },
        );
    }

    /// The candidate that is looked at: the selected one of this file, or the likeliest.
    fn picked_name(&self, found: &Arc<Inspection>, model: &ModelRef) -> Option<String> {
        let picked = self.picked.as_ref().filter(|(of, _)| of == model).map(|(_, name)| name);
        let is_there = |name: &&String| found.candidates.iter().any(|c| c.tensor == **name);
        picked.filter(is_there).or(found.candidates.first().map(|c| &c.tensor)).cloned()
    }

    fn book_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        found: &Arc<Inspection>,
        (model, is_own): (&ModelRef, bool),
    ) {
        let Some(name) = self.picked_name(found, model) else { return };
        let question = LookAtCodebook { model: model.clone(), tensor: name.as_str().into() };
        match ctx.ask_soon("look at codebook", &question) {
            Reply::Ready(look) => {
                egui::ScrollArea::vertical().id_salt("book").auto_shrink(false).show(ui, |ui| {
                    figures_ui(ui, ctx, &look, &name);
                    codes_ui(ui, ctx, &look, is_own);
                    curves_ui(ui, ctx, &look);
                });
            }
            Reply::Failed(problem) => {
                ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
            }
            Reply::Working { .. } => {
                ui.label(ctx.theme.label("Looking for nearest codes…"));
            }
        }
    }
}

/// How many tensors there are, and a button that takes their table away.
fn tensors_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, found: &Arc<Inspection>, model: &ModelRef) {
    let numbers = || {
        let column = |name: &str, text: &dyn Fn(usize) -> String| {
            let words = (0..found.tensors.len()).map(text).collect();
            (name.to_owned(), Column::Words(words))
        };
        let row = |at: usize| &found.tensors[at];
        Table::Columns(vec![
            column("tensor", &|at| row(at).name.clone()),
            column("shape", &|at| {
                let sides: Vec<String> = row(at).shape.iter().map(ToString::to_string).collect();
                sides.join("x")
            }),
            column("type", &|at| row(at).dtype.to_owned()),
            column("numbers", &|at| row(at).elements.to_string()),
            column("norm", &|at| {
                let norm = found.norms.get(at).copied().flatten();
                norm.map_or(String::new(), |norm| norm.to_string())
            }),
        ])
    };
    let whole = ctx.document.name_of(model);
    let (name, about) = (format!("tensors-{whole}"), format!("tensors of {whole}"));
    let exported =
        Exported { name: &name, about: &about, numbers: Some(&numbers), ..Exported::default() };
    exported.offer(ctx);
    ui.horizontal(|ui| {
        let tensors = counted_in_groups(found.tensors.len() as u64, "tensor");
        ui.label(ctx.theme.label(tensors));
        let button = egui::Button::new("Export").small();
        let menu = egui::containers::menu::MenuButton::from_button(button);
        let (response, _) = menu.ui(ui, |ui| exported.menu_ui(ui, ctx));
        response.on_hover_text("Takes names, shapes, types and norms of all tensors away");
    });
}

/// What is sorted as a figure and as numbers.
fn sorted_menu(response: &egui::Response, ctx: &ViewCtx<'_>, what: &str, values: &Arc<[f32]>) {
    let chart = || Chart {
        title: format!("{what}, sorted"),
        across: "codes, largest first".to_owned(),
        up: what.to_owned(),
        is_logarithmic: false,
        shape: Shape::Bars(values.iter().map(|value| f64::from(*value)).collect()),
    };
    let numbers = || Table::Columns(vec![(what.to_owned(), Column::Values(Arc::clone(values)))]);
    let (name, model) = (what.replace(' ', "-"), looked_at(ctx).0);
    let exported = Exported {
        name: &name,
        about: what,
        by: Some(&model),
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(response, ctx);
}

fn figures_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, look: &Arc<CodebookLook>, name: &str) {
    let theme = ctx.theme;
    let [lengths, ..] = &look.sorted;
    let at = |place: usize| lengths.get(place).copied().unwrap_or(0.0);
    let (longest, shortest) = (at(0), at(lengths.len().saturating_sub(1)));
    let middle = at(lengths.len().saturating_sub(1) / 2);
    ui.label(RichText::new(name).font(theme.heading()));
    let twins: usize = look.duplicates.iter().map(|group| group.len() - 1).sum();
    let of_all = if look.all_looked_at { "" } else { " (of a sample)" };
    let mut lines = vec![
        format!(
            "{} of {}",
            counted_in_groups(look.size as u64, "code"),
            counted(look.dim, "number")
        ),
        format!("length of a code {shortest:.3} to {longest:.3}, half of them below {middle:.3}"),
        format!(
            "{} bit by bit, {} nearly the same{of_all}",
            match twins {
                1 => "1 code stands twice".to_owned(),
                n => format!("{n} codes stand twice"),
            },
            match look.near.len() {
                1 => "1 pair is".to_owned(),
                n => format!("{n} pairs are"),
            }
        ),
    ];
    if let Some((counts, usage)) = &look.usage {
        let used = usage.iter().filter(|count| **count >= 0.5).count();
        lines.push(format!(
            "at the end of training {} of {} were used ({counts})",
            grouped(used as u64),
            grouped(look.size as u64)
        ));
    }
    if let Some(Subject::Tokens(given)) = &ctx.document.subject
        && given.tokens.first().codebook_size() as usize <= look.size
    {
        let sample = Sample::of(given.tokens.clone());
        let question = CodeUse { sample, scope: Scope::default(), by_image: false };
        if let Some(used) = ctx.ask(("stream usage", given), &question).best() {
            let s = &used.statistics;
            let several = given.tokens.parts().iter().any(|part| part.book() > 0);
            lines.push(format!(
                "{}{} uses {} of them in {} tokens, perplexity {:.1} codes",
                given.name,
                if several { " (its first book)" } else { "" },
                grouped(u64::from(s.used)),
                grouped(s.samples),
                s.perplexity
            ));
        }
    }
    for line in lines {
        ui.label(line);
    }
}

/// All codes, colored by their three main directions; near colors are near codes.
fn codes_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, look: &Arc<CodebookLook>, is_own: bool) {
    // Another file's codes are not those of the document.
    let size = ctx.known().map_or(0, |facts| facts.facts.codebook_size() as usize);
    let is_own = is_own && size == look.size;
    let theme = ctx.theme;
    let [a, b, c] = look.explained.map(|share| share * 100.0);
    ui.add_space(space::S);
    let text =
        format!("colored by three main directions, {a:.0} + {b:.0} + {c:.0} % of the variance");
    ui.label(theme.label(&text));
    let columns = ((look.size as f64 * 2.0).sqrt().ceil() as usize).max(1);
    let rows = look.size.div_ceil(columns).max(1);
    let width = ui.available_width();
    let cell = (width / columns as f32).min(theme.px(22.0));
    let size = vec2(cell * columns as f32, (cell * rows as f32).max(4.0));
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let name = format!("{} codes by color", look.size);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let key = (("codebook look", look.size), Source::of(&look.colors));
    let colors = || {
        let mut colors: Vec<Color32> =
            look.colors.iter().map(|[r, g, b]| Color32::from_rgb(*r, *g, *b)).collect();
        colors.resize(columns * rows, Color32::TRANSPARENT);
        colors
    };
    let picture = || picture_of(&colors(), [columns, rows]);
    let numbers = || {
        let codes: Arc<[u32]> = (0..look.norms.len() as u32).collect();
        Table::Columns(vec![
            ("code".to_owned(), Column::Codes(codes)),
            ("length".to_owned(), Column::Values(look.norms.iter().copied().collect())),
        ])
    };
    let exported = Exported {
        name: "codes-by-color",
        about: &text,
        by: Some(&looked_at(ctx).0),
        picture: Some(&picture),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(&response, ctx);
    let texture = ctx.textures.colors(key, [columns, rows], Sampling::Pixels, colors);
    egui::Image::new((texture.id(), rect.size())).paint_at(ui, rect);
    let place = |code: usize| {
        let at = vec2((code % columns) as f32, (code / columns) as f32) * cell;
        Rect::from_min_size(rect.min + at, vec2(cell, cell))
    };
    if let Some(code) = ctx.hovered.code().filter(|code| is_own && code.book == 0) {
        let stroke = Stroke::new(2.0, theme.colors.gold);
        ui.painter().rect_stroke(place(code.number as usize), 0.0, stroke, StrokeKind::Outside);
    }
    let Some(at) = response.hover_pos() else { return };
    let inside = ((at - rect.min) / cell).floor();
    let code = inside.y as usize * columns + inside.x as usize;
    let Some(norm) = look.norms.get(code) else { return };
    if is_own {
        ctx.hovered.set_code(Code::first(code as u32));
    }
    let near = look.neighbors.iter().find(|(of, ..)| *of == code as u32);
    let near = near.map_or(String::new(), |(_, other, d)| format!("\nnearest {other}, at {d:.3}"));
    let counts = look.usage.as_ref().and_then(|(_, usage)| usage.get(code));
    let count =
        counts.map_or(String::new(), |count| format!("\nused {count:.1} times in training"));
    response.on_hover_text_at_pointer(format!("code {code}\nlength {norm:.3}{near}{count}"));
}

/// Lengths, distances to the nearest code and use, each as sorted bars from the largest down.
fn curves_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, look: &Arc<CodebookLook>) {
    let titles = [
        "lengths of the codes",
        "distances to the nearest code",
        "uses of the codes at the end of training",
    ];
    for (what, values) in titles.into_iter().zip(&look.sorted) {
        let Some(highest) = values.first().copied().filter(|highest| *highest > 0.0) else {
            continue;
        };
        ui.add_space(space::S);
        ui.label(ctx.theme.label(format!("{what}, sorted, up to {highest:.3}")));
        let size = vec2(ui.available_width(), ctx.theme.px(40.0));
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, what));
        sorted_menu(&response, ctx, what, values);
        let count = (rect.width() as usize).clamp(1, values.len());
        let columns = (0..count).map(|place| {
            let value = values[place * values.len() / count];
            let (from, to) = (place as f32 / count as f32, (place + 1) as f32 / count as f32);
            let top = rect.bottom() - (value / highest).max(0.0) * rect.height();
            let column = Rect::from_min_max(
                pos2(rect.left() + from * rect.width(), top),
                pos2(rect.left() + to * rect.width(), rect.bottom()),
            );
            egui::Shape::rect_filled(column, 0.0, ctx.theme.colors.lapis)
        });
        ui.painter().extend(columns.collect::<Vec<_>>());
    }
}
