//! Generators that learn the tokens of a tiny tokenizer.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::checkpoints::open_tokenizer;
use crate::generators::{Generation, Painter, Request, open_generator};
use crate::training::GeneratorRecipe;

/// A tokenizer of 8x8 pixels to 4x4 tokens, in a folder.
fn tokenizer(folder: &Path, quantizer: &str) -> PathBuf {
    let mut trainer = start(recipe(quantizer, ""), &folder.join("tokenizer"), false).unwrap();
    go(&mut trainer, 1);
    trainer.export().unwrap()
}

fn generator(way: &str, tokenizer: &Path, steps: u64) -> Recipe {
    let text = format!(
        "(name: \"painter\", seed: 5, generator: (way: {way}, network: (layers: 1, dim: 16, heads: 2),
            tokenizer: {tokenizer:?}, pictures: 7, label_dropout: 0.3),
        data: [(weight: 1, from: Worlds(3))], crop: (side: 8, scales: [8], mirror: true),
        batch: 3, micro_batch: 2, steps: {steps}, optimizer: (lr: 1e-2, clip: 1.0), ema_decay: 0.8,
        report_every: 1, checkpoint_every_secs: 1e9)"
    );
    Recipe::parse(&text).unwrap()
}

#[test]
fn a_generator_learns_resumes_to_the_same_numbers_and_writes_pictures_of_its_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    for (way, quantizer) in [("Raster", FSQ), ("MaskGit", FSQ), ("Var", SCALES)] {
        let tokenizer = tokenizer(&folder.path().join(way), quantizer);
        let recipe = generator(way, &tokenizer, 12);
        let mut whole = start(recipe.clone(), &folder.path().join(way).join("a"), false).unwrap();
        let mut reports = go(&mut whole, 5);
        whole.save().unwrap();
        // What is saved between two reports is in the next one, too.
        reports.extend(go(&mut whole, 12));
        let expected = bits(&whole.model_tensors().unwrap());
        let model = whole.export().unwrap();
        drop(whole);
        let other = folder.path().join(way).join("b");
        let mut first = start(recipe.clone(), &other, false).unwrap();
        go(&mut first, 5);
        first.save().unwrap();
        drop(first);
        let mut resumed = start(recipe, &other, true).unwrap();
        let rest = go(&mut resumed, 12);
        assert_eq!(rest, reports[5..], "{way}");
        assert!(bits(&resumed.model_tensors().unwrap()) == expected, "{way}: the same numbers");
        let held_out = |report: &Report| report.figure("held_out_bits_per_token").unwrap();
        let (before, after) = (held_out(&reports[0]), held_out(reports.last().unwrap()));
        assert!(after < before, "{way}: {before} to {after} bits");
        let opened = open_generator(&model, &of_tests().unwrap()).unwrap();
        let maker = open_tokenizer(&tokenizer, &of_tests().unwrap()).unwrap();
        assert_eq!(opened.token_hash.as_ref(), Some(&maker.token_hash));
        let request = Request::new(opened.network.config(), Some(3), 1).unwrap();
        let maker_of: Arc<dyn crate::tokenizers::Tokenizer> = Arc::from(maker.tokenizer);
        let painter = Painter::new(opened.network, Some(Arc::clone(&maker_of))).unwrap();
        let mut generation = Generation::new(painter, request, None).unwrap();
        while generation.next_step().unwrap().is_some() {}
        let tokens = generation.tokens().unwrap();
        let picture = crate::tokenizers::detokenize(maker_of.as_ref(), &tokens).unwrap();
        assert_eq!((picture.width(), picture.height()), (8, 8));
    }
}

/// A tokenizer of gray values, 2 pixels a token.
fn gray(folder: &Path) -> PathBuf {
    let values: Vec<f32> = (0..256_u16).map(|value| f32::from(value) / 127.5 - 1.0).collect();
    let values = Tensor::from_vec(values, (256, 1), &of_tests().unwrap()).unwrap();
    let tensors = BTreeMap::from([("quantize.embedding.weight".to_owned(), values)]);
    let config = serde_json::json!({ "name": "gray", "patch_size": 2 });
    let said = serde_json::json!({ "kind": "tokenizer", "family": "gray", "config": config });
    let path = folder.join("gray.safetensors");
    crate::checkpoints::save_model(&path, &tensors, &said, crate::checkpoints::Precision::F32)
        .unwrap();
    path
}

