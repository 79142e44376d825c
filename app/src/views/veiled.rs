//! A view that says what is asked about: in its place what the hall may see.

use egui::{Rect, Ui, vec2};

use crate::ctx::ViewCtx;
use crate::document::{Secret, Slot};
use crate::look::textures::Sampling;
use crate::look::theme::space;
use crate::widgets::{states, veil};

/// Draws a veil; of a reconstruction also what it is of.
pub fn ui(ui: &Ui, ctx: &ViewCtx<'_>, secret: Secret) {
    let area = ui.available_rect_before_wrap().shrink(space::M);
    // Of tokens that were given nothing is known but what they decode to.
    let encoded = ctx.encoded(Slot::A).and_then(|reply| reply.best().cloned());
    let Some(encoded) =
        encoded.filter(|_| secret == Secret::Reconstruction && ctx.document.image().is_some())
    else {
        veil::paint(ui, ctx, area);
        return;
    };
    let picture = &encoded.picture;
    let line = ctx.theme.px(24.0);
    let aspect = picture.height() as f32 / picture.width().max(1) as f32;
    let width = ((area.width() - space::M) / 2.0).min((area.height() - line).max(16.0) / aspect);
    let size = vec2(width, width * aspect);
    let whole = vec2(2.0 * width + space::M, size.y + line);
    let place = Rect::from_min_size(area.center() - whole / 2.0, size);
    let texture = ctx.textures.picture(picture, Sampling::Pixels);
    egui::Image::new((texture.id(), size)).paint_at(ui, place);
    let under = Rect::from_min_size(place.left_bottom(), vec2(width, line));
    states::caption(ui, ctx, under, "original", "");
    veil::paint(ui, ctx, place.translate(vec2(width + space::M, 0.0)));
}
