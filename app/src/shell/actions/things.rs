//! Actions on what happens to be there: recent files, tokenizers, recipes, runs, panels, pictures.

use smalti_engine::questions::{ImageRef, ModelRef, Subject};
use smalti_engine::session::{Control, RunState};
use smalti_engine::tokens::Code;
use smalti_engine::training::checkpoint;

use super::action::{Action, Done, Menu, action, asks};
use super::generating::generators;
use super::now::Now;
use super::offered;
use crate::document::{
    AllLost, AppCommand, Edit, JobCommand, Layout, Lost, Open, RecipeRef, Slot, ViewId,
};
use crate::look::words::{grouped, name};
use crate::shell::dock;
use crate::views;

/// All of them.
pub fn things(now: &Now<'_>) -> Vec<Action> {
    let mut all = recent(now);
    all.extend(tokenizers(now));
    all.extend(recipes(now));
    all.extend(generators(now));
    all.extend(runs(now));
    all.extend(slots(now));
    all.extend(document(now));
    all.extend(lost(now));
    all.extend(panels(now));
    all.extend(offered::of_pictures(now));
    all
}

fn thing(
    kind: &'static str,
    name: impl Into<String>,
    command: impl Into<crate::document::Command>,
) -> Action {
    action(Menu::Nowhere, name, &[], command).kind(kind)
}

fn recent(now: &Now<'_>) -> Vec<Action> {
    let open = |path: &std::path::PathBuf| {
        let open = thing("recent", name(path), Open::Path(path.clone()));
        open.about(path.display().to_string())
    };
    now.settings.recent.iter().map(open).collect()
}

/// Recipes that come with Smalti.
pub fn recipes(now: &Now<'_>) -> Vec<Action> {
    let train = |name: &String| {
        let command = JobCommand::AskTrain(RecipeRef::Shipped(name.as_str().into()));
        let about = "By its recipe; asks on what, how long and where to before it begins";
        action(Menu::Train, format!("Train {name}…"), &[], command).kind("recipe").about(about)
    };
    now.recipes.iter().map(train).collect()
}

fn tokenizers(now: &Now<'_>) -> Vec<Action> {
    let document = now.view.document;
    let shipped = now.models.iter().map(|name| ModelRef::Shipped(name.as_str().into()));
    let all: Vec<ModelRef> = shipped.chain(document.opened.models.iter().cloned()).collect();
    let mut actions = Vec::new();
    for slot in Slot::ALL {
        for model in &all {
            let label = document.name_of(model);
            let title = match slot {
                Slot::A => label,
                Slot::B => format!("Compare with {label}"),
                slot => format!("Compare with {label} in {}", slot.letter()),
            };
            let open = match model {
                ModelRef::Shipped(_) => Open::Model(slot, model.clone()),
                ModelRef::File { .. } => Open::ModelAgain(slot, model.clone()),
            };
            let wanted = model.clone();
            let is_on = move |now: &Now<'_>| now.view.document.model(slot) == Some(&wanted);
            let about = match model {
                ModelRef::File { path, .. } => path.display().to_string(),
                ModelRef::Shipped(_) => String::new(),
            };
            actions.push(thing("tokenizer", title, open).on(is_on).about(about));
        }
        if slot != Slot::A {
            let letter = slot.letter();
            let ask = AppCommand::AskTokenizer(slot);
            actions.push(thing("tokenizer", format!("Compare with a file in {letter}…"), ask));
            let none = asks(Menu::Nowhere, format!("Compare with nothing in {letter}"), &[], {
                move |now| match now.view.document.model(slot) {
                    Some(_) => Ok(vec![Open::NoModel(slot).into()]),
                    None => Err("there is none".to_owned()),
                }
            });
            actions.push(none.kind("tokenizer"));
        }
    }
    for model in document.opened.models.iter() {
        let is_used = Slot::ALL.iter().any(|slot| document.model(*slot) == Some(model));
        let command = Open::CloseModel(model.clone());
        let close =
            asks(Menu::Nowhere, format!("Close tokenizer {}", document.name_of(model)), &[], {
                move |_| {
                    let used = || "it is looked at".to_owned();
                    if is_used { Err(used()) } else { Ok(vec![command.clone().into()]) }
                }
            });
        actions.push(close.kind("tokenizer"));
    }
    actions
}

