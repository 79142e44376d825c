//! The table of all actions that are there whatever is open: menus, palette, keys and their list come out of it.

use egui::Key;
use smalti_engine::images::{Fit, WorkingSize};
use smalti_engine::questions::{ImageRef, SourceRef, Subject};

use super::action::{Action, Done, Menu, action, asks, ctrl, ctrl_shift, plain, shift};
use super::generating;
use super::hands;
use super::now::Now;
use super::offered;
use crate::document::{
    AppCommand as App, ColorBy, CompareMode, DifferenceKind, Edit, How, JobCommand, Layout, Look,
    Open, Reading, RecipeRef, Slot, USUAL_IMAGES, ViewId, ZoomTo,
};
use crate::files::scenes;
use crate::settings::ThemeChoice;
use crate::shell::script::DIGITS;
use crate::views::VIEWS;

/// All actions, in the order of menus.
pub fn all() -> Vec<Action> {
    let mut all = file();
    all.extend(edit());
    all.extend(selected());
    all.extend(hands::all());
    all.extend(views());
    all.extend(looks());
    all.extend(scenes_of_menu());
    all.extend(train());
    all.extend(generating::all());
    all.extend(help());
    all.extend(offered::all());
    all
}

/// Why something cannot be done, or that it can.
fn unless(reason: Option<&str>, commands: Vec<crate::document::Command>) -> Done {
    reason.map_or(Ok(commands), |reason| Err(reason.to_owned()))
}

fn file() -> Vec<Action> {
    use Menu::{File, Nowhere};
    vec![
        action(File, "New", &[ctrl(Key::N)], App::New).often(),
        action(File, "Open…", &[ctrl(Key::O)], App::AskFile).often(),
        action(File, "Open folder…", &[ctrl_shift(Key::O)], App::AskFolder).often(),
        action(File, "Open a tokenizer…", &[], App::AskTokenizer(Slot::A)),
        action(File, "Save", &[ctrl(Key::S)], App::Save).often().first(),
        action(File, "Save as…", &[ctrl_shift(Key::S)], App::SaveAs).often(),
        asks(File, "Save tokens…", &[], |now| {
            let is_open = now.view.document.subject.is_some();
            let reason = (!is_open).then_some("open an image or tokens first");
            unless(reason, vec![App::SaveTokens(None).into()])
        }),
        action(File, "Copy window", &[], App::ExportWindow(None, How::Copy)).first(),
        action(File, "Save window as PNG…", &[], App::ExportWindow(None, How::Png(1))),
        asks(File, "Close image", &[], close_image).first(),
        action(File, "Quit", &[ctrl(Key::Q)], App::Quit).often().first(),
        asks(Nowhere, "Forget recent files", &[], |now| {
            let reason = now.settings.recent.is_empty().then_some("there are none");
            unless(reason, vec![App::ForgetRecent.into()])
        }),
        action(Nowhere, "Samples", &[], Open::Source(SourceRef::Samples)).kind("set"),
        action(Nowhere, "Worlds", &[], Open::Source(SourceRef::Worlds { seed: 1 })).kind("set"),
        asks(Nowhere, "Next image", &[plain(Key::PageDown)], |now| step(now, 1)).often(),
        asks(Nowhere, "Image before", &[plain(Key::PageUp)], |now| step(now, -1)).often(),
    ]
}

/// What was done to the image stays; it leaves the list of those that were opened.
fn close_image(now: &Now<'_>) -> Done {
    let document = now.view.document;
    match document.image() {
        Some(image) if document.opened.images.contains(image) => {
            Ok(vec![Open::CloseImage(image.clone()).into()])
        }
        Some(_) => Err("this image is one of a set".to_owned()),
        None => Err("no image is open".to_owned()),
    }
}