#[test]
fn pixels_are_learned_as_tokens_are_and_a_picture_of_them_is_gray() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = gray(folder.path());
    let recipe = generator("Raster", &tokenizer, 60);
    let mut trainer = start(recipe, &folder.path().join("a"), false).unwrap();
    let reports = go(&mut trainer, 60);
    let told = |report: &Report| report.figure("bits_per_token").unwrap();
    let (before, after) = (told(&reports[0]), told(reports.last().unwrap()));
    assert!(before > 6.0 && after < before - 0.5, "{before} to {after} bits of 8");
    let opened = open_generator(&trainer.export().unwrap(), &of_tests().unwrap()).unwrap();
    assert_eq!(opened.network.config().codes, 256);
    let request = Request::new(opened.network.config(), None, 1).unwrap();
    let mut generation =
        Generation::new(Painter::new(opened.network, None).unwrap(), request, None).unwrap();
    while generation.next_step().unwrap().is_some() {}
    let tokens = generation.tokens().unwrap();
    let maker = open_tokenizer(&tokenizer, &of_tests().unwrap()).unwrap();
    let picture = crate::tokenizers::detokenize(maker.tokenizer.as_ref(), &tokens).unwrap();
    assert_eq!((picture.width(), picture.height()), (8, 8));
    for (place, code) in tokens.first().codes().iter().enumerate() {
        let (row, column) = (place as u32 / 4, place as u32 % 4);
        assert_eq!(picture.pixel(2 * column + 1, 2 * row), Some([*code as u8; 3]));
    }
}

#[test]
fn tokens_are_made_once_and_a_damaged_cache_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path(), FSQ);
    let run = |name: &str| {
        let recipe = generator("Raster", &tokenizer, 6);
        let mut trainer = start(recipe, &folder.path().join("runs").join(name), false).unwrap();
        go(&mut trainer, 6)
    };
    let first = run("a");
    let cache = folder.path().join("runs/token-cache");
    let files: Vec<PathBuf> =
        cache.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let kept = std::fs::read(file).unwrap();
    assert_eq!(run("b"), first, "from the cache");
    assert_eq!(std::fs::read(file).unwrap(), kept, "which nobody wrote again");
    for damage in [&b"nonsense"[..], &kept[..kept.len() / 2]] {
        std::fs::write(file, damage).unwrap();
        assert_eq!(run(&format!("c{}", damage.len())), first, "made anew");
        assert_eq!(std::fs::read(file).unwrap(), kept);
    }
    // Another seed asks for other pictures.
    let other = Recipe { seed: 6, ..generator("Raster", &tokenizer, 6) };
    go(&mut start(other, &folder.path().join("runs/d"), false).unwrap(), 1);
    assert_eq!(cache.read_dir().unwrap().count(), 2);
}

/// Worlds of which a read fails now and then, as those of a drive over a network do.
#[derive(Debug)]
struct Flaky {
    worlds: Arc<dyn Source>,
    fails: std::sync::atomic::AtomicU32,
}

impl Source for Flaky {
    fn len(&self) -> u64 {
        40
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn class_of(&self, _index: u64) -> Option<u32> {
        None
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        let order = std::sync::atomic::Ordering::Relaxed;
        if self.fails.try_update(order, order, |left| left.checked_sub(1)).is_ok() {
            let path = format!("drive/{index}.png");
            return Err(EngineError::bad_file(path, "the drive does not answer", ""));
        }
        Ok(Sample { class: None, ..self.worlds.sample(index, side)? })
    }
    fn describe(&self) -> String {
        "a drive".to_owned()
    }
}

#[test]
fn an_image_that_could_not_be_read_once_is_read_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = generator("Raster", &tokenizer(folder.path(), FSQ), 12);
    let cache = |name: &str, fails: u32| {
        let worlds = recipe.open_data(Path::new("."), Path::new(".")).unwrap();
        let source = Flaky { worlds, fails: fails.into() };
        let (runs, supplies) = (folder.path().join(name), Supplies::images(Arc::new(source)));
        let mut trainer = begin(recipe.clone(), supplies, &runs.join("a"), false).unwrap();
        let first = go(&mut trainer, 3);
        go(&mut trainer, 12);
        assert_eq!(trainer.skipped().count, 0, "it was read by now");
        drop(trainer);
        let entry = runs.join("token-cache").read_dir().unwrap().next().unwrap();
        (first, std::fs::read(entry.unwrap().path()).unwrap())
    };
    let (whole, flaky) = (cache("whole", 0), cache("flaky", 1));
    assert_ne!(flaky.0, whole.0, "another image stood in for it once");
    assert!(flaky.1 == whole.1, "but what is kept are its own tokens");
}

