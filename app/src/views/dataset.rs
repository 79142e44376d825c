//! Dataset: thumbnails of the set that images are picked from.
//!
//! Only the rows that are visible ask the engine, so a set of a million costs as much as one of ten.

use std::sync::Arc;

use egui::{CornerRadius, Key, Rect, Sense, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::questions::{
    ClassMembers, ImageRef, ImageSample, SourceFacts, SourceInfo, SourceRef, Thumbnail,
};
use smalti_engine::session::Reply;

use super::view::View;
use crate::ctx::{ViewCtx, sample_name};
use crate::document::{AppCommand, Open, Sheet};
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::look::words::{agreeing, all_of, grouped, name};
use crate::widgets::export::Exported;
use crate::widgets::keys::has_keys;

/// Pixels of a thumbnail that is asked for; drawn smaller.
const SIDE: u32 = 160;
/// A thumbnail is at least this wide, in points.
const LEAST: f32 = 72.0;

/// The Dataset view.
#[derive(Debug, Default)]
pub(super) struct DatasetView {
    /// Sets that were opened from files, so that the way back is a click.
    opened: Vec<SourceRef>,
    /// The class that alone is shown, of a set.
    class: Option<(SourceRef, u32)>,
}

impl View for DatasetView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let source = &ctx.document.source;
        let facts = facts_of(ctx, source);
        let count = facts.best().map(|f| format!(" · {}", grouped(f.len))).unwrap_or_default();
        if let Some(facts) = facts.best().filter(|facts| facts.classes.len() > 1) {
            self.classes_ui(ui, ctx, facts);
        }
        let name = name_of(source);
        let label = format!("{}{count}", ctx.short_name(name.clone()));
        let menu = ui.menu_button(ctx.theme.label(label), |ui| self.sources_ui(ui, ctx));
        menu.response.on_hover_text(format!("{name}{count}"));
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let source = ctx.document.source.clone();
        if matches!(source, SourceRef::Path { .. }) && !self.opened.contains(&source) {
            self.opened.push(source.clone());
        }
        opened_ui(ui, ctx, &source);
        let facts = facts_of(ctx, &source);
        match &facts {
            Reply::Ready(_) | Reply::Working { .. } => match facts.best() {
                Some(facts) => self.shown_ui(ui, ctx, &source, facts),
                None => {
                    ui.label(ctx.theme.label("Opening the set…"));
                }
            },
            Reply::Failed(problem) => {
                ui.label(egui::RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
                if ui.button("Show the samples").clicked() {
                    ctx.send(Open::Source(SourceRef::Samples));
                }
            }
        }
    }
}

impl DatasetView {
    fn sources_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let known = [SourceRef::Samples, SourceRef::Worlds { seed: 1 }];
        for source in known.iter().chain(&self.opened) {
            let picked = *source == ctx.document.source;
            if ui.selectable_label(picked, name_of(source)).clicked() && !picked {
                // As a folder that is dropped does.
                ctx.send(Open::Source(source.clone()));
                ctx.send(Open::Image(ImageRef::InSource { source: source.clone(), index: 0 }));
            }
        }
        ui.separator();
        if ui
            .button("Open folder…")
            .on_hover_text("Or drop one, or a .tar, on the window")
            .clicked()
        {
            ctx.send(AppCommand::AskFolder);
            ui.close();
        }
    }

    /// The class that alone is shown of the document's set.
    fn class(&self, source: &SourceRef) -> Option<u32> {
        self.class.as_ref().filter(|(of, _)| of == source).map(|(_, class)| *class)
    }

    fn classes_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, facts: &SourceFacts) {
        let source = &ctx.document.source;
        let now = self.class(source);
        let name = now.and_then(|class| facts.classes.get(class as usize));
        let label = name.map_or("all classes", |name| name.as_str()).to_owned();
        let menu = ui.menu_button(ctx.theme.label(label), |ui| {
            egui::ScrollArea::vertical().max_height(ctx.theme.px(320.0)).show(ui, |ui| {
                if ui.selectable_label(now.is_none(), "all classes").clicked() {
                    self.class = None;
                    ui.close();
                }
                for (class, name) in (0_u32..).zip(&facts.classes) {
                    if ui.selectable_label(now == Some(class), name).clicked() {
                        self.class = Some((source.clone(), class));
                        ui.close();
                    }
                }
            });
        });
        menu.response.on_hover_text("Which class is shown");
    }

    fn shown_ui(
        &self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        source: &SourceRef,
        facts: &SourceFacts,
    ) {
        let Some(class) = self.class(source) else {
            thumbnails_ui(ui, ctx, source, &Members { len: facts.len, of_class: None });
            return;
        };
        let question = ClassMembers { source: source.clone(), class };
        match ctx.ask(("class", class), &question) {
            Reply::Ready(members) => {
                let len = members.len() as u64;
                thumbnails_ui(ui, ctx, source, &Members { len, of_class: Some(members) });
            }
            Reply::Working { .. } => {
                ui.label(ctx.theme.label("Looking for the class…"));
            }
            Reply::Failed(problem) => {
                ui.label(egui::RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
            }
        }
    }
}

