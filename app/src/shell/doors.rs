//! Three doors: what is seen first, where nothing else was asked for. Each leads into a scene; below them stands what
//! was opened last.

use std::path::PathBuf;

use egui::{
    Button, Color32, Key, Label, Modifiers, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind,
    Ui, pos2, vec2,
};
use smalti_engine::images::Picture;
use smalti_engine::questions::{ImageRef, SourceRef, Thumbnail};

use super::actions::{Action, Menu};
use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Command, Layout, Open};
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::look::words::name;
use crate::widgets::hatch;

/// What they are called where scenes and views are named.
pub const NAME: &str = "doors";

/// Paths of what was opened last that are shown.
const RECENT: usize = 6;
/// The picture on the doors: a sample, and its side in pixels.
const PICTURE: (u64, u32) = (3, 256);
/// Tiles along a side of it.
const TILES: usize = 16;
/// The side of a door's picture at most, before text is scaled.
const SIDE: f32 = 300.0;

/// A door.
struct Door {
    title: &'static str,
    about: &'static str,
    scene: &'static str,
    key: Key,
    paint: fn(&Ui, &ViewCtx<'_>, Rect, &Picture),
}

const DOORS: [Door; 3] = [
    Door {
        title: "See a picture become tokens",
        about: "A photograph turns into a mosaic of numbers, and back into a picture.",
        scene: "see",
        key: Key::Num1,
        paint: half_tiles,
    },
    Door {
        title: "Watch a model paint",
        about: "A small network writes token after token, the surest first. You see each step.",
        scene: "watch",
        key: Key::Num2,
        paint: half_written,
    },
    Door {
        title: "Change a picture by its tokens",
        about: "A part of a photograph is written anew, in four ways. You choose.",
        scene: "change",
        key: Key::Num3,
        paint: part_tiles,
    },
];

/// The door whose key is pressed.
pub fn pressed(ctx: &egui::Context) -> Option<Layout> {
    if ctx.text_edit_focused() {
        return None;
    }
    let is_pressed =
        |door: &&Door| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, door.key));
    DOORS.iter().find(is_pressed).map(|door| Layout::Door(door.scene.to_owned()))
}

/// Whether an action's keys work in front of the doors: those that change nothing of what is behind them, unseen.
pub fn lets_by(action: &Action) -> bool {
    match action.menu {
        Menu::File | Menu::Scenes | Menu::Help => true,
        Menu::View => action.kind != "view",
        _ => false,
    }
}

/// Draws them in what is left of the window; gives what was chosen.
pub fn ui(ui: &mut Ui, ctx: &ViewCtx<'_>, recent: &[PathBuf]) -> Vec<Command> {
    let mut commands = Vec::new();
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let area = ui.available_rect_before_wrap();
    ui.painter().rect_filled(area, 0.0, colors.panel);
    let room = area.size() - vec2(2.0 * space::XL, 2.0 * space::XL);
    let gap = space::XL;
    let side = ((room.x - 2.0 * gap) / 3.0).min(room.y * 0.45).min(theme.px(SIDE)).max(64.0);
    let image = ImageRef::InSource { source: SourceRef::Samples, index: PICTURE.0 };
    let picture = ctx.ask("picture of the doors", &Thumbnail { image, side: PICTURE.1 });
    let picture = picture.best().cloned();
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        let width = 3.0 * side + 2.0 * gap;
        let left = ((area.width() - width) / 2.0).max(space::L);
        let height = side + theme.px(190.0);
        ui.add_space(((area.height() - height) / 2.5).max(space::L));
        ui.horizontal_top(|ui| {
            ui.add_space(left);
            ui.vertical(|ui| {
                ui.set_max_width(width);
                let title = RichText::new("What would you like to see?").font(theme.title());
                ui.add(Label::new(title).wrap());
                ui.add_space(space::L);
                commands.extend(doors_ui(ui, ctx, (picture.as_deref(), side, gap)));
                ui.add_space(space::XL);
                below_ui(ui, ctx, recent, &mut commands);
            });
        });
    });
    commands
}

/// The doors beside each other; gives the one that somebody goes through.
fn doors_ui(
    ui: &mut Ui,
    ctx: &ViewCtx<'_>,
    (picture, side, gap): (Option<&Picture>, f32, f32),
) -> Option<Command> {
    let mut chosen = None;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for (number, door) in (1..).zip(&DOORS) {
            if door_ui(ui, ctx, (number, door), (picture, side)) {
                chosen = Some(Layout::Door(door.scene.to_owned()).into());
            }
        }
    });
    chosen
}

