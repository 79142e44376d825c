//! Actions of the hand on the grid of tokens: its tools, and what becomes of a selection.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::Key;
use smalti_engine::tokens::{Cell, Part, Tokens};

use super::action::{Action, Done, Menu, action, asks, ctrl, ctrl_shift, plain};
use super::now::Now;
use crate::document::{Edit, LARGEST_BRUSH, Tool, grown, inverted, shrunk};

/// All of them.
pub(super) fn all() -> Vec<Action> {
    use Menu::{Edit as E, Nowhere};
    let mut all: Vec<Action> = Tool::ALL.into_iter().map(tool).collect();
    all.extend([
        asks(Nowhere, "Brush larger", &[plain(Key::CloseBracket)], |now| brush(now, 1)).often(),
        asks(Nowhere, "Brush smaller", &[plain(Key::OpenBracket)], |now| brush(now, -1)).often(),
        asks(E, "Grow the selection", &[ctrl(Key::E)], |now| {
            now.cells()?;
            select(now, |cells, tokens, _| grown(cells, tokens), "all cells are selected")
        })
        .often()
        .first(),
        asks(E, "Shrink the selection", &[ctrl_shift(Key::E)], |now| {
            now.cells()?;
            select(now, |cells, tokens, _| shrunk(cells, tokens), "all cells are selected")
        })
        .often(),
        asks(E, "Invert the selection", &[ctrl(Key::I)], |now| {
            select(now, |cells, _, part| inverted(cells, part), "")
        })
        .often(),
        asks(Nowhere, "Back to the start of the history", &[], |now| {
            let document = now.view.document;
            if document.work().is_empty() && document.switched_off.is_empty() {
                return Err("nothing was done to the tokens yet".to_owned());
            }
            Ok(vec![Edit::UseStart.into()])
        })
        .about("Nothing is forced, locked or switched off; History leads back"),
    ]);
    all
}

/// A tool of the hand.
fn tool(tool: Tool) -> Action {
    let key = match tool {
        Tool::Rectangle => Key::M,
        Tool::Lasso => Key::L,
        Tool::Brush => Key::B,
    };
    let hold = action(Menu::Nowhere, tool.label(), &[plain(key)], Edit::Hold(tool));
    let hold = hold.often().about(tool.about());
    hold.on(move |now| now.view.document.selection.tool == tool)
}

fn brush(now: &Now<'_>, by: i8) -> Done {
    let brush = now.view.document.selection.brush;
    let next = brush.checked_add_signed(by).filter(|next| *next <= LARGEST_BRUSH);
    let next = next.ok_or("that is the end")?;
    Ok(vec![Edit::Brush(next).into(), Edit::Hold(Tool::Brush).into()])
}

/// What becomes of the selection in the part that is looked at; `same` says why it stays as it is.
fn select(
    now: &Now<'_>,
    change: impl Fn(&BTreeSet<Cell>, &Tokens, (usize, &Part)) -> BTreeSet<Cell>,
    same: &str,
) -> Done {
    let tokens = now.tokens()?;
    let cells = &now.view.document.selection.cells;
    let next = change(cells, &tokens, now.view.part(&tokens));
    if next == **cells {
        return Err(same.to_owned());
    }
    Ok(vec![Edit::SelectCells(Arc::new(next)).into()])
}
