//! The probe: a few pictures as they are, and as the model paints them now. After a single step also what it
//! changed.

use std::sync::Arc;

use egui::{Align2, Color32, CornerRadius, Rect, RichText, pos2, vec2};
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{Encode, Reconstruct, Subject};
use smalti_engine::session::Reply;

use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::{PROBE, Slot};
use crate::look::textures::{Sampling, Source};
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::look::words::{counted, grouped};
use crate::runs::Stepped;
use crate::widgets::export::picture_menu;

/// The pictures of a run's probe.
pub(super) struct Pictures {
    /// The run's letter and name.
    whose: (char, String),
    /// What the reconstructions are of, such as "step 120".
    when: String,
    originals: Vec<Picture>,
    /// None where it is still worked out.
    now: Vec<Option<Picture>>,
    change: Option<Change>,
}

/// Where the pictures are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    pub(super) place: Rect,
    pub(super) side: f32,
    /// A row a picture; else a column a picture.
    pub(super) is_upright: bool,
}

/// The line of a label above pictures, and what is below it.
pub(super) fn label_line(ctx: &ViewCtx<'_>, place: Rect) -> (Rect, Rect) {
    let line = place.top() + ctx.theme.px(18.0);
    (place.with_max_y(line), place.with_min_y(line))
}

/// What one step changed.
#[derive(Clone)]
struct Change {
    before: Arc<[Picture]>,
    after: Arc<[Picture]>,
    facts: Changed,
    /// Of before and after against so many originals, in dB.
    psnr: [f64; 2],
    originals: usize,
}

/// What is between two reconstructions of the same pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Changed {
    /// Values that differ.
    count: u64,
    /// Of so many.
    of: u64,
    /// The largest difference, in levels of 255.
    most: u8,
}

fn changed(before: &[Picture], after: &[Picture]) -> Changed {
    let mut found = Changed { count: 0, of: 0, most: 0 };
    for (a, b) in before.iter().zip(after) {
        for (x, y) in a.rgb().iter().zip(b.rgb().iter()) {
            found.of += 1;
            found.count += u64::from(x != y);
            found.most = found.most.max(x.abs_diff(*y));
        }
    }
    found
}

/// Peak signal-to-noise ratio of all pictures together, in dB.
fn psnr(originals: &[Picture], found: &[Picture]) -> f64 {
    let (mut sum, mut count) = (0_u64, 0_u64);
    for (a, b) in originals.iter().zip(found) {
        for (x, y) in a.rgb().iter().zip(b.rgb().iter()) {
            sum += u64::from(x.abs_diff(*y)).pow(2);
            count += 1;
        }
    }
    10.0 * (255.0_f64.powi(2) * count as f64 / sum.max(1) as f64).log10()
}

/// The last single step and the probe after it, if both are there.
fn last_step<'r>(
    egui: &egui::Context,
    slot: Slot,
    run: &'r TrainedRun,
) -> Option<(&'r Stepped, Option<Change>)> {
    let record = &run.told.record;
    let stepped = record.stepped.as_ref()?;
    let after = record.probe.as_ref().filter(|probe| probe.step == stepped.step);
    let change = after.zip(stepped.probe.as_ref()).map(|(after, before)| {
        Change::of(egui, slot, &run.originals, [&before.pictures, &after.pictures])
    });
    Some((stepped, change))
}

/// Tells what a single step did, until another report comes.
pub(super) fn step_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) {
    let Some((stepped, change)) = last_step(ui.ctx(), slot, run) else { return };
    let first = |losses: &[(String, f64)]| losses.first().map(|(_, value)| *value);
    let mut parts = Vec::new();
    match (first(&stepped.before), first(&stepped.after)) {
        (Some(before), Some(after)) => parts.push(format!("loss {before:.4} → {after:.4}")),
        (None, Some(after)) => parts.push(format!("loss {after:.4}")),
        _ => {}
    }
    if let Some(change) = &change {
        let [before, after] = change.psnr;
        parts.push(format!("probe {before:.3} → {after:.3} dB"));
        let Changed { count, of, most } = change.facts;
        let share = count as f64 / of.max(1) as f64 * 100.0;
        parts.push(format!("{share:.1} % of its values changed, by {most} of 255 at most"));
    }
    let text = format!("Step {}: {}", grouped(stepped.step), parts.join(" · "));
    let text = RichText::new(text).font(ctx.theme.small()).color(ctx.theme.colors.text);
    ui.add(egui::Label::new(text).wrap()).on_hover_ui(|ui| {
        for (name, after) in &stepped.after {
            let before = stepped.before.iter().find(|(known, _)| known == name);
            let before = before.map_or("–".to_owned(), |(_, value)| format!("{value:.6}"));
            ui.label(ctx.theme.caption_figures(format!("{name}  {before} → {after:.6}")));
        }
        ui.label(ctx.theme.label("The losses are of two batches, the probe is the same"));
    });
}

