//! Every digest and the ids made of digests. Knows how they are written and read, not what they are digests of.
//!
//! Two hash functions, for two purposes that never mix: *sha256* is what the OCI image spec names things by
//! (`descriptor.md#digests`), *blake3* is what Kiln knows contents by. An id of one kind is not an id of another,
//! so each is a type of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A sha256 digest as the OCI spec writes it: `sha256:<64 hex>`. Names blobs, manifests and configs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The blake3 digest of a file's bytes, or a Merkle root over a layer's entries: `blake3:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest([u8; 32]);

/// The digest of a layer's uncompressed tar (OCI image spec, `config.md#layer-diffid`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// The digest of a stack of layers (OCI image spec, `config.md#layer-chainid`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

/// The digest of an image's config, which is what Docker calls the image id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub Digest);

/// What a layer is known by: its content.
///
/// A layer built here is known by the Merkle root of its tree. A layer of somebody's image is known by its diff id,
/// which its config tells without a byte of it having been pulled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LayerId {
    /// The [`crate::Tree::digest`] of a layer made here.
    Built(ContentDigest),
    /// The diff id of a layer that came with an image.
    Pulled(DiffId),
}

/// Why a text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a digest: expected `{expected}:` and 64 lower-case hexadecimal digits")]
pub struct DigestError {
    text: String,
    expected: &'static str,
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits alone, as they name a file in `blobs/sha256/`.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl ContentDigest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl ImageId {
    /// The first 12 digits, as `docker images` shows them.
    pub fn short(&self) -> String {
        self.0.hex()[..12].to_owned()
    }
}

impl ChainId {
    /// The chain id of `layers`, bottom first; `None` for no layers.
    pub fn of(layers: &[DiffId]) -> Option<Self> {
        let (first, rest) = layers.split_first()?;
        let chain = rest.iter().fold(first.0, |below, layer| Digest::of(format!("{below} {}", layer.0).as_bytes()));
        Some(Self(chain))
    }
}

impl LayerId {
    /// The name of the layer's directory in a store: `blake3-<hex>` or `sha256-<hex>`.
    pub fn dir_name(&self) -> String {
        self.to_string().replacen(':', "-", 1)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built(content) => content.fmt(f),
            Self::Pulled(diff_id) => diff_id.fmt(f),
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        parse(text, "sha256").map(Self)
    }
}

impl FromStr for ContentDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        parse(text, "blake3").map(Self)
    }
}

/// The bytes in `text`, which is to be `expected`, a colon and their digits.
fn parse(text: &str, expected: &'static str) -> Result<[u8; 32], DigestError> {
    let digits = text.strip_prefix(expected).and_then(|rest| rest.strip_prefix(':'));
    digits.and_then(unhex).ok_or_else(|| DigestError {
        text: text.chars().take(100).collect(), // a hostile text may be long
        expected,
    })
}

impl FromStr for LayerId {
    type Err = DigestError;

    /// Reads what [`LayerId`]'s `Display` or [`LayerId::dir_name`] wrote.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let text = text.replacen('-', ":", 1);
        if text.starts_with("blake3:") {
            text.parse().map(Self::Built)
        } else {
            text.parse().map(|digest| Self::Pulled(DiffId(digest)))
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for layer in [LayerId::Pulled(DiffId(digest)), LayerId::Built(ContentDigest::of(b"x"))] {
            assert_eq!(layer.to_string().parse(), Ok(layer));
            assert_eq!(layer.dir_name().parse(), Ok(layer));
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in ["", "sha256:", "sha256:xyz", "sha512:00", &format!("sha256:{}", "A".repeat(64))] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn chain_ids_follow_the_spec() {
        let (a, b) = (DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b")));
        assert_eq!(ChainId::of(&[]), None);
        assert_eq!(ChainId::of(&[a]), Some(ChainId(a.0)));
        assert_eq!(ChainId::of(&[a, b]), Some(ChainId(Digest::of(format!("{a} {b}").as_bytes()))));
    }
}
