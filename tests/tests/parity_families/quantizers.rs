//! Quantizers on their own, against vector-quantize-pytorch, IBQ and taming.

use std::collections::BTreeMap;

use candle_core::{D, Tensor, Var};
use smalti_engine::layers::Weights;

use smalti_engine::quantizers::entropy::soft_entropies;
use smalti_engine::quantizers::kmeans::lloyd;
use smalti_engine::quantizers::rotation::rotate_to;
use smalti_engine::quantizers::{
    BitOrder, Bsq, CodebookUpdate, Ibq, IbqConfig, Lfq, LfqConfig, LogFloor, Pass, Place,
    Quantized, Quantizer, ResidualVq, ResidualVqConfig, SimVq, SimVqConfig, Through, Vq, VqConfig,
};
use smalti_tests::{count, device, number};

use crate::ledger::{Ledger, probed, scalar};

const NAME: &str = "quantizers";

/// (B, N, D) as latents (B, D, N, 1).
fn as_latents(x: &Tensor) -> Tensor {
    x.transpose(1, 2).unwrap().unsqueeze(D::Minus1).unwrap().contiguous().unwrap()
}

/// Latents (B, D, N, 1) as (B, N, D).
fn as_rows(x: &Tensor) -> Tensor {
    x.squeeze(D::Minus1).unwrap().transpose(1, 2).unwrap().contiguous().unwrap()
}

/// An input (B, N, D) as a variable, and the latents made of it.
fn variable(input: &Tensor) -> (Var, Tensor) {
    let input = Var::from_tensor(input).unwrap();
    let latents = as_latents(&input);
    (input, latents)
}

fn gradient(loss: &Tensor, of: &Tensor) -> Tensor {
    loss.backward().unwrap().get(of).cloned().unwrap_or_else(|| of.zeros_like().unwrap())
}

fn weights(tensors: &[(&str, Tensor)], trainable: bool) -> Weights {
    let tensors = tensors.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect();
    Weights::loaded(tensors, trainable, &device())
}

/// A rule of vector-quantize-pytorch with its codebook.
fn vq(ledger: &Ledger, codebook: &Tensor, change: impl Fn(VqConfig) -> VqConfig) -> (Vq, Weights) {
    let weights = weights(&[("embedding.weight", codebook.clone())], true);
    let config = VqConfig {
        codes: codebook.dim(0).unwrap() as u32,
        beta: number(&ledger.config, "commitment_weight"),
        decay: number(&ledger.config, "decay"),
        eps: number(&ledger.config, "eps"),
        ..VqConfig::default()
    };
    let rule = Vq::new(&change(config), codebook.dim(1).unwrap(), &weights).unwrap();
    weights.finish(NAME, &[]).unwrap();
    (rule, weights)
}

fn learned(rule: &Vq) -> BTreeMap<String, Tensor> {
    let short = |name: String| name.rsplit('.').next().unwrap_or_default().to_owned();
    rule.state().into_iter().map(|(name, tensor)| (short(name), tensor)).collect()
}

