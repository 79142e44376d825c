//! Pickles without Python: a machine that builds values and runs nothing.
//!
//! A pickle is a program for a small stack machine, and Python's machine calls whatever function the
//! file names. This one knows the handful of constructors that PyTorch uses for tensors and
//! dictionaries; every other class becomes an opaque value that is stepped over, and a file that
//! wants a function of the system called (`os.system`, `eval`) is refused. Values live in one arena
//! and point into the pickle's own bytes; each is paid for from the file's budget before it is made.
//!
//! Protocols 0 to 5 as far as PyTorch uses them. Source: Python's `pickletools` (the opcodes).

mod machine;
mod reach;
mod rebuild;
mod role;
mod values;

pub(super) use machine::{Failure, run};
pub(super) use reach::{Child, Reach};
pub(super) use role::Role;
pub(super) use values::{Arena, Described, Handle, Node};
