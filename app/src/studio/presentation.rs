//! Presentation: one picture for a hall, full screen, with what is said below it.

use egui::{
    Color32, CursorIcon, Event, Id, Key, LayerId, Order, Role, Sense, Stroke, Vec2,
    ViewportCommand, WidgetInfo, vec2,
};

use super::Studio;
use super::keys::{is_of_keyboard, take_pressed};
use super::stage::{Shown, Stage, alone};
use crate::ctx::Showing;
use crate::document::{
    Arrangement, Document, Generating, Look, Looks, Moment, Notice, Variation, ViewId,
};
use crate::files::scenes::Scene;
use crate::look::theme::{PRESENTATION_SCALE, Theme};
use crate::settings::ThemeChoice;
use crate::shell::dialogs::{Dialog, Then};
use crate::shell::dock;
use crate::shell::folded::{self, Folded};

/// What clickers send for a black screen.
const BLACK: [Key; 2] = [Key::B, Key::Period];

impl Studio {
    pub(super) fn is_presenting(&self) -> bool {
        self.desk.stage.is_some()
    }

    /// Whether it is for a hall: larger, in its own colors and with a large pointer.
    pub(super) fn is_for_hall(&self) -> bool {
        self.desk.stage.as_ref().is_some_and(|stage| !stage.is_guided)
    }

    /// Begins or ends it.
    pub(super) fn toggle_presentation(&mut self, ctx: &egui::Context) {
        let is_full = ctx.input(|input| input.viewport().fullscreen.unwrap_or(false));
        match self.desk.stage.take() {
            Some(stage) if stage.is_guided => {
                // From one person to a hall, at the same caption.
                self.desk.stage =
                    Some(Stage { is_guided: false, was_full: is_full, opacity: None, ..stage });
                if !is_full {
                    ctx.send_viewport_cmd(ViewportCommand::Fullscreen(true));
                }
            }
            Some(stage) => {
                self.note_left();
                if !stage.was_full {
                    ctx.send_viewport_cmd(ViewportCommand::Fullscreen(false));
                }
            }
            None => {
                self.set_stage(is_full);
                if !is_full {
                    ctx.send_viewport_cmd(ViewportCommand::Fullscreen(true));
                }
            }
        }
        self.wear(ctx);
    }

    /// Sets the stage for the caption that is said now.
    pub(super) fn set_stage(&mut self, was_full: bool) {
        let script = &self.desk.script;
        let arrangement = match script.shows() {
            Some(panel) => panel.arrange(),
            None => alone(self.layout().and_then(|all| all.hero()).unwrap_or(ViewId::Tokens)),
        };
        let (caption, looks) = (script.at(), script.looks().cloned());
        let folded = Folded::default();
        let before = self.desk.stage.as_ref();
        let is_guided = before.is_some_and(|stage| stage.is_guided);
        let opacity = before.and_then(|stage| stage.opacity);
        let is_black = false;
        let stage =
            Stage { arrangement, folded, caption, looks, is_black, was_full, is_guided, opacity };
        self.desk.stage = Some(stage);
    }

    /// Makes the screen black, or shows it again.
    pub(super) fn toggle_black(&mut self) {
        if let Some(stage) = &mut self.desk.stage {
            stage.is_black = !stage.is_black;
        }
    }

    /// Takes the keys that clickers send for a black screen, and while it is black every key: that shows it again
    /// and does nothing else. Gives whether there was one.
    pub(super) fn black_keys(&mut self, ctx: &egui::Context) -> bool {
        let is_heard = |stage: &&mut Stage| !stage.is_guided && !ctx.text_edit_focused();
        let Some(stage) = self.desk.stage.as_mut().filter(is_heard) else {
            return false;
        };
        let is_black = stage.is_black;
        let is_taken = ctx.input_mut(|input| {
            if !is_black {
                return BLACK.into_iter().any(|key| take_pressed(input, key));
            }
            let is_key = |event: &Event| matches!(event, Event::Key { pressed: true, .. });
            let is_any = input.events.iter().any(is_key);
            input.events.retain(|event| !is_of_keyboard(event));
            is_any
        });
        stage.is_black ^= is_taken;
        is_taken
    }

