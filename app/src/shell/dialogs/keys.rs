//! The list of keys, and of what the mouse does.

use egui::{Align2, Color32, FontId, Pos2, Sense, Ui, pos2, vec2};

use crate::look::theme::{Theme, space};
use crate::shell::actions::{Action, key_name};

/// What the mouse does, by where.
const GESTURES: [(&str, &[(&str, &str)]); 5] = [
    (
        "Pictures",
        &[
            ("Wheel", "Zoom at the pointer, as two fingers do"),
            ("Drag", "Move the picture, or the slider of Compare"),
            ("Double click", "The whole picture again"),
            ("Hold", "In swap: see the original"),
            ("Right click", "Copy, or save as a file"),
        ],
    ),
    (
        "Token grid",
        &[
            ("Click", "Select a cell and its code; again: neither"),
            ("Drag", "Select by the tool in hand"),
            ("Shift, Alt", "Held: select these as well, or not"),
            ("Ctrl", "Held: turn round what is selected"),
            ("Shift+arrows", "Select a rectangle from where the keys are"),
            ("Double click", "Select all cells with that code"),
            ("Middle drag", "Move the picture"),
        ],
    ),
    (
        "Codebook",
        &[
            ("Point", "See where a code stands, in all views"),
            ("Click", "Select a code; Shift: a range, Ctrl: one more"),
            ("Wheel, drag", "Enlarge, move"),
            ("Double click", "All codes again"),
        ],
    ),
    (
        "Views",
        &[
            ("Drag a tab", "Put the view elsewhere"),
            ("Drag a line", "Make views larger or smaller"),
            ("Middle click", "On a tab: close the view"),
            ("Right click", "On a tab: another, close"),
        ],
    ),
    ("Files", &[("Drop", "Open what is dropped on the window")]),
];

/// Keys that no action has.
const MORE: [(&str, &str); 9] = [
    ("Ctrl+C", "Copy the selected tokens"),
    ("Ctrl+V", "Put copied tokens, or open a copied picture or path"),
    ("1 to 4", "While variations are shown: take one"),
    ("B, .", "In presentation: black screen; any key: back"),
    ("Tab, Shift+Tab", "Go on to the next control, or back"),
    ("Space, Enter", "Press it"),
    ("Arrows", "Another image, code, value, caption"),
    ("Enter", "In a question: the gold button"),
    ("Esc", "Close; leave presentation; deselect"),
];

/// A heading, or a key and what it does.
enum Line {
    Heading(&'static str),
    Entry(String, String),
    Gap,
}

/// Draws both, in as many columns as there is room for.
pub(super) fn ui(ui: &mut Ui, theme: &Theme, actions: &[Action]) {
    super::parts::title(ui, theme, "Keys and gestures");
    let screen = ui.ctx().content_rect();
    let columns = ((screen.width() - 96.0) / theme.px(WIDTH)).floor().clamp(1.0, 3.0) as usize;
    let lines = lines(ui.ctx(), actions);
    let each = lines.len().div_ceil(columns);
    egui::ScrollArea::vertical().max_height(screen.height() - theme.px(150.0)).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
        ui.horizontal_top(|ui| {
            for part in lines.chunks(each.max(1)) {
                ui.vertical(|ui| {
                    for line in part {
                        line.ui(ui, theme);
                    }
                });
            }
            // The bar that moves the list lies over nothing.
            ui.add_space(theme.px(GAP));
        });
    });
    ui.add_space(space::M);
}

/// Of a column, before text is scaled.
const WIDTH: f32 = 390.0;
/// Of its keys.
const KEYS: f32 = 120.0;
/// Between keys and what they do, and between columns.
const GAP: f32 = 12.0;
/// Of a line.
const HEIGHT: f32 = 18.0;

/// How many times smaller text of this width has to be to end where its room does; it stays legible.
fn shrunk(width: f32, room: f32) -> f32 {
    (room.max(0.0) / width.max(1.0)).clamp(0.6, 1.0)
}

fn lines(ctx: &egui::Context, actions: &[Action]) -> Vec<Line> {
    let mut lines = vec![Line::Heading("Keys")];
    for action in actions.iter().filter(|action| !action.keys.is_empty()) {
        let keys: Vec<String> = action.keys.iter().map(|keys| key_name(ctx, *keys)).collect();
        let what = match action.kind {
            "view" => format!("{} view", action.plain_name()),
            _ => action.plain_name().to_owned(),
        };
        lines.push(Line::Entry(keys.join(", "), what));
    }
    let entry = |(keys, what): &(&str, &str)| Line::Entry((*keys).to_owned(), (*what).to_owned());
    lines.extend(MORE.iter().map(entry));
    for (place, gestures) in GESTURES {
        lines.extend([Line::Gap, Line::Heading(place)]);
        lines.extend(gestures.iter().map(entry));
    }
    lines
}

impl Line {
    fn ui(&self, ui: &mut Ui, theme: &Theme) {
        let size = vec2(theme.px(WIDTH), theme.px(HEIGHT));
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        let colors = &theme.colors;
        let at = rect.left_center();
        // Smaller rather than over what stands beside it; gives where it ends.
        let write = |at: Pos2, text: &str, mut font: FontId, color: Color32| {
            let room = rect.right() - theme.px(GAP) - at.x;
            let galley = ui.painter().layout_no_wrap(text.to_owned(), font.clone(), color);
            font.size *= shrunk(galley.size().x, room);
            ui.painter().text(at, Align2::LEFT_CENTER, text, font, color).right()
        };
        match self {
            Self::Gap => {}
            Self::Heading(text) => {
                write(at, text, theme.strong(), colors.gold);
            }
            Self::Entry(keys, what) => {
                let end = write(at, keys, theme.figures(), colors.dim) + theme.px(GAP);
                let start = end.max(at.x + theme.px(KEYS));
                write(pos2(start, at.y), what, theme.body(), colors.text);
            }
        }
        let said = match self {
            Self::Gap => return,
            Self::Heading(text) => (*text).to_owned(),
            Self::Entry(keys, what) => format!("{keys}: {what}"),
        };
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &said));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shrinks_to_its_room_and_no_more() {
        assert_eq!(shrunk(100.0, 200.0), 1.0);
        assert_eq!(shrunk(100.0, 80.0), 0.8);
        assert_eq!(shrunk(100.0, -5.0), 0.6, "what cannot be read helps nobody");
        assert_eq!(shrunk(0.0, 10.0), 1.0);
    }
}
