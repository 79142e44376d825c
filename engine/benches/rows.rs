//! The rows that `compare` sets beside PyTorch's, one JSON line each; see README.md beside this file.
//!
//! `cargo bench -p smalti-engine --bench rows -- --rows 'conv3x3/*' --seconds 1`, or `--list`, or
//! `--serve` (reads a row's name a line, answers a line). `SMALTI_KERNELS=candle` measures candle's
//! own operations, `SMALTI_DEVICE=cuda` (in a build with that feature) the card. Threads come from
//! `RAYON_NUM_THREADS`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its rows")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use smalti_engine::checkpoints;
use smalti_engine::data::worlds::Worlds;
use smalti_engine::data::{Source as _, open_source};
use smalti_engine::device::of_tests;
use smalti_engine::evaluation::{MeasureRun, Measured, Plan};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Tensor, Var};
use smalti_engine::generators::{
    Distribution, Generation, GeneratorConfig, Network, NetworkSize, Order, Painter, Request,
    Sampling, Takes, Way, conditions,
};
use smalti_engine::kernels::{
    Conv, Exactness, Mask, attention, bit_entropies, conv2d, cross_entropy, group_norm, layer_norm,
    nearest,
};
use smalti_engine::layers::{Transformer, TransformerSize, Weights};
use smalti_engine::quantizers::Pass;
use smalti_engine::questions::{ModelRef, SourceRef, Stamp};
use smalti_engine::random::{Noise, Purpose};
use smalti_engine::session::{Session, Settings};
use smalti_engine::tokenizers::{self, Tokenizer, TokenizerConfig};
use smalti_engine::tokens::{Part, PartShape};
use smalti_engine::training::{AdamW, Begin, Gradients, Optimizer, Recipe, Supplies, Trainer};

/// Work to be measured, made by its row.
type Work = Box<dyn FnMut()>;

const ROWS: [&str; 36] = [
    "conv3x3/1x128x256",
    "conv3x3/1x256x64",
    "conv3x3/1x512x16",
    "conv3x3/16x64x32",
    "conv3x3_exact/16x64x32",
    "conv3x3_train/16x64x32",
    "conv3x3_train/16x128x16",
    "conv1x1/1x256x64",
    "conv3x3_stride2/16x64x64",
    "group_norm_silu/1x128x256",
    "group_norm_silu/16x64x32",
    "nearest/4096x16384x8",
    "nearest/4096x16384x256",
    "nearest/65536x1024x64",
    "attention/1x8x1024x64",
    "attention/16x4x256x64",
    "attention_train/16x4x256x64",
    "layer_norm_train/4096x256",
    "cross_entropy_train/4096x1024",
    "lfq18/16x16x16",
    "matmul/1024",
    "tokenizer/encode_256",
    "tokenizer/decode_256",
    "tokenizer/encode_64",
    "tokenizer/decode_64",
    "train/vqvae_64_b16",
    "train/worlds_fsq_b16",
    "train/worlds_vqvae_b16",
    "train/vqvae_64_b16_recompute",
    "train/transformer_6x256_b16",
    "generate/raster_256",
    "generate/raster_256_b8",
    "generate/maskgit_12",
    "generate/var_10",
    "evaluate/measured_64",
    "evaluate/codec_64",
];

/// taming-transformers' f16 network.
const LARGE: &str = "(name: \"f16\", network: (ch: 128, ch_mult: [1, 1, 2, 2, 4], \
    num_res_blocks: 2, attn_resolutions: [16], resolution: 256, z_channels: 256, embed_dim: 256), \
    quantizer: Vq((codes: 16384, beta: 0.25)))";
/// A small one: 64x64 pixels to 16x16 codes.
const SMALL: &str = "(name: \"small\", network: (ch: 64, ch_mult: [1, 2, 2], num_res_blocks: 1, \
    decoder_res_blocks: 2, attn_resolutions: [16], resolution: 64, z_channels: 64, embed_dim: 64), \
    quantizer: Vq((codes: 1024, beta: 0.25, update: Ema, decay: 0.99)))";
