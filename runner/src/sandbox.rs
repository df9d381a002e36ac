//! One isolated process: a [`RunSpec`] in, an [`Outcome`] out. Knows nothing of ops, images or stores.

pub mod spec;

mod error;
mod spawner;

pub use error::SandboxError;
pub use spawner::{Process, Spawner};
pub use spec::{Outcome, RunSpec, Stdio};
