//! Controls where there is little room: they become tighter in a fixed order, at last they go into a menu, and
//! they come back when there is room again.

use std::hash::{Hash, Hasher};

use egui::{Button, Id, Popup, Response, Role, Ui, WidgetInfo, WidgetText};

use crate::ctx::{Showing, ViewCtx};

/// From this step on the controls of a bar are in a menu: after shorter words, and names that become shorter in steps.
pub const MENU: u8 = 4;

/// What is known of a place with controls.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    step: u8,
    room: f32,
    says: u64,
}

/// How tight the controls of a place are drawn, from 0 on, in `room` points. They are measured by drawing them:
/// [`tell`] must be told how wide they became.
pub fn step(ui: &Ui, ctx: &ViewCtx<'_>, place: Id, room: f32) -> u8 {
    let mut known: Known = ui.data(|data| data.get_temp(place)).unwrap_or_default();
    let says = says(ctx);
    let is_other = known.says != says || (known.room - room).abs() > 0.5;
    // A menu that is open must stay where it is.
    if is_other && !Popup::is_any_open(ui.ctx()) {
        known = Known { step: 0, room, says };
        ui.data_mut(|data| data.insert_temp(place, known));
    }
    known.step
}

/// As tight as the controls of a place were drawn last.
pub fn last_step(ui: &Ui, place: Id) -> u8 {
    ui.data(|data| data.get_temp::<Known>(place)).unwrap_or_default().step
}

/// How wide the controls became; where that is too much, the frame is drawn again with the next step.
pub fn tell(ui: &Ui, place: Id, width: f32, room: f32) {
    if width <= room + 0.5 {
        return;
    }
    ui.data_mut(|data| {
        let known: &mut Known = data.get_temp_mut_or_default(place);
        known.step = known.step.saturating_add(1);
    });
    again(ui.ctx());
}

/// The frame is drawn again, or else the next one at once.
pub fn again(ctx: &egui::Context) {
    ctx.request_discard("controls have no room");
    if !ctx.will_discard() {
        ctx.request_repaint();
    }
}

/// What the words of controls depend on: where it is another, there may be room again.
fn says(ctx: &ViewCtx<'_>) -> u64 {
    let document = ctx.document;
    let mut hasher = std::hash::DefaultHasher::new();
    (&document.model, &document.others, &document.source, document.size).hash(&mut hasher);
    let looks = &document.looks;
    (looks.color_by, looks.compare, looks.difference, looks.pair).hash(&mut hasher);
    let picked = &document.selection;
    (picked.cells.len(), picked.code, picked.part, document.locks.len()).hash(&mut hasher);
    (document.edits.len(), document.variations.all().len()).hash(&mut hasher);
    (picked.codes.len(), document.switched_off.len()).hash(&mut hasher);
    (document.subject.is_some(), ctx.theme.scale.to_bits()).hash(&mut hasher);
    hasher.finish()
}

/// The same for a view that is drawn so tightly.
pub fn tightened<'a>(ctx: &ViewCtx<'a>, step: u8) -> ViewCtx<'a> {
    ViewCtx { showing: Showing { tightness: step, ..ctx.showing }, ..*ctx }
}

/// The button of the menu that controls are in; `name` says what they are.
pub fn menu(ui: &mut Ui, name: &str, content: impl FnOnce(&mut Ui)) -> Response {
    let button = egui::containers::menu::MenuButton::from_button(Button::new("…").small());
    let config = egui::containers::menu::MenuConfig::new()
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
    let (response, _) = button.config(config).ui(ui, content);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response.on_hover_text(name)
}

/// The button of a menu in which several things are chosen: it stays open until a click elsewhere.
pub fn choices(
    ui: &mut Ui,
    text: impl Into<WidgetText>,
    content: impl FnOnce(&mut Ui),
) -> Response {
    use egui::containers::menu::{MenuButton, MenuConfig, SubMenuButton, is_in_menu};
    let config = MenuConfig::new().close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
    let button = Button::new(text.into());
    if is_in_menu(ui) {
        SubMenuButton::from_button(button).config(config).ui(ui, content).0
    } else {
        MenuButton::from_button(button).config(config).ui(ui, content).0
    }
}

/// Groups of controls in a row: those for which there is no room are in a menu, the last ones first. `draw` is
/// given the number of a group.
pub fn groups(
    ui: &mut Ui,
    (place, name, count): (impl Hash + std::fmt::Debug, &str, u8),
    ctx: &ViewCtx<'_>,
    mut draw: impl FnMut(&mut Ui, u8),
) {
    let (place, room) = (ui.scope_id().with(place), ui.available_width());
    let shown = count.saturating_sub(step(ui, ctx, place, room));
    let row = ui.horizontal(|ui| {
        (0..shown).for_each(|group| draw(ui, group));
        if shown < count {
            drop(menu(ui, name, |ui| {
                for group in shown..count {
                    ui.horizontal(|ui| draw(ui, group));
                }
            }));
        }
    });
    if shown > 0 {
        tell(ui, place, row.response.rect.width(), room);
    }
}

