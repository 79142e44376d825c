//! The menu bar: mark, menus, the field that opens the palette, the device.

use egui::containers::menu::MenuBar;
use egui::{Align2, Button, Color32, Frame, Margin, Panel, Rect, Sense, Stroke, Ui, pos2, vec2};
use smalti_engine::device::DeviceChoice;

use super::actions::{self, Action, Menu, Now, key_name};
use crate::document::{AppCommand, Command, Open};
use crate::look::theme::{RADIUS_BUTTON, Theme, space};
use crate::look::words::{counted, name};
use crate::settings::Settings;
use crate::widgets::keys::ring;

/// What the window is called.
const NAME: &str = "Smalti";
/// The menus, in their order.
const TITLES: [&str; 7] = ["File", "Edit", "View", "Scenes", "Train", "Generate", "Help"];
/// What the field that opens the palette says.
const SEARCH: &str = "Search views, commands, codes, files";

/// What the menu bar shows.
#[derive(Debug)]
pub struct Bar<'a> {
    /// Colors and sizes.
    pub theme: &'a Theme,
    /// All actions.
    pub actions: &'a [Action],
    /// What actions look at to know whether they can be done.
    pub now: &'a Now<'a>,
    /// The engine's device and threads.
    pub device: (DeviceChoice, usize),
}

