//! One isolated process: a [`RunSpec`] in, an [`Outcome`] out. Knows nothing of ops, images or stores.
//!
//! A [`Spawner`] forks a small process once, the *zygote*, which clones an *init* for each run into new namespaces. The
//! init does a list of steps that was made before (`plan`), starts the process, and ends when it ends; with it ends
//! all that is in its namespaces. So three things hold: a caller that dies takes all its sandboxes along, a process
//! left behind in the background never holds up a build, and after `wait` nothing is mounted any more.
//! The whole is told in `docs/sandbox.md`, in the order of these modules.

pub mod spec;

mod machine;
mod plan;
pub mod stub;

mod running;
mod spawner;
mod wire;
mod zygote;

mod apply;
mod init;
mod overlay;
mod process;
mod resolve;
mod seccomp;

mod kernel;

mod error;

pub use error::SandboxError;
pub use running::Process;
pub use spawner::Spawner;
pub use spec::{Outcome, RunSpec, Stdio};