fn nearest_codes(ledger: &Ledger) {
    let (input, codebook) = (ledger.input("vq.input"), ledger.input("vq.codebook"));
    let pull = ledger.input("vq.grad_weight");
    let (rule, _) = vq(ledger, &codebook, |config| config);
    let found = rule.quantize(&as_latents(&input), Pass::Inference).unwrap();
    ledger.check("vq.eval.quantized", &as_rows(&found.latents));
    ledger.codes("vq.eval.indices", &found.codes[0]);
    for (prefix, through) in [("vq.ste", Through::Straight), ("vq.rotation", Through::Rotation)] {
        let name = |name: &str| format!("{prefix}.{name}");
        let (rule, _) = vq(ledger, &codebook, |config| VqConfig { through, ..config });
        let (input, latents) = variable(&input);
        let Quantized { latents, codes, losses } = rule.quantize(&latents, Pass::FIRST).unwrap();
        let rows = as_rows(&latents);
        ledger.check(&name("quantized"), &rows);
        ledger.codes(&name("indices"), &codes[0]);
        assert_eq!(losses.len(), 1, "the commitment alone");
        ledger.check(&name("commit_loss"), &losses[0].1);
        let pulled = (rows * &pull).unwrap().sum_all().unwrap();
        ledger.gradient(&name("grad_input_no_commit"), &gradient(&pulled, &input));
        ledger.gradient(&name("grad_input_commit"), &gradient(&losses[0].1, &input));
    }
    let (rule, _) = vq(ledger, &codebook, |config| VqConfig { normalize: true, ..config });
    let found = rule.quantize(&as_latents(&input), Pass::Inference).unwrap();
    ledger.check("vq.cosine.quantized", &as_rows(&found.latents));
    ledger.codes("vq.cosine.indices", &found.codes[0]);

    let gradient_of = CodebookUpdate::Gradient;
    let (rule, weights) =
        vq(ledger, &codebook, |config| VqConfig { update: gradient_of, ..config });
    let (input, latents) = variable(&input);
    let losses = rule.quantize(&latents, Pass::FIRST).unwrap().losses;
    for (_, loss) in &losses {
        ledger.check("vq.learnable.loss", loss);
    }
    ledger.check("vq.losses.commitment", &losses[1].1);
    let both = (&losses[0].1 + &losses[1].1).unwrap();
    ledger.gradient("vq.learnable.grad_input", &gradient(&both, &input));
    let codes = gradient(&both, &weights.vars()["embedding.weight"]);
    ledger.gradient("vq.learnable.grad_codebook", &codes);

    // The published diversity is of the mean over the batch at each position, at ten times the distance.
    let (b, n, _) = input.dims3().unwrap();
    let far = rule.distances(&latents).unwrap().maximum(1e-8).unwrap().sqrt().unwrap();
    let logits = (far * -10.0).unwrap().reshape((b, n, ())).unwrap();
    let entropies = (0..n).map(|position| {
        let logits = logits.narrow(1, position, 1).unwrap().squeeze(1).unwrap();
        scalar(&soft_entropies(&logits, LogFloor::Clamped).unwrap()[1])
    });
    ledger.number("vq.losses.codebook_diversity", -entropies.sum::<f64>() / n as f64);
}

fn rotation(ledger: &Ledger) {
    let source = Var::from_tensor(&ledger.input("rotate_to.src")).unwrap();
    let turned = rotate_to(&source, &ledger.input("rotate_to.tgt")).unwrap();
    ledger.check("rotate_to.out", &turned);
    let pulled = (turned * ledger.input("rotate_to.grad_weight")).unwrap().sum_all().unwrap();
    ledger.gradient("rotate_to.grad_src", &gradient(&pulled, &source));
}

/// Three steps of a moving average.
fn averages(ledger: &Ledger, prefix: &str, rule: &mut Vq) {
    for step in 0..3 {
        let name = |name: &str| format!("{prefix}.step{step}.{name}");
        let latents = as_latents(&ledger.input(&format!("ema.step{step}.input")));
        let found = rule.quantize(&latents, Pass::FIRST).unwrap();
        if ledger.io.contains(&name("quantized")) {
            ledger.check(&name("quantized"), &as_rows(&found.latents));
        }
        ledger.codes(&name("indices"), &found.codes[0]);
        rule.observe(&latents, &found.codes, Place { step, ..Place::default() }).unwrap();
        let state = learned(rule);
        ledger.check(&name("codebook"), &state["weight"]);
        ledger.check(&name("cluster_size"), &state["cluster_size"]);
        ledger.check(&name("embed_avg"), &state["embed_avg"]);
    }
}