impl Bar<'_> {
    /// Draws it at the top; gives what was chosen.
    pub fn show(&self, ui: &mut Ui) -> Vec<Command> {
        let mut commands = Vec::new();
        let colors = &self.theme.colors;
        let frame =
            Frame::new().fill(colors.background).inner_margin(Margin::symmetric(space::M as i8, 0));
        let panel = Panel::top("menu")
            .exact_size(self.theme.px(36.0))
            .frame(frame)
            .show_separator_line(false)
            .show(ui, |ui| {
                let full = ui.max_rect();
                MenuBar::new().ui(ui, |ui| self.bar_ui(ui, full, &mut commands));
            });
        let rect = panel.response.rect;
        ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, colors.line));
        commands
    }

    fn bar_ui(&self, ui: &mut Ui, full: Rect, commands: &mut Vec<Command>) {
        ui.set_height(self.theme.px(35.0));
        let side = self.theme.px(16.0);
        let (mark, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
        paint_mark(ui.painter(), mark, self.theme);
        let (has_name, is_whole) = self.fitting(ui, full.width());
        if has_name {
            ui.label(egui::RichText::new(NAME).font(self.theme.strong()));
        }
        ui.add_space(space::XS);
        if is_whole {
            self.menus_ui(ui, commands);
        } else {
            let text = egui::RichText::new("Menu").color(self.theme.colors.dim);
            ui.menu_button(text, |ui| self.menus_ui(ui, commands));
        }
        let menus_end = ui.cursor().left() + space::L;
        let chip_start = self.device_ui(ui, full);
        self.search_ui(ui, full, (menus_end, chip_start - space::L), commands);
    }

    /// Whether the name and all menus have room beside the sign of the search: first the name goes, then the menus
    /// are in one, and the name is back.
    fn fitting(&self, ui: &Ui, room: f32) -> (bool, bool) {
        let wide = |text: &str, font: egui::FontId| {
            ui.painter().layout_no_wrap(text.to_owned(), font, Color32::WHITE).size().x
        };
        let (gap, padding) = (ui.spacing().item_spacing.x, ui.spacing().button_padding.x);
        let font = egui::TextStyle::Button.resolve(ui.style());
        let menu = |title: &&str| wide(title, font.clone()) + 2.0 * padding + gap;
        let mark = self.theme.px(16.0) + gap + space::XS;
        let menus = mark + TITLES.iter().map(menu).sum::<f32>() + space::L + self.side();
        let name = wide(NAME, self.theme.strong()) + gap;
        let is_whole = menus <= room;
        (menus + name <= room || !is_whole, is_whole)
    }

    /// Side of the sign of the search.
    fn side(&self) -> f32 {
        self.theme.px(24.0)
    }

    fn menus_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        for title in TITLES {
            self.menu(ui, title, commands, |menus, ui, commands| match title {
                "File" => menus.file_ui(ui, commands),
                "Edit" => menus.actions_ui(ui, Menu::Edit, commands),
                "View" => menus.view_ui(ui, commands),
                "Scenes" => menus.actions_ui(ui, Menu::Scenes, commands),
                "Train" => menus.train_ui(ui, commands),
                "Generate" => menus.generate_ui(ui, commands),
                _ => menus.actions_ui(ui, Menu::Help, commands),
            });
        }
    }

    fn menu(
        &self,
        ui: &mut Ui,
        title: &str,
        commands: &mut Vec<Command>,
        content: impl FnOnce(&Self, &mut Ui, &mut Vec<Command>),
    ) {
        let text = egui::RichText::new(title).color(self.theme.colors.dim);
        ui.menu_button(text, |ui| {
            ui.set_min_width(self.theme.px(200.0));
            ui.spacing_mut().item_spacing.y = 1.0;
            // Large text does not cost the last lines: they can be scrolled to.
            let around = self.theme.px(36.0) + 2.0 * space::L;
            let room = (ui.ctx().content_rect().height() - around).max(self.theme.px(48.0));
            egui::ScrollArea::vertical()
                .max_height(room)
                .show(ui, |ui| content(self, ui, commands));
        });
    }

    fn item(&self, ui: &mut Ui, action: &Action, commands: &mut Vec<Command>) {
        let does = action.does(self.now);
        let response = ui.add_enabled_ui(does.is_ok(), |ui| match action.is_on(self.now) {
            Some(is_on) if action.kind == "theme" => ui.radio(is_on, &action.name),
            Some(mut is_on) => ui.checkbox(&mut is_on, &action.name),
            None => {
                let keys = action.keys.first().map(|k| key_name(ui.ctx(), *k)).unwrap_or_default();
                ui.add(Button::new(action.title(self.now)).shortcut_text(keys))
            }
        });
        let mut response = response.inner;
        if !action.about.is_empty() {
            response = response.on_hover_text(&action.about);
        }
        match does {
            Ok(does) if response.clicked() => {
                commands.extend(does);
                ui.close();
            }
            Ok(_) => {}
            Err(why) => {
                response.on_disabled_hover_text(why);
            }
        }
    }

    fn actions_ui(&self, ui: &mut Ui, menu: Menu, commands: &mut Vec<Command>) {
        for action in self.actions.iter().filter(|action| action.menu == menu) {
            if action.starts_group {
                ui.separator();
            }
            self.item(ui, action, commands);
        }
    }

    fn file_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let recent = &self.now.settings.recent;
        for action in self.actions.iter().filter(|action| action.menu == Menu::File) {
            // Behind what opens, in front of what saves.
            if action.plain_name() == "Save" {
                recent_ui(ui, recent, commands);
            }
            if action.starts_group {
                ui.separator();
            }
            self.item(ui, action, commands);
        }
    }

    fn train_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        for action in actions::recipes(self.now) {
            self.item(ui, &action, commands);
        }
        self.actions_ui(ui, Menu::Train, commands);
    }

    fn generate_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        for action in actions::generators(self.now) {
            self.item(ui, &action, commands);
        }
        self.actions_ui(ui, Menu::Generate, commands);
    }

    fn view_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        self.actions_ui(ui, Menu::View, commands);
        let mut scale = self.now.settings.text_scale;
        let slider = egui::Slider::new(&mut scale, Settings::TEXT_SCALES)
            .step_by(0.05)
            .custom_formatter(|value, _| format!("{:.0} %", value * 100.0))
            .text("text size");
        ui.separator();
        let response = ui.add(slider);
        ring(ui, self.theme, &response);
        if response.changed() {
            commands.push(AppCommand::TextScale(scale).into());
        }
    }

    /// Gives where it starts.
    fn device_ui(&self, ui: &Ui, full: Rect) -> f32 {
        let (device, threads) = self.device;
        let text = match device {
            DeviceChoice::Cpu => format!("CPU · {}", counted(threads, "core")),
            DeviceChoice::Cuda => "CUDA".to_owned(),
            DeviceChoice::Metal => "Metal".to_owned(),
        };
        let colors = &self.theme.colors;
        let galley = ui.painter().layout_no_wrap(text, self.theme.small(), colors.dim);
        let size = vec2(galley.size().x + 20.0, self.theme.px(22.0));
        let rect =
            Rect::from_min_size(pos2(full.right() - size.x, full.center().y - size.y / 2.0), size);
        if rect.left() < ui.cursor().left() + space::S {
            return full.right();
        }
        let stroke = Stroke::new(1.0, colors.line);
        ui.painter().rect_stroke(rect, size.y / 2.0, stroke, egui::StrokeKind::Inside);
        let at = rect.center() - galley.size() / 2.0;
        ui.painter().galley(at, galley, colors.dim);
        rect.left()
    }

    fn search_ui(
        &self,
        ui: &mut Ui,
        full: Rect,
        (start, end): (f32, f32),
        commands: &mut Vec<Command>,
    ) {
        let colors = &self.theme.colors;
        let room = end - start;
        let is_sign = room < self.theme.px(90.0);
        let width = if is_sign { self.side() } else { self.theme.px(380.0).min(room) };
        let size = vec2(width, self.side());
        let screen = ui.ctx().content_rect();
        let left = (screen.center().x - size.x / 2.0).clamp(start, (end - size.x).max(start));
        let rect = Rect::from_min_size(pos2(left, full.center().y - size.y / 2.0), size);
        let id = ui.scope_id().with("search");
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, SEARCH));
        let line = if response.has_focus() {
            Stroke::new(2.0, colors.gold)
        } else if response.hovered() {
            Stroke::new(1.0, colors.faint)
        } else {
            Stroke::new(1.0, colors.strong_line)
        };
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect(rect, RADIUS_BUTTON, colors.raised, line, egui::StrokeKind::Inside);
        if response.clicked() {
            commands.push(AppCommand::Palette.into());
        }
        if is_sign {
            paint_glass(&painter, rect, self.theme);
            response.on_hover_text(format!("{SEARCH} (Ctrl P)"));
            return;
        }
        let keys = painter.text(
            rect.right_center() - vec2(10.0, 0.0),
            Align2::RIGHT_CENTER,
            "Ctrl P",
            self.theme.small(),
            colors.dim,
        );
        let text = if size.x < self.theme.px(300.0) { "Search" } else { SEARCH };
        let room = Rect::from_min_max(rect.min, pos2(keys.left() - space::S, rect.bottom()));
        painter.with_clip_rect(room).text(
            rect.left_center() + vec2(10.0, 0.0),
            Align2::LEFT_CENTER,
            text,
            self.theme.small(),
            colors.dim,
        );
    }
}

