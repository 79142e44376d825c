//! Tokenizers and quantizers against what the published code gave for the same weights and inputs.
//!
//! Every parameter is taken from a fixture's `config.json`, so that any set of the same layout can
//! be tested through `SMALTI_FIXTURES`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use smalti_engine::device::of_tests;
use std::collections::BTreeMap;

use candle_core::{D, DType, Tensor, Var};
use serde_json::Value;
use smalti_engine::adversarial::{
    AdversarialLoss, DiscriminatorConfig, PatchDiscriminator, adaptive_weight,
};
use smalti_engine::checkpoints;
use smalti_engine::kernels::{self, Conv};
use smalti_engine::layers::{Probe, Weights};
use smalti_engine::quantizers::{
    BetaPlacement, CodebookUpdate, Fsq, FsqBound, FsqConfig, Pass, Quantized, Quantizer,
    QuantizerConfig, ResidualFsq, Vq, VqConfig,
};
use smalti_engine::tokenizers::{Ldm, LdmConfig, Naming, Tokenizer, TokenizerConfig};
use smalti_tests::{Tensors, assert_close, count, counts, fixture, load_config, load_io, number};

const TAMING: &str = "taming_vqmodel";

fn flag(config: &Value, name: &str) -> bool {
    config[name].as_bool().unwrap_or_else(|| panic!("config.json has no flag {name:?}"))
}

fn vq_config(config: &Value) -> VqConfig {
    VqConfig {
        codes: count(config, "n_embed") as u32,
        beta: number(config, "beta"),
        placement: if flag(config, "legacy_beta") {
            BetaPlacement::Codebook
        } else {
            BetaPlacement::Commitment
        },
        update: CodebookUpdate::Gradient,
        ..VqConfig::default()
    }
}

