//! Platforms: what an image is for. Knows the names that Go, Docker and the OCI spec use, and how they match.
//!
//! The rules of normalisation and matching are those of `containerd/platforms`. A [`Platform`] that was parsed is
//! normalised; one that came out of a manifest may not be, so matching normalises both sides first.
//!
//! * Other names are replaced: `x86_64` is `amd64`, `aarch64` is `arm64`, `i386` is `386`, `armhf` is `arm/v7`,
//!   `armel` is `arm/v6`, `macos` is `darwin`.
//! * The variant that goes without saying is left out: `amd64/v1`, `arm64/v8`. For `arm` it is written: `arm/v7`.
//! * A processor runs what its predecessors run: `arm/v7` also v6 and v5, `amd64/v3` also v2 and v1 and `386`,
//!   `arm64` also `arm`. [`Platform::rank_for`] counts the steps down.

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

const OPERATING_SYSTEMS: [&str; 16] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];

const ARCHITECTURES: [&str; 18] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv",
    "riscv64", "s390", "s390x", "sparc", "sparc64", "wasm",
];

impl Platform {
    /// The machine this program was made for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "loongarch64" => "loong64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "mips64" if cfg!(target_endian = "little") => "mips64le",
            other => other,
        };
        Self::new("linux", architecture, "")
    }

    fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let (architecture, variant) = normal_architecture(architecture, variant);
        Self { os: normal_os(os), architecture, variant, os_version: None }
    }

    /// The same platform in its normal spelling.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let normal = Self::new(&self.os, &self.architecture, self.variant.as_deref().unwrap_or(""));
        Self { os_version: self.os_version.clone().filter(|version| !version.is_empty()), ..normal }
    }

    /// Whether an image for `self` can stand in where `wanted` is asked for, and how well: less is better.
    pub fn rank_for(&self, wanted: &Platform) -> Option<u32> {
        let (have, wanted) = (self.normalized(), wanted.normalized());
        if have.os != wanted.os || !runs_on(have.os_version.as_deref(), wanted.os_version.as_deref(), &have.os) {
            return None;
        }
        let runnable = runnable_on(&wanted);
        let at = runnable.iter().position(|(architecture, variant)| {
            *architecture == have.architecture && variant.as_deref() == have.variant.as_deref()
        })?;
        u32::try_from(at).ok()
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os`, `architecture`, `os/architecture` or `os/architecture/variant`. What is left out is this machine's.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        parse(text).map_err(|reason| PlatformError { text: text.chars().take(100).collect(), reason })
    }
}

/// `os/architecture[/variant]`; the version of the system, where there is one, after it in brackets.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        let parts = [Some(&self.architecture), self.variant.as_ref()];
        parts.into_iter().flatten().flat_map(|part| ["/", part]).try_for_each(|text| f.write_str(text))
    }
}

fn parse(text: &str) -> Result<Platform, &'static str> {
    let mut parts = text.split('/');
    let first = parts.next().unwrap_or("");
    let (os, version) = match first.split_once('(') {
        Some((os, version)) => (os, Some(version.strip_suffix(')').ok_or("a `)` is missing")?)),
        None => (first, None),
    };
    let (architecture, variant) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return Err("expected `os/architecture` or `os/architecture/variant`");
    }
    for part in [Some(os), version, architecture, variant].into_iter().flatten() {
        check_part(part)?;
    }
    let platform = match architecture {
        Some(architecture) => Platform::new(os, architecture, variant.unwrap_or("")),
        None => parse_alone(os)?,
    };
    Ok(Platform { os_version: version.map(str::to_owned), ..platform })
}

/// One word: an operating system on this machine's architecture, or an architecture under this machine's system.
fn parse_alone(word: &str) -> Result<Platform, &'static str> {
    let host = Platform::host();
    let os = normal_os(word);
    if OPERATING_SYSTEMS.contains(&os.as_str()) {
        return Ok(Platform { os, ..host });
    }
    let platform = Platform::new(&host.os, word, "");
    if ARCHITECTURES.contains(&platform.architecture.as_str()) {
        return Ok(platform);
    }
    Err("neither an operating system nor an architecture has this name; write `os/architecture`, as in `linux/amd64`")
}

fn check_part(part: &str) -> Result<(), &'static str> {
    if part.is_empty() {
        return Err("a part of it is empty");
    }
    if part.len() > 64 {
        return Err("a part of it is longer than 64 characters");
    }
    if part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        Ok(())
    } else {
        Err("it holds only letters, digits, `_`, `.`, `-` and `/`")
    }
}

fn normal_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

fn normal_architecture(architecture: &str, variant: &str) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386" | "x86", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), (!variant.is_empty()).then(|| variant.to_owned()))
}

/// What a machine of `platform` (normalised) can run, the best first.
fn runnable_on(platform: &Platform) -> Vec<(&'static str, Option<String>)> {
    let below = |variant: &str, lowest: u32| -> Vec<u32> {
        let own: u32 = variant.strip_prefix('v').and_then(|n| n.parse().ok()).unwrap_or(0);
        (lowest..own.min(16)).rev().collect()
    };
    let own_variant = platform.variant.clone();
    let variant = own_variant.as_deref().unwrap_or("");
    match platform.architecture.as_str() {
        "amd64" => {
            let mut list = vec![("amd64", own_variant.clone())];
            list.extend(below(variant, 1).into_iter().map(|n| ("amd64", (n > 1).then(|| format!("v{n}")))));
            list.push(("386", None));
            list
        }
        "arm" => {
            let mut list = vec![("arm", own_variant.clone())];
            list.extend(below(variant, 5).into_iter().map(|n| ("arm", Some(format!("v{n}")))));
            list
        }
        "arm64" => {
            let mut list = vec![("arm64", own_variant.clone())];
            list.extend(arm64_below(variant));
            list.extend([8, 7, 6, 5].map(|n| ("arm", Some(format!("v{n}")))));
            list
        }
        other => match ARCHITECTURES.iter().find(|known| **known == other) {
            Some(known) => vec![(*known, own_variant)],
            None => Vec::new(),
        },
    }
}

/// Armv9.x has everything that Armv8.(x+5) has; `v8` itself is written as no variant.
fn arm64_below(variant: &str) -> Vec<(&'static str, Option<String>)> {
    let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
    let Ok(minor) = minor.parse::<u32>().map(|minor| minor.min(16)) else { return Vec::new() };
    let write = |major: u32, minor: u32| match (major, minor) {
        (8, 0) => None,
        (major, 0) => Some(format!("v{major}")),
        (major, minor) => Some(format!("v{major}.{minor}")),
    };
    let mut list = Vec::new();
    let (nines, eights) = match major {
        "v9" => (minor, minor + 6),
        "v8" => (0, minor),
        _ => (0, 0),
    };
    list.extend((0..nines).rev().map(|minor| ("arm64", write(9, minor))));
    list.extend((0..eights).rev().map(|minor| ("arm64", write(8, minor))));
    list
}

/// Linux images say no version. Windows containers need the very build of their host: `10.0.17763` of `10.0.17763.1`.
fn runs_on(have: Option<&str>, wanted: Option<&str>, os: &str) -> bool {
    let build = |version: &str| version.split('.').take(3).map(str::to_owned).collect::<Vec<_>>();
    match (have, wanted) {
        (Some(have), Some(wanted)) if os == "windows" => build(have) == build(wanted),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
