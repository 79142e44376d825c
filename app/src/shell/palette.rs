//! The command palette: everything that can be done, found by a few letters.

mod also;
mod item;
mod path;
mod rank;
mod row;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use egui::{Align2, EventFilter, Id, Key, Margin, Modal, Modifiers, TextEdit, Ui, vec2};
use nucleo_matcher::{Config, Matcher};

pub use self::item::Item;
use self::row::Row;
use super::actions::{self, Action, Now};
use crate::document::Command;
use crate::files::disk::Listing;
use crate::look::theme::{Theme, space};

/// Rows that are seen at once.
const SEEN: usize = 11;

/// An open palette.
#[derive(Default)]
pub struct Palette {
    query: String,
    picked: usize,
    /// The first row that is seen.
    top: usize,
    items: Vec<Rc<Item>>,
    /// What can be done with the code that is typed, and which one that is.
    codes: (Option<u32>, Vec<Rc<Item>>),
    /// What was found by what is typed, until that or the listing is another one.
    found: Option<(String, Rc<[Rc<Item>]>)>,
    /// What is in the folder that is typed.
    listing: Option<Arc<Listing>>,
    /// The folder whose contents were asked for.
    asked: Option<PathBuf>,
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

/// What came of a frame of the palette.
#[derive(Debug, Default)]
pub struct Chosen {
    /// What is to be done.
    pub commands: Vec<Command>,
    /// Whether it is to be closed.
    pub is_over: bool,
    /// A folder whose contents it wants to know.
    pub folder: Option<PathBuf>,
}

impl Palette {
    /// A palette over everything that can be done now.
    pub fn new(ctx: &egui::Context, actions: &[Action], now: &Now<'_>) -> Self {
        // Without looking into a file: this is the window's thread.
        let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        let things = actions::things(now);
        let items = actions.iter().chain(&things).map(|action| Item::new(ctx, action, now).into());
        Self { items: items.collect(), home, ..Self::default() }
    }

    /// Takes what is in a folder.
    pub fn take(&mut self, listing: Listing) {
        // One that is late is of a folder that is not typed any more.
        if self.asked.as_ref().is_none_or(|asked| *asked == listing.folder) {
            self.listing = Some(Arc::new(listing));
            self.found = None;
        }
    }

