//! Image references: what a person writes (`node`), and what it means (`docker.io/library/node:latest`).
//! Knows no registry protocol.
//!
//! The grammar and the normalisation are those of `distribution/reference`, which Docker uses.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// A normalised reference: always a registry, always a repository, and a tag, a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not an image name: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// `docker.io`, `localhost:5000`, …
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// `library/node`
    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same name, pinned to `digest`.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// As Docker shows it: `node`, not `docker.io/library/node`; with the tag and the digest.
    pub fn familiar(&self) -> String {
        todo!()
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(_text: &str) -> Result<Self, ReferenceError> {
        todo!()
    }
}

/// The whole name: `docker.io/library/node:latest`, with `@sha256:…` where there is one.
impl fmt::Display for Reference {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