/// What is known of a set. Each has a place of its own: images of another one must not be shown
/// under its name.
fn facts_of(ctx: &ViewCtx<'_>, source: &SourceRef) -> Reply<SourceFacts> {
    ctx.ask(("dataset", source), &SourceInfo { source: source.clone() })
}

/// What a set is called in the bar.
fn name_of(source: &SourceRef) -> String {
    match source {
        SourceRef::Samples => "samples".to_owned(),
        SourceRef::Worlds { .. } => "Worlds".to_owned(),
        SourceRef::Path { path, .. } => {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        }
    }
}

/// The images that are shown: all of a set, or those of a class.
struct Members {
    len: u64,
    of_class: Option<Arc<Vec<u64>>>,
}

impl Members {
    /// The number in the set of the image at a place.
    fn index(&self, place: u64) -> u64 {
        let found = self.of_class.as_ref().and_then(|all| all.get(place as usize).copied());
        found.unwrap_or(place)
    }

    /// The place of an image of the set, if it is shown.
    fn place(&self, index: u64) -> Option<u64> {
        match &self.of_class {
            None => Some(index),
            Some(all) => all.binary_search(&index).ok().map(|place| place as u64),
        }
    }
}

/// How thumbnails are laid out.
struct Grid {
    columns: u64,
    side: f32,
    width: f32,
}

impl Grid {
    fn of(ui: &egui::Ui, ctx: &ViewCtx<'_>) -> Self {
        let least = ctx.theme.px(LEAST);
        // Room for the scroll bar is left on the right.
        let width = (ui.available_width() - space::S).max(least);
        let columns = ((width + space::S) / (least + space::S)).floor().max(1.0) as u64;
        let side = (width - space::S * (columns - 1) as f32) / columns as f32;
        Self { columns, side, width }
    }
}

/// A grid of thumbnails as a stop of Tab: arrows pick another image in it.
struct Stop {
    response: egui::Response,
    /// The place that was gone to, or that is to be seen because the grid got the keyboard.
    to_see: Option<u64>,
    /// The place that was gone to.
    picked: Option<u64>,
}

impl Stop {
    /// Takes the keys of a grid of `len` images in `columns`, of which one is picked.
    fn new(
        ui: &egui::Ui,
        (rect, name): (Rect, &str),
        (len, columns): (u64, u64),
        current: Option<u64>,
    ) -> Self {
        let id = ui.scope_id().with(name);
        let response = ui.interact(rect, id, Sense::focusable_noninteractive());
        response.widget_info(|| {
            let place = current.map_or_else(
                || format!("none of {len} picked"),
                |place| format!("{} of {len} picked", place + 1),
            );
            egui::WidgetInfo::labeled(egui::Role::ListBox, true, format!("{name}, {place}"))
        });
        if !has_keys(ui, &response) {
            return Self { response, to_see: None, picked: None };
        }
        let filter = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..egui::EventFilter::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        let last = len.saturating_sub(1);
        let picked = ui.input(|input| {
            let pressed = |key| input.key_pressed(key);
            let times = |key| input.num_presses(key) as i64;
            let step = times(Key::ArrowRight) - times(Key::ArrowLeft)
                + columns as i64 * (times(Key::ArrowDown) - times(Key::ArrowUp));
            let first = [Key::Home, Key::Enter, Key::Space].into_iter().any(pressed);
            match current {
                _ if pressed(Key::Home) => Some(0),
                _ if pressed(Key::End) => Some(last),
                Some(current) => current.checked_add_signed(step).filter(|to| *to <= last),
                None => (first || step != 0).then_some(0),
            }
        });
        let picked = picked.filter(|to| Some(*to) != current && len > 0);
        let to_see = picked.or(current.filter(|_| response.gained_focus()));
        Self { response, to_see, picked }
    }

    /// The ring that says that the keyboard is here.
    fn ring(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>) {
        if self.response.has_focus() {
            let stroke = Stroke::new(2.0, ctx.theme.colors.gold);
            ui.painter().rect_stroke(self.response.rect, 2.0, stroke, StrokeKind::Outside);
        }
    }
}

/// Opens an image, as its file is now.
fn open(ctx: &ViewCtx<'_>, image: &ImageRef) {
    ctx.send(match image {
        ImageRef::File { path, .. } => Open::ImageAgain(Arc::clone(path)),
        image => Open::Image(image.clone()),
    });
}

