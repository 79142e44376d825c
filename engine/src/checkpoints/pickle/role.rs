//! What the classes and functions that a pickle names mean here: the few that are known, and what is
//! refused.

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
