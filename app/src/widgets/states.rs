//! What a view shows when it has nothing to show, is at work, or could not do it.

use std::sync::Arc;

use egui::{Rect, RichText};
use smalti_engine::Problem;
use smalti_engine::questions::Encoded;
use smalti_engine::session::{Lane, Reply};

use crate::ctx::ViewCtx;
use crate::document::{AllLost, AppCommand, Layout, Lost, Open, Slot, ViewId};
use crate::look::theme::space;
use crate::look::words::name;

/// No image yet: what to do.
pub fn no_image(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.38);
        ui.label(RichText::new("Drop an image on the window").font(ctx.theme.heading()));
        ui.label(ctx.theme.label("or press Ctrl+O, or pick one in Dataset"));
        ui.add_space(space::S);
        if ui.button("Show the samples").clicked() {
            ctx.send(Open::Source(smalti_engine::questions::SourceRef::Samples));
            ctx.send(Layout::Show(ViewId::Dataset));
        }
    });
}

/// The tokens of the document's image; until they are there, draws what is to be said instead. For
/// views that show what the tokens decode to.
pub fn encoded(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) -> Option<Arc<Encoded>> {
    let Some(reply) = ctx.encoded(Slot::A) else {
        no_image(ui, ctx);
        return None;
    };
    if let Reply::Working { progress, .. } = &reply {
        busy(ui, ctx, *progress);
        // Decoding follows at once, and not when the next frame has shown the tokens.
        if let Some(question) = ctx.plain_question() {
            ctx.session.ask(Lane::Now, &question);
        }
    }
    match &reply {
        Reply::Failed(reason) => problem(ui, ctx, reason),
        Reply::Working { last: None, .. } => {
            ui.label(ctx.theme.label("Encoding…"));
        }
        Reply::Ready(_) | Reply::Working { .. } => {}
    }
    reply.best().cloned()
}

/// It cannot be shown, and why.
pub fn problem(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, problem: &Problem) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.38);
        ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
        if !problem.hint.is_empty() {
            ui.label(ctx.theme.label(&problem.hint));
        }
        if let Some(lost) = ctx.document.lost_by(problem) {
            ui.add_space(space::S);
            find_ui(ui, ctx, (&lost, &AllLost::from([lost.clone()])));
        }
    });
}

/// The button by which a person points at where something is now.
pub fn find_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (lost, all): (&Lost, &AllLost)) {
    let find = ui.button("Find it…");
    find.widget_info(|| {
        let label = format!("Find {} here", name(&lost.path));
        egui::WidgetInfo::labeled(egui::Role::Button, true, label)
    });
    if find.clicked() {
        ctx.send(AppCommand::AskPlace(lost.clone(), AllLost::clone(all)));
    }
}

/// A thin line at the top of a view while it works; the last good picture stays below it.
pub fn busy(ui: &egui::Ui, ctx: &ViewCtx<'_>, progress: Option<f32>) {
    let area = ui.max_rect();
    let width = area.width() * progress.unwrap_or(1.0);
    let line = Rect::from_min_size(area.left_top(), egui::vec2(width, 2.0));
    let color =
        if progress.is_some() { ctx.theme.colors.gold } else { ctx.theme.colors.strong_line };
    ui.painter().rect_filled(line, 0.0, color);
}

/// Whether a caption of this width has room for all that it says, in one line.
pub fn caption_fits(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    width: f32,
    (left, right): (&str, &str),
) -> bool {
    let theme = ctx.theme;
    let left = lay(ui, ctx, (left, theme.body()), f32::INFINITY).size().x;
    left + space::S + lay(ui, ctx, (right, theme.figures()), f32::INFINITY).size().x <= width
}

/// What a caption says to those who cannot see it.
fn tell_caption(ui: &egui::Ui, rect: Rect, left: &str, right: &str) {
    let id = ui.scope_id().with(("caption", rect.left() as i32, rect.top() as i32));
    let name = if right.is_empty() { left.to_owned() } else { format!("{left}, {right}") };
    let response = ui.interact(rect, id, egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &name));
    // Whole, where some of it has no room.
    response.on_hover_text(&name);
}

fn lay(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (text, font): (&str, egui::FontId),
    width: f32,
) -> std::sync::Arc<egui::Galley> {
    let color = ctx.theme.colors.dim;
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(0.0));
    ui.painter().layout_job(job)
}