    /// The black screen, over all but a question: a click shows what is below it again.
    pub(super) fn black_ui(&mut self, ctx: &egui::Context) {
        let is_asked = self.desk.dialog.is_some() || self.desk.palette.is_some();
        let Some(stage) = self.desk.stage.as_mut().filter(|stage| stage.is_black && !is_asked)
        else {
            return;
        };
        let screen = ctx.content_rect();
        let area = egui::Area::new(Id::unique("black screen")).order(Order::Debug).fade_in(false);
        let clicked = area.fixed_pos(screen.min).show(ctx, |ui| {
            let response = ui.allocate_rect(screen, Sense::click());
            ui.painter().rect_filled(screen, 0.0, Color32::BLACK);
            let said = "Black screen, any key shows the presentation again";
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, said));
            response.on_hover_cursor(CursorIcon::None).clicked()
        });
        if clicked.inner {
            stage.is_black = false;
            ctx.request_repaint();
        }
    }

    /// Another caption may need other views.
    pub(super) fn follow_script(&mut self) {
        if let Some(stage) = &self.desk.stage
            && stage.caption != self.desk.script.at()
        {
            self.set_stage(stage.was_full);
        }
    }

    /// Brings a view to the front: on the stage it stands alone.
    pub(super) fn show_view(&mut self, view: ViewId) {
        if let Some(stage) = &mut self.desk.stage {
            stage.arrangement = alone(view);
            stage.folded.forget();
        } else {
            dock::show_view(&mut self.desk.arrangement, view);
            self.desk.folded.show(view);
        }
    }

    /// Whoever opens a picture sees it: one of its views comes to the front, unless one is there, or none is open. On
    /// the stage stays what is shown.
    pub(super) fn show_picture(&mut self) {
        const VIEWS: [ViewId; 3] = [ViewId::Tokens, ViewId::Compare, ViewId::Scales];
        if self.is_presenting() || VIEWS.into_iter().any(|view| self.sees(view)) {
            return;
        }
        let open = self.layout().map(|layout| layout.views()).unwrap_or_default();
        if let Some(view) = VIEWS.into_iter().find(|view| open.contains(view)) {
            self.show_view(view);
        }
    }

    /// Finds out what is seen now, and of which document.
    pub(super) fn look_again(&mut self) {
        let looks = self.desk.stage.as_ref().and_then(|stage| {
            let looks = stage.looks.clone()?;
            Some(Looks { token_opacity: stage.opacity.unwrap_or(looks.token_opacity), ..looks })
        });
        let document = looks.map(|looks| Document { looks, ..self.history.document().clone() });
        self.desk.shown = Shown { document, seen: folded::seen(self.drawn()) };
    }

    /// How views are shown.
    pub(super) fn showing(&self) -> Showing<'_> {
        let is_presented = self.is_presenting();
        let veiled = if is_presented { self.desk.script.veiled() } else { &[] };
        Showing { seen: &self.desk.shown.seen, is_presented, veiled, tightness: 0 }
    }

    /// Draws the views, in what is left of the window.
    pub(super) fn views_ui(&mut self, ui: &mut egui::Ui) {
        let (size, least) = (ui.available_size(), self.theme.px(dock::LEAST));
        // Out of the desk while they are drawn, since what views read is the whole window's.
        let none = Arrangement::empty(Id::unique("no views"));
        let (tree, folded) = self.tree_to_draw();
        let (mut whole, mut fitted) = (std::mem::replace(tree, none), std::mem::take(folded));
        let mut views = std::mem::take(&mut self.desk.views);
        let focus = self.desk.keyboard.focus.take();
        let drawn = fitted.tree(&mut whole, (size, least));
        dock::ui(drawn, &mut views, ui, (&self.view_ctx(), focus));
        self.desk.zoom = None;
        self.desk.views = views;
        let (tree, folded) = self.tree_to_draw();
        (*tree, *folded) = (whole, fitted);
    }

    fn tree_to_draw(&mut self) -> (&mut Arrangement, &mut Folded) {
        match &mut self.desk.stage {
            Some(stage) => (&mut stage.arrangement, &mut stage.folded),
            None => (&mut self.desk.arrangement, &mut self.desk.folded),
        }
    }

    /// A look is changed where it is seen: of a caption's looks that one alone, and in the document no other.
    pub(super) fn look(&mut self, look: Look, ctx: &egui::Context) {
        let document = self.history.document();
        if let Some(looks) = self.desk.stage.as_mut().and_then(|stage| stage.looks.as_mut()) {
            let seen = Document { looks: looks.clone(), ..document.clone() };
            *looks = seen.after(&look.into()).looks;
        }
        self.change(&look.into(), ctx);
    }

    /// The tree that was drawn last.
    pub(super) fn drawn(&self) -> &Arrangement {
        match &self.desk.stage {
            Some(stage) => stage.folded.drawn(&stage.arrangement),
            None => self.desk.folded.drawn(&self.desk.arrangement),
        }
    }

    /// Which colors are worn.
    pub(super) fn theme_choice(&self) -> ThemeChoice {
        let settings = &self.settings;
        if self.is_for_hall() { settings.presentation_theme } else { settings.theme }
    }

    pub(super) fn set_theme(&mut self, theme: ThemeChoice, ctx: &egui::Context) {
        if self.is_for_hall() {
            self.settings.presentation_theme = theme;
        } else {
            self.settings.theme = theme;
        }
        self.wear(ctx);
    }

    /// Puts theme and sizes on.
    pub(super) fn wear(&mut self, ctx: &egui::Context) {
        let larger = if self.is_for_hall() { PRESENTATION_SCALE } else { 1.0 };
        let settings = &self.settings;
        let scale = settings.text_scale * larger;
        self.theme = Theme::new(self.theme_choice(), scale, settings.reduced_motion);
        self.theme.apply(ctx);
    }

    /// Starts a scene, and leads through its captions if `is_guided`, or if it says so. Whoever looks at a picture of
    /// their own is asked whether to go on with it.
    pub(super) fn start_scene(&mut self, scene: &Scene, is_guided: bool) {
        self.desk.guide.leads = is_guided || (scene.leads && !self.is_for_hall());
        if !self.asks_before(scene) {
            self.open_scene(scene);
        }
    }

    /// Asks about what is a person's own and would give way to a scene: what was generated and is in no file, then the
    /// picture. Gives whether something is asked.
    pub(super) fn asks_before(&mut self, scene: &Scene) -> bool {
        let question = if self.puts_own_work_aside(scene) {
            Dialog::Unsaved(Then::Scene(Box::new(scene.clone())))
        } else if scene.loads.image.is_some() && self.shows_other_than(scene) {
            Dialog::Scene(Box::new(scene.clone()))
        } else {
            return false;
        };
        self.ask(question);
        true
    }

    /// Whether a scene replaces what a person has generated, or wants to keep in what is asked next, and has not saved.
    /// What scenes made is made again by them, and what was written into tokens is in History.
    fn puts_own_work_aside(&self, scene: &Scene) -> bool {
        let Document { generating, variations, .. } = self.history.document();
        let saved = &self.keeping.homes[self.history.number()].saved.generating;
        let made = &self.desk.guide.made;
        let is_at_hand = |moment: &Moment| {
            let is_it = |state: &Variation| state.asked.as_ref() == Some(&moment.asked);
            made.contains(&moment.asked) || variations.all().iter().any(is_it)
        };
        let moment = generating.moment.clone().filter(|moment| !is_at_hand(moment));
        let own = Generating { moment, ..generating.clone() };
        scene.generates_anew() && own.has_work_beside(saved)
    }

    /// Starts a scene with the picture that is there, or with its own.
    pub(super) fn answered_scene(&mut self, mut scene: Scene, keeps_own: bool) {
        if keeps_own {
            (scene.loads.source, scene.loads.image) = (None, None);
        }
        self.open_scene(&scene);
    }

    /// A scene by its name.
    pub(super) fn start_named_scene(&mut self, name: &str, is_guided: bool) {
        if let Some(scene) = Scene::shipped(name) {
            self.start_scene(&scene, is_guided);
        } else {
            let hint = "Choose one of the menu Scenes";
            self.notices.add(Notice::error(format!("There is no scene {name:?}"), hint));
        }
    }

    /// A pointer that is seen from the last row, with its tip where the system's is.
    pub(super) fn pointer_ui(&self, ctx: &egui::Context) {
        let is_black = self.desk.stage.as_ref().is_some_and(|stage| stage.is_black);
        let is_seen = self.is_for_hall() && !is_black;
        let Some(at) = ctx.pointer_latest_pos().filter(|_| is_seen) else { return };
        let (theme, colors) = (&self.theme, &self.theme.colors);
        let tip = |x: f32, y: f32| at + vec2(theme.px(x), theme.px(y));
        let layer = LayerId::new(Order::Debug, Id::unique("pointer"));
        let painter = ctx.layer_painter(layer);
        let corners = [(0.0, 0.0), (13.0, 13.0), (5.6, 13.4), (0.0, 18.5)];
        let [first, right, inner, left] = corners.map(|(x, y)| tip(x, y));
        for half in [vec![first, right, inner], vec![first, inner, left]] {
            painter.add(egui::Shape::convex_polygon(half, colors.gold, Stroke::NONE));
        }
        let outline = Stroke::new(theme.line(1.0), colors.text);
        painter.add(egui::Shape::closed_line(vec![first, right, inner, left], outline));
    }

    /// The window as it opens is not larger than its screen has room for, with its title bar and a bar of the
    /// desktop's.
    pub(super) fn fit_to_screen(&mut self, ctx: &egui::Context) {
        if self.desk.is_fitted {
            return;
        }
        let window = ctx.input(|input| input.viewport().clone());
        let (Some(screen), Some(inner)) = (window.monitor_size, window.inner_rect) else { return };
        self.desk.is_fitted = true;
        if window.fullscreen == Some(true) || window.maximized == Some(true) {
            return;
        }
        let frame = window.outer_rect.map_or(Vec2::ZERO, |outer| outer.size() - inner.size());
        if let Some(size) = fitting(screen, frame, inner.size()) {
            ctx.send_viewport_cmd(ViewportCommand::InnerSize(size));
        }
    }
}