/// One of scales: 64x64 pixels to 680 codes.
const SCALED: &str = "(name: \"scaled\", network: (ch: 64, ch_mult: [1, 2, 2], num_res_blocks: 1, \
    attn_resolutions: [16], resolution: 64, z_channels: 64, embed_dim: 64), \
    quantizer: MultiScale((vocab_size: 1024, v_patch_nums: [1, 2, 3, 4, 5, 6, 8, 10, 13, 16], \
    share_quant_resi: 4)))";

fn noise(cell: u64, shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let noise = Noise::new(1, Purpose::Test, 0, cell);
    let values: Vec<f32> = (0..n as u32).map(|lane| 0.3 * noise.normal(lane)).collect();
    Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
}

/// The sizes behind the slash.
fn sizes(row: &str) -> Vec<usize> {
    row.rsplit('/').next().unwrap().split(['x', '_']).filter_map(|n| n.parse().ok()).collect()
}

fn convolution(row: &str, kernel: usize, conv: Conv) -> Work {
    let [b, c, side] = sizes(row)[..] else { panic!("{row} needs three sizes") };
    let (x, w, bias) =
        (noise(1, &[b, c, side, side]), noise(2, &[c, c, kernel, kernel]), noise(3, &[c]));
    Box::new(move || {
        black_box(conv2d(&x, &w, Some(&bias), conv).unwrap());
    })
}

fn trained_convolution(row: &str) -> Work {
    let [b, c, side] = sizes(row)[..] else { panic!("{row} needs three sizes") };
    let var = |cell, shape: &[usize]| Var::from_tensor(&noise(cell, shape)).unwrap();
    let (x, w) = (var(1, &[b, c, side, side]), var(2, &[c, c, 3, 3]));
    let bias = var(3, &[c]);
    Box::new(move || {
        let y = conv2d(&x, &w, Some(&bias), Conv::same(1)).unwrap();
        // From a gradient of ones: any other would be a tensor more, to be cleared and added to.
        black_box(y.backward().unwrap());
    })
}

fn normalization(row: &str) -> Work {
    let [b, c, side] = sizes(row)[..] else { panic!("{row} needs three sizes") };
    let (x, w, bias) = (noise(1, &[b, c, side, side]), noise(2, &[c]), noise(3, &[c]));
    Box::new(move || {
        black_box(group_norm(&x, (&w, &bias), 32, 1e-6, true).unwrap());
    })
}

fn attended(row: &str) -> Work {
    let [b, h, l, d] = sizes(row)[..] else { panic!("{row} needs four sizes") };
    let [q, k, v] = [1, 2, 3].map(|cell| noise(cell, &[b, h, l, d]));
    let scale = (d as f64).powf(-0.5);
    if !row.contains("train") {
        return Box::new(move || {
            black_box(attention(&q, &k, &v, scale, Mask::None).unwrap());
        });
    }
    let [q, k, v] = [q, k, v].map(|t| Var::from_tensor(&t).unwrap());
    Box::new(move || {
        let y = attention(&q, &k, &v, scale, Mask::Causal).unwrap();
        black_box(y.sum_all().unwrap().backward().unwrap());
    })
}

/// Forward and gradients of a norm of rows, and of the cross-entropy of rows.
fn trained_rows(row: &str) -> Work {
    let [n, dim] = sizes(row)[..] else { panic!("{row} needs two sizes") };
    let var = |cell, shape: &[usize]| Var::from_tensor(&noise(cell, shape)).unwrap();
    let x = var(1, &[n, dim]);
    if row.contains("norm") {
        let (w, bias) = (var(2, &[dim]), var(3, &[dim]));
        return Box::new(move || {
            let y = layer_norm(&x, (&w, &bias), 1e-5).unwrap();
            black_box(y.sum_all().unwrap().backward().unwrap());
        });
    }
    let targets: Vec<u32> = (0..n).map(|i| (i * 7919 % dim) as u32).collect();
    let targets = Tensor::from_vec(targets, n, &of_tests().unwrap()).unwrap();
    Box::new(move || {
        black_box(cross_entropy(&x, &targets).unwrap().backward().unwrap());
    })
}