/// Pieces of a text in as few lines as they have room in, in their order; a piece that is too wide stands alone.
pub fn filled(text: &str, between: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in text.split(between) {
        let longer = lines.last().map(|line| format!("{line}{between}{piece}"));
        if let Some(longer) = longer.filter(|longer| fits(longer)) {
            lines.pop();
            lines.push(longer);
        } else {
            lines.push(piece.to_owned());
        }
    }
    lines
}

/// The first pieces of a text that have room: what stands at its end goes as a whole, and is not cut within a word,
/// and a sign stands for it.
fn first_pieces(text: &str, between: &str, fits: impl Fn(&str) -> bool) -> String {
    let mut kept = text;
    loop {
        let seen = signed(text, kept);
        match kept.rsplit_once(between) {
            Some((fewer, _)) if !fits(&seen) => kept = fewer,
            _ => return seen,
        }
    }
}

/// The first part of a text that was kept, with a sign where that is not all of it.
fn signed(text: &str, kept: &str) -> String {
    match (kept.len() == text.len(), kept.is_empty()) {
        (true, _) => kept.to_owned(),
        (false, true) => "…".to_owned(),
        (false, false) => format!("{kept} …"),
    }
}

/// Figures in one line, as many of them as there is room for; all of them under the pointer.
pub fn figures_line(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, figures: &str) {
    let wide = |text: &str| lay(ui, ctx, (text, ctx.theme.figures()), f32::INFINITY).size().x;
    let room = ui.available_width();
    let seen = first_pieces(figures, " · ", |text| wide(text) <= room);
    let text = egui::Label::new(ctx.theme.caption_figures(&seen)).truncate();
    // Whole once, not twice.
    let label = ui.add(text.show_tooltip_when_elided(false));
    label.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, figures));
    label.on_hover_text(figures);
}

/// The lines of a caption that are needed to leave out no figure, each with whether it is one of figures: what
/// stands before the comma, then the figures. None where one line has room for both, or under a stamp.
fn lines_in_need(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    width: f32,
    (left, right): (&str, &str),
) -> Vec<(String, bool)> {
    let short = left.split(", ").next().unwrap_or(left);
    if width < ctx.theme.px(80.0) || caption_fits(ui, ctx, width, (short, right)) {
        return Vec::new();
    }
    let wide = |text: &str, font: egui::FontId| lay(ui, ctx, (text, font), f32::INFINITY).size().x;
    let words = filled(short, " ", |text| wide(text, ctx.theme.body()) <= width);
    let figures = filled(right, " · ", |text| wide(text, ctx.theme.figures()) <= width);
    let words = words.into_iter().map(|line| (line, false));
    words.chain(figures.into_iter().map(|line| (line, true))).collect()
}

/// The height that [`whole_caption`] needs to leave out nothing but what stands behind the comma.
pub fn caption_height(ui: &egui::Ui, ctx: &ViewCtx<'_>, width: f32, words: (&str, &str)) -> f32 {
    match lines_in_need(ui, ctx, width, words).len() {
        0 => ctx.theme.px(24.0),
        lines => ctx.theme.px(18.0) * lines as f32 + space::XS,
    }
}

/// A caption as [`caption`], but in as many lines as it needs where it has the height for them.
pub fn whole_caption(ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect, left: &str, right: &str) {
    let lines = lines_in_need(ui, ctx, rect.width(), (left, right));
    let height = ctx.theme.px(18.0);
    if lines.is_empty() || rect.height() < height * lines.len() as f32 {
        let line = rect.with_max_y(rect.bottom().min(rect.top() + ctx.theme.px(24.0)));
        caption(ui, ctx, line, left, right);
        return;
    }
    tell_caption(ui, rect, left, right);
    let mut top = rect.top() + space::XS / 2.0;
    for (text, is_figures) in &lines {
        let font = if *is_figures { ctx.theme.figures() } else { ctx.theme.body() };
        let galley = lay(ui, ctx, (text, font), rect.width());
        let at = egui::pos2(rect.left(), top + (height - galley.size().y) / 2.0);
        ui.painter().galley(at, galley, ctx.theme.colors.dim);
        top += height;
    }
}

