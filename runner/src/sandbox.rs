//! One isolated process: a [`RunSpec`] in, an [`Outcome`] out. Knows nothing of ops, images or stores.

pub mod spec;

pub use spec::{Outcome, RunSpec};
