//! What this machine lets us do, looked at once. Knows nothing of a particular sandbox.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::SandboxError;

/// Rights, features and places that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub rung: Rung,
    pub cgroup: Cgroup,
    pub places: Places,
    /// Where bottom layers of mountpoints are kept.
    pub stubs: PathBuf,
    /// What is not granted, one sentence each.
    pub notes: Vec<String>,
}

/// Empty directories of the host. What is mounted on them is seen in one sandbox's namespace alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Where a sandbox's root is mounted until it becomes the root.
    pub root: PathBuf,
    /// Where the contents of a spec's files are, until they are bound.
    pub files: PathBuf,
    /// Bound over directories that are masked.
    pub empty: PathBuf,
}

/// How far up the ladder of rights we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// Root on the machine: all ids, device nodes can be made.
    Root,
    /// A user namespace in which our own id is root's and there is no other.
    SingleId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroup {
    /// One tree, of version 2: shown read-only.
    Unified,
    /// Version 1, both, or none: not shown.
    Hidden,
}

impl Machine {
    /// Looks at the machine and makes the directories that sandboxes need in `scratch`.
    pub fn probe(scratch: &Path) -> Result<Machine, SandboxError> {
        let scratch = prepared(scratch)?;
        let scratch = scratch.canonicalize().map_err(|source| SandboxError::Prepare { path: scratch, source })?;
        let mut notes = Vec::new();
        let rung = if rustix::process::geteuid().is_root() { Rung::Root } else { Rung::SingleId };
        if rung == Rung::SingleId {
            notes.push("not root: a user namespace with one id, so no other users or groups in a step".to_owned());
        }
        let cgroup = cgroup();
        if cgroup == Cgroup::Hidden {
            notes.push("no unified cgroup tree: `/sys/fs/cgroup` is empty in a step".to_owned());
        }
        Ok(Machine {
            rung,
            cgroup,
            places: Places {
                root: prepared(&scratch.join("root"))?,
                files: prepared(&scratch.join("files"))?,
                empty: prepared(&scratch.join("empty"))?,
            },
            stubs: prepared(&scratch.join("stubs"))?,
            notes,
        })
    }
}

fn cgroup() -> Cgroup {
    const CGROUP2_MAGIC: i128 = 0x6367_7270;
    match rustix::fs::statfs("/sys/fs/cgroup") {
        Ok(found) if found.f_type as i128 == CGROUP2_MAGIC => Cgroup::Unified,
        Ok(_) | Err(_) => Cgroup::Hidden,
    }
}

fn prepared(path: &Path) -> Result<PathBuf, SandboxError> {
    std::fs::create_dir_all(path)
        .map_err(|source: io::Error| SandboxError::Prepare { path: path.to_owned(), source })?;
    Ok(path.to_owned())
}
