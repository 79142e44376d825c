//! Docking: views as tabs with a gold underline, one-pixel lines between panels.

use std::collections::BTreeMap;

use egui::{
    Color32, Event, Id, Rect, Response, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo, WidgetText,
    vec2,
};
use egui_tiles::{Behavior, Container, SimplificationOptions, TabState, Tabs};
use egui_tiles::{Tile, TileId, Tiles, UiResponse};

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Arrangement, How, Layout, MOST_ALIKE, PanelId, ViewId};
use crate::look::theme::space;
use crate::views::{self, View};
use crate::widgets::end::End;
use crate::widgets::{fold, keys};

/// A panel is at least so wide and so high, before text is scaled.
pub const LEAST: f32 = 152.0;

/// The views that were shown once, with what they remember of looking.
pub type Views = BTreeMap<PanelId, Box<dyn View>>;

/// Brings a view to the front, adding it beside the others if it is not there.
pub fn show_view(tree: &mut Arrangement, view: ViewId) {
    let first = panels(tree, view).into_iter().min_by_key(|(number, _)| *number);
    match first {
        Some((_, tile)) => {
            tree.make_active(|id, _| id == tile);
        }
        None => {
            add_view(tree, view);
        }
    }
}

/// Brings a panel to the front, if it is there.
pub fn show_panel(tree: &mut Arrangement, panel: PanelId) {
    if let Some(found) = tree.tiles.find_pane(&panel) {
        tree.make_active(|id, _| id == found);
    }
}

/// The panels of a view: number and place.
fn panels(tree: &Arrangement, view: ViewId) -> Vec<(usize, TileId)> {
    let of_view = |(id, tile): (&TileId, &Tile<PanelId>)| match tile {
        Tile::Pane(panel) if panel.view == view => Some((panel.number, *id)),
        _ => None,
    };
    tree.tiles.iter().filter_map(of_view).collect()
}

/// Opens another panel with a view, where there is the most room; false if it has as many as can be.
pub fn add_view(tree: &mut Arrangement, view: ViewId) -> bool {
    let taken: Vec<usize> = panels(tree, view).into_iter().map(|(number, _)| number).collect();
    if taken.len() >= MOST_ALIKE {
        return false;
    }
    let number = (0..=taken.len()).find(|number| !taken.contains(number)).unwrap_or_default();
    let pane = tree.tiles.insert_pane(PanelId { view, number });
    // The place with the most room: the largest group of tabs.
    let name = |id: &TileId| format!("{id:?}");
    let area = |id: &TileId| tree.tiles.rect(*id).map_or(0.0, |rect| rect.area());
    let largest = tree
        .tiles
        .iter()
        .filter(|(_, tile)| matches!(tile, Tile::Container(Container::Tabs(_))))
        .map(|(id, _)| *id)
        .max_by(|a, b| area(a).total_cmp(&area(b)).then_with(|| name(a).cmp(&name(b))));
    if let Some(Tile::Container(Container::Tabs(tabs))) =
        largest.and_then(|id| tree.tiles.get_mut(id))
    {
        tabs.add_child(pane);
        tabs.set_active(pane);
    } else {
        tree.root = Some(tree.tiles.insert_tab_tile(vec![pane]));
    }
    true
}

/// Closes a panel.
pub fn close_panel(tree: &mut Arrangement, panel: PanelId) {
    if let Some(tile) = tree.tiles.find_pane(&panel) {
        tree.remove_recursively(tile);
    }
}

/// The panels that are in front.
pub fn seen(tree: &Arrangement) -> Vec<PanelId> {
    let seen = tree.active_tiles();
    seen.iter().filter_map(|tile| tree.tiles.get_pane(tile)).copied().collect()
}

