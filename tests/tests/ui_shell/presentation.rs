//! Presentation: one picture for a hall, with what is said below it, and questions that come before their answers.

use egui::{Key, Modifiers, Rect, ViewportCommand, ViewportId};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{AppCommand, Asked, ColorBy, Edit, Generate, Layout, Tool, ViewId};
use smalti::settings::ThemeChoice;
use smalti_engine::questions::ModelRef;
use smalti_tests::window::{
    Window, click_label, labels, open, point, press, rect_of, says, send, settle, until,
};

fn present(window: &mut Window, scene: &str) {
    send(window, Layout::Scene(scene.to_owned()));
    press(window, Modifiers::NONE, Key::F5);
}

/// Everything that is said of what is asked about.
fn told(window: &Window, words: &[&str]) -> Vec<String> {
    words.iter().flat_map(|word| labels(window, word)).collect()
}

const USAGE: [&str; 5] = ["used: ", "codes used", "perplexity: ", "usage over", "used here"];
const RECONSTRUCTION: [&str; 3] = [" dB", "SSIM", "reconstruction, "];

#[test]
fn the_picture_is_larger_for_a_hall_than_at_work_and_no_tool_is_beside_it() {
    let mut window = open();
    let at_work = rect_of(&window, "Token grid").height();
    window.state().send(AppCommand::Presentation);
    window.step();
    let commands = &window.output().viewport_output[&ViewportId::ROOT].commands;
    assert!(commands.contains(&ViewportCommand::Fullscreen(true)), "{commands:?}");
    settle(&mut window);
    let shown = rect_of(&window, "Token grid").height();
    assert!(shown > at_work * 1.2, "{at_work} at work, {shown} for a hall");
    for tool in ["color:", "Keep", "Search", "samples", "Export", "codes used"] {
        assert!(!says(&window, tool), "{tool}: {:?}", labels(&window, tool));
    }
    assert!(window.query_by_role(egui::Role::Slider).is_none(), "nothing is turned");
    assert!(window.query_by_role(egui::Role::Tab).is_none(), "a view alone needs no tab");
    assert_eq!(window.state().theme().choice, ThemeChoice::Light, "halls are bright");
    send(&mut window, AppCommand::Theme(ThemeChoice::HighContrast));
    assert_eq!(window.state().theme().choice, ThemeChoice::HighContrast);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().theme().choice, ThemeChoice::Dark, "at work as it was");
    let again = rect_of(&window, "Token grid").height();
    assert!((again - at_work).abs() < 1.0, "{at_work}, then {again}");
}