/// The loss of lookup-free quantization of 18 bits with its gradient, and the codes.
fn lookup_free() -> Work {
    let z = Var::from_tensor(&noise(1, &[16, 18, 16, 16])).unwrap();
    let weights =
        Tensor::from_iter((0..18).map(|bit| 2.0_f32.powi(bit)), &of_tests().unwrap()).unwrap();
    let scales = Tensor::new(&[0.1_f32, -0.1], &of_tests().unwrap()).unwrap();
    Box::new(move || {
        let f = z.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap().reshape(((), 18)).unwrap();
        let bits = f.detach().gt(0.0).unwrap().to_dtype(candle_core::DType::F32).unwrap();
        let ids = bits.broadcast_mul(&weights).unwrap().sum(1).unwrap();
        let codes = ((bits * 2.0).unwrap() - 1.0).unwrap();
        let through = (&f + (&codes - &f).unwrap().detach()).unwrap();
        let commitment = (&f - codes).unwrap().sqr().unwrap().mean_all().unwrap();
        let entropies = (bit_entropies(&f, 4.0, 1e-10).unwrap() * &scales).unwrap();
        let loss = ((commitment * 0.25).unwrap() + entropies.sum_all().unwrap()).unwrap();
        let loss = (loss + (through.sum_all().unwrap() * 0.0)).unwrap();
        black_box((ids, loss.backward().unwrap()));
    })
}

/// A step of training a transformer: 256 places, 1024 tokens, a batch of 16.
fn transformer() -> Work {
    let (batch, len, vocabulary) = (16, 256, 1024_usize);
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let size = TransformerSize {
        layers: 6,
        dim: 256,
        heads: 4,
        inputs: vocabulary + 1,
        outputs: vocabulary,
        places: len,
    };
    let network = Transformer::new(&weights, size).unwrap();
    let vars = weights.vars();
    let settings = Optimizer {
        lr: 1e-4,
        final_lr: 1e-4,
        warmup: 0,
        betas: (0.9, 0.999),
        weight_decay: 0.01,
        clip: 0.0,
    };
    let mut optimizer = AdamW::new(settings, &vars).unwrap();
    let tokens = |first: usize| {
        let at = |i: usize| ((first + i % len + i / len * 257) * 7919 % vocabulary) as u32;
        Tensor::from_iter((0..batch * len).map(at), &of_tests().unwrap()).unwrap()
    };
    let (inputs, targets) = (tokens(0).reshape((batch, len)).unwrap(), tokens(1));
    let mut step = 0;
    Box::new(move || {
        let logits = network.forward(&inputs, Mask::Causal).unwrap();
        let loss = cross_entropy(&logits.flatten(0, 1).unwrap(), &targets).unwrap();
        let mut gradients = Gradients::default();
        gradients.add(&vars, &loss.backward().unwrap()).unwrap();
        optimizer.step(&vars, &gradients, (step, 1000), 0.99).unwrap();
        step += 1;
        black_box(loss);
    })
}

/// A tokenizer with random weights that nothing trains.
fn tokenizer(config: &str) -> Box<dyn Tokenizer> {
    let config: TokenizerConfig =
        ron::Options::default().with_default_extension(ron_extensions()).from_str(config).unwrap();
    let fresh = Weights::fresh(1, &of_tests().unwrap());
    let start = tokenizers::build(&config, &fresh).unwrap();
    let mut tensors: BTreeMap<String, Tensor> =
        fresh.vars().into_iter().map(|(name, var)| (name, var.as_tensor().detach())).collect();
    tensors.extend(start.quantizer().state());
    tokenizers::build(&config, &Weights::loaded(tensors, false, &of_tests().unwrap())).unwrap()
}

fn ron_extensions() -> ron::extensions::Extensions {
    ron::extensions::Extensions::IMPLICIT_SOME
}

