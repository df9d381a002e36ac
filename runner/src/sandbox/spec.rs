//! What to run and in what isolation, as plain data. Knows not how it is done.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One process to be run in isolation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec {
    pub root: Root,
    pub readonly_root: bool,
    /// The program and its arguments. A name without `/` is looked for in the `PATH` of `env`.
    pub args: Vec<String>,
    /// `NAME=value`
    pub env: Vec<String>,
    /// Absolute path in the root; made when it does not exist.
    pub cwd: String,
    pub user: Credentials,
    pub hostname: String,
    pub network: Network,
    /// In order, after the standard ones (`/proc`, `/dev`, `/sys`, …).
    pub mounts: Vec<Mount>,
    /// Files that only this process sees, mounted over what the root has (`/etc/hosts`, `/etc/resolv.conf`).
    pub files: Vec<File>,
    pub limits: Vec<Limit>,
    /// No seccomp, all capabilities, nothing masked: `--security=insecure`, `--privileged`.
    pub privileged: bool,
    /// Setuid programs and file capabilities give nothing. Off in builds, as in BuildKit: `sudo` is to work in a RUN.
    pub no_new_privileges: bool,
}

/// The root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// An overlay. `lowers` bottom first; `upper` gets what the process changes, `work` is an empty directory beside it,
    /// never used again: what the kernel leaves in it has no permissions, so without root it is removed only after a chmod.
    Overlay { lowers: Vec<PathBuf>, upper: PathBuf, work: PathBuf },
    /// A directory as it is.
    Dir(PathBuf),
}

/// Ids of the process; names have been looked up by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The host's network namespace.
    Host,
    /// A new and empty one, its loopback up.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path in the root; resolved inside it, made when it does not exist.
    pub target: String,
    pub kind: MountKind,
    pub readonly: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    Bind {
        source: PathBuf,
    },
    Tmpfs {
        size: Option<u64>,
        mode: u32,
    },
    /// A file in memory, never on a disk. It cannot be written.
    File {
        contents: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path in the root.
    pub target: String,
    pub contents: Vec<u8>,
    pub mode: u32,
}

/// What the process may use of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// By its number in `asm-generic/resource.h`.
    pub resource: u32,
    /// `None` is without limit.
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// Where the process's standard streams go.
#[derive(Debug)]
pub enum Stdio {
    /// Standard input (`/dev/null` when absent), output and error. Both outputs may be one pipe, duplicated.
    Pipes { stdin: Option<OwnedFd>, stdout: OwnedFd, stderr: OwnedFd },
    /// A terminal of the sandbox's own; its master side is handed to the caller.
    Terminal { rows: u16, columns: u16 },
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Exited(u8),
    Signaled(i32),
}