/// A large set of which images were painted anew, under the same names, but for each third one.
#[derive(Debug)]
struct Repainted {
    worlds: Arc<dyn Source>,
    is_anew: bool,
}

impl Repainted {
    fn is_other(&self, index: u64) -> bool {
        self.is_anew && !index.is_multiple_of(3)
    }
}

impl Source for Repainted {
    fn len(&self) -> u64 {
        40_000
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn class_of(&self, _index: u64) -> Option<u32> {
        None
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        let shown = if self.is_other(index) { index + 1 } else { index };
        Ok(Sample { class: None, ..self.worlds.sample(shown, side)? })
    }
    fn written(&self, index: u64) -> Option<u64> {
        Some(u64::from(self.is_other(index)))
    }
    fn describe(&self) -> String {
        "a set".to_owned()
    }
}

#[test]
fn images_of_a_large_set_that_are_written_again_are_learned_as_they_are_now_and_their_old_tokens_go()
 {
    let folder = tempfile::tempdir().unwrap();
    let recipe = generator("Raster", &tokenizer(folder.path(), FSQ), 6);
    let run = |name: &str, is_anew: bool| {
        let worlds = recipe.open_data(Path::new("."), Path::new(".")).unwrap();
        let supplies = Supplies::images(Arc::new(Repainted { worlds, is_anew }));
        let mut trainer =
            begin(recipe.clone(), supplies, &folder.path().join(name), false).unwrap();
        go(&mut trainer, 6)
    };
    let before = run("runs/a", false);
    let fresh = run("elsewhere/a", true);
    assert_ne!(fresh, before);
    assert_eq!(run("runs/b", true), fresh, "not by what is kept of the images before");
    let kept = folder.path().join("runs/token-cache").read_dir().unwrap().count();
    assert_eq!(kept, 1, "tokens that nobody will ask for again do not pile up");
}

#[test]
fn making_tokens_can_be_stopped_between_pieces_and_nothing_is_learned_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = generator("Raster", &tokenizer(folder.path(), FSQ), 2);
    (recipe.batch, recipe.generator.as_mut().unwrap().pictures) = (40, 40);
    let runs = |name: &str| folder.path().join(name).join("a");
    let expected = go(&mut start(recipe.clone(), &runs("whole"), false).unwrap(), 1);
    let mut trainer = start(recipe, &runs("stopped"), false).unwrap();
    let mut told = Vec::new();
    let stopped = trainer.step_between(&mut |at, of| {
        told.push((at, of));
        if at > 0 { Err(EngineError::Cancelled) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(EngineError::Cancelled)));
    assert_eq!((told, trainer.steps_done()), (vec![(0, 40), (16, 40)], 0));
    let mut left = Vec::new();
    let report = trainer.step_between(&mut |_, of| {
        left.push(of);
        Ok(())
    });
    let mut report = report.unwrap().unwrap();
    (report.seconds, report.images_per_second) = (0.0, 0.0);
    assert_eq!(left[0], 24, "what was made is there");
    assert_eq!([report], expected[..]);
}

/// What is wrong in a recipe, and what is said of it.
type Case = (fn(&mut Recipe), &'static str);

fn own(recipe: &mut Recipe) -> &mut GeneratorRecipe {
    recipe.generator.as_mut().unwrap()
}

#[test]
fn a_recipe_of_a_generator_that_contradicts_itself_names_the_field() {
    let good = generator("MaskGit", Path::new("x.safetensors"), 6);
    let with = |change: fn(&mut Recipe)| {
        let mut recipe = good.clone();
        change(&mut recipe);
        recipe.validate().unwrap_err().to_string()
    };
    let cases: [Case; 5] = [
        (|recipe| own(recipe).network.heads = 3, "generator.heads"),
        (|recipe| own(recipe).network.layers = 0, "generator.layers"),
        (|recipe| own(recipe).pictures = 0, "generator.pictures"),
        (|recipe| own(recipe).label_dropout = 1.5, "generator.label_dropout"),
        (
            |recipe| recipe.classifier = Some(crate::perceptual::ClassifierConfig::new("x", 2)),
            "one",
        ),
    ];
    for (change, expected) in cases {
        let text = with(change);
        assert!(text.contains(expected), "{text}");
    }
}