/// Height of a title bar where the system does not say it.
const TITLE_BAR: f32 = 32.0;
/// Height of a desktop's own bar.
const DESKTOP_BAR: f32 = 28.0;

/// The size of a window's inside on a screen, in points, if it is too large. `frame` is how much larger the
/// window is with its frame.
fn fitting(screen: Vec2, frame: Vec2, inner: Vec2) -> Option<Vec2> {
    let frame = vec2(frame.x.max(0.0), frame.y.max(TITLE_BAR));
    let room = (screen - frame - vec2(0.0, DESKTOP_BAR)).max(vec2(320.0, 240.0));
    let size = inner.min(room).floor();
    (size != inner.floor()).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_made_as_large_as_its_screen_has_room_for() {
        let usual = vec2(1280.0, 800.0);
        assert_eq!(fitting(vec2(1920.0, 1080.0), vec2(2.0, 30.0), usual), None);
        let small = fitting(vec2(1280.0, 800.0), vec2(2.0, 36.0), usual);
        assert_eq!(small, Some(vec2(1278.0, 736.0)));
        // Where the system does not say how large the frame is.
        let unknown = fitting(vec2(1366.0, 768.0), Vec2::ZERO, usual);
        assert_eq!(unknown, Some(vec2(1280.0, 708.0)));
    }
}