/// Another image of the set, of those that were opened, or of the file of tokens.
fn step(now: &Now<'_>, by: isize) -> Done {
    let document = now.view.document;
    let end = || "there is no other one there".to_owned();
    let command = match &document.subject {
        None => return Err("no image is open".to_owned()),
        Some(Subject::Tokens(given)) => {
            let among = given.among.as_ref().ok_or_else(end)?;
            let index = among.index.checked_add_signed(by).filter(|index| *index < among.count);
            let (grid, key) = (among.grid, among.key.clone());
            let reading = Reading { grid, key, index: index.ok_or_else(end)? };
            Open::TokensAs(among.path.clone(), reading)
        }
        Some(Subject::Image(ImageRef::InSource { source, index })) => {
            let question = smalti_engine::questions::SourceInfo { source: source.clone() };
            let count = now.known(&question).map_or(u64::MAX, |facts| facts.len);
            let index = index.checked_add_signed(by as i64).filter(|index| *index < count);
            Open::Image(ImageRef::InSource {
                source: source.clone(),
                index: index.ok_or_else(end)?,
            })
        }
        Some(Subject::Image(image)) => {
            let opened = &document.opened.images;
            let at = opened.iter().position(|known| known == image).ok_or_else(end)?;
            let next = at.checked_add_signed(by).and_then(|at| opened.get(at)).ok_or_else(end)?;
            Open::Image(next.clone())
        }
    };
    Ok(vec![command.into()])
}

fn edit() -> Vec<Action> {
    use Menu::Edit as E;
    vec![
        asks(E, "Undo", &[ctrl(Key::Z)], |now| {
            let reason = now.history.0.is_none().then_some("there is nothing to undo");
            unless(reason, vec![Edit::Undo.into()])
        })
        .says(|now| now.history.0.as_ref().map(|what| format!("Undo: {what}")))
        .often(),
        asks(E, "Redo", &[ctrl(Key::Y), ctrl_shift(Key::Z)], |now| {
            let reason = now.history.1.is_none().then_some("there is nothing to redo");
            unless(reason, vec![Edit::Redo.into()])
        })
        .says(|now| now.history.1.as_ref().map(|what| format!("Redo: {what}")))
        .often(),
        action(E, "Paste", &[], App::Paste)
            .about("Tokens, a picture, or the path of a file")
            .first(),
        asks(E, "Lock selected cells", &[ctrl(Key::L)], |now| lock(now, true)).often().first(),
        asks(E, "Unlock selected cells", &[ctrl_shift(Key::L)], |now| lock(now, false)).often(),
        asks(E, "Force selected code at selected cells", &[ctrl(Key::Enter)], |now| {
            let (cells, code) = (now.cells()?, now.code()?);
            now.fits(code)?;
            Ok(vec![Edit::ForceCells { cells, code: code.number }.into()])
        })
        .often(),
        asks(E, "Release selected cells", &[plain(Key::Delete)], |now| {
            let (cells, document) = (now.cells()?, now.view.document);
            let forced = || cells.iter().filter(|cell| document.edits.contains_key(cell));
            let reason = if forced().next().is_none() {
                Some("none of the selected cells is forced")
            } else if forced().all(|cell| document.locks.contains(cell)) {
                Some("the forced ones are locked: unlock them first")
            } else {
                None
            };
            unless(reason, vec![Edit::ReleaseCells(cells).into()])
        })
        .often()
        .about("Gives them back to the tokenizer"),
        asks(E, "Release all cells", &[], |now| {
            let document = now.view.document;
            let (forced, locked) = (document.edits.len(), document.locked_edits());
            let reason = match (forced, locked) {
                (0, _) => Some("no cell is forced"),
                _ if forced == locked => Some("all forced cells are locked: unlock them first"),
                _ => None,
            };
            unless(reason, vec![Edit::ReleaseAll.into()])
        }),
        asks(E, "Keep as a variation", &[], |now| {
            let document = now.view.document;
            let has_work = !(document.work().is_empty() && document.switched_off.is_empty());
            let reason = (!has_work && document.variations.base().is_none())
                .then_some("nothing was done to the tokens yet");
            unless(reason, vec![Edit::KeepVariation.into()])
        }),
    ]
}

