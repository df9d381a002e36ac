//! Platforms: what an image is for. Knows the names that Go, Docker and the OCI spec use, and how they match.
//!
//! The rules of normalisation and matching are those of `containerd/platforms`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and an architecture, normalised: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

/// Why a text is no platform.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a platform: {reason}")]
pub struct PlatformError {
    text: String,
    reason: &'static str,
}

impl Platform {
    /// The machine this program was made for.
    pub fn host() -> Self {
        todo!()
    }

    /// Whether an image for `self` can stand in where `wanted` is asked for, and how well: less is better.
    pub fn rank_for(&self, _wanted: &Platform) -> Option<u32> {
        todo!()
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(_text: &str) -> Result<Self, PlatformError> {
        todo!()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