#[test]
fn the_scene_of_generators_has_one_that_writes_by_itself_unless_something_was_written() {
    let mut window = open();
    send(&mut window, Layout::Scene("generate".to_owned()));
    until(&mut window, "Generation ");
    let looked_at = |window: &Window| {
        let moment = window.state().document().generating.moment.clone().unwrap();
        Asked::clone(&moment.asked)
    };
    let first = looked_at(&window);
    assert_eq!(first.generator, ModelRef::Shipped("worlds-maskgit".into()));
    press(&mut window, Modifiers::NONE, Key::F5);
    assert!(!says(&window, "No generator is open"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    let asked = Box::new(first.reseeded());
    send(&mut window, Generate::Start { asked, waits: true });
    send(&mut window, Layout::Scene("generate".to_owned()));
    assert_eq!(looked_at(&window), first.reseeded(), "what a person made stays");
}

#[test]
fn no_view_answers_a_question_before_somebody_guesses() {
    let mut window = open();
    present(&mut window, "codebook");
    assert!(says(&window, "How many of the codes"));
    assert!(says(&window, "Veiled until somebody guesses"));
    for view in ViewId::ALL {
        send(&mut window, Layout::Show(view));
        assert_eq!(told(&window, &USAGE), [""; 0], "{view:?}");
    }
    press(&mut window, Modifiers::NONE, Key::Num2);
    assert!(says(&window, "You guessed: about 300"));
    send(&mut window, Layout::Show(ViewId::Codebook));
    assert!(!told(&window, &USAGE).is_empty());

    press(&mut window, Modifiers::NONE, Key::Escape);
    for scene in ["studio", "compare"] {
        present(&mut window, scene);
        for view in ViewId::ALL {
            send(&mut window, Layout::Show(view));
            assert_eq!(told(&window, &RECONSTRUCTION), [""; 0], "{scene}, {view:?}");
        }
        click_label(&mut window, "Show it");
        send(&mut window, Layout::Show(ViewId::Compare));
        assert!(!told(&window, &RECONSTRUCTION).is_empty(), "{scene}");
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    assert!(!told(&window, &RECONSTRUCTION).is_empty(), "at work nothing is veiled");
}

#[test]
fn a_caption_brings_the_views_and_the_look_it_needs_and_work_stays_as_it_was() {
    let mut window = open();
    send(&mut window, Layout::Show(ViewId::Compare));
    let (document, layout) = (window.state().document().clone(), window.state().layout());
    press(&mut window, Modifiers::NONE, Key::F5);
    assert!(says(&window, "Token grid"), "the picture that the scene is about");
    assert!(says(&window, "by code · opacity 80 %"), "{:?}", labels(&window, "by "));
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert!(says(&window, "How much of the picture is left?"), "the answer comes first");
    press(&mut window, Modifiers::NONE, Key::PageDown);
    assert!(says(&window, "by mosaic · opacity 100 %"), "{:?}", labels(&window, "by "));
    assert!(!says(&window, "Point at a token"));
    press(&mut window, Modifiers::NONE, Key::PageDown);
    assert!(says(&window, "Point at a token"), "the code's card is beside it now");
    press(&mut window, Modifiers::NONE, Key::PageUp);
    assert!(!says(&window, "Point at a token"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().document(), &document);
    assert_eq!(window.state().layout(), layout);

    // Whoever changes the look of a caption, here of the one where it was left, sees it change.
    press(&mut window, Modifiers::NONE, Key::F5);
    send(&mut window, smalti::document::Look::ColorBy(ColorBy::Usage));
    assert!(says(&window, "by usage · opacity 100 %"), "{:?}", labels(&window, "by "));
    // And of all that the caption says, that one alone is his.
    let mut changed = document.looks.clone();
    changed.color_by = ColorBy::Usage;
    assert_eq!(window.state().document().looks, changed);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().document().looks, changed);
}

#[test]
fn what_was_begun_before_does_not_take_the_stage() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let path = folder.path().join(format!("{number}.png"));
        smalti_tests::tiny::write_png(&path, 40, 32, number);
    }
    let mut window = open();
    present(&mut window, "studio");
    assert!(says(&window, "Token grid"));
    // A folder shows itself in Dataset when it is there, but not on a stage.
    send(&mut window, smalti::document::Open::Path(folder.path().to_owned()));
    assert!(says(&window, "Token grid") && !says(&window, "Images of the set"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    let source = &window.state().document().source;
    assert!(matches!(source, smalti_engine::questions::SourceRef::Path { .. }), "it is opened");
}

#[test]
fn the_pointer_of_a_presentation_is_drawn_and_takes_nothing_away() {
    let mut window = open();
    press(&mut window, Modifiers::NONE, Key::F5);
    let grid = rect_of(&window, "Token grid");
    point(&mut window, grid.center());
    assert!(says(&window, "row "), "the token under it is told: {:?}", labels(&window, "row"));
}

#[test]
fn the_window_opens_no_larger_than_its_screen_has_room_for() {
    let mut window = open();
    let size = egui::vec2(1280.0, 800.0);
    let view = window.input_mut().viewports.entry(ViewportId::ROOT).or_default();
    view.monitor_size = Some(size);
    view.inner_rect = Some(Rect::from_min_size(egui::pos2(0.0, 30.0), size));
    view.outer_rect = Some(Rect::from_min_size(egui::Pos2::ZERO, size + egui::vec2(2.0, 31.0)));
    window.step();
    let sizes = |window: &Window| -> Vec<egui::Vec2> {
        let commands = window.output().viewport_output[&ViewportId::ROOT].commands.clone();
        let size = |command: ViewportCommand| match command {
            ViewportCommand::InnerSize(size) => Some(size),
            _ => None,
        };
        commands.into_iter().filter_map(size).collect()
    };
    let found = sizes(&window);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].x <= 1278.0 && found[0].y <= 769.0, "{found:?}");
    assert!(found[0].y > 700.0, "{found:?}");
    window.step();
    assert!(sizes(&window).is_empty(), "once; then it is the person's");
}

#[test]
fn a_presentation_changes_no_panel_of_work_and_a_guess_that_is_held_is_one_guess() {
    let mut window = open();
    present(&mut window, "codebook");
    let work = window.state().layout();
    for _ in 0..3 {
        press(&mut window, Modifiers::NONE, Key::Num2);
    }
    assert!(says(&window, "You guessed: about 300"));
    assert!(says(&window, "Codebook, "), "the answer is where the question was");
    for panel in [ViewId::Codebook, ViewId::Tokens, ViewId::Dataset] {
        send(&mut window, Layout::Close(panel.into()));
        send(&mut window, Layout::Another(panel));
    }
    assert!(says(&window, "Leave the presentation first"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().layout(), work);
}

#[test]
fn the_clicker_backwards_veils_again_what_it_had_shown() {
    let mut window = open();
    present(&mut window, "codebook");
    assert_eq!(told(&window, &USAGE), [""; 0]);
    press(&mut window, Modifiers::NONE, Key::PageDown);
    assert!(!told(&window, &USAGE).is_empty(), "shown");
    press(&mut window, Modifiers::NONE, Key::PageUp);
    assert!(says(&window, "Predict first"));
    assert_eq!(told(&window, &USAGE), [""; 0], "for the next class");
}

#[test]
fn a_hall_sees_the_pictures_that_are_spoken_of_alone_and_as_large_as_the_page_allows() {
    let mut window = open();
    present(&mut window, "compare");
    press(&mut window, Modifiers::NONE, Key::Num1);
    let pictures = |window: &Window| -> Vec<(String, Rect)> {
        let found = window.query_all_by_role(egui::Role::Image);
        found.map(|it| (it.accesskit_node().label().unwrap_or_default(), it.rect())).collect()
    };
    let names = |found: &[(String, Rect)]| -> Vec<String> {
        found.iter().map(|(name, _)| name.clone()).collect()
    };
    let page = window.ctx.content_rect();
    let first = pictures(&window);
    assert_eq!(names(&first), ["Original", "Reconstruction A", "Reconstruction B"]);
    press(&mut window, Modifiers::NONE, Key::PageDown);
    let second = pictures(&window);
    assert_eq!(second.len(), 3, "one tokenizer and where it loses: {:?}", names(&second));
    for (name, rect) in first.iter().chain(&second) {
        assert!(rect.width() > 0.28 * page.width(), "{name}: {rect:?} of {page:?}");
    }
    assert!(window.query_by_label("all").is_none(), "what is compared is chosen by the scene");
}

#[test]
fn a_clicker_makes_the_screen_black_and_any_key_shows_it_again_and_does_nothing_else() {
    let mut window = open();
    let tool = |window: &Window| window.state().document().selection.tool;
    press(&mut window, Modifiers::NONE, Key::B);
    assert_eq!(tool(&window), Tool::Brush, "at work it is the brush");
    assert!(!says(&window, "Black screen"));
    send(&mut window, Edit::Hold(Tool::Rectangle));
    present(&mut window, "codebook");
    for key in [Key::B, Key::Period] {
        for back in [Key::PageDown, Key::Escape, Key::Num2, key] {
            press(&mut window, Modifiers::NONE, key);
            assert!(says(&window, "Black screen"), "{key:?}");
            press(&mut window, Modifiers::NONE, back);
            assert!(!says(&window, "Black screen"), "{key:?}, then {back:?}");
            assert!(says(&window, "Predict first"), "{back:?} did that alone");
        }
    }
    assert_eq!(tool(&window), Tool::Rectangle);
    send(&mut window, AppCommand::Black);
    assert!(says(&window, "Black screen"), "from the palette, too");
}