/// A door; gives whether somebody goes through it.
fn door_ui(
    ui: &mut Ui,
    ctx: &ViewCtx<'_>,
    (number, door): (usize, &Door),
    (picture, side): (Option<&Picture>, f32),
) -> bool {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let drawn = ui.vertical(|ui| {
        ui.set_width(side);
        ui.spacing_mut().item_spacing.y = space::S;
        let (place, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
        ui.painter().rect_filled(place, RADIUS_PICTURE, colors.raised);
        if let Some(picture) = picture {
            let texture = ctx.textures.picture(picture, Sampling::Smooth);
            egui::Image::new((texture.id(), place.size())).paint_at(ui, place);
            (door.paint)(ui, ctx, place, picture);
        }
        let title = RichText::new(format!("{number}  {}", door.title)).font(theme.heading());
        ui.add(Label::new(title.color(colors.text)).wrap());
        ui.add(Label::new(RichText::new(door.about).color(colors.dim)).wrap());
        place
    });
    let id = ui.scope_id().with(("door", number));
    let response = ui.interact(drawn.response.rect, id, Sense::click());
    response.widget_info(|| {
        let said = format!("Door {number}: {}", door.title);
        egui::WidgetInfo::labeled(egui::Role::Button, true, said)
    });
    if response.hovered() || response.has_focus() {
        let stroke = Stroke::new(theme.line(2.0), colors.gold);
        let place = drawn.inner.expand(2.0);
        ui.painter().rect_stroke(place, RADIUS_PICTURE, stroke, StrokeKind::Outside);
    }
    response.clicked()
}

/// What was opened last, and the other ways on.
fn below_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, recent: &[PathBuf], commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        let open = ui.button("Open…").on_hover_text("An image, a document, anything (Ctrl+O)");
        if open.clicked() {
            commands.push(AppCommand::AskFile.into());
        }
        let studio = ui.button("Straight to the studio").on_hover_text("Esc");
        if studio.clicked() {
            commands.push(Layout::ShowPicture.into());
        }
    });
    if recent.is_empty() {
        return;
    }
    ui.add_space(space::S);
    ui.horizontal_wrapped(|ui| {
        ui.label(ctx.theme.label("Opened last"));
        for path in recent.iter().take(RECENT) {
            let button = ui.add(Button::new(name(path)).frame(false));
            if button.on_hover_text(path.display().to_string()).clicked() {
                commands.push(Open::Path(path.clone()).into());
            }
        }
    });
}

/// Where a tile lies.
fn tile(place: Rect, (row, column): (usize, usize)) -> Rect {
    let step = place.size() / TILES as f32;
    let corner = place.min + vec2(column as f32, row as f32) * step;
    Rect::from_min_size(corner, step)
}

/// All tiles, row by row.
fn tiles() -> impl Iterator<Item = (usize, usize)> {
    (0..TILES * TILES).map(|at| (at / TILES, at % TILES))
}

/// The mean color of a tile, of some of its pixels.
fn mean(picture: &Picture, (row, column): (usize, usize)) -> Color32 {
    const POINTS: usize = 4;
    let at = |tile: usize, point: usize, length: u32| {
        let along = (tile as f32 + (point as f32 + 0.5) / POINTS as f32) / TILES as f32;
        (along * length as f32) as u32
    };
    let mut sum = [0_u32; 3];
    for point in 0..POINTS * POINTS {
        let x = at(column, point % POINTS, picture.width());
        let y = at(row, point / POINTS, picture.height());
        for (sum, value) in sum.iter_mut().zip(picture.pixel(x, y).unwrap_or_default()) {
            *sum += u32::from(value);
        }
    }
    let [r, g, b] = sum.map(|sum| (sum / (POINTS * POINTS) as u32) as u8);
    Color32::from_rgb(r, g, b)
}

fn paint_tile(ui: &Ui, ctx: &ViewCtx<'_>, (place, picture): (Rect, &Picture), at: (usize, usize)) {
    let whole = tile(place, at);
    ui.painter().rect_filled(whole, 0.0, ctx.theme.colors.panel);
    ui.painter().rect_filled(whole.shrink(0.75), 1.0, mean(picture, at));
}

/// From the left to the right a picture becomes tiles.
fn half_tiles(ui: &Ui, ctx: &ViewCtx<'_>, place: Rect, picture: &Picture) {
    for at in tiles().filter(|(_, column)| *column >= TILES / 2) {
        paint_tile(ui, ctx, (place, picture), at);
    }
}

/// Most of it is not written yet.
fn half_written(ui: &Ui, ctx: &ViewCtx<'_>, place: Rect, _: &Picture) {
    // Multiples of an odd number come by every tile, spread over the whole.
    let is_masked = |(row, column): &(usize, usize)| (row * TILES + column) * 167 % 256 >= 104;
    hatch::cells(ui.painter(), ctx, tiles().filter(is_masked).map(|at| tile(place, at)), 1.0);
}

/// A part of it is selected.
fn part_tiles(ui: &Ui, ctx: &ViewCtx<'_>, place: Rect, picture: &Picture) {
    let (first, last) = ((3, 7), (11, 13));
    let is_part = |(row, column): &(usize, usize)| {
        (first.0..=last.0).contains(row) && (first.1..=last.1).contains(column)
    };
    for at in tiles().filter(is_part) {
        paint_tile(ui, ctx, (place, picture), at);
    }
    let (from, to) = (tile(place, first).min, tile(place, last).max);
    let part = Rect::from_min_max(from, pos2(to.x, to.y));
    let stroke = Stroke::new(ctx.theme.line(2.0), ctx.theme.colors.gold);
    ui.painter().rect_stroke(part, 0.0, stroke, StrokeKind::Outside);
}
