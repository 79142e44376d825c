//! What "calling" means here: the few constructors that are known, and what is refused.

use super::values::{Arena, Handle, Node};

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

/// The name of what is called, if calling it in Python would act on the machine.
pub(super) fn dangerous(arena: &Arena<'_>, callee: Handle) -> Option<String> {
    let (module, name) = arena.global(callee)?;
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
    let acts =
        acts || name.split('.').any(|part| matches!(part, "system" | "popen" | "__globals__"));
    acts.then(|| format!("{module}.{name}"))
}

/// The value that a call of `callee` stands for.
pub(super) fn call(arena: &mut Arena<'_>, callee: Handle, arguments: Handle) -> Handle {
    let Some((module, name)) = arena.global(callee) else {
        return arena.add(Node::Object(callee, Arena::NONE));
    };
    let argument = |arena: &Arena<'_>, i: usize| {
        arena.items(arguments).and_then(|a| a.get(i)).copied().unwrap_or(Arena::NONE)
    };
    match (module, name) {
        (b"torch._utils", b"_rebuild_tensor" | b"_rebuild_tensor_v2" | b"_rebuild_tensor_v3") => {
            arena.add(Node::Tensor(arguments))
        }
        (b"torch._utils", b"_rebuild_parameter" | b"_rebuild_parameter_with_state") => {
            argument(arena, 0)
        }
        (b"torch._tensor", b"_rebuild_from_type_v2") => {
            // (function, type, arguments, state): a tensor of a derived class.
            let (inner, inner_arguments) = (argument(arena, 0), argument(arena, 2));
            match arena.global(inner) {
                // Once: a chain of these would nest calls as deep as the file is long.
                Some((b"torch._utils", _)) => call(arena, inner, inner_arguments),
                _ => arena.add(Node::Object(inner, Arena::NONE)),
            }
        }
        (b"torch.jit._pickle", _) | (b"torch", b"Size") => argument(arena, 0),
        (b"collections", b"OrderedDict") | (b"builtins" | b"__builtin__", b"dict") => {
            let from = argument(arena, 0);
            dictionary(arena, from)
        }
        (b"collections", b"defaultdict") => {
            let from = argument(arena, 1);
            dictionary(arena, from)
        }
        (b"builtins" | b"__builtin__", b"list" | b"tuple") => {
            let items = arena.items(argument(arena, 0)).unwrap_or_default().to_vec();
            arena.add(Node::List(items))
        }
        (b"copyreg" | b"copy_reg", b"_reconstructor") => {
            let class = argument(arena, 0);
            arena.add(Node::Object(class, Arena::NONE))
        }
        (b"builtins" | b"__builtin__", _) | (b"_codecs", b"encode") => Arena::OPAQUE,
        _ => arena.add(Node::Object(callee, Arena::NONE)),
    }
}

/// A dictionary from a list of pairs or from another one.
fn dictionary(arena: &mut Arena<'_>, from: Handle) -> Handle {
    let entries = match arena.get(from) {
        Node::Dict(entries) => entries.clone(),
        Node::List(pairs) => {
            let pairs = pairs.iter().filter_map(|pair| arena.items(*pair));
            pairs.filter(|pair| pair.len() == 2).flatten().copied().collect()
        }
        _ => Vec::new(),
    };
    arena.add(Node::Dict(entries))
}