fn network(row: &str) -> Work {
    let large = row.ends_with("256");
    let tokenizer = tokenizer(if large { LARGE } else { SMALL });
    let (batch, side) = if large { (1, 256) } else { (16, 64) };
    let images = noise(1, &[batch, 3, side, side]);
    let latents = tokenizer.encode(&images).unwrap();
    if row.contains("encode") {
        return Box::new(move || {
            let latents = tokenizer.encode(&images).unwrap();
            black_box(tokenizer.quantize(&latents, Pass::Inference).unwrap());
        });
    }
    let latents = tokenizer.quantize(&latents, Pass::Inference).unwrap().latents;
    Box::new(move || {
        black_box(tokenizer.decode(&latents).unwrap());
    })
}

/// A generator of six layers of width 256 with random weights that nothing trains.
fn painter(way: Way, tokenizer: Option<Arc<dyn Tokenizer>>) -> Painter {
    let layout = match &tokenizer {
        Some(tokenizer) => tokenizer.layout(64, 64).unwrap(),
        None => vec![PartShape::grid(16, 16)],
    };
    let config = GeneratorConfig {
        way,
        network: NetworkSize { layers: 6, dim: 256, heads: 4 },
        codes: 1024,
        layout,
        code_dim: if way == Way::Var { 64 } else { 0 },
        classes: (0..1000).map(|class| class.to_string()).collect(),
        takes: Takes::Class,
        needs_condition: false,
        order: Order::Rows,
    };
    let fresh = Weights::fresh(1, &of_tests().unwrap());
    Network::new(&config, &fresh).unwrap();
    let tensors = fresh.vars().into_iter().map(|(name, var)| (name, var.as_tensor().detach()));
    let weights = Weights::loaded(tensors.collect(), false, &of_tests().unwrap());
    Painter::new(Arc::new(Network::new(&config, &weights).unwrap()), tokenizer).unwrap()
}

/// Images of the rows that measure.
const MEASURED: usize = 32;

/// Images of 64x64 out of a file, as tokens and back; and the same as a measurement with PSNR, SSIM and intervals. There
/// is no judge beside them, whose network would be most of the work.
fn measured(row: &str) -> Work {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.npy");
    let worlds = Worlds::held_out(3);
    let header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({MEASURED}, 64, 64, 3), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for index in 0..MEASURED as u64 {
        bytes.extend_from_slice(worlds.sample(index, 64).unwrap().picture.rgb());
    }
    std::fs::write(&path, bytes).unwrap();
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let model = assets.join("models/worlds-fsq.safetensors");
    if row.contains("codec") {
        let tokenizer = checkpoints::open_tokenizer(&model, &of_tests().unwrap()).unwrap();
        let set = open_source(&path).unwrap();
        return Box::new(move || {
            let _kept = &folder;
            for index in 0..MEASURED as u64 {
                let picture = set.sample(index, 64).unwrap().picture;
                let tokens = tokenizers::tokenize(&*tokenizer.tokenizer, &picture).unwrap();
                black_box(tokenizers::detokenize(&*tokenizer.tokenizer, &tokens).unwrap());
            }
        });
    }
    let source = SourceRef::Path { path: path.as_path().into(), stamp: Stamp::of(&path) };
    let model = ModelRef::File { path: model.as_path().into(), stamp: Stamp::of(&model) };
    let plan = Plan::new(Measured::Tokenizer { model, by_levels: false }, source);
    let session = Session::new(Settings::new(folder.path())).unwrap();
    Box::new(move || {
        let run = MeasureRun::new(vec![plan.clone()], None, folder.path().to_owned());
        let run = session.start(run);
        session.wait_run(run).unwrap();
        session.forget_run(run);
    })
}