/// Draws the views where they are; one of them may take the keyboard.
pub fn ui(
    tree: &mut Arrangement,
    views: &mut Views,
    ui: &mut Ui,
    (ctx, focus): (&ViewCtx<'_>, Option<ViewId>),
) {
    let (choices, is_at_pointer) = (BTreeMap::new(), keys::is_at_pointer(ui));
    let mut dock = Dock { views, ctx, focus, choices, is_at_pointer };
    tree.ui(&mut dock, ui);
}

/// What a panel is called: the view's name, from the second one on with a number.
pub fn name(panel: PanelId) -> String {
    let title = views::entry(panel.view).title;
    match panel.number {
        0 => title.to_owned(),
        number => format!("{title} {}", number + 1),
    }
}

/// Where it is kept how tight the choices of a panel are.
fn bar_place(ctx: &ViewCtx<'_>, panel: PanelId) -> Id {
    Id::unique(("bar", panel, ctx.theme.scale.to_bits()))
}

/// What of a panel can be taken away as it is seen.
pub const TAKEN: [(&str, How); 2] = [("Copy view", How::Copy), ("Save view as PNG…", How::Png(1))];

fn take_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, panel: PanelId) {
    for (words, how) in TAKEN {
        if ui.button(words).clicked() {
            ctx.send(AppCommand::ExportWindow(Some(panel), how));
            ui.close();
        }
    }
}

/// Whether a person does something in this panel: presses there, or a key while something of it has the
/// keyboard. What floats over it is not it.
fn is_worked_in(ui: &Ui) -> bool {
    let (whole, layer) = (ui.max_rect(), ui.layer_id());
    let (pressed, is_key) = ui.input(|input| {
        let is_key = |event: &Event| matches!(event, Event::Key { pressed: true, .. });
        let at = input.pointer.interact_pos().filter(|_| input.pointer.any_pressed());
        (at, input.events.iter().any(is_key))
    });
    if let Some(at) = pressed {
        return whole.contains(at) && ui.ctx().layer_id_at(at) == Some(layer);
    }
    let focused = ui.memory(egui::Memory::focused).filter(|_| is_key);
    let focused = focused.and_then(|id| ui.ctx().read_response(id));
    focused.is_some_and(|it| it.layer_id == layer && whole.contains(it.rect.center()))
}

/// The choices of a panel beside its tabs: how tight they are, where they stand, and how much room they have.
struct Choices {
    step: u8,
    end: End,
    room: f32,
}

struct Dock<'a> {
    views: &'a mut Views,
    ctx: &'a ViewCtx<'a>,
    /// The view that takes the keyboard when it is drawn.
    focus: Option<ViewId>,
    /// For what room was left in the bars of tabs.
    choices: BTreeMap<PanelId, Choices>,
    /// Whether bars of tabs and lines between panels can be dragged now: Tab would stop at them, and nothing shows it.
    is_at_pointer: bool,
}

impl Dock<'_> {
    fn title_width(&mut self, ui: &Ui, tiles: &Tiles<PanelId>, tile: TileId) -> f32 {
        let title = self.tab_title_for_tile(tiles, tile).text().to_owned();
        let font = self.ctx.theme.strong();
        ui.painter().layout_no_wrap(title, font, Color32::WHITE).size().x + space::L
    }

    fn view(&mut self, id: PanelId) -> &mut Box<dyn View> {
        self.views.entry(id).or_insert_with(|| (views::entry(id.view).make)())
    }

    /// Draws the choices of a panel where its bar of tabs has left room for them: after the tabs, so that Tab walks
    /// from those to these.
    fn choices_ui(&mut self, ui: &mut Ui, id: PanelId) {
        let Some(Choices { step, end, room }) = self.choices.remove(&id) else { return };
        let place = bar_place(self.ctx, id);
        let ctx = &fold::tightened(self.ctx, step);
        let builder = UiBuilder::new().id_salt("choices").max_rect(end.whole());
        let mut row = ui.new_child(builder);
        row.set_clip_rect(end.whole().intersect(ui.ctx().content_rect()));
        let ((), width) = end.ui(&mut row, |ui| {
            if step < fold::MENU {
                self.view(id).bar_ui(ui, ctx);
            } else {
                let name = format!("Choices of {}", name(id));
                drop(fold::menu(ui, &name, |ui| self.view(id).bar_ui(ui, ctx)));
            }
        });
        fold::tell(ui, place, width + row.spacing().item_spacing.x, room);
    }
}

