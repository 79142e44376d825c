//! Asks how a file of tokens is to be read: which array it is, how many rows and columns.

use egui::{TextEdit, Ui};
use smalti_engine::token_files::from_arrays::possible_shapes;

use super::parts::{Answer, default_button, keep_keyboard, title};
use crate::document::Reading;
use crate::files::outcome::Unclear;
use crate::look::theme::{Theme, space};
use crate::look::words::name;

/// Arrays beyond this are not offered.
const OFFERED: usize = 12;

pub(super) fn ui(
    ui: &mut Ui,
    theme: &Theme,
    unclear: &Unclear,
    (array, text): (&mut usize, &mut String),
) -> Option<Answer> {
    ui.set_max_width(theme.px(520.0));
    title(ui, theme, &format!("How is {} read?", name(&unclear.path)));
    ui.label(&unclear.problem.summary);
    let several = unclear.arrays.len() > 1;
    if several {
        ui.add_space(space::S);
        ui.label(theme.label("Which array holds the tokens?"));
        for (number, (name, shape)) in unclear.arrays.iter().take(OFFERED).enumerate() {
            let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
            ui.radio_value(array, number, format!("{name}   {}", sides.join(" × ")));
        }
    }
    let (key, shape) = unclear.arrays.get(*array).map_or(("", &[][..]), |(k, s)| (k, s));
    let read = |grid: Option<(usize, usize)>| {
        let key = several.then(|| key.to_owned());
        Answer::Tokens(unclear.path.clone(), Reading { grid, key, index: 0 })
    };
    ui.add_space(space::S);
    ui.label(theme.label("Rows × columns of one image's tokens"));
    let mut answer = None;
    let choices = choices(shape);
    ui.horizontal_wrapped(|ui| {
        if several && ui.button("as its shape says").clicked() {
            answer = Some(read(None));
        }
        for (rows, columns) in &choices {
            if ui.button(format!("{rows} × {columns}")).clicked() {
                answer = Some(read(Some((*rows, *columns))));
            }
        }
    });
    ui.add_space(space::S);
    let field = ui.horizontal(|ui| {
        let label = ui.label(theme.label("or other ones:"));
        let field = TextEdit::singleline(text).hint_text("16x16").desired_width(theme.px(96.0));
        ui.add(field).labelled_by(label.id)
    });
    // What is typed; until something is, what is likeliest.
    let (verb, usual) = match (text.trim().is_empty(), grid_of(text), choices.first()) {
        (false, Some((rows, columns)), _) | (true, None, Some(&(rows, columns))) => {
            (format!("Open as {rows} × {columns}"), Some(read(Some((rows, columns)))))
        }
        (true, ..) if several => ("Open as its shape says".to_owned(), Some(read(None))),
        _ => ("Open".to_owned(), None),
    };
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        let open = default_button(ui, theme, usual.is_some(), &verb);
        if open.is_pressed {
            answer = answer.take().or(usual);
        }
        if ui.button("Cancel").clicked() {
            answer = Some(Answer::Close);
        }
        keep_keyboard(ui, &field.inner);
    });
    answer
}

/// What is likely: sequences as a rectangle, and the array's own last two sides.
fn choices(shape: &[usize]) -> Vec<(usize, usize)> {
    let dims: Vec<usize> = shape.iter().copied().filter(|side| *side != 1).collect();
    let mut all = dims.last().map_or_else(Vec::new, |n| possible_shapes(*n));
    if let [.., rows, columns] = dims[..]
        && !all.contains(&(rows, columns))
    {
        all.push((rows, columns));
    }
    all
}

/// Rows and columns as people write them: "16x16", "16 × 16", "11 16".
fn grid_of(text: &str) -> Option<(usize, usize)> {
    let sides: Vec<usize> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match sides[..] {
        [rows, columns] if rows > 0 && columns > 0 => Some((rows, columns)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_are_rectangles_of_the_sequence_and_the_shape_itself() {
        assert_eq!(choices(&[1, 2, 176])[0], (11, 16));
        assert!(choices(&[6, 176]).contains(&(6, 176)));
        assert_eq!(grid_of("11 × 16"), Some((11, 16)));
        assert_eq!(grid_of("11"), None);
        assert_eq!(grid_of("0x4"), None);
    }
}
