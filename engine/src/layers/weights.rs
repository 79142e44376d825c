//! Named parameters: where a network takes its tensors from when it is built.
//!
//! A network asks for each tensor by name and shape; whether the tensor comes from a checkpoint or
//! is drawn afresh is decided here. Everything that does not fit is collected, so that a person
//! reads all of it at once instead of the first failure.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use candle_core::{DType, Device, Tensor, Var};

use crate::kernels::Exactness;
use crate::random::{Noise, Purpose, name_hash};
use crate::{EngineError, Result};

/// How a tensor starts when no checkpoint gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f32),
    /// Uniform in [-x, x).
    Uniform(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// Normal with this mean and standard deviation.
    Around(f32, f32),
}

/// Hands out named tensors below a prefix. Cheap to clone; not for sharing between threads.
#[derive(Debug, Clone)]
pub struct Weights {
    shared: Rc<Shared>,
    prefix: String,
    exactness: Exactness,
}

/// Where tensors come from.
#[derive(Debug)]
enum Origin {
    /// Everything is drawn from the seed.
    Fresh,
    /// A checkpoint's tensors.
    Loaded(BTreeMap<String, Tensor>),
    /// What fits of a checkpoint's tensors; the rest is drawn from the seed.
    Partly(BTreeMap<String, Tensor>),
    /// A checkpoint's shapes: a network is built against them to see what fits.
    Shapes(BTreeMap<String, Vec<usize>>),
}

impl Origin {
    /// The shape that a checkpoint has under that name.
    fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Fresh => None,
            Self::Loaded(tensors) | Self::Partly(tensors) => tensors.get(name).map(Tensor::dims),
            Self::Shapes(shapes) => shapes.get(name).map(Vec::as_slice),
        }
    }

    /// All names that a checkpoint has, sorted.
    fn names(&self) -> Vec<&String> {
        match self {
            // What does not fit is left out in silence.
            Self::Fresh | Self::Partly(_) => Vec::new(),
            Self::Loaded(tensors) => tensors.keys().collect(),
            Self::Shapes(shapes) => shapes.keys().collect(),
        }
    }
}

#[derive(Debug)]
struct Shared {
    device: Device,
    trainable: bool,
    from: Origin,
    seed: u64,
    vars: RefCell<BTreeMap<String, Var>>,
    /// What was asked for, and whether it is a parameter.
    taken: RefCell<BTreeMap<String, bool>>,
    /// What was drawn from the seed.
    drawn: RefCell<BTreeSet<String>>,
    /// What begins so is not trained.
    freeze: RefCell<Vec<String>>,
    /// The parameters that are not trained for that.
    frozen: RefCell<BTreeMap<String, Tensor>>,
    elements: Cell<usize>,
    problems: RefCell<Vec<String>>,
}

impl Weights {
    fn from_shared(device: &Device, trainable: bool, from: Origin, seed: u64) -> Self {
        Self {
            shared: Rc::new(Shared {
                device: device.clone(),
                trainable,
                from,
                seed,
                vars: RefCell::default(),
                taken: RefCell::default(),
                drawn: RefCell::default(),
                freeze: RefCell::default(),
                frozen: RefCell::default(),
                elements: Cell::default(),
                problems: RefCell::default(),
            }),
            prefix: String::new(),
            exactness: Exactness::Tokens,
        }
    }

    /// New trainable parameters; the same seed gives the same weights.
    pub fn fresh(seed: u64, device: &Device) -> Self {
        Self::from_shared(device, true, Origin::Fresh, seed)
    }

    /// Tensors of a checkpoint, converted to f32; `trainable` makes them variables.
    pub fn loaded(tensors: BTreeMap<String, Tensor>, trainable: bool, device: &Device) -> Self {
        Self::from_shared(device, trainable, Origin::Loaded(tensors), 0)
    }

    /// New trainable parameters that start from those of another network as far as name and shape agree;
    /// the others are drawn from the seed ([`Weights::drawn`] names them).
    pub fn partly(tensors: BTreeMap<String, Tensor>, seed: u64, device: &Device) -> Self {
        Self::from_shared(device, true, Origin::Partly(tensors), seed)
    }

    /// Parameters whose names, from the root, begin so are not trained: no gradient reaches them.
    #[must_use]
    pub fn freezing(self, names: impl IntoIterator<Item = String>) -> Self {
        self.shared.freeze.borrow_mut().extend(names);
        self
    }