/// Letter and name of a run.
fn whose(slot: Slot, run: &TrainedRun) -> (char, String) {
    (slot.letter(), run.name.clone())
}

impl Pictures {
    /// What is there to be shown of a run.
    pub(super) fn of(
        egui: &egui::Context,
        ctx: &ViewCtx<'_>,
        slot: Slot,
        run: &TrainedRun,
    ) -> Self {
        let record = &run.told.record;
        if run.originals.is_empty() {
            return Self::stored(ctx, slot, run);
        }
        let originals = run.originals.to_vec();
        let of = |at: usize| record.probe.as_ref().and_then(|probe| probe.pictures.get(at));
        let now = (0..originals.len()).map(|at| of(at).cloned()).collect();
        let when = record
            .probe
            .as_ref()
            .map_or("now".to_owned(), |probe| format!("step {}", grouped(probe.step)));
        let change = last_step(egui, slot, run).and_then(|(_, change)| change);
        Self { whose: whose(slot, run), when, originals, now, change }
    }

    /// What the latest checkpoint makes of what is open.
    fn stored(ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) -> Self {
        let record = &run.told.record;
        let when = format!("step {}", grouped(record.step));
        let (whose, originals, now) = (whose(slot, run), Vec::new(), Vec::new());
        let mut found = Self { whose, when, originals, now, change: None };
        // While a run goes on its checkpoint is written anew.
        let Some((model, side)) = record.checkpoint.clone().filter(|_| run.view.is_none()) else {
            return found;
        };
        for (at, image) in ctx.document.probe().into_iter().enumerate() {
            if found.originals.len() >= PROBE {
                break;
            }
            let (subject, size) = (Subject::Image(image), WorkingSize::square(side.max(1), 1));
            let encode = Encode { subject, size, model: model.clone() };
            let place = ("probe", slot, at);
            let Reply::Ready(encoded) = ctx.ask_soon((place, 0), &encode) else { continue };
            let back = ctx.ask_soon((place, 1), &Reconstruct(encode));
            found.originals.push(encoded.picture.clone());
            found.now.push(back.ready().map(|back| back.reconstruction.clone()));
        }
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.originals.is_empty()
    }

    /// How many pictures there are.
    pub(super) fn count(&self) -> usize {
        self.originals.len()
    }

    /// How often each is seen: as it is, as it comes back, and how that changed.
    pub(super) fn versions(&self) -> usize {
        if self.change.is_some() { 3 } else { 2 }
    }

    pub(super) fn ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, strip: Strip) {
        let Strip { place, side, is_upright } = strip;
        let (theme, colors) = (ctx.theme, &ctx.theme.colors);
        let (line, below) = label_line(ctx, place);
        let step = side + space::XS;
        let at = |version: usize, picture: usize| {
            let (x, y) = if is_upright { (version, picture) } else { (picture, version) };
            let corner = below.min + vec2(x as f32, y as f32) * step;
            Rect::from_min_size(corner.round(), vec2(side, side))
        };
        let last =
            self.change.as_ref().map(|change| format!("change × {}", gain(change.facts.most)));
        let mut heads = vec!["original", self.when.as_str()];
        heads.extend(last.as_deref());
        let label = |left: f32, text: &str| {
            let at = pos2(left, line.center().y);
            ui.painter().text(at, Align2::LEFT_CENTER, text, theme.small(), colors.dim);
        };
        let width = |text: &str| {
            let text = text.to_owned();
            ui.painter().layout_no_wrap(text, theme.small(), colors.dim).size().x
        };
        // Each above its column, if none runs into the next one's; or all in a line, as many as have room.
        if is_upright && heads.iter().all(|head| width(head) <= side) {
            for (version, head) in heads.iter().enumerate() {
                label(at(version, 0).left(), head);
            }
        } else {
            let all = heads.join(", ");
            let shorter = [format!("probe: {all}"), all, heads[1..].join(", ")];
            let found = shorter.iter().find(|text| width(text) <= place.width());
            label(line.left(), found.map_or(self.when.as_str(), String::as_str));
        }
        let taken = |rect: Rect, (number, what): (usize, &str), picture: &Picture| {
            let id = ui.scope_id().with(("probe picture", number, what));
            let response = ui.interact(rect, id, egui::Sense::CLICK);
            let (letter, run) = &self.whose;
            let name = format!("probe-{}-{what}-{letter}", number + 1);
            let name = name.replace(['\u{a0}', ' '], "-");
            let about = format!("picture {} of the probe of {letter} {run}, {what}", number + 1);
            picture_menu(&response, ctx, (&name, Some(run), &about), picture);
        };
        for (number, original) in self.originals.iter().enumerate() {
            picture_ui(ui, ctx, at(0, number), original);
            taken(at(0, number), (number, "original"), original);
            match &self.now[number] {
                Some(now) => {
                    picture_ui(ui, ctx, at(1, number), now);
                    taken(at(1, number), (number, &self.when), now);
                }
                None => {
                    ui.painter().rect_filled(at(1, number), RADIUS_PICTURE, colors.raised);
                }
            }
            if let Some(change) = &self.change {
                change.ui(ui, ctx, number, at(2, number));
            }
        }
        let whole = Rect::from_min_max(at(0, 0).min, at(self.versions() - 1, self.count() - 1).max);
        let id = ui.scope_id().with(("probe", place.left() as i32));
        let response = ui.interact(whole, id, egui::Sense::hover());
        response.widget_info(|| {
            let name = format!("Probe of {}, {}", counted(self.count(), "picture"), self.when);
            egui::WidgetInfo::labeled(egui::Role::Image, true, name)
        });
    }
}