/// Images that were opened by themselves, above those of the set.
fn opened_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, source: &SourceRef) {
    let images = &ctx.document.opened.images;
    if images.is_empty() {
        return;
    }
    let Grid { columns, side, width } = Grid::of(ui, ctx);
    ui.label(ctx.theme.label(format!("opened · {}", images.len())));
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::S, space::S);
        let most = side * 2.0 + space::S;
        let len = images.len() as u64;
        let height = (side + space::S) * len.div_ceil(columns) as f32 - space::S;
        let rect = Rect::from_min_size(ui.cursor().min, vec2(width, height.min(most)));
        let current = ctx.document.image().and_then(|now| images.iter().position(|i| i == now));
        let current = current.map(|place| place as u64);
        let stop = Stop::new(ui, (rect, "Images that were opened"), (len, columns), current);
        if let Some(image) = stop.picked.and_then(|place| images.get(place as usize)) {
            open(ctx, image);
        }
        let area = egui::ScrollArea::vertical().max_height(most).id_salt("opened");
        area.show(ui, |ui| {
            for (row, images) in (0_u64..).zip(images.chunks(columns as usize)) {
                let (line, _) = ui.allocate_exact_size(vec2(width, side), Sense::hover());
                for (place, image) in (row * columns..).zip(images) {
                    let left = line.left() + (place - row * columns) as f32 * (side + space::S);
                    let rect = Rect::from_min_size(pos2(left, line.top()), vec2(side, side));
                    if stop.to_see == Some(place) {
                        ui.scroll_to_rect(rect, None);
                    }
                    opened_one_ui(ui, ctx, rect, (image, place), &stop);
                }
            }
        });
        stop.ring(ui, ctx);
    });
    ui.add_space(space::XS);
    ui.label(ctx.theme.label(name_of(source)));
}

/// An image that was opened by itself; its own menu closes it.
fn opened_one_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    rect: Rect,
    (image, number): (&ImageRef, u64),
    stop: &Stop,
) {
    let name = match image {
        ImageRef::File { path, .. } => name(path),
        _ => "pasted image".to_owned(),
    };
    let response = thumbnail_ui(ui, ctx, rect, (image, ("opened", number), &name));
    if response.clicked() {
        stop.response.request_focus();
    }
    response.context_menu(|ui| {
        if ui.button("Close").on_hover_text("What was done to it stays").clicked() {
            ctx.send(Open::CloseImage(image.clone()));
            ui.close();
        }
    });
}

fn thumbnails_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, source: &SourceRef, members: &Members) {
    if members.len == 0 {
        ui.label(ctx.theme.label("There are no images in this set"));
        return;
    }
    let current = match ctx.document.image() {
        Some(ImageRef::InSource { source: of, index }) if of == source => members.place(*index),
        _ => None,
    };
    with_sheet(source, members, |sheet| sheet.offer(ctx));
    let Grid { columns, side, width } = Grid::of(ui, ctx);
    let rows = members.len.div_ceil(columns);
    let rect = ui.available_rect_before_wrap();
    let stop = Stop::new(ui, (rect, "Images of the set"), (members.len, columns), current);
    ctx.take_focus(&stop.response);
    let image_at = |place| {
        let index = members.index(place);
        (ImageRef::InSource { source: source.clone(), index }, index)
    };
    if let Some(place) = stop.picked {
        open(ctx, &image_at(place).0);
    }
    // Each set is scrolled by itself: another one begins at its start.
    let salt = ("thumbnails", source, members.of_class.is_some());
    let mut area = egui::ScrollArea::vertical().auto_shrink(false).id_salt(salt);
    if let Some(place) = stop.to_see {
        let top = (place / columns) as f32 * (side + space::S);
        area = area.vertical_scroll_offset((top - side).max(0.0));
    }
    ui.spacing_mut().item_spacing = vec2(space::S, space::S);
    // Scroll positions are 32-bit: beyond some ten thousand rows a pixel would be skipped.
    let shown_rows = rows.min(50_000) as usize;
    area.show_rows(ui, side, shown_rows, |ui, visible| {
        for row in visible {
            let (line, _) = ui.allocate_exact_size(vec2(width, side), Sense::hover());
            for column in 0..columns {
                let place = row as u64 * columns + column;
                if place >= members.len {
                    break;
                }
                let (image, index) = image_at(place);
                let left = line.left() + column as f32 * (side + space::S);
                let rect = Rect::from_min_size(pos2(left, line.top()), vec2(side, side));
                let name = format!("Image {}", index + 1);
                let thumbnail = (&image, ("thumbnail", index), name.as_str());
                let response = thumbnail_ui(ui, ctx, rect, thumbnail);
                if response.clicked() {
                    stop.response.request_focus();
                }
                response.context_menu(|ui| {
                    ui.label(ctx.theme.label("Contact sheet"));
                    with_sheet(source, members, |sheet| sheet.menu_ui(ui, ctx));
                });
            }
        }
    });
    stop.ring(ui, ctx);
}

