//! Actions of the hand on the grid of tokens: its tools, and what becomes of a selection.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::Key;
use smalti_engine::questions::ModelInfo;
use smalti_engine::tokens::{Cell, Part, Tokens};

use super::action::{Action, Done, Menu, action, asks, ctrl, ctrl_shift, plain};
use super::now::Now;
use crate::document::{
    AppCommand, Edit, LARGEST_BRUSH, Look, Notice, Region, Tool, grown, inverted, shrunk,
};
use crate::look::words::counted;

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
        asks(E, "Select the 10 % least sure", &[ctrl(Key::T)], |now| {
            let least = now.view.least_sure(&now.tokens()?)?;
            let select = Edit::SelectCells(Arc::new(least.cells));
            Ok(vec![select.into(), Notice::info(least.words).into()])
        })
        .about("By the confidence with which they were written, or by their bits in Likelihood"),
        asks(E, "Copy the selected tokens", &[], copied_tokens).about(
            "Ctrl+C; Ctrl+V puts them into this picture or another one of the same tokenizer",
        ),
        asks(Nowhere, "Back to the start of the history", &[], |now| {
            let document = now.view.document;
            if document.edits.is_empty() && document.switched_off.is_empty() {
                return Err("nothing was done to the tokens yet".to_owned());
            }
            Ok(vec![Edit::UseStart.into()])
        })
        .about("Nothing is forced or switched off, locks stay; History leads back"),
    ]);
    all.extend(edit_looks());
    all
}

/// How the picture of edited tokens is looked at.
fn edit_looks() -> [Action; 4] {
    use Menu::View;
    [
        asks(View, "Whole picture decoded", &[plain(Key::W)], |now| {
            Ok(vec![Look::WholeDecoding(!now.view.document.looks.edited.whole_decoding).into()])
        })
        .often()
        .first()
        .about("Otherwise an image keeps its own pixels where an edit of its tokens moves none")
        .on(|now| now.view.document.looks.edited.whole_decoding),
        asks(View, "Pixels that the edit moves", &[plain(Key::X)], |now| {
            Ok(vec![Look::Moved(!now.view.document.looks.edited.moved).into()])
        })
        .often()
        .about("In Tokens: decoding with the edit beside decoding without it")
        .on(|now| now.view.document.looks.edited.moved),
        asks(View, "Tokens that would change if encoded again", &[plain(Key::E)], |now| {
            Ok(vec![Look::Again(!now.view.document.looks.edited.again).into()])
        })
        .often()
        .about("In Tokens: the picture that is seen is encoded, and other tokens have a ring")
        .on(|now| now.view.document.looks.edited.again),
        asks(View, "What each scale adds", &[plain(Key::A)], |now| {
            Ok(vec![Look::Adds(!now.view.document.looks.adds).into()])
        })
        .often()
        .about("In Scales: a signed map instead of the picture so far")
        .on(|now| now.view.document.looks.adds),
    ]
}

/// The selected tokens go to the clipboard, or why they cannot.
pub fn copied_tokens(now: &Now<'_>) -> Done {
    let (tokens, cells) = (now.tokens()?, now.cells()?);
    let document = now.view.document;
    let facts = now.known(&ModelInfo { model: document.model.clone() });
    let facts = facts.ok_or("the tokenizer is not open yet")?;
    let (number, _) = now.view.part(&tokens);
    let whose = (document.name_of(&document.model), &facts.token_hash);
    let region = Region::of(&cells, (number, &tokens), (&whose.0, whose.1));
    let region = region.ok_or("no token stands in the selected cells")?;
    let summary = format!("{} copied", counted(region.cells.len(), "token"));
    let hint = format!("Paste puts them into any picture by {}", region.tokenizer);
    let notice = Notice { hint, ..Notice::info(summary) };
    Ok(vec![AppCommand::CopyText(region.to_text()).into(), notice.into()])
}

/// A tool of the hand.
fn tool(tool: Tool) -> Action {
    let key = match tool {
        Tool::Rectangle => Key::M,
        Tool::Lasso => Key::L,
        Tool::Brush => Key::B,
        Tool::Paint => Key::P,
    };
    let hold = action(Menu::Nowhere, tool.label(), &[plain(key)], Edit::Hold(tool));
    let hold = hold.often().about(tool.about());
    hold.on(move |now| now.view.document.selection.tool == tool)
}

fn brush(now: &Now<'_>, by: i8) -> Done {
    let brush = now.view.document.selection.brush;
    let next = brush.checked_add_signed(by).filter(|next| *next <= LARGEST_BRUSH);
    let next = next.ok_or("that is the end")?;
    Ok(vec![Edit::Brush(next).into()])
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
