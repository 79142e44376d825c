//! Codes as they are shown: their colors, what is said of those that do not occur, their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use egui_kittest::kittest::Queryable;
use smalti::document::{ColorBy, Look, Open, ViewId};
use smalti::look::colors::color_of;
use smalti_engine::Result;
use smalti_engine::images::WorkingSize;
use smalti_engine::session::{Desk, Lane, Question};
use smalti_engine::tokens::Cell;
use smalti_tests::window::{
    Small, apart, click_label, drawn, empty, middle_of, open_drawn, open_sized, pixel,
    point_nowhere, rect_of, says, send, settle, tab, tokens,
};

use super::SMALL_GRID;

#[test]
fn codes_with_levels_have_the_colors_of_their_levels_where_tokens_stand_alone() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Tokens)), [900.0, 600.0]) else { return };
    window.state().send(Look::ColorBy(ColorBy::Code));
    window.state().send(Look::TokenOpacity(1.0));
    window.state().send(Look::ShowIds(false));
    small.open_in(&mut window);
    point_nowhere(&mut window);
    let (grid, screen) = (tokens(&window), drawn(&mut window));
    let place = rect_of(&window, "Token grid");
    for (row, column) in [(2, 3), (8, 8), (13, 5)] {
        let code = grid.get(Cell::at(row, column)).unwrap();
        let [r, g, b, _] = color_of(code, &[5, 4]).to_array();
        let shown = pixel(&screen, middle_of(place, (row, column), SMALL_GRID));
        assert!(apart(shown, [r, g, b]) < 4, "code {code}: {shown:?} instead of {:?}", [r, g, b]);
    }
}

#[test]
fn codes_that_one_image_does_not_use_are_not_called_dead() {
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1000.0, 700.0]);
    let image = smalti_tests::window::assets().join("samples/kodim23.png");
    window.state().send(Open::Size(WorkingSize::square(128, 1)));
    send(&mut window, Open::Path(image));
    assert!(says(&window, "not used here: "), "1024 tokens cannot show 1000 codes");
    assert!(!says(&window, "dead: "));
    // 256 tokens of a codebook of 20 could show all, but are of one picture.
    let small = Small::new();
    small.open_in(&mut window);
    assert!(says(&window, "not used here: ") && !says(&window, "dead: "));
    // Those of many pictures leave nothing to chance.
    for number in 3..20 {
        let name = format!("picture {number}.png");
        smalti_tests::tiny::write_png(&small.pictures().join(name), 40, 32, 1);
    }
    send(&mut window, Open::Source(small.source()));
    click_label(&mut window, "set");
    assert!(says(&window, "dead: ") && !says(&window, "not used here: "));
}

/// Keeps a thread of the engine busy until it is told to end.
#[derive(Debug, Clone)]
struct Busy(Arc<AtomicBool>);

impl PartialEq for Busy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Busy {}
impl std::hash::Hash for Busy {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
impl Question for Busy {
    type Answer = ();
    fn answer(&self, desk: &Desk<'_>) -> Result<()> {
        while !self.0.load(Ordering::Relaxed) {
            desk.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
    fn bytes((): &()) -> usize {
        0
    }
}

#[test]
fn ordering_by_hue_does_not_stand_in_the_way_of_what_a_view_waits_for() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1000.0, 700.0]);
    small.open_in(&mut window);
    // While the lane for what can wait is taken, the order is not worked out on the other one.
    let busy = Busy(Arc::default());
    window.state().session().ask(Lane::Soon, &busy);
    // Somebody waits for it, so that no frame without a question ends it (a click takes several).
    let (asker, waited) = (window.state().session().asker(), busy.clone());
    let waiter = std::thread::Builder::new().name("waiter".to_owned());
    let waiter = waiter.spawn(move || asker.wait(&waited)).unwrap();
    let steps = |window: &mut smalti_tests::window::Window| {
        for _ in 0..60 {
            window.step();
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    steps(&mut window);
    window.get_by_label("hue").click();
    steps(&mut window);
    assert!(says(&window, "Counting"), "the order by hue waits");
    assert!(says(&window, "codes used"), "and the codes stay where they are");
    busy.0.store(true, Ordering::Relaxed);
    assert!(waiter.join().unwrap().is_ok());
    settle(&mut window);
    assert!(!says(&window, "Counting"));
    click_label(&mut window, "index");
}