fn lock(now: &Now<'_>, locked: bool) -> Done {
    let cells = now.cells()?;
    let locks = &now.view.document.locks;
    let is_so = cells.iter().all(|cell| locks.contains(cell) == locked);
    let reason = if locked { "they are locked" } else { "none of them is locked" };
    unless(is_so.then_some(reason), vec![Edit::LockCells { cells, locked }.into()])
}

/// What is done to the selected code, and selecting.
fn selected() -> Vec<Action> {
    use Menu::Edit as E;
    let switch = |now: &Now<'_>, on: bool| {
        now.code()?;
        let codes = now.view.document.selection.all_codes();
        let off = &now.view.document.switched_off;
        let is_so = codes.iter().all(|code| off.contains(code) != on);
        let reason = if on { "it is on" } else { "it is off" };
        let mut reason = is_so.then_some(reason);
        // With none left there would be nothing to write.
        let book = now.view.document.selection.code.map_or(0, |code| code.book);
        let all = now.view.known().map_or(u32::MAX, |facts| facts.facts.book(book).size);
        let without = codes.union(off).filter(|code| code.book == book).count();
        if !on && without >= all as usize {
            reason = Some("one code of the codebook has to stay");
        }
        unless(reason, vec![Edit::SwitchCodes { codes, on }.into()])
    };
    vec![
        asks(E, "Switch the selected codes off", &[], move |now| switch(now, false)).first(),
        asks(E, "Switch the selected codes on", &[], move |now| switch(now, true)),
        asks(E, "Switch all codes on", &[], |now| {
            let reason = now.view.document.switched_off.is_empty().then_some("all are on");
            unless(reason, vec![Edit::SwitchAllOn.into()])
        }),
        asks(E, "Pin or unpin the selected code", &[], |now| {
            Ok(vec![Edit::PinCode(now.code()?).into()])
        }),
        asks(E, "Deselect the code", &[], |now| {
            now.code()?;
            Ok(vec![Edit::SelectCode(None).into()])
        })
        .first(),
        asks(E, "Deselect", &[], |now| {
            let selection = &now.view.document.selection;
            let is_none = selection.cells.is_empty() && selection.code.is_none();
            unless(is_none.then_some("nothing is selected"), vec![Edit::Deselect.into()])
        }),
        asks(E, "Select all cells", &[ctrl(Key::A)], |now| {
            now.tokens()?;
            Ok(vec![Edit::SelectAllCells.into()])
        })
        .often(),
        asks(E, "Select all cells with the selected code", &[ctrl_shift(Key::A)], |now| {
            let (tokens, code) = (now.tokens()?, now.code()?);
            let (number, part) = now.view.part(&tokens);
            let is_it =
                |at: &usize| part.book() == code.book && part.code(*at) == Some(code.number);
            let cells = (0..part.codes().len()).filter(is_it).map(|at| part.cell(number, at));
            let cells: std::collections::BTreeSet<_> = cells.collect();
            let reason = cells.is_empty().then_some("it stands nowhere here");
            unless(reason, vec![Edit::SelectCells(std::sync::Arc::new(cells)).into()])
        }),
    ]
}

