//! Manifests and indexes: which config and which layers make an image, and which image is for which platform.
//! Knows no registry and no archive; a document is judged by its bytes alone.
//!
//! Both families are read, OCI's (`manifest.md`, `image-index.md`) and Docker's schema 2, which say the same in other
//! media types. What a document *is* follows from its `mediaType` or, without one, from the media type it was sent
//! with, or else from its fields. One that could be read either way is refused, because two programs would then see
//! two images under one digest. Schema 1 is refused by name.
//!
//! Out of an index one manifest is chosen: the one whose platform ranks best ([`Platform::rank_for`]). Attestations
//! (`unknown/unknown`) are no images. An entry without a platform is taken when nothing else matches and there is
//! only one.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::platform::Platform;

/// The longest manifest or index that is read.
pub const MAX_MANIFEST: u64 = 4 << 20;
/// The most layers of one image.
pub const MAX_LAYERS: usize = 500;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

const SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
const ATTESTATION: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// Why a manifest or an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest `{digest}` has {size} bytes, and {MAX_MANIFEST} is the limit")]
    TooLarge { digest: Digest, size: usize },
    #[error("the manifest `{digest}` is not one: {source}")]
    Malformed { digest: Digest, source: serde_json::Error },
    #[error(
        "the manifest `{digest}` has Docker's schema 1, which was given up in 2019 and is not supported\n\
         hint: push the image again with a current Docker, or copy it with `skopeo copy`"
    )]
    Schema1 { digest: Digest },
    #[error("the manifest `{digest}` can be read as an image and as an index, and is neither")]
    Ambiguous { digest: Digest },
    #[error("the manifest `{digest}` is of the unknown type `{media_type}`")]
    UnknownType { digest: Digest, media_type: String },
    #[error("`{digest}` is not an image: its config is a `{media_type}`")]
    NotAnImage { digest: Digest, media_type: String },
    #[error("the image `{digest}` has {count} layers, and {MAX_LAYERS} is the limit")]
    TooManyLayers { digest: Digest, count: usize },
    #[error("the layer `{layer}` of `{digest}` is of the unsupported type `{media_type}`")]
    UnsupportedLayer { digest: Digest, layer: Digest, media_type: String },
    #[error("the image `{digest}` has {layers} layers, but its config knows of {diff_ids}")]
    LayersDiffer { digest: Digest, layers: usize, diff_ids: usize },
    #[error("there is no image for `{wanted}` in the index `{digest}`\nhint: {}", offer(.offered))]
    NoSuchPlatform { digest: Digest, wanted: Box<Platform>, offered: Vec<Platform> },
}

/// What a blob is: its type, its digest, its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// One image: its config and its layers, bottom first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub config: Descriptor,
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Several images under one name, for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What may lie under an image's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// Whose media types a manifest that is written uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Oci,
    Docker,
}

impl Descriptor {
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, annotations: BTreeMap::new(), platform: None }
    }

    /// The descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).expect("no machine's usize is longer than 64 bits");
        Self::new(media_type, Digest::of(bytes), size)
    }

    fn is_attestation(&self) -> bool {
        self.annotations.get(ATTESTATION.0).is_some_and(|kind| kind == ATTESTATION.1)
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }
}

impl Document {
    /// Reads what lies under an image's name. `sent_as` is the media type it came with, if it came with one.
    pub fn parse(json: &[u8], sent_as: Option<&str>) -> Result<Self, ManifestError> {
        let size = json.len();
        if u64::try_from(size).is_ok_and(|size| size > MAX_MANIFEST) {
            return Err(ManifestError::TooLarge { digest: Digest::of(json), size });
        }
        let shape: Shape = read(json)?;
        match shape.kind(json, sent_as)? {
            Kind::Manifest => {
                let manifest: Manifest = read(json)?;
                if manifest.layers.len() > MAX_LAYERS {
                    return Err(ManifestError::TooManyLayers {
                        digest: Digest::of(json),
                        count: manifest.layers.len(),
                    });
                }
                Ok(Self::Manifest(manifest))
            }
            Kind::Index => read(json).map(Self::Index),
        }
    }
}

impl Manifest {
    /// A manifest of `config` and `layers`, which say their types themselves.
    pub fn new(family: Family, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let media_type = match family {
            Family::Oci => OCI_MANIFEST,
            Family::Docker => DOCKER_MANIFEST,
        };
        Self {
            schema_version: 2,
            media_type: Some(media_type.to_owned()),
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// A manifest of an image, all in the media types of one `family`, whatever those of the `layers` are.
    pub fn for_image(family: Family, config: &[u8], layers: &[Descriptor]) -> Self {
        let config_type = match family {
            Family::Oci => OCI_CONFIG,
            Family::Docker => DOCKER_CONFIG,
        };
        let layers = layers.iter().map(|layer| {
            let media_type = layer_type(family, &layer.media_type).to_owned();
            Descriptor { media_type, ..layer.clone() }
        });
        Self::new(family, Descriptor::of(config_type, config), layers.collect())
    }

    /// The one JSON form of this manifest.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("every key is a string, and no value can fail to serialise")
    }

    /// Whether this is an image that can be unpacked, with one layer for each of the `diff_ids` of its config.
    /// `digest` is the manifest's own, for the error.
    pub fn check_image(&self, digest: Digest, diff_ids: usize) -> Result<(), ManifestError> {
        self.check_types(digest)?;
        let layers = self.layers.len();
        if layers != diff_ids {
            return Err(ManifestError::LayersDiffer { digest, layers, diff_ids });
        }
        Ok(())
    }

    /// Whether config and layers are of types that can be used: true of images, not of charts and signatures.
    pub fn check_types(&self, digest: Digest) -> Result<(), ManifestError> {
        if !matches!(self.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            return Err(ManifestError::NotAnImage { digest, media_type: excerpt(&self.config.media_type) });
        }
        match self.layers.iter().find(|layer| !is_layer(&layer.media_type)) {
            Some(layer) => Err(ManifestError::UnsupportedLayer {
                digest,
                layer: layer.digest,
                media_type: excerpt(&layer.media_type),
            }),
            None => Ok(()),
        }
    }
}

impl Index {
    pub fn new(family: Family, manifests: Vec<Descriptor>) -> Self {
        let media_type = match family {
            Family::Oci => OCI_INDEX,
            Family::Docker => DOCKER_LIST,
        };
        Self { schema_version: 2, media_type: Some(media_type.to_owned()), manifests, annotations: BTreeMap::new() }
    }