/// A caption in lines below each other, for narrow pictures: what it is, then its figures in one or two lines.
pub fn caption_in_lines(ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect, left: &str, right: &str) {
    let theme = ctx.theme;
    tell_caption(ui, rect, left, right);
    let height = rect.height() / 3.0;
    let line = |number: f32| {
        Rect::from_min_size(
            rect.left_top() + egui::vec2(0.0, number * height),
            egui::vec2(rect.width(), height),
        )
    };
    let width = |figures: &str| lay(ui, ctx, (figures, theme.figures()), f32::INFINITY).size().x;
    let (figures, last) = match right.rsplit_once(" · ") {
        Some((first, last)) if width(right) > rect.width() => (first, last),
        _ => (right, ""),
    };
    let put = |text: &str, font: egui::FontId, line: Rect| {
        let galley = lay(ui, ctx, (text, font), line.width());
        let at = egui::pos2(line.left(), line.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, theme.colors.dim);
    };
    put(left, theme.body(), line(0.0));
    put(figures, theme.figures(), line(1.0));
    put(last, theme.figures(), line(2.0));
}

/// A caption under a picture: left what it is, right its figures. Where both do not fit, the left
/// part ends at its comma, then the last figures go, those behind " · ", then its last words; where not even the
/// first figures leave room for a few letters, they go too. A sign stands for figures and words that are gone.
pub fn caption(ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect, left: &str, right: &str) {
    let (theme, y) = (ctx.theme, rect.center().y);
    tell_caption(ui, rect, left, right);
    if rect.width() < theme.px(80.0) {
        // Words under a stamp say nothing.
        return;
    }
    let lay = |text: &str, font: egui::FontId, width: f32| lay(ui, ctx, (text, font), width);
    let wide = |text: &str, font: egui::FontId| lay(text, font, f32::INFINITY).size().x;
    let short = left.split(", ").next().unwrap_or(left);
    // A number says nothing without what it is of.
    let is_word = |first: &&str| first.chars().all(char::is_alphabetic);
    let word = short.split(' ').next().filter(is_word).unwrap_or(short);
    let mut kept = right;
    let (what, figures) = loop {
        let figures = signed(right, kept);
        let room = rect.width() - space::S - wide(&figures, theme.figures());
        if let Some(fits) = [left, short].into_iter().find(|t| wide(t, theme.body()) <= room) {
            break (fits, figures);
        }
        if let Some((fewer, _)) = kept.rsplit_once(" · ") {
            kept = fewer;
            continue;
        }
        if kept.is_empty() || room >= theme.px(40.0) || wide(word, theme.body()) <= room {
            break (short, figures);
        }
        kept = "";
    };
    let galley = lay(&figures, theme.figures(), rect.width());
    let at = egui::pos2(rect.right() - galley.size().x, y - galley.size().y / 2.0);
    let room = at.x - rect.left() - space::S;
    ui.painter().galley(at, galley, theme.colors.dim);
    let what = if word == short {
        what.to_owned()
    } else {
        first_pieces(what, " ", |text| wide(text, theme.body()) <= room)
    };
    let galley = lay(&what, theme.body(), room);
    let at = egui::pos2(rect.left(), y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, theme.colors.dim);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_go_one_by_one_from_the_end_and_none_is_cut() {
        let text = "used 655 · 4 096 tokens, ceiling 983 · Gini 0.73";
        let within = |most: usize| first_pieces(text, " · ", |text| text.chars().count() <= most);
        assert_eq!(within(100), text);
        assert_eq!(within(47), "used 655 · 4 096 tokens, ceiling 983 …");
        assert_eq!(within(37), "used 655 …", "the sign needs room, too");
        assert_eq!(within(30), "used 655 …");
        assert_eq!(within(3), "used 655 …", "the first one is all there is");
    }

    #[test]
    fn words_that_have_no_room_leave_a_sign_and_no_other_sense() {
        let text = "no likelihood: an eighth of the tokens at a time";
        let within = |most: usize| first_pieces(text, " ", |text| text.chars().count() <= most);
        assert_eq!(within(100), text);
        assert_eq!(within(30), "no likelihood: an eighth of …");
        assert_eq!(within(16), "no likelihood: …");
        assert_eq!(within(5), "no …", "what is left does not say that it is all");
    }

    #[test]
    fn a_sign_stands_for_figures_that_are_gone_and_for_none_that_are_there() {
        assert_eq!(signed("26.8 dB · SSIM .83", "26.8 dB · SSIM .83"), "26.8 dB · SSIM .83");
        assert_eq!(signed("26.8 dB · SSIM .83", "26.8 dB"), "26.8 dB …");
        assert_eq!(signed("26.8 dB", ""), "…");
        assert_eq!(signed("", ""), "");
    }
}