/// Images of a contact sheet; of a larger set as many, spread over it.
const SHEET: u64 = 400;

/// The images that are shown as a contact sheet, to be taken away.
fn with_sheet(source: &SourceRef, members: &Members, show: impl FnOnce(&Exported<'_>)) {
    let (len, count) = (members.len, members.len.min(SHEET));
    let set = name_of(source);
    let about = if count < len {
        format!("{} of {} images of {set}, spread over it", grouped(count), grouped(len))
    } else {
        format!(
            "{} of {set} that {} shown",
            all_of(len, "image"),
            agreeing(len as usize, "is", "are")
        )
    };
    let sheet = || {
        let at = |number: u64| (u128::from(number) * u128::from(len) / u128::from(count)) as u64;
        let image = |number| ImageRef::InSource {
            source: source.clone(),
            index: members.index(at(number)),
        };
        let columns = ((count as f64 * 1.6).sqrt().ceil() as u32).max(1);
        Sheet { images: (0..count).map(image).collect(), columns, side: SIDE }
    };
    let of = sample_name(source, ImageSample { images: count, total: len });
    show(&Exported {
        name: "contact-sheet",
        about: &about,
        of: Some(&of),
        sheet: Some(&sheet),
        ..Exported::default()
    });
}

fn thumbnail_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    rect: Rect,
    (image, place, name): (&ImageRef, (&'static str, u64), &str),
) -> egui::Response {
    let (is_current, is_edited) =
        (ctx.document.image() == Some(image), !ctx.edited_by(image).is_empty());
    // The grid has the keyboard, not each of its pictures.
    let response = ui.interact(rect, ui.scope_id().with(place), Sense::CLICK);
    response.widget_info(|| {
        let name = if is_edited { format!("{name}, edited") } else { name.to_owned() };
        egui::WidgetInfo::selected(egui::Role::Button, true, is_current, name)
    });
    let colors = &ctx.theme.colors;
    let radius = CornerRadius::same(RADIUS_PICTURE);
    let reply = ctx.ask_soon(place, &Thumbnail { image: image.clone(), side: SIDE });
    match &reply {
        Reply::Ready(picture) => {
            let texture = ctx.textures.picture(picture, Sampling::Smooth);
            egui::Image::new((texture.id(), rect.size())).corner_radius(radius).paint_at(ui, rect);
        }
        Reply::Working { .. } => {
            ui.painter().rect_filled(rect, radius, colors.raised);
        }
        Reply::Failed(_) => {
            ui.painter().rect_filled(rect, radius, colors.raised);
            ui.painter().line_segment(
                [
                    rect.shrink(side_inset(rect)).left_top(),
                    rect.shrink(side_inset(rect)).right_bottom(),
                ],
                Stroke::new(1.5, colors.danger),
            );
        }
    }
    if is_current {
        ui.painter().rect_stroke(rect, radius, Stroke::new(3.0, colors.gold), StrokeKind::Inside);
    } else if response.hovered() {
        ui.painter().rect_stroke(rect, radius, Stroke::new(1.5, colors.text), StrokeKind::Inside);
    }
    if is_edited {
        // A shape, not a color alone: a dot with a rim, on any picture.
        let at = rect.right_top() + vec2(-9.0, 9.0);
        ui.painter().circle_filled(at, 5.0, colors.background);
        ui.painter().circle_filled(at, 3.0, colors.text);
    }
    if response.clicked() {
        open(ctx, image);
    }
    response.on_hover_ui(|ui| {
        about_ui(ui, ctx, image, &reply, name);
        for model in ctx.edited_by(image) {
            let words =
                format!("Tokens of it by {} are forced or locked", ctx.document.name_of(&model));
            ui.label(ctx.theme.label(words));
        }
    })
}

fn side_inset(rect: Rect) -> f32 {
    rect.width() * 0.3
}

/// Name and caption; the picture itself was loaded for the thumbnail.
fn about_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    image: &ImageRef,
    reply: &Reply<smalti_engine::images::Picture>,
    name: &str,
) {
    if let Some(problem) = reply.problem() {
        ui.label(problem.summary.clone());
        ui.label(ctx.theme.label(&problem.hint));
        return;
    }
    let question = smalti_engine::questions::LoadImage { image: image.clone(), paint_side: SIDE };
    match ctx.ask_soon(("about", image), &question).best() {
        Some(loaded) => {
            ui.label(loaded.name.clone());
            if let Some(caption) = &loaded.caption {
                ui.label(ctx.theme.label(caption));
            } else if let Some(class) = &loaded.class {
                ui.label(ctx.theme.label(class));
            }
        }
        None => {
            ui.label(ctx.theme.label(name));
        }
    }
}
