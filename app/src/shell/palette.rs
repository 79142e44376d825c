//! The command palette: everything that can be done, found by a few letters.

use std::path::{Path, PathBuf};

use egui::{Align2, Id, Key, Margin, Modal, Modifiers, Rect, Sense, Stroke, TextEdit, Ui, vec2};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use smalti_engine::questions::ModelRef;
use smalti_engine::tokens::Code;

use super::actions::{self, Action};
use crate::document::{AppCommand, Command, Edit, JobCommand, Layout, Look, Open, RecipeRef, Slot};
use crate::document::{ColorBy, CompareMode, DifferenceKind, ViewId};
use crate::files::scenes;
use crate::files::uri::path_of;
use crate::look::theme::{RADIUS_BUTTON, Theme, space};
use crate::look::words::name;
use crate::settings::{Settings, ThemeChoice};
use crate::views::VIEWS;

/// Results that are shown.
const SHOWN: usize = 11;

/// What the palette can do.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is called.
    pub title: String,
    /// What kind of thing it is: view, command, scene, file, code.
    pub kind: &'static str,
    /// Its keys, in words.
    pub keys: String,
    /// What it does.
    pub commands: Vec<Command>,
}

impl Item {
    fn new(title: impl Into<String>, kind: &'static str, command: impl Into<Command>) -> Self {
        Self { title: title.into(), kind, keys: String::new(), commands: vec![command.into()] }
    }
}

/// An open palette.
#[derive(Default)]
pub struct Palette {
    query: String,
    picked: usize,
    items: Vec<Item>,
    matcher: Option<Matcher>,
    /// Where `~/` leads.
    home: Option<PathBuf>,
    is_focused: bool,
}

impl std::fmt::Debug for Palette {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Palette({:?})", self.query)
    }
}

/// What is known when the palette is opened.
#[derive(Debug)]
pub struct Known<'a> {
    /// All actions.
    pub actions: &'a [Action],
    /// For recent files.
    pub settings: &'a Settings,
    /// Names of shipped tokenizers.
    pub models: &'a [String],
    /// Names of shipped recipes.
    pub recipes: &'a [String],
}

impl Palette {
    /// A palette over everything that is known now.
    pub fn new(ctx: &egui::Context, known: &Known<'_>, query: &str) -> Self {
        // Without looking into a file: this is the window's thread.
        let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        Self { query: query.to_owned(), items: items(ctx, known), home, ..Self::default() }
    }

    /// Draws it. Gives the commands of what was chosen, and whether it is to be closed.
    pub fn show(&mut self, ctx: &egui::Context, theme: &Theme) -> (Vec<Command>, bool) {
        let id = Id::unique("palette");
        let area =
            Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(0.0, theme.px(36.0) + 12.0));
        let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(Margin::same(8));
        let modal = Modal::new(id)
            .area(area)
            .frame(frame)
            .backdrop_color(egui::Color32::from_black_alpha(70))
            .show(ctx, |ui| {
                let width = theme.px(560.0).min(ui.ctx().content_rect().width() - 40.0);
                ui.set_width(width);
                self.ui(ui, theme)
            });
        let chosen = modal.inner.clone();
        let close = modal.should_close() || chosen.is_some();
        (chosen.unwrap_or_default(), close)
    }

    fn ui(&mut self, ui: &mut Ui, theme: &Theme) -> Option<Vec<Command>> {
        let (down, up, enter) = ui.input_mut(|input| {
            (
                input.consume_key(Modifiers::NONE, Key::ArrowDown),
                input.consume_key(Modifiers::NONE, Key::ArrowUp),
                input.consume_key(Modifiers::NONE, Key::Enter),
            )
        });
        let field = TextEdit::singleline(&mut self.query)
            .hint_text("Search views, commands, codes, files")
            .margin(Margin::symmetric(8, 6))
            .font(theme.body())
            .desired_width(f32::INFINITY);
        let response = ui.add(field);
        if !self.is_focused {
            response.request_focus();
            self.is_focused = true;
        }
        if response.changed() {
            self.picked = 0;
        }
        let found = self.found();
        if found.is_empty() {
            ui.add_space(space::XS);
            ui.label(theme.label("Nothing is called that. A path opens a file: ~/parrots.png"));
            ui.add_space(space::XS);
            return None;
        }
        let last = found.len() - 1;
        if down {
            self.picked = if self.picked >= last { 0 } else { self.picked + 1 };
        }
        if up {
            self.picked = if self.picked == 0 { last } else { self.picked - 1 };
        }
        self.picked = self.picked.min(last);
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.add_space(space::XS);
        let mut chosen = None;
        for (at, item) in found.iter().enumerate() {
            let response = row_ui(ui, theme, item, at == self.picked);
            if response.clicked() {
                chosen = Some(item.commands.clone());
            }
        }
        if enter {
            chosen = found.get(self.picked).map(|item| item.commands.clone());
        }
        chosen
    }

    /// The best matches, best first.
    fn found(&mut self) -> Vec<Item> {
        let query = self.query.trim();
        let mut found: Vec<Item> = typed(query, self.home.as_deref());
        if query.is_empty() {
            found.extend(self.items.iter().filter(|i| i.kind == "recent").take(4).cloned());
            found.extend(self.items.iter().filter(|i| i.kind != "recent").cloned());
        } else {
            let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
            let matcher = self.matcher.get_or_insert_with(|| Matcher::new(Config::DEFAULT));
            let mut buffer = Vec::new();
            let mut scored: Vec<(u32, usize)> = Vec::new();
            for (at, item) in self.items.iter().enumerate() {
                let text = format!("{} {}", item.title, item.kind);
                let text = Utf32Str::new(&text, &mut buffer);
                scored.extend(pattern.score(text, matcher).map(|score| (score, at)));
            }
            scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            found.extend(scored.iter().filter_map(|(_, at)| self.items.get(*at).cloned()));
        }
        found.truncate(SHOWN);
        found
    }
}