fn taming_config(config: &Value) -> TokenizerConfig {
    assert_eq!(number(config, "dropout"), 0.0, "dropout is not part of the family here");
    assert!(flag(config, "resamp_with_conv"), "resampling is always with a convolution");
    let network = LdmConfig {
        naming: Naming::Taming,
        in_channels: count(config, "in_channels"),
        out_ch: count(config, "out_ch"),
        ch: count(config, "ch"),
        ch_mult: counts(config, "ch_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        attn_resolutions: counts(config, "attn_resolutions"),
        resolution: count(config, "resolution"),
        z_channels: count(config, "z_channels"),
        embed_dim: count(config, "embed_dim"),
        double_z: flag(config, "double_z"),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
        ..LdmConfig::default()
    };
    assert_eq!(network.factor(), count(config, "downsample_factor"));
    let quantizer = QuantizerConfig::Vq(vq_config(config));
    TokenizerConfig { name: TAMING.to_owned(), network, quantizer }
}

/// The tensors of a fixture's `weights.safetensors`.
fn stored(name: &str) -> BTreeMap<String, Tensor> {
    let file = smalti_tests::load_tensors(&fixture(name).join("weights.safetensors"));
    file.iter().map(|(name, _)| (name.to_owned(), file.tensor(name))).collect()
}

/// The tolerance of activations.
struct Near {
    abs: f64,
    rel: f64,
}

impl Near {
    fn of(config: &Value) -> Self {
        let rel = config.pointer("/tolerance/default_rel").and_then(Value::as_f64).unwrap_or(0.0);
        Self { abs: number(config, "tolerance/default_abs"), rel }
    }

    fn check(&self, io: &Tensors, name: &str, got: &Tensor) {
        assert_close(name, got, &io.tensor(name), self.abs, self.rel);
    }
}

fn same_codes(io: &Tensors, name: &str, codes: &Tensor) {
    let got = codes.flatten_all().unwrap().to_vec1::<u32>().unwrap();
    assert_eq!(codes.dims(), io.raw(name).shape, "{name}");
    assert_eq!(got, io.u32s(name), "{name}");
}

/// Everything that one forward pass names, from weights of whichever container.
fn taming_agrees(tensors: BTreeMap<String, Tensor>) {
    let (config, io) = (load_config(TAMING), load_io(TAMING));
    let near = Near::of(&config);
    let weights = Weights::loaded(tensors, false, &of_tests().unwrap());
    let ldm = Ldm::new(&taming_config(&config), &weights).unwrap();
    weights.finish(TAMING, &["loss."]).unwrap();

    let mut seen = BTreeMap::new();
    let mut look = |name: &str, tensor: &Tensor| {
        seen.insert(name.to_owned(), tensor.clone());
    };
    let latents = ldm.encode_probed(&io.tensor("input"), &mut Probe::new(&mut look)).unwrap();
    let quantized = ldm.quantize(&latents, Pass::FIRST).unwrap();
    let reconstruction = ldm.decode_probed(&quantized.latents, &mut Probe::new(&mut look)).unwrap();
    for (name, _) in io.iter() {
        if name.starts_with("encoder.") || name.starts_with("decoder.") || name.contains("_conv") {
            if name.starts_with("train.") {
                continue;
            }
            let got = seen.get(name).unwrap_or_else(|| panic!("{name} cannot be looked at"));
            near.check(&io, name, got);
        }
    }
    near.check(&io, "pre_quant", &latents);
    near.check(&io, "quantized", &quantized.latents);
    near.check(&io, "reconstruction", &reconstruction);
    same_codes(&io, "indices", &quantized.codes[0]);
    let loss =
        quantized.losses.iter().fold(0.0, |sum, (_, loss)| sum + loss.to_scalar::<f32>().unwrap());
    near.check(&io, "loss.codebook", &Tensor::new(loss, &of_tests().unwrap()).unwrap());

    let entries = ldm.quantizer().decode(&quantized.codes).unwrap();
    near.check(&io, "codebook_entries", &entries);
    near.check(&io, "reconstruction_from_indices", &ldm.decode(&entries).unwrap());
}

#[test]
fn taming_agrees_at_every_named_layer() {
    taming_agrees(stored(TAMING));
}

#[test]
fn taming_agrees_from_its_published_container_and_from_safetensors() {
    let container = load_config(TAMING)["container"].as_str().expect("container").to_owned();
    let read = |file: &str| {
        let checkpoint = checkpoints::read(&fixture(TAMING).join(file)).unwrap();
        checkpoint.to_tensors(&of_tests().unwrap()).unwrap()
    };
    let (published, plain) = (read(&container), read("weights.safetensors"));
    assert!(published.keys().eq(plain.keys()), "the same names");
    for (name, tensor) in &plain {
        assert_close(name, &published[name], tensor, 0.0, 0.0);
    }
    taming_agrees(published);
    taming_agrees(plain);
}

#[test]
fn taming_distances_agree() {
    let (config, io) = (load_config(TAMING), load_io(TAMING));
    let weights = Weights::loaded(stored(TAMING), false, &of_tests().unwrap());
    let vq = Vq::new(&vq_config(&config), count(&config, "embed_dim"), &weights.pp("quantize"));
    let distances = vq.unwrap().distances(&io.tensor("pre_quant")).unwrap();
    Near::of(&config).check(&io, "distances", &distances);
}

/// The patch discriminator of the fixture, with the weights that its gradients go to.
fn discriminator(
    config: &Value,
    tensors: &BTreeMap<String, Tensor>,
) -> (PatchDiscriminator, Weights) {
    let prefix = "loss.discriminator.";
    let own = tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())));
    let weights = Weights::loaded(own.collect(), true, &of_tests().unwrap());
    let settings = DiscriminatorConfig {
        ndf: count(config, "disc_ndf"),
        layers: count(config, "disc_num_layers"),
        in_channels: count(config, "out_ch"),
        ..DiscriminatorConfig::default()
    };
    let network = PatchDiscriminator::new(&settings, &weights).unwrap();
    weights.finish("discriminator", &[]).unwrap();
    (network, weights)
}