fn learning(ledger: &Ledger) {
    let codebook = ledger.input("vq.codebook");
    averages(ledger, "ema", &mut vq(ledger, &codebook, |config| config).0);
    let decay = number(&ledger.config, "taming_ema_decay");
    let (mut taming, _) = vq(ledger, &codebook, |config| VqConfig { decay, ..config });
    averages(ledger, "taming_ema", &mut taming);

    let (mut rule, _) = vq(ledger, &codebook, |config| VqConfig { normalize: true, ..config });
    let latents = as_latents(&ledger.input("ema_cosine.input"));
    let found = rule.quantize(&latents, Pass::FIRST).unwrap();
    ledger.codes("ema_cosine.indices", &found.codes[0]);
    rule.observe(&latents, &found.codes, Place::default()).unwrap();
    ledger.check("ema_cosine.codebook", &learned(&rule)["weight"]);
    ledger.check("ema_cosine.cluster_size", &learned(&rule)["cluster_size"]);
}

/// Dead codes are replaced by rows of the batch: which ones is drawn, so that they are compared with the
/// batch and everything else with the fixture.
fn dead_codes(ledger: &Ledger) {
    let codebook = ledger.input("vq.codebook");
    let sizes = ledger.input("dead.initial_cluster_size");
    let sums = codebook.broadcast_mul(&sizes.unsqueeze(1).unwrap()).unwrap();
    let weights = weights(
        &[
            ("embedding.weight", codebook.clone()),
            ("embedding.cluster_size", sizes),
            ("embedding.embed_avg", sums),
        ],
        true,
    );
    let threshold = number(&ledger.config, "dead_code_threshold");
    let config = VqConfig {
        codes: codebook.dim(0).unwrap() as u32,
        decay: number(&ledger.config, "decay"),
        eps: number(&ledger.config, "eps"),
        restart: threshold,
        ..VqConfig::default()
    };
    let mut rule = Vq::new(&config, codebook.dim(1).unwrap(), &weights).unwrap();
    let input = ledger.input("dead.input");
    let latents = as_latents(&input);
    let found = rule.quantize(&latents, Pass::FIRST).unwrap();
    ledger.codes("dead.indices", &found.codes[0]);
    let observed =
        rule.observe(&latents, &found.codes, Place { seed: 1, ..Place::default() }).unwrap();
    let state = learned(&rule);
    ledger.check("dead.cluster_size", &state["cluster_size"]);

    // In the fixture's codebook the drawn rows stand in the order of the codes they replaced.
    let dim = codebook.dim(1).unwrap();
    let drawn = ledger.input("dead.replacement_rows");
    assert_eq!(observed.restarted, drawn.dim(0).unwrap(), "dead codes");
    let all = |name: &str| -> Vec<Vec<f32>> { ledger.input(name).to_vec2().unwrap() };
    let (published, published_sums) = (all("dead.codebook"), all("dead.embed_avg"));
    let mut drawn = drawn.to_vec2::<f32>().unwrap().into_iter().peekable();
    let batch: Vec<Vec<f32>> = input.reshape(((), dim)).unwrap().to_vec2().unwrap();
    let (ours, our_sums) =
        (state["weight"].to_vec2::<f32>().unwrap(), state["embed_avg"].to_vec2::<f32>().unwrap());
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
    let tolerance = number(&ledger.config, "tolerance/default_abs");
    assert!(tolerance >= 1e-4, "the tolerance below is meant for this one");
    for (code, row) in published.iter().enumerate() {
        if drawn.peek().is_some_and(|drawn| near(drawn, row)) {
            drawn.next();
            assert!(batch.iter().any(|latent| near(latent, &ours[code])), "code {code}");
            let sum: Vec<f32> = ours[code].iter().map(|x| x * threshold as f32).collect();
            assert!(near(&sum, &our_sums[code]), "sum of code {code}");
        } else {
            assert!(near(row, &ours[code]), "code {code}: {row:?}, {:?}", ours[code]);
            assert!(near(&published_sums[code], &our_sums[code]), "sum of code {code}");
        }
    }
    assert!(drawn.next().is_none(), "every drawn row stands in the codebook");
}

