//! What can be counted: where each object stands, and in which order they are drawn.

use super::color::{lerp, unit};
use super::noise::{Dice, wave};
use super::places::{self, Zone};
use super::scene::Scene;
use super::shapes::Pen;
use super::world::{Kind, Tint, World};
use super::{animals, plants, things};

/// One object of a world.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub kind: Kind,
    pub tint: Option<Tint>,
    /// Foot (u, v) at time zero; the middle for what flies.
    pub u: f32,
    pub v: f32,
    pub size: f32,
    pub flip: f32,
    pub depth: f32,
    /// A number of its own in 0..1: the phase of its motion, the twist of its branches.
    pub own: f32,
    pub zone: Zone,
}

/// All objects of a world, farthest first.
pub(super) fn layout(world: &World, horizon: f32) -> Vec<Placed> {
    let mut placed = Vec::new();
    // What frames the picture must not hide what is counted.
    let (squeeze, shift) = match places::bank_side(world) {
        Some(side) => (0.80, -0.11 * side),
        None => (1.0, 0.0),
    };
    let slots = |flying: bool| {
        let n: u32 =
            world.objects.iter().filter(|g| g.kind.flies() == flying).map(|g| g.count).sum();
        let mut dice = Dice::new(world.seed, world.index, 200 + u32::from(flying));
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i as usize, dice.below(i + 1) as usize);
        }
        let (width, jitter) = if n < 3 { (0.72, 0.27) } else { (0.84, 0.7 / n as f32) };
        order
            .into_iter()
            .map(|i| ((i as f32 + 0.5 + dice.range(-jitter, jitter)) / n as f32 - 0.5) * width)
            .collect::<Vec<f32>>()
    };
    let standing: u32 = world.objects.iter().filter(|g| !g.kind.flies()).map(|g| g.count).sum();
    let crowd = if standing > 4 { 0.84 } else { 1.0 };
    let (mut ground, mut air) = (slots(false).into_iter(), slots(true).into_iter());
    for group in &world.objects {
        let mut dice = Dice::new(world.seed, world.index, 210 + group.kind as u32);
        let field = places::field(world, horizon, group.kind);
        for _ in 0..group.count {
            let next = if group.kind.flies() { air.next() } else { ground.next() };
            let t = dice.unit();
            let size = lerp(field.sizes.0, field.sizes.1, t) * dice.range(0.9, 1.1);
            let v = lerp(field.rows.0, field.rows.1, t);
            placed.push(Placed {
                kind: group.kind,
                tint: group.tint,
                u: next.unwrap_or(0.0) * squeeze + shift,
                v,
                size: size * crowd,
                flip: dice.sign(),
                depth: unit(field.depth * (1.0 - t)),
                own: dice.unit(),
                zone: field.zone,
            });
        }
    }
    placed.sort_by(|a, b| a.v.total_cmp(&b.v));
    placed
}

/// Draws the objects of one zone.
pub(super) fn paint_zone(scene: &mut Scene<'_>, zone: Zone) {
    for object in layout(scene.world, scene.horizon) {
        if object.zone == zone {
            paint_object(scene, &object);
        }
    }
}

/// Where an object is at time t.
pub(super) fn position(object: &Placed, t: f32) -> (f32, f32) {
    let phase = object.own;
    match object.kind {
        Kind::Balloon => (
            object.u + 0.035 * wave(t * 0.035 + phase) - 0.035 * wave(phase),
            object.v + 0.012 * wave(t * 0.09 + phase) - 0.012 * wave(phase),
        ),
        Kind::Bird => (
            object.u + 0.09 * (wave(t * 0.07 + phase) - wave(phase)),
            object.v + 0.02 * (wave(t * 0.13 + phase) - wave(phase)),
        ),
        Kind::Boat => (
            object.u + 0.035 * (wave(t * 0.035 + phase) - wave(phase)),
            object.v + 0.003 * wave(t * 0.2 + phase),
        ),
        _ => (object.u, object.v),
    }
}

fn paint_object(scene: &mut Scene<'_>, object: &Placed) {
    let at = position(object, scene.time);
    let Scene { canvas, light, time, .. } = scene;
    let mut pen = Pen {
        canvas,
        light,
        at,
        size: object.size,
        flip: object.flip,
        up: 1.0,
        alpha: 1.0,
        depth: object.depth,
    };
    if object.zone == Zone::Water {
        pen.up = -1.0;
        pen.alpha = 0.42;
        draw(&mut pen, object, *time);
        pen.up = 1.0;
        pen.alpha = 1.0;
    }
    draw(&mut pen, object, *time);
}

fn draw(pen: &mut Pen<'_>, object: &Placed, time: f32) {
    let (tint, own) = (object.tint, object.own);
    let t = time + own * 10.0;
    match object.kind {
        Kind::House => things::house(pen, tint, t),
        Kind::Boat => things::boat(pen, tint, t),
        Kind::Balloon => things::balloon(pen, tint, t),
        Kind::Tent => things::tent(pen, tint),
        Kind::Parasol => things::parasol(pen, tint),
        Kind::Lighthouse => things::lighthouse(pen, tint, t),
        Kind::Windmill => things::windmill(pen, t),
        Kind::Igloo => things::igloo(pen),
        Kind::Bird => animals::bird(pen, tint, t),
        Kind::Camel => animals::camel(pen),
        Kind::Giraffe => animals::giraffe(pen),
        Kind::Penguin => animals::penguin(pen),
        Kind::Sheep => animals::sheep(pen),
        Kind::Tree => plants::round_tree(pen, own),
        Kind::Palm => plants::palm(pen, own, t),
        Kind::Acacia => plants::acacia(pen, own),
        Kind::BareTree => plants::bare_tree(pen, own),
        Kind::Cactus => plants::cactus(pen, own),
    }
}
