//! What can go wrong before the process of a sandbox runs. How the process itself ends is an outcome, not an error.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The small process that starts sandboxes could not be started.
    #[error("start the spawner: {what}")]
    Start { what: String, source: io::Error },
    /// A directory that the sandboxes need could not be made.
    #[error("prepare `{path}`")]
    Prepare { path: PathBuf, source: io::Error },
    /// The spawner is gone: it was killed, or was never able to go on.
    #[error("the spawner of sandboxes has ended")]
    SpawnerGone { source: io::Error },
    /// Something in the spec cannot be done as it is said.
    #[error("sandbox: {what}")]
    Invalid { what: String },
    /// One of the steps between clone and exec failed.
    #[error("{step}")]
    Step { step: String, source: io::Error },
    /// The sandbox was killed from outside before it could say how its process ended.
    #[error("the sandbox of `{program}` was killed")]
    Killed { program: String },
}
