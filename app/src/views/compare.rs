//! Compare: original, reconstructions and what was lost, for up to four tokenizers.

mod captions;
mod controls;
mod maps;
mod over;
mod panes;
mod places;
mod shown;
mod sides;

use smalti_engine::session::Reply;

use self::maps::Apart;
use self::over::{Over, Two};
use self::panes::Panes;
use self::shown::Shown;
use self::sides::{LastGood, Original, Side, State};
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{CompareMode, Pair, Slot};
use crate::look::theme::space;
use crate::widgets::pane::Zoom;
use crate::widgets::states;

/// The Compare view.
#[derive(Debug, Default)]
pub(super) struct CompareView {
    zoom: Zoom,
    over: Over,
    /// What is seen of a tokenizer while it works on something else.
    last_good: LastGood,
    /// What is between the two that were compared last.
    apart: Option<Apart>,
}

impl View for CompareView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        controls::bar_ui(ui, ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        if ctx.document.subject.is_none() {
            states::no_image(ui, ctx);
            return;
        }
        let sides = self.last_good.ask(ctx);
        let working = sides.iter().find_map(|side| match side.state {
            State::Working(progress) => Some(progress),
            _ => None,
        });
        if let Some(progress) = working {
            states::busy(ui, ctx, progress);
        }
        // One failure beside others is said where its picture would be; that of all is said once.
        let failures: Vec<_> = sides.iter().filter_map(Side::problem).collect();
        if let Some(problem) = failures.first().filter(|_| failures.len() == sides.len()) {
            states::problem(ui, ctx, problem);
            return;
        }
        let Some(original) = self.last_good.original(ctx) else {
            let is_encoded = ctx.encoded(Slot::A).is_some_and(|reply| reply.ready().is_some());
            let words = if is_encoded { "Decoding…" } else { "Encoding…" };
            ui.label(ctx.theme.label(words));
            return;
        };
        self.zoom.follow(ctx, original.is_now);
        let slots: Vec<Slot> = sides.iter().map(|side| side.slot).collect();
        controls::line_ui(ui, ctx, &slots);
        let pair = controls::pair(ctx, &slots);
        let area = ui.available_rect_before_wrap().shrink2(egui::vec2(space::M, space::XS));
        let mode = ctx.document.looks.compare;
        match (mode, pair) {
            (CompareMode::Slider | CompareMode::Swap, Some(pair)) => {
                let with_slider = mode == CompareMode::Slider;
                let two = two_of(ctx, pair, (&sides, &original));
                self.over.ui(ui, ctx, (area, &mut self.zoom), two, with_slider);
            }
            _ => self.side_ui(ui, ctx, area, (pair, &sides, &original)),
        }
    }
}

impl CompareView {
    /// All pictures side by side, or those of a pair.
    fn side_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        area: egui::Rect,
        (pair, sides, original): (Option<Pair>, &[Side], &Original),
    ) {
        let is_seen = |side: &&Side| {
            pair.is_none_or(|pair| [pair.left, Some(pair.right)].contains(&Some(side.slot)))
        };
        let seen: Vec<&Side> = sides.iter().filter(is_seen).collect();
        let size = [original.picture.width(), original.picture.height()];
        let (mut shown, mut groups): (Vec<Shown>, Vec<usize>) = (Vec::new(), Vec::new());
        if pair.is_none_or(|pair| pair.left.is_none()) {
            shown.push(shown::original(ctx, original));
            groups.push(1);
        }
        let reach = shown::reach_of(&seen);
        // Of two tokenizers by themselves it is asked what is between them, not what each one loses.
        let two = pair.is_some_and(|pair| pair.left.is_some()).then_some(&seen[..]);
        let between = match two {
            Some([left, right]) => shown::between(ctx, (left, right), &mut self.apart),
            _ => None,
        };
        for side in &seen {
            shown.push(shown::reconstruction(ctx, side, size));
            if between.is_some() {
                groups.push(1);
                continue;
            }
            shown.extend(shown::difference(ctx, side, reach));
            groups.push(1 + usize::from(shown::has_maps(ctx)));
        }
        if let Some(between) = between {
            shown.push(between);
            groups.push(1);
        }
        let encoded = ctx.encoded(Slot::A);
        let encoded = encoded.as_ref().and_then(Reply::best);
        let panes = Panes { shown: &shown, groups: &groups, size, encoded };
        panes.ui(ui, ctx, area, &mut self.zoom);
    }
}

/// The pictures of a pair, to lie over each other.
fn two_of(ctx: &ViewCtx<'_>, pair: Pair, known: (&[Side], &Original)) -> Two {
    let picture = &known.1.picture;
    Two {
        pair,
        left: shown::of_pair(ctx, pair.left, known),
        right: shown::of_pair(ctx, Some(pair.right), known),
        size: [picture.width(), picture.height()],
    }
}