fn clusters(ledger: &Ledger) {
    let samples = ledger.input("kmeans.samples");
    let steps = count(&ledger.config, "kmeans_iters") as u32;
    for (prefix, sphere) in [("kmeans", false), ("kmeans.cosine", true)] {
        let first = ledger.input(&format!("{prefix}.initial_means"));
        let found = lloyd(&samples, &first, steps, sphere).unwrap();
        ledger.check(&format!("{prefix}.means"), &found.means);
        // The published counts are those of the assignment before the last means.
        let before = lloyd(&samples, &first, steps - 1, sphere).unwrap();
        let counts: Vec<u32> = before.counts.iter().map(|&count| count as u32).collect();
        ledger.codes(&format!("{prefix}.bins"), &Tensor::new(counts, &device()).unwrap());
    }
    // Inside the published module the means are smoothed once more, which moves them by less than 1e-5.
    let first = ledger.input("kmeans.module.initial_means");
    let found = lloyd(&samples, &first, steps, false).unwrap();
    ledger.check("kmeans.module.codebook_after_init", &found.means);
    let before = lloyd(&samples, &first, steps - 1, false).unwrap();
    let counts: Vec<f32> = before.counts.iter().map(|&count| count as f32).collect();
    let counts = Tensor::new(counts, &device()).unwrap();
    ledger.check("kmeans.module.cluster_size", &counts);
    let sums = found.means.broadcast_mul(&counts.unsqueeze(1).unwrap()).unwrap();
    ledger.check("kmeans.module.embed_avg", &sums);
    let (rule, _) = vq(ledger, &found.means, |config| config);
    let batch = ledger.io.raw("kmeans.module.indices").shape[0];
    let latents = samples.reshape((batch, (), samples.dim(1).unwrap())).unwrap();
    let codes = rule.quantize(&as_latents(&latents), Pass::Inference).unwrap().codes;
    ledger.codes("kmeans.module.indices", &codes[0]);
}

fn residual(ledger: &Ledger) {
    let levels = count(&ledger.config, "rvq_layers");
    let names: Vec<String> =
        (0..levels).map(|level| format!("layers.{level}.embedding.weight")).collect();
    let books: Vec<(&str, Tensor)> = names
        .iter()
        .enumerate()
        .map(|(level, name)| (name.as_str(), ledger.input(&format!("rvq.codebook{level}"))))
        .collect();
    let codes = books[0].1.dim(0).unwrap() as u32;
    let beta = number(&ledger.config, "commitment_weight");
    let config = ResidualVqConfig {
        levels,
        vq: VqConfig { codes, beta, ..VqConfig::default() },
        ..ResidualVqConfig::default()
    };
    let (dim, loaded) = (books[0].1.dim(1).unwrap(), weights(&books, false));
    let rule = ResidualVq::new(&config, dim, &loaded).unwrap();
    loaded.finish(NAME, &[]).unwrap();
    let input = ledger.input("rvq.input");
    let found = rule.quantize(&as_latents(&input), Pass::Inference).unwrap();
    ledger.check("rvq.quantized", &as_rows(&found.latents));
    let flat: Vec<Tensor> =
        found.codes.iter().map(|codes| codes.squeeze(D::Minus1).unwrap()).collect();
    ledger.codes("rvq.indices", &Tensor::stack(&flat, D::Minus1).unwrap());
    ledger.check("rvq.output_from_indices", &as_rows(&rule.decode(&found.codes).unwrap()));
    let each = rule.quantize_levels(&as_latents(&input), Pass::Inference).unwrap();
    let each: Vec<Tensor> = each.iter().map(|level| as_rows(&level.latents)).collect();
    ledger.check("rvq.all_codes", &Tensor::stack(&each, 0).unwrap());
    // The first levels alone decode to the sum of what they give.
    let two = as_rows(&rule.decode(&found.codes[..2]).unwrap());
    let off = (two - (&each[0] + &each[1]).unwrap()).unwrap().abs().unwrap();
    assert!(scalar(&off.max_all().unwrap()) < 1e-6);

    let (input, latents) = variable(&input);
    let levels = rule.quantize_levels(&latents, Pass::FIRST).unwrap();
    let losses: Vec<Tensor> = levels.iter().map(|level| level.losses[0].1.clone()).collect();
    ledger.check("rvq.train.losses", &Tensor::stack(&losses, 0).unwrap());
    let Quantized { latents, losses, .. } = rule.quantize(&latents, Pass::FIRST).unwrap();
    ledger.gradient("rvq.train.grad_input", &gradient(&probed(&as_rows(&latents)), &input));
    assert_eq!(losses.len(), 1, "commitments are summed");
    ledger.gradient("rvq.train.grad_input_commit", &gradient(&losses[0].1, &input));
}