    /// Draws it.
    pub fn show(&mut self, ctx: &egui::Context, theme: &Theme, now: &Now<'_>) -> Chosen {
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
                self.ui(ui, theme, now)
            });
        let is_over = modal.should_close() || modal.inner.is_some();
        let wanted = path::folder(self.query.trim_start(), self.home.as_deref());
        let folder = wanted.filter(|folder| self.asked.as_ref() != Some(folder));
        if folder.is_some() {
            self.asked.clone_from(&folder);
        }
        Chosen { commands: modal.inner.unwrap_or_default(), is_over, folder }
    }

    fn ui(&mut self, ui: &mut Ui, theme: &Theme, now: &Now<'_>) -> Option<Vec<Command>> {
        let keys = Keys::take(ui);
        let field = TextEdit::singleline(&mut self.query)
            .hint_text("Search views, commands, codes, files")
            .margin(Margin::symmetric(8, 6))
            .font(theme.body())
            .event_filter(EventFilter {
                tab: true,
                horizontal_arrows: true,
                vertical_arrows: true,
                escape: false,
            })
            .desired_width(f32::INFINITY);
        let response = ui.add(field);
        // The keys are the palette's as long as it is open.
        if !self.is_focused || ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
            self.is_focused = true;
        }
        if response.changed() {
            (self.picked, self.top) = (0, 0);
        }
        let found = self.found(ui.ctx(), now);
        if found.is_empty() {
            ui.add_space(space::XS);
            let problem = self.listing.as_ref().and_then(|listing| listing.problem.as_ref());
            let nothing = "Nothing is called that. A path opens a file: ~/parrots.png".to_owned();
            ui.label(theme.label(problem.cloned().unwrap_or(nothing)));
            ui.add_space(space::XS);
            return None;
        }
        let last = found.len() - 1;
        if keys.step > 0 {
            self.picked = if self.picked >= last { 0 } else { self.picked + 1 };
        }
        if keys.step < 0 {
            self.picked = if self.picked == 0 { last } else { self.picked - 1 };
        }
        self.picked = self.picked.min(last);
        let clicked = self.rows_ui(ui, theme, &found, keys.step != 0);
        let completes = found.get(self.picked).and_then(|item| item.types.clone());
        if let Some(query) = completes.filter(|_| keys.tab || keys.enter) {
            self.types(ui.ctx(), response.id, query);
            return None;
        }
        let item = clicked.or((keys.enter).then_some(self.picked)).and_then(|at| found.get(at))?;
        if let Some(query) = item.types.clone() {
            self.types(ui.ctx(), response.id, query);
            return None;
        }
        item.does.clone().ok()
    }

    /// What is typed becomes another, and goes on at its end.
    fn types(&mut self, ctx: &egui::Context, field: Id, query: String) {
        (self.picked, self.top) = (0, 0);
        let end = egui::text::CCursor::new(query.chars().count());
        let mut state = egui::text_edit::TextEditState::load(ctx, field).unwrap_or_default();
        state.cursor.set_char_range(Some(egui::text::CCursorRange::one(end)));
        state.store(ctx, field);
        ctx.memory_mut(|memory| memory.request_focus(field));
        self.query = query;
    }

    /// The rows that are seen; gives the one that was clicked.
    fn rows_ui(
        &mut self,
        ui: &mut Ui,
        theme: &Theme,
        found: &[Rc<Item>],
        is_stepped: bool,
    ) -> Option<usize> {
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.add_space(space::XS);
        let wheel = ui.input(|input| input.smooth_scroll_delta.y);
        if is_stepped {
            let first = (self.picked + 1).saturating_sub(SEEN);
            self.top = self.top.clamp(first, self.picked.max(first));
        } else if wheel.abs() > 1.0 {
            let rows = (wheel.abs() / theme.px(row::HEIGHT)).ceil() as usize;
            self.top = if wheel < 0.0 { self.top + rows } else { self.top.saturating_sub(rows) };
        }
        self.top = self.top.min(found.len().saturating_sub(SEEN));
        let mut clicked = None;
        for (at, item) in found.iter().enumerate().skip(self.top).take(SEEN) {
            let row = Row { item, is_picked: at == self.picked };
            if row.ui(ui, theme).clicked() {
                clicked = Some(at);
            }
        }
        if found.len() > SEEN {
            let end = (self.top + SEEN).min(found.len());
            let place = format!("{} to {end} of {}", self.top + 1, found.len());
            ui.label(theme.caption_figures(place));
        }
        clicked
    }

    /// The best matches, best first; looked for when something else is typed, not in every frame.
    fn found(&mut self, ctx: &egui::Context, now: &Now<'_>) -> Rc<[Rc<Item>]> {
        if let Some((query, found)) = &self.found
            && *query == self.query
        {
            return Rc::clone(found);
        }
        let found: Rc<[Rc<Item>]> = self.find(ctx, now).into();
        self.found = Some((self.query.clone(), Rc::clone(&found)));
        found
    }

    fn find(&mut self, ctx: &egui::Context, now: &Now<'_>) -> Vec<Rc<Item>> {
        let query = self.query.trim().to_owned();
        if query.is_empty() {
            let is_recent = |item: &&Rc<Item>| item.kind == "recent";
            let recent = self.items.iter().filter(is_recent).take(4);
            return recent.chain(self.items.iter().filter(|i| !is_recent(i))).cloned().collect();
        }
        let mut found = self.paths(self.query.trim_start());
        found.extend(self.of_code(ctx, now, &query).iter().cloned());
        let named = |item: &'_ Rc<Item>| (Rc::clone(item), item.does.is_ok());
        let named: Vec<_> = self.items.iter().map(named).collect();
        let all: Vec<rank::Named<'_>> = named
            .iter()
            .map(|(item, can)| rank::Named {
                name: &item.title,
                kind: item.kind,
                also: &item.also,
                can: *can,
            })
            .collect();
        let matcher = self.matcher.get_or_insert_with(|| Matcher::new(Config::DEFAULT));
        let best = rank::best(&query, &all, matcher);
        found.extend(best.iter().filter_map(|at| self.items.get(*at).cloned()));
        found
    }

    /// What can be done with a code that is typed by its number.
    fn of_code(&mut self, ctx: &egui::Context, now: &Now<'_>, query: &str) -> &[Rc<Item>] {
        let digits = query.rsplit(' ').next().unwrap_or(query);
        let before = query.strip_suffix(digits).unwrap_or_default().trim();
        let is_about = ["", "code", "force", "replace", "replace by"].contains(&before);
        let number = digits.parse::<u32>().ok().filter(|_| is_about);
        if self.codes.0 != number {
            let actions = number.map(actions::with_code).unwrap_or_default();
            let mut items: Vec<Rc<Item>> =
                actions.iter().map(|a| Item::new(ctx, a, now).into()).collect();
            items.sort_by_key(|item| !item.title.to_lowercase().starts_with(before));
            self.codes = (number, items);
        }
        &self.codes.1
    }

    /// The path that is typed, and what goes on with it.
    fn paths(&self, query: &str) -> Vec<Rc<Item>> {
        let home = self.home.as_deref();
        let Some(path) = path::typed(query.trim_end(), home) else { return Vec::new() };
        let itself: Rc<Item> = Item::file(&path).into();
        let folder = path::folder(query, home);
        let listing =
            self.listing.as_ref().filter(|listing| Some(&listing.folder) == folder.as_ref());
        let Some(listing) = listing else { return vec![itself] };
        let of = |found: path::Completion| {
            let path = path::typed(found.query.trim_end_matches('/'), home).unwrap_or_default();
            let kind = if found.entry.is_folder { "folder" } else { "file" };
            let types = found.entry.is_folder.then(|| found.query.clone());
            Rc::new(Item { title: found.query, kind, types, ..Item::file(&path) })
        };
        let mut all: Vec<Rc<Item>> =
            path::completions(query, listing).into_iter().map(of).collect();
        // What is there comes before what may not be; a folder that is typed whole is opened.
        let is_whole = query.ends_with('/') && listing.problem.is_none();
        let at = if is_whole { 0 } else { all.len() };
        if is_whole || !all.iter().any(|item| item.types.is_none() && item.title == query) {
            all.insert(at, itself);
        }
        all
    }
}

/// Keys that are the palette's own.
#[derive(Debug, Clone, Copy)]
struct Keys {
    /// Rows down, or up.
    step: i8,
    tab: bool,
    enter: bool,
}

impl Keys {
    fn take(ui: &Ui) -> Self {
        ui.input_mut(|input| {
            let mut take = |key| input.consume_key(Modifiers::NONE, key);
            let step = i8::from(take(Key::ArrowDown)) - i8::from(take(Key::ArrowUp));
            Self { step, tab: take(Key::Tab), enter: take(Key::Enter) }
        })
    }
}