/// The sign of the search: a magnifying glass.
fn paint_glass(painter: &egui::Painter, rect: Rect, theme: &Theme) {
    let stroke = Stroke::new(theme.line(1.5), theme.colors.dim);
    let (middle, radius) = (rect.center() - vec2(1.5, 1.5), rect.width() * 0.2);
    painter.circle_stroke(middle, radius, stroke);
    let rim = middle + vec2(radius, radius) * std::f32::consts::FRAC_1_SQRT_2;
    painter.line_segment([rim, rim + vec2(radius, radius)], stroke);
}

fn recent_ui(ui: &mut Ui, recent: &[std::path::PathBuf], commands: &mut Vec<Command>) {
    let content = |ui: &mut Ui| {
        for path in recent {
            let there = path.display().to_string();
            if ui.button(name(path)).on_hover_text(there).clicked() {
                commands.push(Open::Path(path.clone()).into());
                ui.close();
            }
        }
        ui.separator();
        if ui.button("Forget them").clicked() {
            commands.push(AppCommand::ForgetRecent.into());
            ui.close();
        }
    };
    ui.add_enabled_ui(!recent.is_empty(), |ui| ui.menu_button("Open recent", content));
}

/// The mark: four tiles.
pub fn paint_mark(painter: &egui::Painter, rect: Rect, theme: &Theme) {
    let colors = &theme.colors;
    let tiles: [(f32, f32, Color32); 4] = [
        (0.0, 0.0, colors.gold),
        (1.0, 0.0, colors.lapis),
        (0.0, 1.0, colors.teal),
        (1.0, 1.0, colors.coral),
    ];
    let gap = (rect.width() * 0.1).max(1.0);
    let side = (rect.width() - gap) / 2.0;
    for (x, y, color) in tiles {
        let corner = rect.min + vec2(x, y) * (side + gap);
        let tile = Rect::from_min_size(corner, vec2(side, side));
        painter.rect_filled(tile, side * 0.28, color);
    }
}
