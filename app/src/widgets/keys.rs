//! Whose the keys are while something has the focus, how that is seen, and what was held with them.

use egui::{Context, Event, Id, Key, Modifiers, Popup, Response, Stroke, StrokeKind, Ui};

use crate::look::theme::Theme;

/// Whether something has the focus and the keys with it: a menu that is open has them alone, also one of this very
/// thing.
pub fn has_keys(ui: &Ui, response: &Response) -> bool {
    response.has_focus() && !Popup::is_any_open(ui.ctx())
}

/// What was held as a key went down or a button of the mouse did something, the last one of this frame; without
/// either what is held now. A slow frame sees a key pressed and let go at once: at its end nothing is held any more.
pub fn held(ui: &Ui) -> Modifiers {
    let of = |event: &Event| match event {
        Event::Key { pressed: true, modifiers, .. } | Event::PointerButton { modifiers, .. } => {
            Some(*modifiers)
        }
        _ => None,
    };
    ui.input(|input| input.events.iter().rev().find_map(of).unwrap_or(input.modifiers))
}

/// Something that has the focus takes the brackets for itself, in this frame and the next.
pub fn take_brackets(ui: &Ui, id: Id) {
    ui.data_mut(|data| data.insert_temp(brackets(), id));
}

/// Whether what has the focus takes the brackets for itself: then they are no action's.
pub fn are_brackets_taken(ctx: &Context) -> bool {
    let taker = ctx.data(|data| data.get_temp::<Id>(brackets()));
    taker.is_some_and(|id| ctx.memory(|memory| memory.has_focus(id)))
}

fn brackets() -> Id {
    Id::unique("what takes the brackets")
}

/// A ring round what has the focus, for what shows it too faintly by itself.
pub fn ring(ui: &Ui, theme: &Theme, response: &Response) {
    if response.has_focus() {
        let stroke = Stroke::new(theme.line(2.0), theme.colors.gold);
        ui.painter().rect_stroke(response.rect.expand(2.0), 3.0, stroke, StrokeKind::Outside);
    }
}

/// Whether the person is at the pointer: since it did something last, Tab was not pressed. What is dragged alone is
/// no stop of Tab then.
pub fn is_at_pointer(ui: &Ui) -> bool {
    let id = Id::unique("the person is at the pointer");
    let of_pointer =
        |event: &Event| matches!(event, Event::PointerMoved(_) | Event::PointerButton { .. });
    let (is_tab, is_pointer) = ui.input(|input| {
        let is_pointer = input.pointer.any_down() || input.events.iter().any(of_pointer);
        (input.key_pressed(Key::Tab), is_pointer)
    });
    ui.data_mut(|data| {
        let before = data.get_temp(id).unwrap_or(false);
        let now = !is_tab && (is_pointer || before);
        data.insert_temp(id, now);
        now
    })
}

/// Whether a key was pressed, and not merely held down since before.
pub fn is_pressed_once(ui: &Ui, key: Key) -> bool {
    let is_it = |event: &Event| {
        matches!(
            event,
            Event::Key { key: of, pressed: true, repeat: false, .. } if *of == key
        )
    };
    ui.input(|input| input.events.iter().any(is_it))
}
