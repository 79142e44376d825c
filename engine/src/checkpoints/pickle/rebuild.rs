//! What "calling" means here: the few constructors that are known, and what is refused.

use super::super::budget::{Budget, Spent};
use super::values::{Arena, Described, Handle, Node};

/// Modules in which everything acts on the machine; a pickle that calls into them is an attack.
const DANGEROUS_MODULES: &[&str] = &[
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "runpy",
    "socket",
    "pty",
    "importlib",
    "ctypes",
    "_ctypes",
    "webbrowser",
    "asyncio",
    "multiprocessing",
    "marshal",
    "commands",
    "urllib",
    "http",
    "requests",
    "pip",
    "timeit",
    "cProfile",
    "pdb",
    "bdb",
    "doctest",
    "signal",
    "_thread",
    "threading",
    "imp",
    "pickle",
    "_pickle",
    "dill",
    "ftplib",
    "smtplib",
];
/// Functions of Python itself that run or open what they are given.
const DANGEROUS_BUILTINS: &[&str] = &[
    "eval",
    "exec",
    "execfile",
    "compile",
    "open",
    "__import__",
    "apply",
    "input",
    "breakpoint",
    "globals",
    "setattr",
    "delattr",
];

/// What a class or function means here; decided once, when the pickle names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Not known: an opaque value.
    Unknown,
    /// Calling it would act on the machine.
    Dangerous,
    /// A module of TorchScript.
    Script,
    Tensor,
    /// Its first argument.
    First,
    /// A tensor of a derived class: (function, type, arguments, state).
    Derived,
    Dictionary,
    DefaultDictionary,
    List,
    /// An instance of its first argument.
    Instance,
    /// Text that stands for bytes.
    Encode,
    NumpyType,
    Array,
    ArrayOfBuffer,
    Scalar,
    /// Calls of it are stepped over.
    Ignored,
}

impl Role {
    pub(super) fn of(module: &[u8], name: &[u8]) -> Self {
        let builtin = matches!(module, b"builtins" | b"__builtin__");
        match (module, name) {
            _ if dangerous(module, name) => Self::Dangerous,
            _ if module.starts_with(b"__torch__") => Self::Script,
            (b"torch._utils", b"_rebuild_parameter" | b"_rebuild_parameter_with_state")
            | (b"torch.jit._pickle", _)
            | (b"torch", b"Size") => Self::First,
            (
                b"torch._utils",
                b"_rebuild_tensor" | b"_rebuild_tensor_v2" | b"_rebuild_tensor_v3",
            ) => Self::Tensor,
            (b"torch._tensor", b"_rebuild_from_type_v2") => Self::Derived,
            (b"collections", b"OrderedDict") => Self::Dictionary,
            (b"collections", b"defaultdict") => Self::DefaultDictionary,
            (b"copyreg" | b"copy_reg", b"_reconstructor") => Self::Instance,
            (b"_codecs", b"encode") => Self::Encode,
            (b"numpy", b"dtype") => Self::NumpyType,
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Self::Array,
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"scalar") => Self::Scalar,
            (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Self::ArrayOfBuffer,
            (_, b"dict") if builtin => Self::Dictionary,
            (_, b"list" | b"tuple") if builtin => Self::List,
            _ if builtin => Self::Ignored,
            _ => Self::Unknown,
        }
    }
}

/// Whether calling it in Python would act on the machine.
fn dangerous(module: &[u8], name: &[u8]) -> bool {
    let [module, name] = [module, name].map(String::from_utf8_lossy);
    let first = module.split('.').next().unwrap_or_default();
    let acts = match first {
        "builtins" | "__builtin__" | "__builtins__" => DANGEROUS_BUILTINS.contains(&&*name),
        "torch" => matches!(&*module, "torch.hub" | "torch.utils.cpp_extension"),
        "io" | "_io" => &*name == "open",
        "types" => matches!(&*name, "FunctionType" | "CodeType" | "LambdaType"),
        _ => DANGEROUS_MODULES.contains(&first),
    };
    // Protocol 4 writes `os.system` also as module "x", name "y.os.system".
    acts || name.split('.').any(|part| matches!(part, "system" | "popen" | "__globals__"))
}

