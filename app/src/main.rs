//! Smalti.
fn main() {}