fn norm(x: &Tensor) -> f64 {
    x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().map(f64::from).unwrap().sqrt()
}

/// |got - want| <= rel * the largest |want|: a gradient's small elements are sums that cancel.
fn same_gradient(io: &Tensors, name: &str, got: &Tensor, rel: f64) {
    let want = io.f64s(name);
    let largest = want.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    assert_close(name, got, &io.tensor(name), rel * largest, rel);
}

#[test]
fn taming_gradients_agree_in_the_published_training_step() {
    let (config, io) = (load_config(TAMING), load_io(TAMING));
    let rel = number(&config, "tolerance/gradients_rel");
    let near = Near::of(&config);
    let tensors = stored(TAMING);
    let (judge, judge_weights) = discriminator(&config, &tensors);
    let weights = Weights::loaded(tensors, true, &of_tests().unwrap());
    let ldm = Ldm::new(&taming_config(&config), &weights).unwrap();
    weights.finish(TAMING, &["loss."]).unwrap();
    let input = io.tensor("input");
    let quantized = ldm.quantize(&ldm.encode(&input).unwrap(), Pass::FIRST).unwrap();
    let reconstruction = ldm.decode(&quantized.latents).unwrap();

    let game = AdversarialLoss::Hinge;
    let nll = (&input - &reconstruction).unwrap().abs().unwrap().mean_all().unwrap();
    let logits = judge.judge_for_generator(&reconstruction).unwrap().logits;
    let adversarial = game.generator(&logits).unwrap();
    let last = &weights.vars()["decoder.conv_out.weight"];
    let of_last = |loss: &Tensor| norm(loss.backward().unwrap().get(last).expect("a gradient"));
    let weight =
        adaptive_weight(of_last(&nll), of_last(&adversarial)) * number(&config, "disc_weight");
    let losses = quantized.losses.iter().map(|(_, loss)| loss.clone());
    let codebook = losses.reduce(|a, b| (a + b).unwrap()).expect("losses of the quantizer");
    // That of this step: 0 before the discriminator starts.
    let factor = io.f64s("train.disc_factor")[0];
    let total = (&nll + (&adversarial * (weight * factor)).unwrap()).unwrap();
    let total = (total + (&codebook * number(&config, "codebook_weight")).unwrap()).unwrap();
    let number = |x: f64| Tensor::new(x as f32, &of_tests().unwrap()).unwrap();
    near.check(&io, "train.nll_loss", &nll);
    near.check(&io, "train.g_loss", &adversarial);
    near.check(&io, "train.quant_loss", &codebook);
    near.check(&io, "train.d_weight", &number(weight));
    near.check(&io, "train.generator_total", &total);

    let [real, fake] = [input, reconstruction.detach()].map(|x| judge.judge(&x).unwrap().logits);
    near.check(&io, "train.logits_real_mean", &real.mean_all().unwrap());
    near.check(&io, "train.logits_fake_mean", &fake.mean_all().unwrap());
    let disc = (game.discriminator(&real, &fake).unwrap() * factor).unwrap();
    near.check(&io, "train.disc_total", &disc);

    let (grads, disc_grads) = (total.backward().unwrap(), disc.backward().unwrap());
    let (vars, judge_vars) = (weights.vars(), judge_weights.vars());
    let (mut compared, mut judges) = (0, 0);
    for (name, _) in io.iter() {
        let Some(parameter) = name.strip_prefix("train.grad.") else { continue };
        let got = match parameter.strip_prefix("loss.discriminator.") {
            Some(own) => {
                judges += 1;
                let var = &judge_vars[own];
                // Nothing flows back through a loss that does not count yet.
                if factor == 0.0 {
                    Some(var.zeros_like().unwrap())
                } else {
                    disc_grads.get(var).cloned()
                }
            }
            None => grads.get(&vars[parameter]).cloned(),
        };
        let got = got.unwrap_or_else(|| panic!("{parameter} has no gradient"));
        same_gradient(&io, name, &got, rel);
        compared += 1;
    }
    assert!(compared > judges && judges > 0, "the fixture lacks gradients");
}

