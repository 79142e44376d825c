//! The list of keys, and of what the mouse does.

use egui::{Align2, Sense, Ui, vec2};

use crate::look::theme::{Theme, space};
use crate::shell::actions::{Action, key_name};

/// What the mouse does, by where.
const GESTURES: [(&str, &[(&str, &str)]); 5] = [
    (
        "Pictures",
        &[
            ("Wheel", "Zoom at the pointer; two fingers do it, too"),
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
            ("Drag", "Select a rectangle"),
            ("Shift, Alt", "Held: select these as well, or not"),
            ("Ctrl", "Held: turn round what is selected"),
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
const MORE: [(&str, &str); 6] = [
    ("Ctrl+V", "Open a copied picture or path"),
    ("Tab, Shift+Tab", "Go on to the next control, or back"),
    ("Space, Enter", "Press it"),
    ("Arrows", "Another image, code, value; a scene's next caption"),
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
        });
    });
    ui.add_space(space::M);
}

/// Of a column, before text is scaled.
const WIDTH: f32 = 390.0;
/// Of its keys.
const KEYS: f32 = 150.0;
/// Of a line.
const HEIGHT: f32 = 18.0;

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
        let painter = ui.painter();
        let write = |at, text: &str, font, color| {
            painter.text(at, Align2::LEFT_CENTER, text, font, color);
        };
        match self {
            Self::Gap => {}
            Self::Heading(text) => write(at, text, theme.strong(), colors.gold),
            Self::Entry(keys, what) => {
                write(at, keys, theme.figures(), colors.dim);
                write(at + vec2(theme.px(KEYS), 0.0), what, theme.body(), colors.text);
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
