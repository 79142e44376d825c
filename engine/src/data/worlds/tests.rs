//! Worlds as people meet them: the same everywhere, exact captions, motion, any size.

use std::collections::HashSet;

use super::noise::wave;
use super::objects::{layout, position};
use super::{Biome, Group, Kind, Time, Weather, World, Worlds, paint, paint_part, places};
use crate::data::Source;
use crate::images::Picture;

fn checksum(picture: &Picture) -> u64 {
    picture.rgb().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Peak signal to noise ratio of two pictures of one size, in dB.
fn psnr(a: &[f64], b: &[f64]) -> f64 {
    let error: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / error.max(1e-9)).log10()
}

/// Means of 2x2 pixels.
fn halved(picture: &Picture) -> Vec<f64> {
    let mut values = Vec::new();
    for y in 0..picture.height() / 2 {
        for x in 0..picture.width() / 2 {
            for channel in 0..3 {
                let sum: f64 = [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .into_iter()
                    .map(|(i, j)| f64::from(picture.pixel(2 * x + i, 2 * y + j).unwrap()[channel]))
                    .sum();
                values.push(sum / 4.0);
            }
        }
    }
    values
}

fn changed(a: &Picture, b: &Picture) -> usize {
    a.rgb()
        .chunks(3)
        .zip(b.rgb().chunks(3))
        .filter(|(p, q)| p.iter().zip(*q).any(|(x, y)| x.abs_diff(*y) > 6))
        .count()
}

/// One world of each class.
fn one_of_each() -> Vec<World> {
    Biome::ALL
        .into_iter()
        .map(|biome| (0..1000).map(|i| World::new(5, i)).find(|w| w.biome == biome).unwrap())
        .collect()
}

#[test]
fn pictures_are_the_same_on_every_machine_and_thread() {
    let here: Vec<u64> =
        one_of_each().iter().map(|w| checksum(&paint(w, 48, 48, 1.5).unwrap())).collect();
    let there: Vec<u64> = std::thread::scope(|scope| {
        let handles: Vec<_> = one_of_each()
            .into_iter()
            .map(|w| scope.spawn(move || checksum(&paint(&w, 48, 48, 1.5).unwrap())))
            .collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    assert_eq!(here, there);
    assert_eq!(here, CHECKSUMS, "the painter changed, or this machine computes differently");
}

/// Made on x86-64 Linux. A change of the painter changes them, and every shipped model with them.
const CHECKSUMS: [u64; 10] = [
    0x45c6_1da6_04e4_4d8b,
    0x9d46_4adb_57a0_24d8,
    0xa282_a1f1_5be4_30a9,
    0xd25a_4924_0f75_3cec,
    0x989c_f8d9_c2a4_abf0,
    0xbf3c_cba7_9f04_3821,
    0x13b5_1a70_c184_9534,
    0xc9c8_8dcd_2b77_59a4,
    0x5d34_5166_0d29_5cce,
    0xff2a_863c_abf1_0599,
];

#[test]
fn a_part_is_what_the_whole_picture_shows_there() {
    let mut dice = super::noise::Dice::new(4, 4, 4);
    for index in 0..300 {
        let world = World::new(11, index);
        let [width, height] = [[96, 96], [200, 200], [64, 120], [131, 70]][index as usize % 4];
        let whole = paint(&world, width, height, 0.7).unwrap();
        for _ in 0..4 {
            let (w, h) = (1 + dice.below(64.min(width)), 1 + dice.below(64.min(height)));
            let (x, y) = (dice.below(width - w + 1), dice.below(height - h + 1));
            let part = paint_part(&world, [width, height], 0.7, [x, y, w, h]).unwrap();
            let place = format!("{w}x{h} at ({x}, {y}) of {width}x{height}: {}", world.caption());
            assert!(part == whole.crop(x, y, w, h).unwrap(), "{place}");
        }
    }
    let world = World::new(1, 4);
    for part in [[0, 0, 0, 5], [0, 0, 5, 0], [60, 0, 5, 5], [0, 60, 5, 5], [u32::MAX, 0, 2, 2]] {
        assert!(paint_part(&world, [64, 64], 0.0, part).is_err(), "{part:?}");
    }
}

#[test]
fn every_class_time_and_weather_occurs() {
    let worlds: Vec<World> = (0..2000).map(|i| World::new(3, i)).collect();
    for biome in Biome::ALL {
        let n = worlds.iter().filter(|w| w.biome == biome).count();
        assert!((130..270).contains(&n), "{n} of {}", biome.name());
    }
    for time in Time::ALL {
        assert!(worlds.iter().filter(|w| w.time == time).count() > 200, "{time:?}");
    }
    for weather in Weather::ALL {
        assert!(worlds.iter().filter(|w| w.weather == weather).count() > 60, "{weather:?}");
    }
    let captions: HashSet<String> = worlds.iter().map(World::caption).collect();
    assert!(captions.len() > 1200, "{} different captions", captions.len());
}

#[test]
fn the_caption_says_what_is_placed() {
    for index in 0..300 {
        let world = World::new(9, index);
        let placed = layout(&world, places::horizon(&world));
        let caption = world.caption();
        assert!(caption.contains(world.biome.name()), "{caption}");
        let total: u32 = world.objects.iter().map(|g| g.count).sum();
        assert_eq!(placed.len(), total as usize, "{caption}");
        for group in &world.objects {
            let n = placed.iter().filter(|p| p.kind == group.kind && p.tint == group.tint).count();
            assert_eq!(n, group.count as usize, "{caption}");
            let (one, many) = group.kind.names();
            let noun = if n == 1 { one } else { many };
            let number = ["", "a", "two", "three", "four", "five"][n];
            let at = caption.find(&group.phrase()).unwrap();
            let words = caption.get(at..).unwrap();
            assert!(words.starts_with(number) && words.contains(noun), "{caption}");
        }
    }
}

#[test]
fn palms_that_are_counted_stand_alone() {
    let counted = (0..2000).map(|i| World::new(9, i)).filter(|w| {
        w.biome == Biome::TropicalCoast && w.objects.iter().any(|g| g.kind == Kind::Palm)
    });
    assert!(counted.map(|w| assert_eq!(places::bank_side(&w), None)).count() > 10);
}

#[test]
fn a_phrase_reads_as_english() {
    let phrase = |kind, tint, count| Group { kind, tint, count }.phrase();
    assert_eq!(phrase(Kind::Balloon, Some(super::Tint::Red), 3), "three red balloons");
    assert_eq!(phrase(Kind::Tent, Some(super::Tint::Orange), 1), "an orange tent");
    assert_eq!(phrase(Kind::Igloo, None, 1), "an igloo");
    assert_eq!(phrase(Kind::Sheep, None, 4), "four sheep");
    assert_eq!(phrase(Kind::Cactus, None, 2), "two cacti");
}

#[test]
fn each_object_can_be_seen_where_it_is_placed() {
    let mut seen = HashSet::new();
    for index in 0..400 {
        let world = World::new(21, index);
        if world.weather != Weather::Clear || world.time == Time::Night {
            continue;
        }
        let Some(group) = world.objects.first() else { continue };
        if !seen.insert((world.biome, group.kind)) {
            continue;
        }
        // The last object of a group can be left out without moving the others of other groups.
        let without =
            World { objects: world.objects.iter().skip(1).cloned().collect(), ..world.clone() };
        if world.objects.len() > 2
            || without.objects.iter().any(|g| g.kind.flies() == group.kind.flies())
        {
            continue;
        }
        let (full, empty) =
            (paint(&world, 128, 128, 0.0).unwrap(), paint(&without, 128, 128, 0.0).unwrap());
        for object in
            layout(&world, places::horizon(&world)).iter().filter(|o| o.kind == group.kind)
        {
            let (u, v) = position(object, 0.0);
            let mut hits = 0;
            let reach = (object.size * 128.0) as i32;
            let (cx, cy) = (((u + 0.5) * 128.0) as i32, (v * 128.0) as i32);
            for y in (cy - reach).max(0)..(cy + reach / 2).min(128) {
                for x in (cx - reach / 2).max(0)..(cx + reach / 2).min(128) {
                    let (a, b) = (
                        full.pixel(x as u32, y as u32).unwrap(),
                        empty.pixel(x as u32, y as u32).unwrap(),
                    );
                    hits += usize::from(a.iter().zip(b).any(|(p, q)| p.abs_diff(q) > 12));
                }
            }
            assert!(hits >= 8, "{hits} pixels show a {:?} in: {}", object.kind, world.caption());
        }
    }
    assert!(seen.len() > 30, "{} kinds in places", seen.len());
}

#[test]
fn any_size_is_painted_and_zero_is_an_error() {
    let world = World::new(1, 4);
    for (width, height) in [(1, 1), (7, 13), (64, 128), (128, 64), (1, 40), (65, 33), (2, 2)] {
        let picture = paint(&world, width, height, 0.0).unwrap();
        assert_eq!((picture.width(), picture.height()), (width, height));
    }
    for world in one_of_each() {
        for (width, height) in [(1, 1), (3, 5), (24, 48), (48, 24)] {
            assert!(paint(&world, width, height, 3.0).is_ok());
        }
    }
    for (width, height) in [(0, 8), (8, 0), (0, 0), (8, 100_000)] {
        let problem = paint(&world, width, height, 0.0).unwrap_err().problem();
        assert!(problem.bad_input && problem.hint.contains("1 to"), "{problem}");
    }
    assert!(paint(&world, 8, 8, f32::NAN).is_err());
}

#[test]
fn twice_the_pixels_show_the_same_composition() {
    let mut sum = 0.0;
    for world in one_of_each() {
        let small = paint(&world, 64, 64, 0.0).unwrap();
        let large = paint(&world, 128, 128, 0.0).unwrap();
        let small: Vec<f64> = small.rgb().iter().map(|x| f64::from(*x)).collect();
        let value = psnr(&small, &halved(&large));
        assert!(value > 24.0, "{value:.1} dB: {}", world.caption());
        sum += value;
        // Another world is far away, so that the bound above means something.
        let other = paint(&World::new(77, world.index), 64, 64, 0.0).unwrap();
        let other: Vec<f64> = other.rgb().iter().map(|x| f64::from(*x)).collect();
        assert!(psnr(&small, &other) < 20.0);
    }
    assert!(sum / 10.0 > 27.0, "{:.1} dB on average", sum / 10.0);
}

#[test]
fn a_wide_picture_holds_the_square_one_in_its_middle() {
    for world in one_of_each() {
        let square = paint(&world, 64, 64, 0.0).unwrap();
        let wide = paint(&world, 128, 64, 0.0).unwrap();
        let mut same = 0;
        for y in 8..56 {
            for x in 16..48 {
                let (a, b) = (square.pixel(x, y).unwrap(), wide.pixel(x + 32, y).unwrap());
                same += usize::from(a.iter().zip(b).all(|(p, q)| p.abs_diff(q) < 48));
            }
        }
        assert!(same * 100 > 32 * 48 * 85, "{same}: {}", world.caption());
    }
}

#[test]
fn time_moves_the_picture_and_nothing_else() {
    for world in one_of_each() {
        let first = paint(&world, 64, 64, 0.0).unwrap();
        let later = paint(&world, 64, 64, 4.0).unwrap();
        let n = changed(&first, &later);
        assert!(n > 40, "{n} pixels moved: {}", world.caption());
        assert!(n < 64 * 64 * 3 / 4, "{n} pixels moved: {}", world.caption());
        assert_eq!(first, paint(&world, 64, 64, 0.0).unwrap());
    }
}

#[test]
fn held_out_worlds_are_never_trained_on() {
    let (training, held_out) = (Worlds::training(2), Worlds::held_out(2));
    assert_eq!(training.len(), Worlds::TRAINING);
    assert_eq!(training.len() + held_out.len(), Worlds::ALL);
    assert_eq!(held_out.world(0).unwrap().index, Worlds::TRAINING);
    assert!(training.world(Worlds::TRAINING).is_err());
    let sample = held_out.sample(7, 32).unwrap();
    assert_eq!(sample.picture.width(), 32);
    let world = held_out.world(7).unwrap();
    assert_eq!(sample.caption.as_deref(), Some(world.caption().as_str()));
    assert_eq!(held_out.classes()[sample.class.unwrap() as usize], world.biome.name());
}

#[test]
fn the_wave_is_a_sine() {
    for i in -400..400 {
        let turns = i as f32 / 97.0;
        let exact = (f64::from(turns) * std::f64::consts::TAU).sin();
        assert!((f64::from(wave(turns)) - exact).abs() < 0.0015, "{turns}");
    }
}