/// The value that a call of `callee` stands for.
pub(super) fn call(
    arena: &mut Arena<'_>,
    callee: Handle,
    arguments: Handle,
    budget: &mut Budget,
) -> Result<Handle, Spent> {
    let Some((_, class)) = arena.class(callee) else {
        return arena.add(Node::Object(callee, Arena::NONE), budget);
    };
    let argument = |arena: &Arena<'_>, i: usize| {
        arena.items(arguments).and_then(|a| a.get(i)).copied().unwrap_or(Arena::NONE)
    };
    match class.role {
        Role::Tensor => arena.add(Node::Tensor(arguments), budget),
        Role::First => Ok(argument(arena, 0)),
        Role::Derived => {
            let (inner, inner_arguments) = (argument(arena, 0), argument(arena, 2));
            // Once: a chain of these would nest calls as deep as the file is long.
            match arena.class(inner).map(|(_, class)| class.role) {
                Some(Role::Tensor) => arena.add(Node::Tensor(inner_arguments), budget),
                Some(Role::First) => {
                    let items = arena.items(inner_arguments);
                    Ok(items.and_then(|a| a.first()).copied().unwrap_or(Arena::NONE))
                }
                _ => arena.add(Node::Object(inner, Arena::NONE), budget),
            }
        }
        Role::Dictionary => {
            let from = argument(arena, 0);
            dictionary(arena, from, budget)
        }
        Role::DefaultDictionary => {
            let from = argument(arena, 1);
            dictionary(arena, from, budget)
        }
        Role::List => {
            let from = argument(arena, 0);
            let items = copied(arena.items(from).unwrap_or_default(), budget)?;
            arena.add_list(&items, Node::List, budget)
        }
        Role::Instance => {
            let class = argument(arena, 0);
            arena.add(Node::Object(class, Arena::NONE), budget)
        }
        Role::Encode => match (arena.get(argument(arena, 0)), arena.word(argument(arena, 1))) {
            (Node::Text(span), Some(code)) if code.starts_with("latin") => {
                arena.add(Node::Latin(span), budget)
            }
            _ => Ok(Arena::OPAQUE),
        },
        Role::NumpyType => arena.add(Node::NumpyType(arguments, Arena::NONE), budget),
        Role::Array => arena.add(Node::Array(Described::State, Arena::NONE), budget),
        Role::ArrayOfBuffer => arena.add(Node::Array(Described::Buffer, arguments), budget),
        Role::Scalar => arena.add(Node::Array(Described::Scalar, arguments), budget),
        Role::Ignored => Ok(Arena::OPAQUE),
        Role::Unknown | Role::Script | Role::Dangerous => {
            arena.add(Node::Object(callee, Arena::NONE), budget)
        }
    }
}

/// A copy of handles, paid for before it is made.
fn copied(items: &[Handle], budget: &mut Budget) -> Result<Vec<Handle>, Spent> {
    budget.steps(items.len() as u64)?;
    budget.memory(size_of_val(items) as u64)?;
    Ok(items.to_vec())
}

/// A dictionary from a list of pairs or from another one.
fn dictionary(arena: &mut Arena<'_>, from: Handle, budget: &mut Budget) -> Result<Handle, Spent> {
    let entries = match arena.get(from) {
        Node::Dict(_) => copied(arena.entries(from).unwrap_or_default().as_flattened(), budget)?,
        Node::List(_) => {
            let pairs = arena.items(from).unwrap_or_default();
            budget.steps(pairs.len() as u64)?;
            budget.memory((2 * size_of_val(pairs)) as u64)?;
            let pairs = pairs.iter().filter_map(|pair| arena.items(*pair));
            pairs.filter(|pair| pair.len() == 2).flatten().copied().collect()
        }
        _ => Vec::new(),
    };
    arena.add_list(&entries, Node::Dict, budget)
}
