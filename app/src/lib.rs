//! Smalti.