/// Long work of this sitting.
fn runs(now: &Now<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for run in now.view.session.runs().into_iter().filter(|run| !run.state.is_over()) {
        let title = now.view.run_title(&run);
        let is_paused = run.state == RunState::Paused;
        for (verb, control, needs_pause) in [
            ("Pause", Control::Pause, Some(false)),
            ("Resume", Control::Resume, Some(true)),
            ("Step", Control::StepOnce, None),
            ("Stop", Control::Cancel, None),
        ] {
            let id = run.id;
            let does = move |_: &Now<'_>| -> Done {
                let why = if is_paused { "it is paused" } else { "it goes on" };
                if needs_pause.is_none_or(|needs| needs == is_paused) {
                    Ok(vec![JobCommand::Control(id, control).into()])
                } else {
                    Err(why.to_owned())
                }
            };
            actions.push(asks(Menu::Nowhere, format!("{verb} {title}"), &[], does).kind("run"));
        }
    }
    actions
}

/// The document's runs.
fn slots(now: &Now<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for slot in Slot::ALL {
        let Some(Ok(run)) = now.view.trained_run(slot) else { continue };
        let title = format!("{} · {}", slot.letter(), run.name);
        let record = &run.told.record;
        if !run.goes_on() {
            if !record.is_done() {
                actions.push(thing("run", format!("Go on with {title}"), JobCommand::GoOn(slot)));
            }
            let folder = run.folder.as_ref().map(|run| checkpoint(&run.folder));
            if let Some(path) = record.model.clone().or(folder) {
                let name = format!("Use {title} as tokenizer");
                actions.push(thing("run", name, Open::Path(path)));
            }
            actions.push(thing("run", format!("Forget {title}"), Open::NoRun(slot)));
        }
        for step in record.kept.iter().rev() {
            let at = grouped(*step);
            if let Some(view) = run.view.as_ref().filter(|_| run.goes_on()) {
                let to = JobCommand::GoTo(view.id, *step);
                actions.push(thing("run", format!("Rewind {title} to step {at}"), to));
            }
            let branch = JobCommand::Branch(slot, Some(*step));
            actions.push(thing("run", format!("Branch {title} from step {at}"), branch));
        }
    }
    actions
}

/// What the document has: images that were opened, variations, parts.
fn document(now: &Now<'_>) -> Vec<Action> {
    let document = now.view.document;
    let mut actions = Vec::new();
    for image in document.opened.images.iter() {
        let (title, open) = match image {
            ImageRef::File { path, .. } => {
                (name(path), Open::ImageAgain(std::sync::Arc::clone(path)))
            }
            _ => ("Pasted image".to_owned(), Open::Image(image.clone())),
        };
        // Two files may have one name.
        let about = match image {
            ImageRef::File { path, .. } => path.display().to_string(),
            _ => String::new(),
        };
        let close = thing("image", format!("Close {title}"), Open::CloseImage(image.clone()));
        actions.push(close.about(about.as_str()));
        actions.push(thing("image", title, open).about(about));
    }
    for (number, variation) in document.variations.all().iter().enumerate() {
        let of = &variation.name;
        let go = thing("variation", format!("Variation {of}"), Edit::UseVariation(number));
        actions.push(go.on(move |now| now.view.document.variations.base() == Some(number)));
        let drop = format!("Drop variation {of}");
        actions.push(thing("variation", drop, Edit::DropVariation(number)));
    }
    let tokens = now.encoded();
    let parts = tokens.as_ref().map_or(&[][..], |encoded| encoded.tokens.parts());
    if parts.len() > 1 {
        let whole = thing("part", "All parts", Edit::SelectPart(None));
        actions.push(whole.on(|now| now.view.document.selection.part.is_none()));
        for (number, part) in (0_u16..).zip(parts) {
            let title = format!("Part {}, {}", number + 1, part.shape());
            let look = thing("part", title, Edit::SelectPart(Some(number)));
            actions.push(look.on(move |now| now.view.document.selection.part == Some(number)));
        }
        if now.view.known().is_some_and(|facts| facts.facts.prefixes) {
            actions.extend(now.view.others_in_scales().into_iter().map(coarse_scales));
        }
    }
    actions
}