/// Times by which a difference is made larger, so that the largest one is plain.
fn gain(most: u8) -> u32 {
    255 / u32::from(most.max(1))
}

impl Change {
    /// What is between two probes of the run in a slot: the pictures are gone through once, not in every frame.
    fn of(
        egui: &egui::Context,
        slot: Slot,
        originals: &[Picture],
        [before, after]: [&Arc<[Picture]>; 2],
    ) -> Self {
        let id = egui::Id::unique("what a step changed").with(slot as usize);
        let known = egui.data(|data| data.get_temp::<Self>(id));
        // What is known keeps its pictures, so that no others have their place.
        let is_it = |known: &Self| {
            Arc::ptr_eq(&known.before, before)
                && Arc::ptr_eq(&known.after, after)
                && known.originals == originals.len()
        };
        known.filter(is_it).unwrap_or_else(|| {
            let found = Self {
                before: Arc::clone(before),
                after: Arc::clone(after),
                facts: changed(before, after),
                psnr: [before, after].map(|pictures| psnr(originals, pictures)),
                originals: originals.len(),
            };
            egui.data_mut(|data| data.insert_temp(id, found.clone()));
            found
        })
    }

    fn ui(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, number: usize, place: Rect) {
        let (Some(before), Some(after)) = (self.before.get(number), self.after.get(number)) else {
            return;
        };
        let size = [after.width() as usize, after.height() as usize];
        // The two arrays are kept as long as the texture that is known by one of them.
        let key = ("change", Arc::as_ptr(before.rgb()).addr(), ctx.theme.choice, self.facts.most);
        let source = Source::of(after.rgb());
        let times = gain(self.facts.most) as f32 / 255.0 / 3.0;
        let texture = ctx.textures.colors((key, source), size, Sampling::Pixels, || {
            let pixels = before.rgb().as_chunks::<3>().0.iter().zip(after.rgb().as_chunks::<3>().0);
            let signed = pixels.map(|(a, b)| {
                let sum = |p: &[u8; 3]| p.iter().map(|v| f32::from(*v)).sum::<f32>();
                (sum(b) - sum(a)) * times
            });
            signed.map(|value| ctx.theme.maps.diverging.at(0.5 + 0.5 * value)).collect()
        });
        paint(ui, place, texture.id());
    }
}

fn picture_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, place: Rect, picture: &Picture) {
    let texture = ctx.textures.picture(picture, Sampling::Pixels);
    paint(ui, place, texture.id());
}

fn paint(ui: &egui::Ui, place: Rect, texture: egui::TextureId) {
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    let radius = CornerRadius::same(RADIUS_PICTURE);
    let shape = egui::epaint::RectShape::filled(place, radius, Color32::WHITE);
    ui.painter().add(shape.with_texture(texture, uv));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_changed_is_counted_and_the_probe_is_measured() {
        let picture = |values: [u8; 12]| Picture::new(2, 2, values.to_vec()).unwrap();
        let before = [picture([10; 12])];
        let mut values = [10; 12];
        (values[0], values[5]) = (13, 9);
        let after = [picture(values)];
        assert_eq!(changed(&before, &after), Changed { count: 2, of: 12, most: 3 });
        // Mean squared error (9 + 1) / 12, worked out by hand.
        let expected = 10.0 * (65025.0_f64 * 12.0 / 10.0).log10();
        assert!((psnr(&before, &after) - expected).abs() < 1e-9);
        assert_eq!((gain(3), gain(0)), (85, 255));
    }

    #[test]
    fn what_is_known_of_a_step_is_not_said_of_another() {
        let egui = egui::Context::default();
        let picture = |value: u8| Picture::new(1, 1, vec![value; 3]).unwrap();
        let [first, second, third]: [Arc<[Picture]>; 3] =
            [10, 13, 20].map(|value| vec![picture(value)].into());
        let most = |slot, pair| Change::of(&egui, slot, &[picture(9)], pair).facts.most;
        assert_eq!(most(Slot::A, [&first, &second]), 3);
        assert_eq!(most(Slot::A, [&first, &second]), 3);
        assert_eq!(most(Slot::A, [&second, &third]), 7);
        assert_eq!(most(Slot::B, [&first, &third]), 10);
        assert_eq!(most(Slot::A, [&first, &third]), 10);
    }
}