/// Views, themes, sizes of text, and how the window is.
fn views() -> Vec<Action> {
    use Menu::{Nowhere, View};
    let mut all = Vec::new();
    for view in &VIEWS {
        let digit = view.key().and_then(|key| DIGITS.get(usize::from(key) - 1));
        // There are more views than digits.
        let letter = match view.id {
            ViewId::Generate => Some(&Key::G),
            ViewId::History => Some(&Key::H),
            ViewId::Race => Some(&Key::R),
            ViewId::Scales => Some(&Key::S),
            // Information, in bits.
            ViewId::Likelihood => Some(&Key::I),
            ViewId::Cost => Some(&Key::C),
            ViewId::Schedule => Some(&Key::D),
            _ => None,
        };
        let keys: Vec<_> = digit.or(letter).map(|key| plain(*key)).into_iter().collect();
        let show = action(View, view.title, &keys, Layout::Show(view.id));
        all.push(show.kind("view").about(view.about));
    }
    for view in &VIEWS {
        let name = format!("Another {}", view.title);
        all.push(action(Nowhere, name, &[], Layout::Another(view.id)).kind("view"));
    }
    for theme in ThemeChoice::ALL {
        let theme_of = action(View, theme.label(), &[], App::Theme(theme)).kind("theme");
        let theme_of = theme_of.on(move |now| now.view.theme.choice == theme);
        all.push(if theme == ThemeChoice::ALL[0] { theme_of.first() } else { theme_of });
    }
    let text = |by: f32| {
        move |now: &Now<'_>| {
            let scale = ((now.settings.text_scale + by) * 20.0).round() / 20.0;
            let is_end = !crate::settings::Settings::TEXT_SCALES.contains(&scale);
            unless(is_end.then_some("that is the end"), vec![App::TextScale(scale).into()])
        }
    };
    let larger = [ctrl(Key::Plus), ctrl(Key::Equals)];
    all.extend([
        asks(View, "Text larger", &larger, text(0.1)).often().first(),
        asks(View, "Text smaller", &[ctrl(Key::Minus)], text(-0.1)).often(),
        action(View, "Text as designed", &[ctrl(Key::Num0)], App::TextScale(1.0)),
        asks(View, "Reduced motion", &[], |now| {
            Ok(vec![App::ReducedMotion(!now.settings.reduced_motion).into()])
        })
        .on(|now| now.settings.reduced_motion),
        action(View, "Fit the pictures", &[plain(Key::F)], App::Zoom(ZoomTo::Fit)).often().first(),
        action(View, "Pictures at 100 %", &[plain(Key::Num0)], App::Zoom(ZoomTo::Pixels)).often(),
        action(View, "Zoom in", &[plain(Key::Plus), plain(Key::Equals)], App::Zoom(ZoomTo::In))
            .often(),
        action(View, "Zoom out", &[plain(Key::Minus)], App::Zoom(ZoomTo::Out)).often(),
        action(View, "Menu of the picture", &[shift(Key::F10), plain(Key::Menu)], App::PictureMenu)
            .about("What can be taken away of what is worked in, as the right button shows it"),
        action(View, "Presentation", &[plain(Key::F5)], App::Presentation)
            .often()
            .first()
            .on(|now| now.is_presenting),
        asks(Nowhere, "Black screen", &[], |now| {
            let reason = (!now.is_for_hall).then_some("begin the presentation first (F5)");
            unless(reason, vec![App::Black.into()])
        })
        .about("B or . in presentation, as clickers send them; any key shows it again"),
        action(View, "Full screen", &[plain(Key::F11)], App::Fullscreen).often(),
        action(Nowhere, "Developer's panel", &[], App::Timings)
            .about("How long frames and the engine's pieces take, and what is kept")
            .on(|now| now.shows_timings),
        action(Nowhere, "Dismiss notices", &[], App::Dismiss),
    ]);
    all
}

/// How things are looked at.
fn looks() -> Vec<Action> {
    let look = |name: String, look: Look| action(Menu::Nowhere, name, &[], look).kind("look");
    let mut all = Vec::new();
    for by in ColorBy::ALL {
        let color = look(format!("Color by {}", by.label()), Look::ColorBy(by));
        all.push(color.on(move |now| now.view.document.looks.color_by == by));
    }
    for mode in CompareMode::ALL {
        let compare = look(format!("Compare {}", mode.label()), Look::Compare(mode));
        all.push(compare.on(move |now| now.view.document.looks.compare == mode));
    }
    for kind in DifferenceKind::ALL {
        let difference = look(format!("Difference: {}", kind.label()), Look::Difference(kind));
        all.push(difference.on(move |now| now.view.document.looks.difference == kind));
    }
    for percent in [0_u8, 25, 50, 75, 100] {
        let name = format!("Tokens cover {percent} % of the image");
        all.push(look(name, Look::TokenOpacity(f32::from(percent) / 100.0)));
    }
    let ids = asks(Menu::Nowhere, "Codes written into cells", &[], |now| {
        Ok(vec![Look::ShowIds(!now.view.document.looks.show_ids).into()])
    });
    all.push(ids.kind("look").on(|now| now.view.document.looks.show_ids));
    for (mode, sides) in [
        (Fit::CropCenter, &WorkingSize::SIDES[..]),
        (Fit::KeepAspect, &[128, 256, 512, 768][..]),
        (Fit::KeepOriginal, &[0][..]),
    ] {
        all.extend(sides.iter().map(|side| size(mode, *side)));
    }
    all
}

