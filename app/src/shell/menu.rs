//! The menu bar: mark, menus, the field that opens the palette, the device.

use egui::containers::menu::{MenuBar, MenuButton};
use egui::{Align2, Button, Color32, Frame, Margin, Panel, Rect, Sense, Stroke, Ui, pos2, vec2};
use smalti_engine::device::DeviceChoice;

use super::actions::{Action, Menu, key_name, view_key};
use crate::document::{AppCommand, Command, JobCommand, Layout, Open, RecipeRef, ViewId};
use crate::files::scenes;
use crate::look::theme::{RADIUS_BUTTON, Theme, space};
use crate::look::words::name;
use crate::settings::{Settings, ThemeChoice};
use crate::views::VIEWS;

/// What the menu bar shows.
#[derive(Debug)]
pub struct Bar<'a> {
    /// Colors and sizes.
    pub theme: &'a Theme,
    /// All actions.
    pub actions: &'a [Action],
    /// For recent files and what is set.
    pub settings: &'a Settings,
    /// Names of shipped recipes.
    pub recipes: &'a [String],
    /// Whether there is something to undo, and to redo.
    pub history: (bool, bool),
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
        ui.label(egui::RichText::new("Smalti").font(self.theme.strong()));
        ui.add_space(space::XS);
        self.menu(ui, "File", commands, Self::file_ui);
        self.menu(ui, "Edit", commands, |menus, ui, c| menus.actions_ui(ui, Menu::Edit, c));
        self.menu(ui, "View", commands, Self::view_ui);
        self.menu(ui, "Scenes", commands, |_, ui, c| scenes_ui(ui, c));
        self.menu(ui, "Train", commands, Self::train_ui);
        self.menu(ui, "Help", commands, |menus, ui, c| menus.actions_ui(ui, Menu::Help, c));
        let menus_end = ui.cursor().left() + space::L;
        let chip_start = self.device_ui(ui, full);
        self.search_ui(ui, full, (menus_end, chip_start - space::L), commands);
    }

    fn menu(
        &self,
        ui: &mut Ui,
        title: &str,
        commands: &mut Vec<Command>,
        content: impl FnOnce(&Self, &mut Ui, &mut Vec<Command>),
    ) {
        let text = egui::RichText::new(title).color(self.theme.colors.dim);
        MenuButton::from_button(Button::new(text)).ui(ui, |ui| {
            ui.set_min_width(self.theme.px(200.0));
            ui.spacing_mut().item_spacing.y = 1.0;
            content(self, ui, commands);
        });
    }

    fn item(&self, ui: &mut Ui, action: &Action, commands: &mut Vec<Command>) {
        let is_enabled = match &action.command {
            Command::Edit(crate::document::Edit::Undo) => self.history.0,
            Command::Edit(crate::document::Edit::Redo) => self.history.1,
            _ => true,
        };
        let keys = action.keys.first().map(|k| key_name(ui.ctx(), *k)).unwrap_or_default();
        let button = Button::new(action.name).shortcut_text(keys);
        if ui.add_enabled(is_enabled, button).clicked() {
            commands.push(action.command.clone());
            ui.close();
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
        let recent = &self.settings.recent;
        for action in self.actions.iter().filter(|action| action.menu == Menu::File) {
            if action.command == AppCommand::Save.into() {
                recent_ui(ui, recent, commands);
            }
            if action.starts_group {
                ui.separator();
            }
            self.item(ui, action, commands);
        }
    }

    fn train_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let about = "All runs, also those of before: watch them, go on, open what they trained";
        if ui.button("Runs…").on_hover_text(about).clicked() {
            commands.push(Layout::Show(ViewId::Runs).into());
            ui.close();
        }
        ui.separator();
        for name in self.recipes {
            let about = "By its recipe; asks on what, how long and where to before it begins";
            if ui.button(format!("{name}…")).on_hover_text(about).clicked() {
                commands
                    .push(JobCommand::AskTrain(RecipeRef::Shipped(name.as_str().into())).into());
                ui.close();
            }
        }
        ui.separator();
        let about = "A .ron file such as those in assets/recipes; it can be dropped on the window";
        if ui.button("A recipe of your own…").on_hover_text(about).clicked() {
            commands.push(AppCommand::AskFile.into());
            ui.close();
        }
    }

    fn view_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        for view in &VIEWS {
            let keys = view_key(view).map(|k| key_name(ui.ctx(), k)).unwrap_or_default();
            let button = Button::new(view.title).shortcut_text(keys);
            if ui.add(button).on_hover_text(view.about).clicked() {
                commands.push(Layout::Show(view.id).into());
                ui.close();
            }
        }
        ui.separator();
        for theme in ThemeChoice::ALL {
            if ui.radio(self.theme.choice == theme, theme.label()).clicked() {
                commands.push(AppCommand::Theme(theme).into());
                ui.close();
            }
        }
        ui.separator();
        let mut scale = self.settings.text_scale;
        let slider = egui::Slider::new(&mut scale, Settings::TEXT_SCALES)
            .step_by(0.05)
            .custom_formatter(|value, _| format!("{:.0} %", value * 100.0))
            .text("text size");
        if ui.add(slider).changed() {
            commands.push(AppCommand::TextScale(scale).into());
        }
        let mut reduced = self.settings.reduced_motion;
        if ui.checkbox(&mut reduced, "Reduced motion").clicked() {
            commands.push(AppCommand::ReducedMotion(reduced).into());
        }
        self.actions_ui(ui, Menu::View, commands);
    }

    /// Gives where it starts.
    fn device_ui(&self, ui: &Ui, full: Rect) -> f32 {
        let (device, threads) = self.device;
        let text = match device {
            DeviceChoice::Cpu if threads == 1 => "CPU · 1 core".to_owned(),
            DeviceChoice::Cpu => format!("CPU · {threads} cores"),
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
        if room < self.theme.px(90.0) {
            return;
        }
        let size = vec2(self.theme.px(380.0).min(room), self.theme.px(24.0));
        let screen = ui.ctx().content_rect();
        let left = (screen.center().x - size.x / 2.0).clamp(start, (end - size.x).max(start));
        let rect = Rect::from_min_size(pos2(left, full.center().y - size.y / 2.0), size);
        let id = ui.scope_id().with("search");
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(
                egui::Role::Button,
                true,
                "Search views, commands, codes, files",
            )
        });
        let line = if response.has_focus() {
            Stroke::new(2.0, colors.gold)
        } else if response.hovered() {
            Stroke::new(1.0, colors.faint)
        } else {
            Stroke::new(1.0, colors.strong_line)
        };
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect(rect, RADIUS_BUTTON, colors.raised, line, egui::StrokeKind::Inside);
        let keys = painter.text(
            rect.right_center() - vec2(10.0, 0.0),
            Align2::RIGHT_CENTER,
            "Ctrl P",
            self.theme.small(),
            colors.dim,
        );
        let text = if size.x < self.theme.px(300.0) {
            "Search"
        } else {
            "Search views, commands, codes, files"
        };
        let room = Rect::from_min_max(rect.min, pos2(keys.left() - space::S, rect.bottom()));
        painter.with_clip_rect(room).text(
            rect.left_center() + vec2(10.0, 0.0),
            Align2::LEFT_CENTER,
            text,
            self.theme.small(),
            colors.dim,
        );
        if response.clicked() {
            commands.push(AppCommand::Palette.into());
        }
    }
}

fn scenes_ui(ui: &mut Ui, commands: &mut Vec<Command>) {
    for name in scenes::names() {
        let Some(scene) = scenes::Scene::shipped(name) else { continue };
        if ui.button(&scene.title).on_hover_text(&scene.about).clicked() {
            commands.push(Layout::Scene(name.to_owned()).into());
            ui.close();
        }
    }
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