    /// Zeros of a checkpoint's shapes that take no memory: a network that is built from them says
    /// what does not fit ([`Weights::problems`]), and is not to be run.
    pub fn of_shapes(shapes: BTreeMap<String, Vec<usize>>) -> Self {
        Self::from_shared(&Device::Cpu, false, Origin::Shapes(shapes), 0)
    }

    /// The same weights below a longer prefix; parts are joined with dots.
    #[must_use]
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { prefix: self.full(name), ..self.clone() }
    }

    /// The same weights for layers that give pictures or losses, not codes: they may be fast instead of exact.
    /// A frozen network inside a loss is not fast by itself, as a trained one is: its builder asks for it here.
    #[must_use]
    pub fn fast(self) -> Self {
        Self { exactness: Exactness::Fast, ..self }
    }

    /// How exact the layers of these weights have to be.
    pub fn exactness(&self) -> Exactness {
        self.exactness
    }

    /// Whether a checkpoint has the tensor; `false` when weights are fresh.
    pub fn contains(&self, name: &str) -> bool {
        self.shared.from.shape(&self.full(name)).is_some()
    }

    /// The device on which tensors are made.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// The tensor of that name, f32, of that shape. A parameter: trained if weights are trainable.
    ///
    /// A tensor that is missing or has another shape is noted (see [`Weights::finish`]) and replaced
    /// by zeros, so that one pass over the network finds everything that does not fit.
    pub fn get(&self, shape: &[usize], name: &str, init: Init) -> Result<Tensor> {
        let elements = &self.shared.elements;
        elements.set(elements.get().saturating_add(shape.iter().product()));
        self.shared.taken.borrow_mut().insert(self.full(name), true);
        let full = self.full(name);
        let is_frozen = self.shared.freeze.borrow().iter().any(|begin| full.starts_with(begin));
        let tensor = self.take(shape, name, init, self.shared.trainable && !is_frozen)?;
        if is_frozen {
            self.shared.frozen.borrow_mut().insert(full, tensor.clone());
        }
        Ok(tensor)
    }

    /// The name of a tensor below this prefix, from the root.
    pub fn name(&self, name: &str) -> String {
        self.full(name)
    }

    /// As [`Weights::get`] for state that is kept with the weights but has no gradient (EMA sums,
    /// counts). It is still a variable, so that it can be changed in place.
    pub fn buffer(&self, shape: &[usize], name: &str, init: Init) -> Result<Var> {
        let tensor = self.take(shape, name, init, false)?;
        if matches!(self.shared.from, Origin::Shapes(_)) {
            // Not to be run: one number stands for all, so that nothing is taken for what a file claims.
            let one = Tensor::zeros(vec![1; shape.len()], DType::F32, self.device())?;
            return Ok(Var::from_tensor(&one)?);
        }
        Ok(Var::from_tensor(&tensor)?)
    }

    /// As [`Weights::buffer`] for state that a checkpoint may lack without harm: it then starts as `init`
    /// says.
    pub fn optional_buffer(&self, shape: &[usize], name: &str, init: Init) -> Result<Var> {
        let shared = &self.shared;
        match &shared.from {
            Origin::Loaded(_) | Origin::Partly(_) if !self.contains(name) => {
                let cell = name_hash(&self.full(name));
                Ok(Var::from_tensor(&draw(shape, init, shared.seed, cell, &shared.device)?)?)
            }
            Origin::Shapes(_) if !self.contains(name) => {
                Ok(Var::zeros(vec![1; shape.len()], DType::F32, self.device())?)
            }
            _ => self.buffer(shape, name, init),
        }
    }

    /// Says that a checkpoint may hold a tensor of that name which the network knows and does not need.
    pub fn skip(&self, name: &str) {
        self.shared.taken.borrow_mut().entry(self.full(name)).or_default();
    }

    fn take(&self, shape: &[usize], name: &str, init: Init, trainable: bool) -> Result<Tensor> {
        let full = self.full(name);
        let shared = &self.shared;
        shared.taken.borrow_mut().entry(full.clone()).or_default();
        if !matches!(shared.from, Origin::Fresh | Origin::Partly(_)) {
            match shared.from.shape(&full) {
                Some(found) if found == shape => {}
                Some(found) => {
                    self.note(format!("{full} should be {shape:?}, but is {found:?}"));
                    return self.stand_in(shape);
                }
                None => {
                    self.note(format!("{full} is missing (should be {shape:?})"));
                    return self.stand_in(shape);
                }
            }
        }
        let known = match &shared.from {
            Origin::Fresh => None,
            Origin::Shapes(_) => return self.stand_in(shape),
            Origin::Partly(known) => known.get(&full).filter(|known| known.dims() == shape),
            Origin::Loaded(loaded) => match loaded.get(&full) {
                Some(known) => Some(known),
                None => return self.stand_in(shape),
            },
        };
        let tensor = if let Some(known) = known {
            known.to_dtype(DType::F32)?.to_device(&shared.device)?.contiguous()?
        } else {
            shared.drawn.borrow_mut().insert(full.clone());
            draw(shape, init, shared.seed, name_hash(&full), &shared.device)?
        };
        if !trainable {
            return Ok(tensor);
        }
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        shared.vars.borrow_mut().insert(full, var);
        Ok(tensor)
    }

    /// Zeros that take no memory, whatever shape a false configuration asks for.
    fn stand_in(&self, shape: &[usize]) -> Result<Tensor> {
        let zero = Tensor::zeros(vec![1; shape.len()], DType::F32, &self.shared.device)?;
        Ok(zero.broadcast_as(shape)?)
    }

    /// Whether a tensor, by its name from the root, was handed out by [`Weights::get`]: a parameter, and no
    /// state beside them.
    pub fn is_parameter(&self, name: &str) -> bool {
        self.shared.taken.borrow().get(name) == Some(&true)
    }

    /// The parameters that are not trained ([`Weights::freezing`]), by name.
    pub fn frozen(&self) -> BTreeMap<String, Tensor> {
        self.shared.frozen.borrow().clone()
    }

    /// The names, from the root, of what was drawn from the seed so far.
    pub fn drawn(&self) -> BTreeSet<String> {
        self.shared.drawn.borrow().clone()
    }

    /// Number of elements of all parameters handed out so far by [`Weights::get`].
    pub fn elements(&self) -> usize {
        self.shared.elements.get()
    }

    fn full(&self, name: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }

    fn note(&self, problem: String) {
        self.shared.problems.borrow_mut().push(problem);
    }

    /// All trainable parameters, sorted by name.
    pub fn vars(&self) -> BTreeMap<String, Var> {
        self.shared.vars.borrow().clone()
    }

    /// What did not fit so far: missing tensors and wrong shapes, then tensors nobody asked for.
    /// Names that start with one of `ignore` may be left over.
    pub fn problems(&self, ignore: &[&str]) -> Vec<String> {
        let mut problems = self.shared.problems.borrow().clone();
        let taken = self.shared.taken.borrow();
        for name in self.shared.from.names() {
            if !taken.contains_key(name) && !ignore.iter().any(|prefix| name.starts_with(prefix)) {
                problems.push(format!("{name} is not part of this network"));
            }
        }
        problems
    }

    /// An error that lists the first few problems, if there are any.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with up to five problems and their number.
    pub fn finish(&self, what: &str, ignore: &[&str]) -> Result<()> {
        let problems = self.problems(ignore);
        if problems.is_empty() {
            return Ok(());
        }
        let more = problems.len().saturating_sub(5);
        let mut list = problems.into_iter().take(5).collect::<Vec<_>>().join("; ");
        if more > 0 {
            list = format!("{list}; and {more} more");
        }
        Err(EngineError::bad_input(
            what,
            list,
            "this file does not hold the network its configuration names",
        ))
    }
}

fn draw(shape: &[usize], init: Init, seed: u64, cell: u64, device: &Device) -> Result<Tensor> {
    let n: usize = shape.iter().product();
    let noise = Noise::new(seed, Purpose::Weights, 0, cell);
    let values: Vec<f32> = match init {
        Init::Constant(x) => vec![x; n],
        Init::Uniform(x) => (0..n as u32).map(|lane| noise.range(lane, -x, x)).collect(),
        Init::Normal(std) => (0..n as u32).map(|lane| std * noise.normal(lane)).collect(),
        Init::Around(mean, std) => {
            (0..n as u32).map(|lane| mean + std * noise.normal(lane)).collect()
        }
    };
    Ok(Tensor::from_vec(values, shape, device)?)
}