/// A size that images are worked on at.
fn size(mode: Fit, side: u32) -> Action {
    let name = match mode {
        Fit::CropCenter => format!("Work at {side}×{side}"),
        Fit::KeepAspect => format!("Work at a long side of {side}"),
        Fit::KeepOriginal => "Work at the original size".to_owned(),
    };
    let size_of = move |now: &Now<'_>| {
        let multiple_of = now.view.document.size.multiple_of;
        WorkingSize { side, mode, multiple_of }
    };
    let does = move |now: &Now<'_>| {
        let is_given = matches!(now.view.document.subject, Some(Subject::Tokens(_)));
        let reason = is_given.then_some("tokens are what they are");
        unless(reason, vec![Open::Size(size_of(now)).into()])
    };
    let action = asks(Menu::Nowhere, name, &[], does).kind("size");
    action.on(move |now| now.view.document.size == size_of(now))
}

/// All scenes, with a line above those of lectures, and how one starts again.
fn scenes_of_menu() -> Vec<Action> {
    let again = action(Menu::Scenes, "Scene from its start", &[plain(Key::F6)], Layout::Again);
    let about = "Its captions, its picture and what it generates as they began; Undo brings the document back";
    let mut all: Vec<Action> = scenes::names().filter_map(scene).collect();
    all.push(again.often().first().about(about));
    all
}

fn scene(name: &str) -> Option<Action> {
    let scene = scenes::Scene::shipped(name)?;
    let open = Layout::Scene(name.to_owned());
    let open = action(Menu::Scenes, scene.title, &[], open).kind("scene").about(scene.about);
    Some(if scenes::STARTS_GROUP.contains(&name) { open.first() } else { open })
}

fn train() -> Vec<Action> {
    let about = "A .ron file such as those in assets/recipes; it can be dropped on the window";
    let point = JobCommand::AskPoint(RecipeRef::Shipped("worlds-fsq-f8".into()), USUAL_IMAGES);
    let of_point =
        "Which quantizer, factor and codes, and how long; Pareto measures it when it is done";
    let lpips = "A file with VGG16 or AlexNet and the heads of the lpips package, or one of each; Pareto \
                 measures it then";
    let all = "All runs, also those of before: watch them, go on, open what they trained";
    vec![
        action(Menu::Train, "A recipe of your own…", &[], App::AskFile).first().about(about),
        action(Menu::Train, "LPIPS by weights of your own…", &[], App::AskLpips).about(lpips),
        asks(Menu::Nowhere, "Measure without LPIPS", &[], |now| {
            let is_none = now.view.live.lpips.is_none();
            let reason = is_none.then_some("it is not measured: choose weights of LPIPS first");
            unless(reason, vec![JobCommand::UseLpips(None).into()])
        }),
        action(Menu::Train, "Train a new point of rate against quality…", &[], point)
            .about(of_point),
        action(Menu::Train, "Runs…", &[], Layout::Show(ViewId::Runs)).about(all),
    ]
}

fn help() -> Vec<Action> {
    use Menu::Help;
    vec![
        action(Help, "Search…", &[ctrl(Key::P), ctrl(Key::K)], App::Palette).often(),
        action(Help, "Keys and gestures", &[plain(Key::Questionmark), plain(Key::F1)], App::Keys)
            .often(),
        action(Help, "Start page", &[], Layout::Doors)
            .about("Three doors to begin by, and what was opened last"),
        action(Help, "About Smalti", &[], App::About).first(),
    ]
}