    /// The one JSON form of this index.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("every key is a string, and no value can fail to serialise")
    }

    /// The entries that are images, or indexes of images: no attestations.
    pub fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|entry| !entry.is_attestation())
    }

    /// The image for `wanted`. `digest` is the index's own, for the error.
    pub fn choose(&self, digest: Digest, wanted: &Platform) -> Result<&Descriptor, ManifestError> {
        let best = self
            .images()
            .filter_map(|entry| Some((entry.platform.as_ref()?.rank_for(wanted)?, entry)))
            .min_by_key(|(rank, _)| *rank); // the first of equals
        if let Some((_, entry)) = best {
            return Ok(entry);
        }
        let mut unsaid = self.images().filter(|entry| entry.platform.is_none());
        match (unsaid.next(), unsaid.next()) {
            (Some(only), None) => Ok(only),
            _ => {
                let mut offered: Vec<Platform> =
                    self.images().filter_map(|entry| Some(entry.platform.as_ref()?.normalized())).collect();
                offered.sort();
                offered.dedup();
                Err(ManifestError::NoSuchPlatform { digest, wanted: Box::new(wanted.clone()), offered })
            }
        }
    }
}

/// Whether `media_type` is that of a layer that can be unpacked.
pub fn is_layer(media_type: &str) -> bool {
    matches!(
        media_type,
        OCI_LAYER | OCI_LAYER_GZIP | OCI_LAYER_ZSTD | DOCKER_LAYER | DOCKER_LAYER_GZIP | DOCKER_LAYER_ZSTD
    )
}

/// What a layer of `media_type` is called in `family`.
pub fn layer_type(family: Family, media_type: &str) -> &str {
    match (family, media_type) {
        (Family::Oci, DOCKER_LAYER) => OCI_LAYER,
        (Family::Oci, DOCKER_LAYER_GZIP) => OCI_LAYER_GZIP,
        (Family::Oci, DOCKER_LAYER_ZSTD) => OCI_LAYER_ZSTD,
        (Family::Docker, OCI_LAYER) => DOCKER_LAYER,
        (Family::Docker, OCI_LAYER_GZIP) => DOCKER_LAYER_GZIP,
        (Family::Docker, OCI_LAYER_ZSTD) => DOCKER_LAYER_ZSTD,
        (Family::Oci | Family::Docker, own) => own,
    }
}

/// The fields that tell what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    manifests: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Manifest,
    Index,
}

impl Shape {
    fn kind(&self, json: &[u8], sent_as: Option<&str>) -> Result<Kind, ManifestError> {
        let sent_as = sent_as.and_then(|sent| sent.split(';').next()).map(str::trim);
        let said = self.media_type.as_deref();
        let schema_1 = |name: Option<&str>| name.is_some_and(|name| SCHEMA_1.contains(&name));
        if self.schema_version == Some(1) || self.fs_layers.is_some() || schema_1(said) || schema_1(sent_as) {
            return Err(ManifestError::Schema1 { digest: Digest::of(json) });
        }
        let of_manifest = self.config.is_some() || self.layers.is_some();
        let of_index = self.manifests.is_some();
        if of_manifest && of_index {
            return Err(ManifestError::Ambiguous { digest: Digest::of(json) });
        }
        let by_name = match (said.and_then(Kind::named), sent_as.and_then(Kind::named)) {
            (Some(said), Some(sent_as)) if said != sent_as => {
                return Err(ManifestError::Ambiguous { digest: Digest::of(json) });
            }
            (said, sent_as) => said.or(sent_as),
        };
        let by_fields = match (self.config.is_some(), of_index) {
            (true, _) => Some(Kind::Manifest),
            (false, true) => Some(Kind::Index),
            (false, false) => None,
        };
        match by_name.or(by_fields) {
            Some(Kind::Manifest) if of_index => Err(ManifestError::Ambiguous { digest: Digest::of(json) }),
            Some(Kind::Index) if of_manifest => Err(ManifestError::Ambiguous { digest: Digest::of(json) }),
            Some(kind) => Ok(kind),
            None => {
                let media_type = excerpt(said.or(sent_as).unwrap_or(""));
                Err(ManifestError::UnknownType { digest: Digest::of(json), media_type })
            }
        }
    }
}

impl Kind {
    fn named(media_type: &str) -> Option<Self> {
        match media_type {
            OCI_MANIFEST | DOCKER_MANIFEST => Some(Self::Manifest),
            OCI_INDEX | DOCKER_LIST => Some(Self::Index),
            _ => None,
        }
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ManifestError> {
    serde_json::from_slice(json).map_err(|source| ManifestError::Malformed { digest: Digest::of(json), source })
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Enough of a name to recognise it: an error must not carry a megabyte on.
fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

fn offer(platforms: &[Platform]) -> String {
    match platforms {
        [] => "the index holds no image at all".to_owned(),
        some => {
            let names: Vec<String> = some.iter().take(20).map(|platform| format!("`{platform}`")).collect();
            format!("there is {}", names.join(", "))
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
