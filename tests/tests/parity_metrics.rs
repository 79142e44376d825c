//! PSNR, SSIM, LPIPS and codebook statistics against scikit-image, the `lpips` package and plain formulas.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_engine::images::Picture;
use smalti_engine::layers::Weights;
use smalti_engine::measure::{
    CodeCounts, Moments, SsimWindow, ms_ssim, psnr, ssim, ssim_map, ssim_with,
};
use smalti_engine::perceptual::{Backbone, Lpips, Published, Trunk};
use smalti_engine::tokens::Tokens;
use smalti_tests::{Tensors, assert_close, counts, device, fixture, load_config, load_io, number};

fn expect(what: &str, got: f64, want: f64, rel: f64) {
    let error = (got - want).abs();
    assert!(error <= rel * want.abs(), "{what} is {got}, should be {want} (within {rel} of it)");
}

/// Picture `index` of (B, 3, H, W) values; `only` repeats one channel three times.
fn picture(io: &Tensors, name: &str, index: usize, only: Option<usize>) -> Picture {
    let &[batch, 3, height, width] = io.raw(name).shape.as_slice() else {
        panic!("{name} is {:?}, not (B, 3, H, W)", io.raw(name).shape);
    };
    assert!(index < batch);
    let values = io.u32s(name);
    let pixels = height * width;
    let rgb: Vec<u8> = (0..3 * pixels)
        .map(|at| {
            let channel = only.unwrap_or(at % 3);
            u8::try_from(values[(index * 3 + channel) * pixels + at / 3]).unwrap()
        })
        .collect();
    Picture::new(width as u32, height as u32, rgb).unwrap()
}

fn fixture_of_metrics() -> (Tensors, Value) {
    (load_io("metrics"), load_config("metrics"))
}

#[test]
fn psnr_and_ssim_agree_with_scikit_image() {
    let (io, config) = fixture_of_metrics();
    let rel = number(&config, "tolerance/default_rel");
    for index in 0..smalti_tests::count(&config, "batch") {
        let (a, b) = (picture(&io, "a_uint8", index, None), picture(&io, "b_uint8", index, None));
        let want = |name: &str| io.f64s(name)[index];
        expect("psnr", psnr(&a, &b).unwrap(), want("psnr.uint8_255"), rel);
        expect("ssim", ssim(&a, &b).unwrap(), want("ssim.gauss11_uint8_255"), rel);
        let uniform = ssim_with(&a, &b, SsimWindow::Uniform7, 255.0).unwrap().mean;
        expect("ssim, 7x7", uniform, want("ssim.uniform7_uint8_255"), rel);
        let gray = [("a_uint8", &a), ("b_uint8", &b)].map(|(n, _)| picture(&io, n, index, Some(0)));
        let mean = ssim(&gray[0], &gray[1]).unwrap();
        expect("ssim of channel 0", mean, want("ssim.gauss11_gray0_uint8_255"), rel);
    }
}

/// The map is compared to its edges, where it depends on how the picture is continued.
#[test]
fn the_similarity_of_every_pixel_agrees_with_scikit_image() {
    let (io, config) = fixture_of_metrics();
    let rel = number(&config, "tolerance/default_rel");
    let gray = ["a_uint8", "b_uint8"].map(|name| picture(&io, name, 0, Some(0)));
    let map = ssim_map(&gray[0], &gray[1]).unwrap().map;
    let want = io.f64s("ssim.gauss11_map_gray0");
    assert_eq!(map.len(), want.len());
    for (at, (got, want)) in map.iter().zip(want).enumerate() {
        // Relative to the range of the map, which passes through zero.
        let error = (f64::from(*got) - want).abs();
        assert!(error <= rel, "pixel {at} is {got}, should be {want}");
    }
}

/// The constants of the range-doubling habit of some repositories: pictures in [0, 1] compared with
/// a range of 2. Rounding to 8 bits, which only we do, moves the value a little.
#[test]
fn a_doubled_range_inflates_ssim_as_published_code_does() {
    let (io, config) = fixture_of_metrics();
    let rel = number(&config, "tolerance/default_rel");
    for (index, want) in io.f64s("ssim.uniform7_float01_range2").into_iter().enumerate() {
        let (a, b) = (picture(&io, "a_uint8", index, None), picture(&io, "b_uint8", index, None));
        let doubled = ssim_with(&a, &b, SsimWindow::Uniform7, 510.0).unwrap().mean;
        let right = ssim_with(&a, &b, SsimWindow::Uniform7, 255.0).unwrap().mean;
        assert!(doubled > right, "a larger range hides differences");
        // What rounding moves is in the fixture for the right range; here it may be twice as much.
        let exact = io.f64s("ssim.uniform7_float01_range1")[index];
        let moved = (exact - io.f64s("ssim.uniform7_uint8_255")[index]).abs() / exact.abs();
        expect("ssim with range 2", doubled, want, 2.0 * moved + rel);
    }
}