/// All tokens of a picture, drawn and told as the program does; for MaskGIT its picture, for VAR its latents.
fn generated(row: &str) -> Work {
    let (way, tokenizer) = match row {
        "generate/maskgit_12" => (Way::MaskGit, Some(Arc::from(tokenizer(SMALL)))),
        "generate/var_10" => (Way::Var, Some(Arc::from(tokenizer(SCALED)))),
        _ => (Way::Raster, None),
    };
    let painter = painter(way, tokenizer.clone());
    if row.ends_with("_b8") {
        return Box::new(move || {
            black_box(eight_at_once(&painter));
        });
    }
    let mut request = Request::new(painter.config(), None, 1).unwrap();
    if way == Way::Var {
        request.class = Some(7);
        request.sampling = Sampling { guidance: 2.5, ramp: true, ..Sampling::default() };
    }
    Box::new(move || {
        let mut generation = Generation::new(painter.clone(), request.clone(), None).unwrap();
        while generation.next_step().unwrap().is_some() {}
        let tokens = generation.tokens().unwrap();
        if way == Way::Var {
            let code = |part: &Part| {
                let shape = (1, part.rows(), part.columns());
                Tensor::from_slice(part.codes(), shape, &of_tests().unwrap()).unwrap()
            };
            let codes: Vec<Tensor> = tokens.parts().iter().map(code).collect();
            black_box(painter.scales().unwrap().scales(&codes).unwrap());
        } else if let Some(tokenizer) = &tokenizer {
            black_box(tokenizers::detokenize(tokenizer.as_ref(), &tokens).unwrap());
        }
        black_box(tokens);
    })
}

/// Eight sequences that share the reading of the weights.
fn eight_at_once(painter: &Painter) -> Vec<Vec<u32>> {
    let network = painter.network().raster().unwrap();
    let nothing = conditions(&[None; 8]);
    let mut reading = network.begin(8).unwrap();
    let mut last: Option<Vec<u32>> = None;
    let mut all = Vec::new();
    for place in 0..256_u64 {
        let logits = network.next_logits(last.as_deref(), &nothing, &mut reading).unwrap();
        let rows = logits.to_vec2::<f32>().unwrap();
        let drawn = rows.iter().zip(0_u64..).map(|(row, picture)| {
            let told = Distribution::new(row, None, &Sampling::default(), 1.0).unwrap();
            told.draw(&Noise::new(picture, Purpose::Choice, 0, place))
        });
        let drawn: Vec<u32> = drawn.collect();
        all.push(drawn.clone());
        last = Some(drawn);
    }
    all
}

/// A whole step of a recipe: loading, forward, backward, optimizer, averages, codebook.
fn training(row: &str) -> Work {
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let folder = tempfile::tempdir().unwrap();
    let path = if row.contains("worlds_fsq") {
        assets.join("recipes/worlds-fsq.ron")
    } else if row.contains("worlds_vqvae") {
        assets.join("recipes/worlds-vqvae.ron")
    } else {
        let path = folder.path().join("recipe.ron");
        let recompute = row.ends_with("_recompute");
        let text = format!(
            "(name: \"bench\", seed: 7, tokenizer: {SMALL}, data: [(weight: 1.0, from: Worlds(1))], \
             crop: (side: 64, scales: [64], mirror: false), batch: 16, steps: 100000, \
             optimizer: (lr: 1e-4), ema_decay: 0.99, checkpoint_every_secs: 100000, \
             report_every: 100000, recompute: {recompute})"
        );
        std::fs::write(&path, text).unwrap();
        path
    };
    let recipe = Recipe::read(&path).unwrap();
    let source = Supplies::of(&recipe, &assets.join("recipes"), &assets).unwrap();
    let run = folder.path().join("run");
    let mut trainer =
        Trainer::new(recipe, source, &run, &of_tests().unwrap(), Begin::Anew).unwrap();
    Box::new(move || {
        let _kept = &folder;
        black_box(trainer.step().unwrap());
    })
}