/// The two rules whose codes are bits.
enum Signs {
    Lfq(Lfq),
    Bsq(Bsq),
}

impl Signs {
    fn rule(&self) -> &dyn Quantizer {
        match self {
            Self::Lfq(rule) => rule,
            Self::Bsq(rule) => rule,
        }
    }

    fn entropies(&self, latents: &Tensor) -> [Tensor; 2] {
        match self {
            Self::Lfq(rule) => rule.entropies(latents).unwrap(),
            Self::Bsq(rule) => rule.entropies(latents).unwrap(),
        }
    }
}

/// Bits of lookup-free and of binary spherical quantization, the first channel the highest.
fn bits(ledger: &Ledger, prefix: &str) {
    let dim = count(&ledger.config, "bsq_dim");
    let make = |config: &LfqConfig| match prefix {
        "bsq" => Signs::Bsq(Bsq::new(config, dim, &device()).unwrap()),
        _ => Signs::Lfq(Lfq::new(config, dim, &device()).unwrap()),
    };
    let order = BitOrder::HighFirst;
    let config = LfqConfig { order, log_floor: LogFloor::Clamped, ..LfqConfig::default() };
    let signs = make(&config);
    let input = ledger.input("bsq.input");
    let found = signs.rule().quantize(&as_latents(&input), Pass::Inference).unwrap();
    ledger.check(&format!("{prefix}.eval.quantized"), &as_rows(&found.latents));
    ledger.codes(&format!("{prefix}.indices"), &found.codes[0]);
    let back = signs.rule().decode(&found.codes).unwrap();
    ledger.check(&format!("{prefix}.codes_from_indices"), &as_rows(&back));
    let start = format!("{prefix}.train.invT");
    let mut sharpness: Vec<&str> = ledger
        .io
        .iter()
        .filter_map(|(name, _)| name.strip_prefix(&start)?.split('.').next())
        .collect();
    sharpness.dedup();
    assert!(!sharpness.is_empty());
    for inverse in sharpness {
        let name = |name: &str| format!("{start}{inverse}.{name}");
        let temperature = 1.0 / inverse.parse::<f64>().unwrap();
        let config = LfqConfig { temperature, ..config.clone() };
        let signs = make(&config);
        let (input, latents) = variable(&input);
        let [own, all] = signs.entropies(&latents);
        ledger.check(&name("per_sample_entropy"), &own);
        ledger.check(&name("codebook_entropy"), &all);
        let Quantized { latents, losses, .. } =
            signs.rule().quantize(&latents, Pass::FIRST).unwrap();
        ledger.number(&name("commitment"), scalar(&losses[1].1) / config.commitment_weight);
        let total = (&losses[0].1 + &losses[1].1).unwrap();
        ledger.check(&name("aux_loss"), &total);
        ledger.gradient(&name("grad_aux"), &gradient(&total, &input));
        ledger.gradient(&name("grad_ste"), &gradient(&probed(&as_rows(&latents)), &input));
    }
}