#[test]
fn statistics_of_a_codebook_agree_with_their_formulas() {
    let (io, config) = fixture_of_metrics();
    let rel = number(&config, "tolerance/codebook_rel");
    // The file holds them as f32.
    let rel = rel.max(f64::from(f32::EPSILON));
    for (at, size) in counts(&config, "codebook_sizes").into_iter().enumerate() {
        let name = |what: &str| format!("codebook{at}.{what}");
        let one = |what: &str| io.f64s(&name(what))[0];
        assert_eq!(io.u32s(&name("codebook_size")), [size as u32]);
        let stream = io.u32s(&name("stream"));
        let mut counts = CodeCounts::new(size as u32);
        // In two grids, as they would come from two pictures.
        let half = stream.len() / 2;
        for part in [&stream[..half], &stream[half..]] {
            let tokens = Tokens::grid(1, part.len(), size as u32, part).unwrap();
            counts.add(tokens.first()).unwrap();
        }
        let found: Vec<f64> = counts.counts().iter().map(|&count| count as f64).collect();
        assert_eq!(found, io.f64s(&name("counts")));
        let statistics = counts.statistics();
        assert_eq!(f64::from(statistics.used), one("used"));
        assert_eq!(statistics.samples, stream.len() as u64);
        for (what, got) in [
            ("usage", statistics.usage),
            ("entropy_bits", statistics.entropy_bits),
            ("perplexity", statistics.perplexity),
            ("gini", statistics.gini),
            ("normalized_entropy", statistics.normalized_entropy),
        ] {
            expect(&name(what), got, one(what), rel);
        }
    }
}

/// Features, what each depth adds, and the distance, of narrow networks with the published layers.
#[test]
fn lpips_agrees_with_the_lpips_package_at_every_depth() {
    let (io, config) = fixture_of_metrics();
    let near = number(&config, "tolerance/lpips_abs");
    let rel = number(&config, "tolerance/default_rel");
    let path = fixture("metrics").join("weights.safetensors");
    let tensors = checkpoints::read(&path).unwrap().to_tensors(&device()).unwrap();
    let (a, b) = (io.tensor("a"), io.tensor("b"));
    for (name, which) in [("vgg", Published::Vgg16), ("alex", Published::AlexNet)] {
        let widths: [usize; 5] = counts(&config, &format!("{name}_chns")).try_into().unwrap();
        let prefix = format!("{name}.");
        let own = tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
        });
        let weights = Weights::loaded(own.collect(), false, &device());
        let lpips = Lpips::of_weights(which, widths, &weights).unwrap();
        weights.finish(name, &[]).unwrap();
        let want = |what: &str| io.tensor(&format!("lpips.{name}.{what}"));
        let trunk = Trunk::with_widths(which, widths, &weights).unwrap();
        for (depth, features) in trunk.features(&a).unwrap().iter().enumerate() {
            let mean = features.flatten_from(2).unwrap().mean(2).unwrap();
            let what = format!("feature_mean{depth}");
            assert_close(&what, &mean, &want(&what), near, rel);
        }
        for (depth, layer) in lpips.layers(&a, &b).unwrap().iter().enumerate() {
            let what = format!("layer{depth}");
            assert_close(&what, layer, &want(&what), near, rel);
        }
        assert_close(name, &lpips.distance(&a, &b).unwrap(), &want("value"), near, rel);
        // The package's `normalize`: images in [0, 1] are brought to [-1, 1] first.
        let from_unit = |x: &Tensor| {
            let unit = ((x + 1.0).unwrap() * 0.5).unwrap();
            ((unit * 2.0).unwrap() - 1.0).unwrap()
        };
        let found = lpips.distance(&from_unit(&a), &from_unit(&b)).unwrap();
        assert_close(name, &found, &want("value_input01_normalize"), near, rel);
    }
}