/// What a row measures, ready to run.
fn build(row: &str) -> Work {
    let fast = Conv::same(1).with(Exactness::Fast);
    match row.split('/').next().unwrap() {
        "conv3x3" => convolution(row, 3, fast),
        "conv3x3_exact" => convolution(row, 3, Conv::same(1)),
        "conv3x3_train" => trained_convolution(row),
        "conv1x1" => convolution(row, 1, Conv::same(0)),
        "conv3x3_stride2" => convolution(row, 3, Conv::new(2, 1, 1)),
        "group_norm_silu" => normalization(row),
        "nearest" => {
            let [n, k, dim] = sizes(row)[..] else { panic!("{row} needs three sizes") };
            let (vectors, codes) = (noise(1, &[n, dim]), noise(2, &[k, dim]));
            Box::new(move || {
                black_box(nearest(&vectors, &codes).unwrap());
            })
        }
        "attention" | "attention_train" => attended(row),
        "matmul" => {
            let (a, b) = (noise(1, &[1024, 1024]), noise(2, &[1024, 1024]));
            Box::new(move || {
                black_box(a.matmul(&b).unwrap());
            })
        }
        "layer_norm_train" | "cross_entropy_train" => trained_rows(row),
        "lfq18" => lookup_free(),
        "tokenizer" => network(row),
        "generate" => generated(row),
        "evaluate" => measured(row),
        _ if row.contains("transformer") => transformer(),
        _ => training(row),
    }
}

/// Seconds of processor time of all threads of this process so far; NaN where nobody counts them.
fn processor_secs() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let nanos = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() * 1e-9
}

/// Measures for a time, at least three runs, and says so in a line of JSON.
fn measure(row: &str, work: &mut Work, seconds: f64) -> String {
    let device = of_tests().unwrap();
    // A card is done later than the call that starts it.
    let mut work = || {
        work();
        device.synchronize().unwrap();
    };
    work();
    let (mut times, mut processor) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while times.len() < 3 || start.elapsed().as_secs_f64() < seconds {
        // The system counts processor time in steps of milliseconds: several runs at once.
        let (batch, before, mut runs) = (Instant::now(), processor_secs(), 0_u32);
        while runs == 0 || batch.elapsed().as_secs_f64() < 0.05 {
            let run = Instant::now();
            work();
            times.push(run.elapsed().as_secs_f64());
            runs += 1;
        }
        processor.push((processor_secs() - before) / f64::from(runs));
    }
    let runs = times.len();
    times.sort_by(f64::total_cmp);
    processor.sort_by(f64::total_cmp);
    let how = match std::env::var_os("SMALTI_KERNELS") {
        _ if !device.is_cpu() => format!("candle on {:?}", device.location()),
        Some(name) => name.to_string_lossy().into_owned(),
        None => "kernels".to_owned(),
    };
    format!(
        "{{\"row\":\"{row}\",\"median_s\":{:.7},\"min_s\":{:.7},\"cpu_s\":{:.7},\"threads\":{},\
         \"ours\":\"smalti {}\",\"how\":\"{how}\",\"runs\":{runs}}}",
        times[runs / 2],
        times[0],
        processor[processor.len() / 4],
        rayon::current_num_threads(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Whether a name fits a pattern whose only sign is `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            (0..=name.len()).any(|at| name.get(at..).is_some_and(|tail| fits(rest, tail)))
        }),
    }
}

fn main() {
    smalti_engine::memory::keep();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let seconds = value("--seconds").and_then(|s| s.parse().ok()).unwrap_or(1.0);
    if arguments.iter().any(|argument| argument == "--list") {
        println!("{}", ROWS.join("\n"));
        return;
    }
    if arguments.iter().any(|argument| argument == "--serve") {
        let mut ready: BTreeMap<String, Work> = BTreeMap::new();
        for row in std::io::stdin().lock().lines().map_while(Result::ok) {
            let row = row.trim();
            if ROWS.contains(&row) {
                let work = ready.entry(row.to_owned()).or_insert_with(|| build(row));
                println!("{}", measure(row, work, seconds));
            } else {
                println!("{{\"row\":\"{row}\",\"error\":\"no such row\"}}");
            }
            std::io::stdout().flush().unwrap();
        }
        return;
    }
    let patterns = value("--rows").unwrap_or_else(|| "*".to_owned());
    for row in ROWS {
        if patterns.split(',').any(|pattern| fits(pattern, row)) {
            println!("{}", measure(row, &mut build(row), seconds));
        }
    }
}