fn simple(ledger: &Ledger) {
    let (frozen, transform) =
        (ledger.input("simvq.frozen_codebook"), ledger.input("simvq.code_transform.weight"));
    let tensors = [("frozen_codebook", frozen), ("code_transform.weight", transform)];
    let dim = count(&ledger.config, "simvq_dim");
    let make = |through: Through, trainable: bool| {
        let weights = weights(&tensors, trainable);
        let codes = count(&ledger.config, "simvq_codebook") as u32;
        let config = SimVqConfig { codes, through, ..SimVqConfig::default() };
        let rule = SimVq::new(&config, dim, &weights).unwrap();
        weights.finish(NAME, &[]).unwrap();
        (rule, weights)
    };
    let input = ledger.input("simvq.input");
    let (rule, _) = make(Through::Rotation, false);
    ledger.check("simvq.codebook", &rule.table().unwrap());
    let found = rule.quantize(&as_latents(&input), Pass::Inference).unwrap();
    ledger.codes("simvq.indices", &found.codes[0]);
    let (rows, back) = (as_rows(&found.latents), as_rows(&rule.decode(&found.codes).unwrap()));
    for (prefix, through) in [("ste", Through::Straight), ("rotation", Through::Rotation)] {
        let name = |name: &str| format!("simvq.{prefix}.{name}");
        let (rule, weights) = make(through, true);
        let transform = &weights.vars()["code_transform.weight"];
        let (input, latents) = variable(&input);
        let found = rule.quantize(&latents, Pass::FIRST).unwrap();
        let quantized = as_rows(&found.latents);
        for rows in [&rows, &back, &quantized] {
            ledger.check(&name("quantized"), rows);
        }
        ledger.gradient(&name("grad_input"), &gradient(&probed(&quantized), &input));
        ledger.gradient(&name("grad_transform"), &gradient(&probed(&quantized), transform));
        let loss = &found.losses[0].1;
        ledger.check("simvq.commit_loss", loss);
        ledger.gradient("simvq.commit.grad_input", &gradient(loss, &input));
        ledger.gradient("simvq.commit.grad_transform", &gradient(loss, transform));
    }
}

fn index_backpropagation(ledger: &Ledger) {
    let loaded = weights(&[("embedding.weight", ledger.input("ibq.embedding"))], true);
    let config = IbqConfig {
        n_embed: count(&ledger.config, "ibq_codebook") as u32,
        beta: number(&ledger.config, "ibq_beta"),
        entropy_temperature: number(&ledger.config, "ibq_entropy_temperature"),
        ..IbqConfig::default()
    };
    let rule = Ibq::new(&config, count(&ledger.config, "ibq_dim"), &loaded).unwrap();
    loaded.finish(NAME, &[]).unwrap();
    let input = Var::from_tensor(&ledger.input("ibq.input")).unwrap();
    let found = rule.quantize(&input, Pass::Inference).unwrap();
    ledger.codes("ibq.indices", &found.codes[0]);
    ledger.check("ibq.quantized", &found.latents);
    ledger.check("ibq.quantized", &rule.decode(&found.codes).unwrap());
    let [own, all] = rule.entropies(&input).unwrap();
    ledger.check("ibq.sample_entropy", &own);
    ledger.check("ibq.avg_entropy", &all);
    let Quantized { latents, losses, .. } = rule.quantize(&input, Pass::FIRST).unwrap();
    ledger.check("ibq.quantized", &latents);
    let quantization = scalar(&losses[0].1) / config.quant_loss_weight;
    ledger.number("ibq.quant_loss", quantization);
    ledger.number("ibq.entropy_loss", scalar(&losses[1].1) / config.entropy_loss_weight);
    let codebook = &loaded.vars()["embedding.weight"];
    ledger.gradient("ibq.grad_input", &gradient(&probed(&latents), &input));
    ledger.gradient("ibq.grad_embedding", &gradient(&probed(&latents), codebook));
    let total = (&losses[0].1 + &losses[1].1).unwrap();
    ledger.gradient("ibq.loss.grad_input", &gradient(&total, &input));
    ledger.gradient("ibq.loss.grad_embedding", &gradient(&total, codebook));
}

#[test]
fn parity_of_quantizers_at_every_tensor_of_their_fixture() {
    let ledger = Ledger::open(NAME);
    nearest_codes(&ledger);
    rotation(&ledger);
    learning(&ledger);
    dead_codes(&ledger);
    clusters(&ledger);
    residual(&ledger);
    bits(&ledger, "lfq");
    bits(&ledger, "bsq");
    simple(&ledger);
    index_backpropagation(&ledger);
    ledger.close(&[
        ("vq.losses.orthogonal_reg", "a regularizer that Smalti does not offer"),
        ("vq.losses.total", "a sum that has that regularizer in it"),
    ]);
}
