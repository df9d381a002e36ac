//! Image references: what a person writes (`node`), and what it means (`docker.io/library/node:latest`).
//! Knows no registry protocol.
//!
//! The grammar and the normalisation are those of `distribution/reference`, which Docker uses:
//!
//! ```text
//! reference  = [ registry "/" ] repository [ ":" tag ] [ "@" digest ]
//! registry   = ( name { "." name } | "[" ipv6 "]" ) [ ":" port ]
//! repository = part { "/" part }              lower case, 255 bytes at most
//! part       = word { ( "." | "_" | "__" | "-"… ) word }
//! tag        = ( letter | digit | "_" ) { letter | digit | "_" | "." | "-" }      128 bytes at most
//! ```
//!
//! What stands before the first `/` is a registry if it is `localhost` or holds a dot, a colon or an upper-case
//! letter (which no repository may); otherwise the registry is `docker.io`. A single part there means
//! `library/<part>`. Without a tag and without a digest, the tag is `latest`.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

const HUB: &str = "docker.io";
const HUB_OLD_NAME: &str = "index.docker.io";
const HUB_OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_REPOSITORY: usize = 255;
const MAX_REGISTRY: usize = 261; // a DNS name and a port
const MAX_TAG: usize = 128;

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
    /// Whether `text` is one.
    pub fn is_valid(text: &str) -> bool {
        parse(text).is_ok()
    }

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
    ///
    /// It always means the same when it is read again, so `docker.io` stays where the rest would be taken for a
    /// registry of its own (`docker.io/my.team/app`).
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        // Writing to a string cannot fail.
        _ = self.write_version(&mut text);
        text
    }

    /// [`Reference::familiar`] without tag and digest: the `REPOSITORY` column of `docker images`.
    pub fn familiar_name(&self) -> String {
        if self.registry != HUB {
            return format!("{}/{}", self.registry, self.repository);
        }
        match self.repository.strip_prefix(HUB_OFFICIAL) {
            Some(official) if !official.contains('/') => official.to_owned(),
            _ if registry_of(&self.repository).is_some() => format!("{HUB}/{}", self.repository),
            _ => self.repository.clone(),
        }
    }

    /// The tag and the digest, as they stand behind a name.
    fn write_version(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if let Some(tag) = &self.tag {
            [":", tag].into_iter().try_for_each(|part| out.write_str(part))?;
        }
        match &self.digest {
            Some(digest) => ["@sha256:", &digest.hex()].into_iter().try_for_each(|part| out.write_str(part)),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let parts = parse(text).map_err(|reason| ReferenceError { text: excerpt(text), reason })?;
        Ok(Reference {
            registry: parts.registry.to_owned(),
            repository: [parts.organisation, parts.repository].concat(),
            tag: parts.tag.map(str::to_owned),
            digest: parts.digest,
        })
    }
}

/// The whole name: `docker.io/library/node:latest`, with `@sha256:…` where there is one.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [&self.registry, "/", &self.repository].into_iter().try_for_each(|part| f.write_str(part))?;
        self.write_version(f)
    }
}

/// What a text means, as far as it is part of it.
struct Parts<'t> {
    registry: &'t str,
    /// Stands before the repository.
    organisation: &'static str,
    repository: &'t str,
    tag: Option<&'t str>,
    digest: Option<Digest>,
}

fn parse(text: &str) -> Result<Parts<'_>, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.contains("://") {
        return Err("leave out the `https://`");
    }
    if is_id(text) {
        return Err("64 hexadecimal digits are an image id, not a name");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (registry, rest) = match registry_of(rest) {
        Some((HUB_OLD_NAME, rest)) => (HUB, rest),
        Some((registry, rest)) => (registry, rest),
        None => (HUB, rest),
    };
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    if registry != HUB {
        check_registry(registry)?;
    }
    check_repository(repository)?;
    tag.map_or(Ok(()), check_tag)?;
    let is_official = registry == HUB && !repository.contains('/');
    let organisation = if is_official { HUB_OFFICIAL } else { "" };
    if organisation.len() + repository.len() > MAX_REPOSITORY {
        return Err("a repository name has 255 characters at most");
    }
    let tag = tag.or(if digest.is_none() { Some(DEFAULT_TAG) } else { None });
    Ok(Parts { registry, organisation, repository, tag, digest })
}

/// Splits a name into its registry and the rest, if what stands before the first `/` is a registry.
fn registry_of(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('/')?;
    let is_registry =
        first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase());
    is_registry.then_some((first, rest))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn parse_digest(text: &str) -> Result<Digest, &'static str> {
    text.parse().map_err(|_| match text.split_once(':') {
        Some(("sha256", _)) => "a digest is `sha256:` and 64 lower-case hexadecimal digits",
        Some(_) => "only `sha256:` digests are supported",
        None => "after `@` comes a digest, `sha256:` and 64 hexadecimal digits",
    })
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    const NOT_A_HOST: &str = "what stands before the first `/` is not a registry's host name";
    if registry.len() > MAX_REGISTRY {
        return Err(NOT_A_HOST);
    }
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(NOT_A_HOST)?;
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return Err("between `[` and `]` stands an IPv6 address");
            }
            match after {
                "" => ("ipv6", None),
                _ => ("ipv6", Some(after.strip_prefix(':').ok_or(NOT_A_HOST)?)),
            }
        }
        None => registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port))),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return Err("the registry's port is not a number from 0 to 65535");
    }
    if host.split('.').all(is_host_label) { Ok(()) } else { Err(NOT_A_HOST) }
}

fn is_host_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("a repository name is written in lower case");
    }
    if repository.len() > MAX_REPOSITORY {
        return Err("a repository name has 255 characters at most");
    }
    repository.split('/').try_for_each(check_part)
}

/// A part of a repository name: words of letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn check_part(part: &str) -> Result<(), &'static str> {
    if part.is_empty() {
        return Err("a part of the repository name is empty");
    }
    if !part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
        return Err("a repository name holds only `a` to `z`, `0` to `9`, `.`, `_`, `-` and `/`");
    }
    let is_word = |b: char| b.is_ascii_alphanumeric();
    if !part.starts_with(is_word) || !part.ends_with(is_word) {
        return Err("a part of a repository name begins and ends with a letter or a digit");
    }
    let mut joints = part.as_bytes().split(u8::is_ascii_alphanumeric);
    let joined_well =
        joints.all(|joint| matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-'));
    if joined_well { Ok(()) } else { Err("words in a repository name are joined by one `.`, one or two `_`, or `-`") }
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    if tag.is_empty() {
        return Err("the tag after `:` is empty");
    }
    if tag.len() > MAX_TAG {
        return Err("a tag has 128 characters at most");
    }
    if tag.starts_with(['.', '-']) {
        return Err("a tag begins with a letter, a digit or `_`");
    }
    if !tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return Err("a tag holds only letters, digits, `_`, `.` and `-`");
    }
    Ok(())
}

/// Enough of `text` to recognise it: an error must not carry a megabyte on.
fn excerpt(text: &str) -> String {
    const MAX: usize = 300;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