/// Whether a row that is drawn with this is in a menu.
pub fn is_in_menu(ctx: &ViewCtx<'_>) -> bool {
    ctx.showing.tightness > 1
}

/// Groups of controls at fixed places: where there is no room for all of them, the last ones are in a menu behind
/// the others, one by one. The menu is opened if a group in it is `wanted`. `draw` is given the number of a group.
/// Gives whether the menu has just been opened: then what is in it is drawn from the next frame on.
pub fn strip(
    ui: &mut Ui,
    (place, name, count): (&str, &str, usize),
    ctx: &ViewCtx<'_>,
    wanted: Option<usize>,
    mut draw: impl FnMut(&mut Ui, &ViewCtx<'_>, usize),
) -> bool {
    let (place, room) = (ui.scope_id().with(place), ui.available_width());
    let sizes = (ui.spacing().item_spacing.x, ctx.theme.px(BUTTON));
    let mut known: Strip = ui.data(|data| data.get_temp(place)).unwrap_or_default();
    known.widths.resize(count, 0.0);
    // A menu that is open must stay where it is.
    let is_still = Popup::is_any_open(ui.ctx());
    if !is_still {
        known.follow(says(ctx));
        known.shown = fitting(&known.widths, sizes, room);
    }
    let shown = known.shown;
    let (mut widths, mut opens) = (known.widths.clone(), false);
    let in_menu = tightened(ctx, MENU);
    ui.horizontal_centered(|ui| {
        for (group, width) in widths.iter_mut().enumerate().take(shown) {
            let from = ui.cursor().left();
            draw(ui, ctx, group);
            *width = (ui.cursor().left() - from - sizes.0).max(0.0);
        }
        if shown < count {
            let button = menu(ui, name, |ui| {
                for group in shown..count {
                    ui.horizontal(|ui| draw(ui, &in_menu, group));
                }
            });
            let popup = Popup::default_response_id(&button);
            let is_wanted = wanted.is_some_and(|group| group >= shown);
            opens = is_wanted && !Popup::is_id_open(ui.ctx(), popup);
            if opens {
                Popup::open_id(ui.ctx(), popup);
                ui.ctx().request_repaint();
            }
        }
    });
    if !is_still && fitting(&widths, sizes, room) != shown {
        again(ui.ctx());
    }
    known.widths = widths;
    ui.data_mut(|data| data.insert_temp(place, known));
    opens
}

/// Room for the button of a menu, before text is scaled.
const BUTTON: f32 = 36.0;

/// What is known of a strip of groups.
#[derive(Debug, Clone, Default)]
struct Strip {
    /// How wide each group became when it was drawn last; 0 where it is not known.
    widths: Vec<f32>,
    /// Groups that are not in the menu.
    shown: usize,
    says: u64,
}

impl Strip {
    /// Where the words are others, groups in the menu may be narrower now: they are measured by drawing them.
    fn follow(&mut self, says: u64) {
        if self.says != says {
            self.widths.iter_mut().skip(self.shown).for_each(|width| *width = 0.0);
            self.says = says;
        }
    }
}

/// How many groups of these widths have room, each with a `gap` behind it: all, or as many of the first ones as
/// leave room for the button of a menu.
fn fitting(widths: &[f32], (gap, button): (f32, f32), room: f32) -> usize {
    let wide = |count: usize| -> f32 {
        widths.iter().take(count).filter(|width| **width > 0.0).map(|width| width + gap).sum()
    };
    let all = widths.len();
    if wide(all) <= room + gap {
        return all;
    }
    (0..all).rev().find(|count| wide(*count) + button <= room).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_without_room_leave_one_by_one_from_the_end() {
        let widths = [100.0, 50.0, 0.0, 80.0];
        let at = |room: f32| fitting(&widths, (10.0, 30.0), room);
        assert_eq!(at(250.0), 4, "all of them, without a gap behind the last one");
        assert_eq!(at(249.0), 3, "the button takes the place of the last one");
        assert_eq!(at(200.0), 3);
        assert_eq!(at(199.0), 1);
        assert_eq!(at(139.0), 0);
    }

    #[test]
    fn what_is_in_the_menu_is_measured_again_where_the_words_are_others() {
        let mut strip = Strip { widths: vec![10.0, 20.0, 30.0], shown: 1, says: 7 };
        strip.follow(7);
        assert_eq!(strip.widths, [10.0, 20.0, 30.0]);
        strip.follow(8);
        assert_eq!(strip.widths, [10.0, 0.0, 0.0]);
    }
}