impl Behavior<PanelId> for Dock<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut PanelId) -> UiResponse {
        let (ctx, id) = (self.ctx, *pane);
        let is_shown = self.focus.take_if(|view| *view == id.view).is_some();
        ctx.wants_focus.set(is_shown);
        if is_shown || is_worked_in(ui) {
            ctx.offers.work_in(id);
        }
        ctx.offers.draw(Some(id));
        self.choices_ui(ui, id);
        // A view that is worked by nothing in particular has the keyboard itself, until Tab leads into it.
        let (own, whole) = (ui.scope_id().with("view"), ui.max_rect());
        let has_focus = ui.memory(|memory| memory.has_focus(own));
        if has_focus {
            let response = ui.interact(whole, own, Sense::focusable_noninteractive());
            let said = format!("{} view", name(id));
            response.widget_info(|| WidgetInfo::labeled(Role::Pane, true, &said));
        }
        let view = self.view(id);
        let margin = egui::Margin::same(space::M as i8);
        ui.painter().rect_filled(ui.max_rect(), 0.0, ctx.theme.colors.panel);
        // The line below the tabs, which the fill would cover.
        let line = Stroke::new(ctx.theme.line(1.0), ctx.theme.colors.line);
        if !ctx.is_presented() {
            ui.painter().hline(ui.max_rect().x_range(), ui.max_rect().top() + 0.5, line);
        }
        let secret = views::entry(id.view).tells.iter().find(|secret| ctx.is_veiled(**secret));
        egui::Frame::new().inner_margin(margin).show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            ui.push_id(id, |ui| {
                if let Some(secret) = secret {
                    views::veiled_ui(ui, ctx, *secret);
                    return;
                }
                let step = fold::last_step(ui, bar_place(ctx, id));
                if step > fold::MENU && !ctx.is_presented() {
                    let ctx = &fold::tightened(ctx, step);
                    ui.horizontal_wrapped(|ui| view.bar_ui(ui, ctx));
                }
                view.ui(ui, ctx);
            });
        });
        if has_focus {
            let ring = Stroke::new(2.0, ctx.theme.colors.gold);
            ui.painter().rect_stroke(whole.shrink(1.0), 0.0, ring, egui::StrokeKind::Inside);
        }
        if ctx.wants_focus.replace(false) {
            ui.memory_mut(|memory| memory.request_focus(own));
        }
        ctx.offers.draw(None);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &PanelId) -> WidgetText {
        let (ctx, id) = (self.ctx, *pane);
        let own = self.view(id).title(ctx);
        own.unwrap_or_else(|| name(id)).into()
    }

    fn tab_ui(
        &mut self,
        tiles: &mut Tiles<PanelId>,
        ui: &mut Ui,
        id: Id,
        tile_id: TileId,
        state: &TabState,
    ) -> Response {
        let theme = self.ctx.theme;
        let title = self.tab_title_for_tile(tiles, tile_id).text().to_owned();
        let (font, color) = if state.active {
            (theme.strong(), theme.colors.text)
        } else {
            (theme.body(), theme.colors.dim)
        };
        let galley = ui.painter().layout_no_wrap(title.clone(), font, color);
        let size = vec2(galley.size().x + space::L, ui.available_height());
        let (_, rect) = ui.allocate_space(size);
        let response = ui
            .interact(rect, id, Sense::click_and_drag())
            .on_hover_cursor(egui::CursorIcon::PointingHand);
        response.widget_info(|| WidgetInfo::selected(Role::Tab, true, state.active, &title));
        if ui.is_rect_visible(rect) && !state.is_being_dragged {
            let corner = rect.left_center() - vec2(0.0, galley.size().y / 2.0);
            let text_rect = Rect::from_min_size(corner, galley.size());
            let color = if response.hovered() { theme.colors.text } else { color };
            let painter = ui.painter();
            painter.galley_with_override_text_color(text_rect.min, galley, color);
            let gold = Stroke::new(theme.line(2.0), theme.colors.gold);
            if state.active {
                painter.hline(text_rect.x_range(), rect.bottom() - 1.0, gold);
            }
            if response.has_focus() {
                let ring = text_rect.expand2(vec2(5.0, 4.0));
                painter.rect_stroke(ring, 4.0, gold, egui::StrokeKind::Outside);
            }
        }
        if let Some(pane) = tiles.get_pane(&tile_id).copied() {
            if response.middle_clicked() {
                self.ctx.send(Layout::Close(pane));
            }
            response.context_menu(|ui| {
                let title = views::entry(pane.view).title;
                if ui.button(format!("Another {title}")).clicked() {
                    self.ctx.send(Layout::Another(pane.view));
                    ui.close();
                }
                // Of one that is behind another there are no pixels.
                ui.add_enabled_ui(state.active, |ui| take_ui(ui, self.ctx, pane));
                if ui.button("Close view").clicked() {
                    self.ctx.send(Layout::Close(pane));
                    ui.close();
                }
            });
        }
        self.on_tab_button(tiles, tile_id, response)
    }

    fn tab_bar_left_ui(&mut self, _: &Tiles<PanelId>, ui: &mut Ui, _: TileId, _: &Tabs) {
        ui.add_space(space::M);
    }

    fn top_bar_right_ui(
        &mut self,
        tiles: &Tiles<PanelId>,
        ui: &mut Ui,
        _tile: TileId,
        tabs: &Tabs,
        _scroll: &mut f32,
    ) {
        if self.ctx.is_presented() {
            return;
        }
        ui.add_space(space::M);
        let active = tabs.active.and_then(|tile| tiles.get_pane(&tile)).copied();
        let Some(id) = active else { return };
        let ctx = self.ctx;
        let titles: f32 = tabs.children.iter().map(|tab| self.title_width(ui, tiles, *tab)).sum();
        let room = (ui.available_width() - titles - space::M).max(0.0);
        // Choices that would cover the tabs become shorter, then a menu, at last a line in the view.
        let place = bar_place(ctx, id);
        let step = fold::step(ui, ctx, place, room);
        if step > fold::MENU {
            return;
        }
        let end = End::within(ui, place.with(step), ui.available_rect_before_wrap());
        ui.allocate_space(vec2(end.width(), 0.0));
        self.choices.insert(id, Choices { step, end, room });
    }

    fn is_tile_draggable(&self, tiles: &Tiles<PanelId>, tile: TileId) -> bool {
        self.is_at_pointer || tiles.get_pane(&tile).is_some()
    }

    fn is_container_resizable(&self, _: &Tiles<PanelId>, _: TileId) -> bool {
        self.is_at_pointer
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        self.ctx.theme.px(30.0)
    }

    fn tab_bar_color(&self, _visuals: &egui::Visuals) -> Color32 {
        self.ctx.theme.colors.panel
    }

    fn tab_bar_hline_stroke(&self, _visuals: &egui::Visuals) -> Stroke {
        Stroke::new(self.ctx.theme.line(1.0), self.ctx.theme.colors.line)
    }

    fn resize_stroke(&self, _style: &egui::Style, state: egui_tiles::ResizeState) -> Stroke {
        let (theme, colors) = (self.ctx.theme, &self.ctx.theme.colors);
        match state {
            egui_tiles::ResizeState::Idle => Stroke::new(theme.line(1.0), colors.line),
            egui_tiles::ResizeState::Hovering => Stroke::new(theme.line(2.0), colors.strong_line),
            egui_tiles::ResizeState::Dragging => Stroke::new(theme.line(2.0), colors.gold),
        }
    }

    fn drag_preview_stroke(&self, _visuals: &egui::Visuals) -> Stroke {
        Stroke::new(1.0, self.ctx.theme.colors.gold)
    }

    fn drag_preview_color(&self, _visuals: &egui::Visuals) -> Color32 {
        self.ctx.theme.colors.gold.gamma_multiply(0.12)
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        1.0
    }

    fn min_size(&self) -> f32 {
        self.ctx.theme.px(LEAST)
    }

    fn simplification_options(&self) -> SimplificationOptions {
        // In presentation a view alone needs no tab.
        let all_panes_must_have_tabs = !self.ctx.is_presented();
        SimplificationOptions { all_panes_must_have_tabs, ..SimplificationOptions::default() }
    }
}
