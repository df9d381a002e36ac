//! The value of `RUN --mount`: comma-separated options. Does not know what is mounted where.

use crate::text::Text;

/// One `--mount`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub kind: MountKind,
    pub from: Text,
    pub source: Text,
    pub target: Text,
    pub read_only: bool,
    /// Bytes; 0 is no limit. `tmpfs` only.
    pub size_limit: i64,
    pub id: Text,
    pub sharing: Option<Sharing>,
    pub required: bool,
    /// `Some("")` takes the secret's name.
    pub env: Option<Text>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    Shared,
    Private,
    Locked,
}

/// What is wrong with a `--mount`; `subject` is the part of its text that is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MountError {
    pub message: String,
    pub subject: String,
    pub hint: Option<String>,
}

/// Reads the value of one `--mount`; `expand` is applied to the value of every `key=value`.
pub fn parse(
    _value: &str,
    _expand: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Mount, MountError> {
    Err(MountError { message: "not read yet".into(), subject: String::new(), hint: None })
}