/// One set of levels of the FSQ fixture.
struct Levels<'a> {
    io: &'a Tensors,
    prefix: String,
    steps: Vec<u32>,
    near: Near,
}

impl Levels<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.io.tensor(&self.name(name))
    }

    fn check(&self, name: &str, got: &Tensor) {
        self.near.check(self.io, &self.name(name), got);
    }

    fn rule(&self, bound: FsqBound, eps: f64, hard_clamp: bool) -> Fsq {
        let levels = self.steps.clone();
        let config = FsqConfig { levels, bound, hard_clamp, eps, ..FsqConfig::default() };
        Fsq::new(&config, self.steps.len(), &of_tests().unwrap()).unwrap()
    }

    /// The gradient of sum(quantized · weight) by the input.
    fn gradient(&self, rule: &Fsq) -> Tensor {
        let input = Var::from_tensor(&self.tensor("input")).unwrap();
        let quantized = rule.quantize(&input, Pass::FIRST).unwrap().latents;
        let loss = (quantized * self.tensor("bound.grad_weight")).unwrap().sum_all().unwrap();
        loss.backward().unwrap().get(&input).expect("a gradient").clone()
    }
}

/// Runs `check` for every set of levels.
fn each_level_set(check: impl Fn(&Levels<'_>, f64)) {
    let (config, io) = (load_config("fsq_quantizer"), load_io("fsq_quantizer"));
    let sets = config["level_sets"].as_array().expect("level_sets").len();
    assert!(sets > 0);
    for set in 0..sets {
        let levels = counts(&config, &format!("level_sets/{set}"));
        let levels: Vec<u32> = levels.into_iter().map(|level| level as u32).collect();
        let prefix = format!("L{set}");
        assert_eq!(io.u32s(&format!("{prefix}.levels")), levels);
        let set = Levels { io: &io, prefix, steps: levels, near: Near::of(&config) };
        check(&set, number(&config, "eps"));
    }
}

fn last(x: &Tensor) -> Tensor {
    x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

#[test]
fn fsq_agrees_with_the_common_bound() {
    each_level_set(|set, eps| {
        let rule = set.rule(FsqBound::Atanh, eps, false);
        let input = set.tensor("input");
        for pass in [Pass::Inference, Pass::FIRST] {
            let quantized = rule.quantize(&input, pass).unwrap();
            set.check("bound.quantized", &quantized.latents);
            set.check("cosmos.codes", &quantized.latents);
            same_codes(set.io, &set.name("bound.indices"), &quantized.codes[0]);
            same_codes(set.io, &set.name("cosmos.indices"), &quantized.codes[0]);
        }
        set.check("bound.bounded", &last(&rule.bounded(&input).unwrap()));
        set.check("bound.grad_input", &set.gradient(&rule));
        let codes = set.tensor("bound.indices");
        set.check("bound.codes_from_indices", &rule.decode(std::slice::from_ref(&codes)).unwrap());
        same_codes4(set, "bound.level_indices", &rule.digits(&codes).unwrap());
        let config = FsqConfig { levels: set.steps.clone(), eps, ..FsqConfig::default() };
        let constants = |f: &dyn Fn(u32) -> f64| {
            let values: Vec<f32> = set.steps.iter().map(|&level| f(level) as f32).collect();
            Tensor::new(values, &of_tests().unwrap()).unwrap()
        };
        set.check("bound.half_l", &constants(&|level| config.half(level)));
        set.check("bound.offset", &constants(&|level| config.offset(level)));
        set.check("bound.shift", &constants(&|level| config.shift(level)));
        if set.io.contains(&set.name("bound.implicit_codebook")) {
            set.check("bound.implicit_codebook", &rule.entries(0).unwrap().unwrap());
        }
        for (channel, &basis) in set.io.u32s(&set.name("basis")).iter().enumerate() {
            let code =
                Tensor::new(vec![basis], &of_tests().unwrap()).unwrap().reshape((1, 1, 1)).unwrap();
            let digits = rule.digits(&code).unwrap().flatten_all().unwrap().to_vec1::<u32>();
            let want: Vec<u32> = (0..set.steps.len()).map(|at| u32::from(at == channel)).collect();
            assert_eq!(digits.unwrap(), want, "the first level is the fastest digit");
        }
    });
}

fn same_codes4(set: &Levels<'_>, name: &str, digits: &Tensor) {
    let name = set.name(name);
    assert_eq!(digits.dims(), set.io.raw(&name).shape, "{name}");
    assert_eq!(digits.flatten_all().unwrap().to_vec1::<u32>().unwrap(), set.io.u32s(&name));
}

#[test]
fn fsq_agrees_with_the_papers_bound_and_rounds_its_codes() {
    each_level_set(|set, eps| {
        let rule = set.rule(FsqBound::Tan, eps, false);
        let input = set.tensor("input");
        let quantized = rule.quantize(&input, Pass::Inference).unwrap();
        set.check("paper.bounded", &last(&rule.bounded(&input).unwrap()));
        set.check("paper.codes", &last(&quantized.latents));
        set.check("paper.grad_input", &last(&set.gradient(&rule)));
        same_codes(set.io, &set.name("paper.indices"), &quantized.codes[0]);
        let truncated = set.io.u32s(&set.name("paper.indices_truncated"));
        let rounded = quantized.codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap();
        for (rounded, truncated) in rounded.iter().zip(truncated) {
            assert!(rounded - truncated <= 1, "{rounded} and {truncated}");
        }
    });
}

#[test]
fn fsq_agrees_with_the_symmetric_and_the_hard_clamped_form() {
    each_level_set(|set, eps| {
        let rule = set.rule(FsqBound::Symmetric, eps, false);
        let quantized = rule.quantize(&set.tensor("input"), Pass::FIRST).unwrap();
        set.check("symmetric.quantized", &quantized.latents);
        same_codes(set.io, &set.name("symmetric.indices"), &quantized.codes[0]);
        set.check("symmetric.grad_input", &set.gradient(&rule));
        set.check("symmetric.codes_from_indices", &rule.decode(&quantized.codes).unwrap());

        let rule = set.rule(FsqBound::Atanh, eps, true);
        let quantized = rule.quantize(&set.tensor("hardclamp.input"), Pass::FIRST).unwrap();
        set.check("hardclamp.quantized", &quantized.latents);
        same_codes(set.io, &set.name("hardclamp.indices"), &quantized.codes[0]);
    });
}

#[test]
fn fsq_noise_dropout_moves_codes_as_published() {
    each_level_set(|set, eps| {
        // The published draws were made with the symmetric form: the indices are those of it.
        let rule = set.rule(FsqBound::Symmetric, eps, false);
        let quantized = rule.quantize(&set.tensor("input"), Pass::FIRST).unwrap();
        same_codes(set.io, &set.name("noise.indices"), &quantized.codes[0]);
        let (b, d, h, w) = quantized.latents.dims4().unwrap();
        let place = |name: &str| {
            let draws = set.tensor(name).to_dtype(DType::F32).unwrap();
            draws.transpose(1, D::Minus1).unwrap().reshape((b, d, h, w)).unwrap()
        };
        let moved = Fsq::disturb(&quantized.latents, &place("noise.mask"), &place("noise.offset"));
        set.check("noise.quantized", &moved.unwrap());
    });
}

/// (B, N, D) as (B, D, N, 1).
fn as_latents(x: &Tensor) -> Tensor {
    x.transpose(1, 2).unwrap().unsqueeze(D::Minus1).unwrap().contiguous().unwrap()
}

#[test]
fn residual_fsq_agrees_layer_by_layer() {
    let (config, io) = (load_config("fsq_quantizer"), load_io("fsq_quantizer"));
    let near = Near::of(&config);
    let levels: Vec<u32> =
        counts(&config, "level_sets/0").into_iter().map(|level| level as u32).collect();
    let all = io.tensor("residual.all_codes");
    let layers = all.dim(0).unwrap();
    let rule = ResidualFsq::new(&levels, layers, &of_tests().unwrap()).unwrap();
    let row = |values: Vec<f64>| {
        Tensor::new(values, &of_tests().unwrap()).unwrap().to_dtype(DType::F32).unwrap()
    };
    near.check(&io, "residual.soft_clamp", &row(rule.soft_clamp()));
    let scales: Vec<Tensor> = (0..layers).map(|layer| row(rule.scale(layer))).collect();
    near.check(&io, "residual.scales", &Tensor::stack(&scales, 0).unwrap());

    let found = rule.quantize(&as_latents(&io.tensor("residual.input"))).unwrap();
    let rows = |x: &Tensor| x.squeeze(D::Minus1).unwrap().transpose(1, 2).unwrap();
    near.check(&io, "residual.quantized", &rows(&found.latents).contiguous().unwrap());
    let each: Vec<Tensor> = found.layers.iter().map(rows).collect();
    near.check(&io, "residual.all_codes", &Tensor::stack(&each, 0).unwrap());
    let codes: Vec<Tensor> =
        found.codes.iter().map(|codes| codes.squeeze(D::Minus1).unwrap()).collect();
    same_codes(&io, "residual.indices", &Tensor::stack(&codes, D::Minus1).unwrap());
}

#[test]
fn fsq_behind_projections_and_with_several_codebooks_agrees() {
    let (config, io) = (load_config("fsq_quantizer"), load_io("fsq_quantizer"));
    let near = Near::of(&config);
    // The published code drops the axis of a single codebook.
    let (rows, shape) = (io.raw("proj.w.project_in.bias").shape[0], &io.raw("proj.indices").shape);
    let books = if shape.len() == 4 { shape[3] } else { 1 };
    let sets = config["level_sets"].as_array().expect("level_sets").len();
    let levels: Vec<u32> = (0..sets)
        .rev()
        .map(|set| counts(&config, &format!("level_sets/{set}")))
        .find(|levels| levels.len() * books == rows)
        .expect("a set of levels as wide as the projection")
        .into_iter()
        .map(|level| level as u32)
        .collect();
    // A linear layer over channels is a 1x1 convolution, as in every tokenizer of the family.
    let project = |x: &Tensor, name: &str| {
        let weight = io.tensor(&format!("proj.w.{name}.weight"));
        let weight = weight.unsqueeze(2).unwrap().unsqueeze(3).unwrap();
        let bias = io.tensor(&format!("proj.w.{name}.bias"));
        kernels::conv2d(x, &weight, Some(&bias), Conv::same(0)).unwrap()
    };
    let latents = project(&io.tensor("proj.input"), "project_in");
    let dim = levels.len();
    let rule = FsqConfig { levels, eps: number(&config, "eps"), ..FsqConfig::default() };
    let rule = Fsq::new(&rule, dim, &of_tests().unwrap()).unwrap();
    let found: Vec<Quantized> = (0..books)
        .map(|book| {
            rule.quantize(&latents.narrow(1, book * dim, dim).unwrap(), Pass::FIRST).unwrap()
        })
        .collect();
    let codes: Vec<&Tensor> = found.iter().map(|book| &book.codes[0]).collect();
    let codes = Tensor::stack(&codes, D::Minus1).unwrap();
    same_codes(&io, "proj.indices", &codes.reshape(shape.as_slice()).unwrap());
    let values: Vec<&Tensor> = found.iter().map(|book| &book.latents).collect();
    let together = project(&Tensor::cat(&values, 1).unwrap(), "project_out");
    near.check(&io, "proj.quantized", &together);
}