/// What a query says by itself: a path, a code by number.
fn typed(query: &str, home: Option<&Path>) -> Vec<Item> {
    let mut found = Vec::new();
    let number = query.strip_prefix("code").unwrap_or(query).trim();
    if let Ok(code) = number.parse::<u32>() {
        let mut item =
            Item::new(format!("Code {code}"), "code", Edit::SelectCode(Some(Code::first(code))));
        item.commands.push(Layout::Show(ViewId::Code).into());
        found.push(item);
    }
    let path = match (query.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        _ if query.starts_with("file://") => path_of(query),
        _ if query.contains(['/', '\\']) => Some(PathBuf::from(query)),
        _ => None,
    };
    if let Some(path) = path {
        found.push(Item::new(format!("Open {}", path.display()), "file", Open::Path(path)));
    }
    found
}

fn items(ctx: &egui::Context, known: &Known<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for path in &known.settings.recent {
        items.push(Item::new(name(path), "recent", Open::Path(path.clone())));
    }
    for view in &VIEWS {
        let mut item = Item::new(view.title, "view", Layout::Show(view.id));
        item.keys = actions::view_key(view).map(|k| actions::key_name(ctx, k)).unwrap_or_default();
        items.push(item);
    }
    for action in known.actions {
        if action.command == AppCommand::Palette.into() {
            continue;
        }
        let keys = action.keys.first().map(|k| actions::key_name(ctx, *k)).unwrap_or_default();
        let command = action.command.clone();
        items.push(Item { keys, ..Item::new(action.name, "command", command) });
    }
    for scene in scenes::names() {
        let title = scenes::Scene::shipped(scene).map_or(scene.to_owned(), |s| s.title);
        items.push(Item::new(title, "scene", Layout::Scene(scene.to_owned())));
    }
    for model in known.models {
        let reference = ModelRef::Shipped(model.as_str().into());
        let compare = format!("Compare with {model}");
        items.push(Item::new(model, "tokenizer", Open::Model(Slot::A, reference.clone())));
        items.push(Item::new(compare, "tokenizer", Open::Model(Slot::B, reference)));
    }
    for recipe in known.recipes {
        let train = JobCommand::AskTrain(RecipeRef::Shipped(recipe.as_str().into()));
        items.push(Item::new(format!("Train {recipe}…"), "training", train));
    }
    for by in ColorBy::ALL {
        items.push(Item::new(format!("Color by {}", by.label()), "look", Look::ColorBy(by)));
    }
    for mode in CompareMode::ALL {
        items.push(Item::new(format!("Compare {}", mode.label()), "look", Look::Compare(mode)));
    }
    for kind in DifferenceKind::ALL {
        let title = format!("Difference: {}", kind.label());
        items.push(Item::new(title, "look", Look::Difference(kind)));
    }
    for theme in ThemeChoice::ALL {
        items.push(Item::new(theme.label(), "theme", AppCommand::Theme(theme)));
    }
    for view in &VIEWS {
        items.push(Item::new(format!("Another {}", view.title), "view", Layout::Another(view.id)));
    }
    for (title, scale) in [("Text as designed", 1.0), ("Text larger", 1.25), ("Text huge", 1.6)] {
        items.push(Item::new(title, "look", AppCommand::TextScale(scale)));
    }
    items
}

fn row_ui(ui: &mut Ui, theme: &Theme, item: &Item, picked: bool) -> egui::Response {
    let colors = &theme.colors;
    let size = vec2(ui.available_width(), theme.px(28.0));
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let label = format!("{}, {}", item.title, item.kind);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, picked, &label));
    let painter = ui.painter();
    if picked || response.hovered() {
        painter.rect_filled(rect, RADIUS_BUTTON, colors.hover);
    }
    if picked {
        let mark = Rect::from_min_size(rect.min + vec2(0.0, 6.0), vec2(2.0, rect.height() - 12.0));
        painter.rect_filled(mark, 1.0, colors.gold);
    }
    if response.has_focus() {
        let stroke = Stroke::new(2.0, colors.gold);
        painter.rect_stroke(rect, RADIUS_BUTTON, stroke, egui::StrokeKind::Inside);
    }
    let right = if item.keys.is_empty() { item.kind.to_owned() } else { item.keys.clone() };
    let end = painter.text(
        rect.right_center() - vec2(space::S, 0.0),
        Align2::RIGHT_CENTER,
        right,
        theme.small(),
        colors.dim,
    );
    let room = end.left() - rect.left() - space::XL;
    let galley = painter.layout(item.title.clone(), theme.body(), colors.text, room.max(40.0));
    let at = rect.left_center() + vec2(space::M, -galley.size().y / 2.0);
    painter.with_clip_rect(rect).galley(at, galley, colors.text);
    response
}
