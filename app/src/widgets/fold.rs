//! Controls where there is little room: they become tighter in a fixed order, at last they go into a menu, and
//! they come back when there is room again.

use std::hash::{Hash, Hasher};

use egui::{Button, Id, Popup, Response, Role, Ui, WidgetInfo};

use crate::ctx::{Showing, ViewCtx};

/// From this step on the controls of a bar are in a menu: after shorter words and shorter names.
pub const MENU: u8 = 3;

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
    let ctx = ui.ctx();
    ctx.request_discard("controls have no room");
    if !ctx.will_discard() {
        ctx.request_repaint();
    }
}

/// What the words of controls depend on: where it is another, there may be room again.
fn says(ctx: &ViewCtx<'_>) -> u64 {
    let document = ctx.document;
    let mut hasher = std::hash::DefaultHasher::new();
    (&document.model, &document.others, &document.source, document.size.side).hash(&mut hasher);
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

/// One row of controls: first tighter, then all of it in a menu, which is opened if the row `is_wanted`. Gives
/// whether it has just been: then it is drawn from the next frame on.
pub fn row(
    ui: &mut Ui,
    (place, name): (&str, &str),
    ctx: &ViewCtx<'_>,
    is_wanted: bool,
    draw: impl FnOnce(&mut Ui, &ViewCtx<'_>),
) -> bool {
    let (place, room) = (ui.scope_id().with(place), ui.available_width());
    let now = step(ui, ctx, place, room);
    let ctx = &tightened(ctx, now);
    if is_in_menu(ctx) {
        let button = ui.horizontal_centered(|ui| menu(ui, name, |ui| draw(ui, ctx))).inner;
        let popup = Popup::default_response_id(&button);
        let opens = is_wanted && !Popup::is_id_open(ui.ctx(), popup);
        if opens {
            Popup::open_id(ui.ctx(), popup);
            ui.ctx().request_repaint();
        }
        return opens;
    }
    let row = ui.horizontal_centered(|ui| draw(ui, ctx));
    tell(ui, place, row.response.rect.width(), room);
    false
}