/// torchmetrics, on the pictures three times as large (each pixel nine), mean of the batch; it has them before
/// they are rounded to 8 bits, which moves the value a little.
#[test]
fn similarity_over_five_scales_agrees_with_torchmetrics() {
    let (io, config) = fixture_of_metrics();
    let count = smalti_tests::count(&config, "batch");
    let larger = |picture: &Picture| {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixel = |at: usize| {
            let (x, y) = (at % (3 * width) / 3, at / (3 * width) / 3);
            let from = (y * width + x) * 3;
            picture.rgb()[from..from + 3].to_vec()
        };
        let rgb: Vec<u8> = (0..9 * width * height).flat_map(pixel).collect();
        Picture::new(3 * picture.width(), 3 * picture.height(), rgb).unwrap()
    };
    let values = (0..count).map(|index| {
        let pair = ["a_uint8", "b_uint8"].map(|name| larger(&picture(&io, name, index, None)));
        ms_ssim(&pair[0], &pair[1]).unwrap().unwrap()
    });
    let mean = values.sum::<f64>() / count as f64;
    expect("ms-ssim", mean, io.f64s("ms_ssim.torchmetrics_range1")[0], 1e-3);
}

/// SEED-Voken's `calculate_frechet_distance`, also of fewer rows than features.
#[test]
fn the_frechet_distance_agrees_with_a_published_one() {
    let (io, config) = fixture_of_metrics();
    let rel = number(&config, "tolerance/frechet_rel");
    let of = |name: &str, most: usize| {
        let width = io.raw(name).shape[1];
        let mut moments = Moments::default();
        for row in io.f64s(name).chunks(width).take(most) {
            moments.add(&row.iter().map(|value| *value as f32).collect::<Vec<_>>()).unwrap();
        }
        moments
    };
    let real = of("frechet.real", usize::MAX);
    let want = |name: &str| io.f64s(name)[0];
    let found = real.distance(&of("frechet.fake", usize::MAX)).unwrap();
    expect("distance", found, want("frechet.distance"), rel);
    let rows = io.u32s("frechet.rank_deficient_rows")[0] as usize;
    let found = real.distance(&of("frechet.fake", rows)).unwrap();
    expect("of few rows", found, want("frechet.distance_rank_deficient"), rel);
}

/// Pillow 13.0 (libjpeg-turbo) on the middle 512x512 of the samples, 4:4:4, tables as they are: bits per pixel
/// and PSNR in dB at the qualities of the reference curve. Another encoder rounds otherwise: at the highest quality
/// its files are 2.4 % smaller. Neighbouring qualities are at least 18 % apart.
#[test]
fn the_curve_of_jpeg_agrees_with_another_encoder() {
    const QUALITIES: [u8; 8] = [3, 8, 15, 25, 40, 60, 80, 92];
    let measured: [(&str, [(f64, f64); 8]); 2] = [
        (
            "kodim04",
            [
                (0.2619, 21.681),
                (0.3258, 28.019),
                (0.4299, 30.321),
                (0.5782, 32.184),
                (0.7712, 33.729),
                (1.0285, 35.124),
                (1.5956, 37.305),
                (2.7702, 40.682),
            ],
        ),
        (
            "kodim23",
            [
                (0.2737, 22.448),
                (0.3412, 27.785),
                (0.4350, 30.717),
                (0.5576, 32.723),
                (0.7173, 34.511),
                (0.9333, 36.135),
                (1.4306, 38.541),
                (2.5127, 41.597),
            ],
        ),
    ];
    assert_eq!(smalti_engine::evaluation::JPEG_QUALITIES, QUALITIES);
    for (name, wanted) in measured {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/samples");
        let path = std::path::Path::new(path).join(format!("{name}.png"));
        let whole = smalti_engine::images::open(&path, &smalti_engine::images::Limits::default())
            .unwrap()
            .picture;
        let (left, top) = ((whole.width() - 512) / 2, (whole.height() - 512) / 2);
        let picture = whole.crop(left, top, 512, 512).unwrap();
        for (quality, (bits, decibels)) in QUALITIES.into_iter().zip(wanted) {
            let back = smalti_engine::images::as_jpeg(&picture, quality).unwrap();
            let rate = back.bytes as f64 * 8.0 / (512.0 * 512.0);
            expect(&format!("{name}, bits at {quality}"), rate, bits, 0.03);
            let own = psnr(&picture, &back.picture).unwrap();
            assert!((own - decibels).abs() < 0.25, "{name} at {quality}: {own}, not {decibels}");
        }
    }
}
