//! What can go wrong before the process of a sandbox runs. How the process itself ends is an outcome, not an error.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The small process that starts sandboxes could not be started.
    #[error("start the zygote of the sandboxes: {what}")]
    Start { what: String, source: io::Error },
    /// A directory that the sandboxes need could not be made.
    #[error("prepare `{path}`")]
    Prepare { path: PathBuf, source: io::Error },
    /// It was killed, or this process has no descriptors left to talk to it.
    #[error("reach the zygote of the sandboxes: {what}")]
    Zygote { what: &'static str, source: io::Error },
    /// Something in the spec cannot be done as it is said.
    #[error("sandbox of `{program}`: {what}")]
    Invalid { program: String, what: String },
    /// The kernel gave no new namespaces.
    #[error("clone into new namespaces")]
    Clone { source: io::Error },
    /// One of the steps between clone and exec failed. `detail` is what the kernel said besides, or empty.
    #[error("{step}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Step { step: String, detail: String, source: io::Error },
    /// It was killed from outside before its program ran.
    #[error("the sandbox of `{program}` was killed before it ran")]
    Killed { program: String },
    /// Its end could not be waited for.
    #[error("wait for the sandbox of `{program}`")]
    Wait { program: String, source: io::Error },
}
