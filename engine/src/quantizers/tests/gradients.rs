//! The gradient of every rule that trains, against finite differences of what it stands for.
//!
//! Quantizing is piecewise constant. What the gradient of training stands for is smooth: codes are those that
//! were chosen, what is detached is held still. That is written here in plain f64 code, row by row, and
//! differentiated number by number: by latents, and by codebooks and matrices.

use std::collections::BTreeMap;

use candle_core::Var;

use super::vq::{rows, unit};
use super::*;

type Row = Vec<f64>;

const SHAPE: (usize, usize, usize, usize) = (3, DIM, 4, 4);
/// Places of a picture.
const PLACES: usize = 16;

fn trained() -> Vec<QuantizerConfig> {
    let vq = || VqConfig { codes: 6, ..VqConfig::default() };
    let gradient = || VqConfig { update: CodebookUpdate::Gradient, ..vq() };
    let entropy = |vq| VqConfig { entropy_weight: 0.3, entropy_temperature: 0.7, ..vq };
    let turned = |vq| VqConfig { through: Through::Rotation, ..vq };
    let placement = BetaPlacement::Codebook;
    let unit = |vq| VqConfig { normalize: true, ..vq };
    let residual = |vq, quantize_dropout| {
        QuantizerConfig::Residual(ResidualVqConfig { levels: 3, vq, quantize_dropout })
    };
    let fsq = || FsqConfig { levels: vec![5, 4, 3], ..FsqConfig::default() };
    let lfq = || LfqConfig { temperature: 2.0, ..LfqConfig::default() };
    let simple = |through| SimVqConfig { codes: 7, through, ..SimVqConfig::default() };
    let scales = || MultiScaleConfig {
        vocab_size: 9,
        v_patch_nums: vec![1, 2, 4],
        share_quant_resi: 2,
        ..MultiScaleConfig::default()
    };
    vec![
        QuantizerConfig::Vq(gradient()),
        QuantizerConfig::Vq(unit(VqConfig { placement, ..gradient() })),
        QuantizerConfig::Vq(entropy(gradient())),
        QuantizerConfig::Vq(entropy(unit(gradient()))),
        QuantizerConfig::Vq(vq()),
        QuantizerConfig::Vq(unit(vq())),
        QuantizerConfig::Vq(turned(gradient())),
        QuantizerConfig::Vq(turned(unit(vq()))),
        residual(gradient(), false),
        residual(turned(entropy(gradient())), true),
        residual(vq(), true),
        QuantizerConfig::Fsq(fsq()),
        QuantizerConfig::Fsq(FsqConfig { bound: FsqBound::Tan, ..fsq() }),
        QuantizerConfig::Fsq(FsqConfig { bound: FsqBound::Symmetric, ..fsq() }),
        QuantizerConfig::Lfq(lfq()),
        QuantizerConfig::Lfq(LfqConfig { log_floor: LogFloor::Clamped, scale: 0.5, ..lfq() }),
        QuantizerConfig::Bsq(lfq()),
        QuantizerConfig::SimVq(simple(Through::Straight)),
        QuantizerConfig::SimVq(SimVqConfig { frozen_dim: Some(4), ..simple(Through::Rotation) }),
        QuantizerConfig::MultiScale(scales()),
        QuantizerConfig::MultiScale(MultiScaleConfig { using_znorm: true, ..scales() }),
    ]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn away(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Turned and scaled as `from` is on its way to `to`, which are held still.
fn rotated(x: &[f64], from: &[f64], to: &[f64]) -> Row {
    let (u, q) = (unit(from), unit(to));
    let half: Row = unit(&u.iter().zip(&q).map(|(u, q)| u + q).collect::<Row>());
    let ratio = (dot(to, to) / dot(from, from)).sqrt();
    let (along, across) = (dot(x, &half), dot(x, &u));
    (0..x.len()).map(|i| ratio * (x[i] - 2.0 * along * half[i] + 2.0 * across * q[i])).collect()
}

/// Mean own entropy and entropy of the mean, of rows of logits.
fn entropies(logits: &[Row], floor: LogFloor) -> [f64; 2] {
    let n = logits.len() as f64;
    let mut mean = vec![0.0; logits[0].len()];
    let mut own = 0.0;
    for row in logits {
        let peak = row.iter().fold(f64::MIN, |a, &b| a.max(b));
        let sum: f64 = row.iter().map(|l| (l - peak).exp()).sum();
        for (mean, l) in mean.iter_mut().zip(row) {
            let p = (l - peak).exp() / sum;
            *mean += p / n;
            let log =
                if floor == LogFloor::Clamped { p.max(1e-5).ln() } else { l - peak - sum.ln() };
            own -= p * log / n;
        }
    }
    let log = |p: f64| if floor == LogFloor::Clamped { p.max(1e-5) } else { p + 1e-5 }.ln();
    [own, -mean.iter().map(|&p| p * log(p)).sum::<f64>()]
}

/// One codebook's part: what is pulled and lost, with what was detached held still.
struct Level {
    vq: VqConfig,
    codes: Vec<usize>,
    /// Vectors and their codes as they were.
    vectors: Vec<Row>,
    chosen: Vec<Row>,
    kept: Vec<bool>,
}

impl Level {
    fn new(
        vq: &VqConfig,
        latents: &[Row],
        table: &[Row],
        codes: Vec<usize>,
        kept: Vec<bool>,
    ) -> Self {
        let chosen = codes.iter().map(|&code| Self::compared(vq, &table[code])).collect();
        let vectors = latents.iter().map(|row| Self::compared(vq, row)).collect();
        Self { vq: vq.clone(), codes, vectors, chosen, kept }
    }

    fn compared(vq: &VqConfig, row: &[f64]) -> Row {
        if vq.normalize { unit(row) } else { row.to_vec() }
    }

    fn value(&self, latents: &[Row], table: &[Row], pull: &[Row]) -> f64 {
        let vq = &self.vq;
        let table: Vec<Row> = table.iter().map(|row| Self::compared(vq, row)).collect();
        let (on_codebook, on_commitment) = match (vq.update, vq.placement) {
            (CodebookUpdate::Ema, _) => (0.0, vq.beta),
            (_, BetaPlacement::Commitment) => (1.0, vq.beta),
            (_, BetaPlacement::Codebook) => (vq.beta, 1.0),
        };
        let numbers = (latents.len() * DIM) as f64;
        let (mut sum, mut logits) = (0.0, Vec::new());
        for (n, latent) in latents.iter().enumerate().filter(|(n, _)| self.kept[*n]) {
            let vector = Self::compared(vq, latent);
            let through = match vq.through {
                Through::Straight => vector.clone(),
                Through::Rotation => rotated(&vector, &self.vectors[n], &self.chosen[n]),
            };
            sum += dot(&through, &pull[n]);
            sum += on_codebook * away(&table[self.codes[n]], &self.vectors[n]) / numbers;
            sum += on_commitment * away(&vector, &self.chosen[n]) / numbers;
            let near = |code: &Row| -away(&vector, code) / vq.entropy_temperature;
            logits.push(table.iter().map(near).collect());
        }
        if vq.entropy_weight > 0.0 && !logits.is_empty() {
            let [own, all] = entropies(&logits, LogFloor::Added);
            sum += vq.entropy_weight * (own - all) * logits.len() as f64 / latents.len() as f64;
        }
        sum
    }
}

/// What the gradient stands for, of latents and tensors of the rule by name, all as rows.
type Surrogate = Box<dyn Fn(&[Row], &BTreeMap<String, Vec<Row>>) -> f64>;

fn as_rows(tensor: &Tensor) -> Vec<Row> {
    let last = *tensor.dims().last().unwrap();
    let wide: Row = list(tensor).into_iter().map(f64::from).collect();
    wide.chunks(last).map(<[f64]>::to_vec).collect()
}

fn code_list(codes: &Tensor) -> Vec<usize> {
    codes
        .flatten_all()
        .unwrap()
        .to_vec1::<u32>()
        .unwrap()
        .into_iter()
        .map(|code| code as usize)
        .collect()
}

/// Levels one after another: the first codebook's name is empty for plain VQ.
fn levels(
    vq: &VqConfig,
    names: Vec<String>,
    found: &Quantized,
    (latents, tables): (&[Row], &BTreeMap<String, Vec<Row>>),
    kept: &[usize],
    pull: Vec<Row>,
) -> Surrogate {
    let mut rest = latents.to_vec();
    let mut all = Vec::new();
    let mut before: Vec<Vec<Row>> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let codes = code_list(&found.codes[at]);
        let kept = (0..rest.len()).map(|row| kept[row / PLACES] > at).collect();
        let level = Level::new(vq, &rest, &tables[name], codes, kept);
        before.push(latents.iter().zip(&rest).map(|(a, b)| minus(a, b)).collect());
        rest = rest.iter().zip(&level.chosen).map(|(a, b)| minus(a, b)).collect();
        all.push(level);
    }
    Box::new(move |latents, tables| {
        let levels = all.iter().zip(&names).zip(&before);
        levels
            .map(|((level, name), taken)| {
                let rest: Vec<Row> = latents.iter().zip(taken).map(|(a, b)| minus(a, b)).collect();
                level.value(&rest, &tables[name], &pull)
            })
            .sum()
    })
}

fn minus(a: &[f64], b: &[f64]) -> Row {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Signs: of latents as they are, or on the sphere.
fn signs(config: &LfqConfig, latents: &[Row], pull: Vec<Row>, on_sphere: bool) -> Surrogate {
    let config = config.clone();
    let radius = config.scale;
    let scale = if on_sphere { radius / (DIM as f64).sqrt() } else { radius };
    let still: Vec<Row> =
        latents.iter().map(|row| row.iter().map(|x| scale * x.signum()).collect()).collect();
    Box::new(move |latents, _| {
        let vectors = latents.iter().map(|row| -> Row {
            if on_sphere { unit(row).iter().map(|x| x * radius).collect() } else { row.clone() }
        });
        let vectors: Vec<Row> = vectors.collect();
        let code = |code: usize| -> Row {
            (0..DIM).map(|bit| if code >> bit & 1 == 1 { scale } else { -scale }).collect()
        };
        let logits = |row: &Row| -> Row {
            (0..1 << DIM).map(|c| 2.0 * dot(row, &code(c)) / config.temperature).collect()
        };
        let logits: Vec<Row> = vectors.iter().map(logits).collect();
        let [own, all] = entropies(&logits, config.log_floor);
        let numbers = (vectors.len() * DIM) as f64;
        let rows = vectors.iter().zip(&still).zip(&pull);
        let sum = |((vector, still), pull): ((&Row, &Row), &Row)| {
            dot(vector, pull) + config.commitment_weight * away(vector, still) / numbers
        };
        rows.map(sum).sum::<f64>() + config.entropy_weight * (own - all)
    })
}

/// Each channel bounded and divided by its unit, as published.
fn rounded(config: &FsqConfig, pull: Vec<Row>) -> Surrogate {
    let config = config.clone();
    Box::new(move |latents, _| {
        let code = |channel: usize, x: f64| {
            let level = config.levels[channel];
            let half = config.half(level);
            let bounded = half * (x + config.shift(level)).tanh() - config.offset(level);
            if config.bound == FsqBound::Symmetric {
                bounded / half
            } else {
                bounded / f64::from(level / 2)
            }
        };
        let rows = latents.iter().zip(&pull);
        rows.map(|(row, pull)| (0..DIM).map(|c| pull[c] * code(c, row[c])).sum::<f64>()).sum()
    })
}

/// A frozen codebook times a matrix.
fn simple(
    config: &SimVqConfig,
    (latents, matrix): (&[Row], &[Row]),
    frozen: Vec<Row>,
    codes: Vec<usize>,
    pull: Vec<Row>,
) -> Surrogate {
    let config = config.clone();
    let code = |frozen: &Row, matrix: &[Row]| -> Row {
        matrix.iter().map(|row| dot(row, frozen)).collect()
    };
    let chosen: Vec<Row> = codes.iter().map(|&c| code(&frozen[c], matrix)).collect();
    let still = latents.to_vec();
    Box::new(move |latents, tables| {
        let matrix = &tables["code_transform.weight"];
        let numbers = (latents.len() * DIM) as f64;
        let row = |(n, latent): (usize, &Row)| {
            let through = match config.through {
                Through::Straight => latent.clone(),
                Through::Rotation => rotated(latent, &still[n], &chosen[n]),
            };
            let far = away(&code(&frozen[codes[n]], matrix), &still[n])
                + config.beta * away(latent, &chosen[n]);
            dot(&through, &pull[n]) + config.commitment_weight * far / numbers
        };
        latents.iter().enumerate().map(row).sum()
    })
}

/// Differences by every number, of latents and of tensors.
fn differences(
    surrogate: &Surrogate,
    latents: &[Row],
    tables: &BTreeMap<String, Vec<Row>>,
) -> BTreeMap<String, Row> {
    const H: f64 = 1e-5;
    let mut slopes = BTreeMap::new();
    let mut by_latents = Row::new();
    for (n, channel) in (0..latents.len()).flat_map(|n| (0..DIM).map(move |c| (n, c))) {
        let moved = |by: f64| {
            let mut latents = latents.to_vec();
            latents[n][channel] += by;
            surrogate(&latents, tables)
        };
        by_latents.push((moved(H) - moved(-H)) / (2.0 * H));
    }
    slopes.insert("latents".to_owned(), by_latents);
    for (name, table) in tables {
        let mut by_table = Row::new();
        for (row, column) in (0..table.len()).flat_map(|r| (0..table[0].len()).map(move |c| (r, c)))
        {
            let moved = |by: f64| {
                let mut tables = tables.clone();
                tables.get_mut(name).unwrap()[row][column] += by;
                surrogate(latents, &tables)
            };
            by_table.push((moved(H) - moved(-H)) / (2.0 * H));
        }
        slopes.insert(name.clone(), by_table);
    }
    slopes
}

/// Codebooks with codes all over the latents, not near 0.
fn spread_out(weights: &Weights) {
    for (at, (name, var)) in weights.vars().into_iter().enumerate() {
        if name.contains("embedding") {
            let noise = Noise::new(8, Purpose::Test, 0, at as u64);
            let values: Vec<f32> =
                (0..var.elem_count() as u32).map(|lane| noise.normal(lane)).collect();
            var.set(&Tensor::from_vec(values, var.shape(), var.device()).unwrap()).unwrap();
        }
    }
}

#[test]
fn every_gradient_is_the_slope_of_what_it_stands_for() {
    for config in trained() {
        let weights = Weights::fresh(2, &of_tests().unwrap());
        let mut rule = build(&config, DIM, &weights).unwrap();
        spread_out(&weights);
        // Codes that are no parameters learn from data first.
        let before = random(SHAPE, 1);
        for step in 0..20 {
            let codes = rule.quantize(&before, Pass::FIRST).unwrap().codes;
            rule.observe(&before, &codes, Place { step, ..Place::default() }).unwrap();
        }
        // A step in which levels are left out.
        let place = Place { seed: 5, step: 3, first_picture: 0 };
        let kept = rule.parts_kept(SHAPE.0, place).unwrap_or(vec![usize::MAX; SHAPE.0]);
        if matches!(&config, QuantizerConfig::Residual(residual) if residual.quantize_dropout) {
            assert!(kept.iter().any(|levels| *levels < 3) && kept.iter().any(|levels| *levels > 1));
        }
        let latents = Var::from_tensor(&random(SHAPE, 2)).unwrap();
        let pull = (random(SHAPE, 3) * 0.05).unwrap();
        let found = rule.quantize(&latents, Pass::Training(place)).unwrap();
        let pulled = (&found.latents * &pull).unwrap().sum_all().unwrap();
        let loss = found.losses.iter().fold(pulled, |sum, (_, loss)| (sum + loss).unwrap());
        let gradients = loss.backward().unwrap();

        let (still, pull) = (rows(&latents), rows(&pull));
        let mut tables: BTreeMap<String, Vec<Row>> = weights
            .vars()
            .into_iter()
            .map(|(name, var)| (name, as_rows(var.as_tensor())))
            .collect();
        for (name, tensor) in rule.state() {
            if name.ends_with("embedding.weight") {
                tables.insert(name, as_rows(&tensor));
            }
        }
        let trained: Vec<String> = weights.vars().into_keys().collect();
        let surrogate = match &config {
            QuantizerConfig::Vq(vq) => {
                let names = vec!["embedding.weight".to_owned()];
                levels(vq, names, &found, (&still, &tables), &kept, pull)
            }
            QuantizerConfig::Residual(residual) => {
                let name = |level| format!("layers.{level}.embedding.weight");
                let names = (0..residual.levels).map(name).collect();
                levels(&residual.vq, names, &found, (&still, &tables), &kept, pull)
            }
            QuantizerConfig::Fsq(fsq) => rounded(fsq, pull),
            QuantizerConfig::Lfq(lfq) => signs(lfq, &still, pull, false),
            QuantizerConfig::Bsq(lfq) => signs(lfq, &still, pull, true),
            QuantizerConfig::SimVq(config) => {
                let frozen = as_rows(&rule.state()[0].1);
                let matrix = &tables["code_transform.weight"];
                simple(config, (&still, matrix), frozen, code_list(&found.codes[0]), pull)
            }
            QuantizerConfig::MultiScale(scales) => {
                of_scales(
                    scales,
                    &mut *rule,
                    &weights,
                    (&latents, &found.codes),
                    pull.concat(),
                    &gradients,
                );
                continue;
            }
            other => unreachable!("{other:?} is not trained"),
        };
        let slopes = differences(&surrogate, &still, &tables);
        for name in trained.iter().map(String::as_str).chain(["latents"]) {
            let gradient = if name == "latents" {
                let gradient = gradients.get(&latents).expect("a gradient of latents");
                rows(gradient).concat()
            } else {
                let gradient = gradients.get(&weights.vars()[name]);
                as_rows(gradient.unwrap_or_else(|| panic!("{config:?}: {name} has none"))).concat()
            };
            agree(&format!("{config:?}: {name}"), &gradient, &slopes[name]);
        }
    }
}

fn agree(what: &str, gradient: &[f64], slopes: &[f64]) {
    assert_eq!(gradient.len(), slopes.len(), "{what}");
    let largest = slopes.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    assert!(largest > 1e-4, "{what}: nothing moves");
    for (at, (a, b)) in gradient.iter().zip(slopes).enumerate() {
        assert!(
            (a - b).abs() < 1e-4 * largest,
            "{what}, {at}: {a} by the graph, {b} by differences"
        );
    }
}

/// Scales: sums of codes up to each of them are linear in the codebook and in phi, so that a step of any size
/// gives the slope of their squares.
fn of_scales(
    config: &MultiScaleConfig,
    rule: &mut dyn Quantizer,
    weights: &Weights,
    (latents, codes): (&Var, &[Tensor]),
    pull: Row,
    gradients: &candle_core::backprop::GradStore,
) {
    let scales = config.v_patch_nums.len();
    let still = rows(latents).concat();
    let sums = |rule: &dyn Quantizer| -> Vec<Row> {
        (1..=scales).map(|count| rows(&rule.decode(&codes[..count]).unwrap()).concat()).collect()
    };
    let mean = |sums: &[Row]| -> f64 {
        sums.iter().map(|sum| away(sum, &still) / still.len() as f64).sum::<f64>() / scales as f64
    };
    let by_latents: Row = sums(rule).iter().fold(pull, |slopes, sum| {
        let share = 2.0 * config.beta / (still.len() * scales) as f64;
        let each = slopes.iter().zip(&still).zip(sum);
        each.map(|((slope, x), sum)| slope + share * (x - sum)).collect()
    });
    let gradient = rows(gradients.get(latents).expect("a gradient of latents")).concat();
    agree("latents of scales", &gradient, &by_latents);
    for (name, var) in weights.vars() {
        let found: Row = list(gradients.get(&var).unwrap_or_else(|| panic!("{name}")))
            .into_iter()
            .map(f64::from)
            .collect();
        let before = var.as_tensor().copy().unwrap();
        let values = list(&before);
        let mut slopes = Row::new();
        for at in 0..values.len() {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[at] += by;
                var.set(&Tensor::from_vec(values, before.shape(), before.device()).unwrap())
                    .unwrap();
                mean(&sums(rule))
            };
            slopes.push((moved(0.25) - moved(-0.25)) / 0.5);
        }
        var.set(&before).unwrap();
        agree(&format!("scales: {name}"), &found, &slopes);
    }
}