/// The coarse scales become those of another picture.
fn coarse_scales((name, from): (String, Subject)) -> Action {
    let about = match &from {
        Subject::Image(ImageRef::File { path, .. }) => path.display().to_string(),
        _ => "Up to the scale that is looked at; the finer ones stay".to_owned(),
    };
    let does = move |now: &Now<'_>| Ok(vec![now.view.mixing(&from)?.into()]);
    asks(Menu::Nowhere, format!("Coarse scales from {name}"), &[], does).kind("part").about(about)
}

/// What is not where it was, to be pointed at.
fn lost(now: &Now<'_>) -> Vec<Action> {
    let mut known: Vec<&Lost> = Vec::new();
    let mut actions = Vec::new();
    for (one, all) in now.view.notices.iter().rev().filter_map(|notice| notice.lost.as_deref()) {
        if known.contains(&one) {
            continue;
        }
        known.push(one);
        let command = AppCommand::AskPlace(one.clone(), AllLost::clone(all));
        let find = thing(one.kind.word(), format!("Find {}…", name(&one.path)), command);
        actions.push(find.about(format!("It was {}", one.path.display())));
    }
    actions
}

fn panels(now: &Now<'_>) -> Vec<Action> {
    let close = |panel: &crate::document::PanelId| {
        let title = views::entry(panel.view).title;
        let number =
            if panel.number == 0 { String::new() } else { format!(" {}", panel.number + 1) };
        thing("view", format!("Close {title}{number}"), Layout::Close(*panel))
    };
    let mut actions: Vec<Action> = now.panels.iter().map(close).collect();
    for panel in now.seen {
        let title = dock::name(*panel);
        for (words, how) in dock::TAKEN {
            let command = AppCommand::ExportWindow(Some(*panel), how);
            actions.push(thing("view", format!("{title}: {words}"), command));
        }
    }
    actions
}

/// What can be done with a code by its number.
pub fn with_code(number: u32) -> Vec<Action> {
    let look = move |now: &Now<'_>| -> Done {
        let book = now.code().map_or(0, |picked| picked.book);
        let code = Code { book, number };
        Ok(vec![Edit::SelectCode(Some(code)).into(), Layout::Show(ViewId::Code).into()])
    };
    let force = move |now: &Now<'_>| -> Done {
        let (cells, tokens) = (now.cells()?, now.tokens()?);
        let book = now.view.part(&tokens).1.book();
        now.fits(Code { book, number })?;
        Ok(vec![Edit::ForceCells { cells, code: number }.into()])
    };
    let replace = move |now: &Now<'_>| -> Done {
        let from = now.code()?;
        now.fits(Code { book: from.book, number })?;
        Ok(vec![Edit::ReplaceCode { from, to: number }.into()])
    };
    let picked = |name: String, does: Box<dyn Fn(&Now<'_>) -> Done>| {
        asks(Menu::Nowhere, name, &[], does).kind("code")
    };
    vec![
        picked(format!("Code {number}"), Box::new(look)),
        picked(format!("Force {number} at the selected cells"), Box::new(force)),
        picked(format!("Replace the selected code by {number}"), Box::new(replace)),
    ]
}
