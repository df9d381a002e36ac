//! Images as files: OCI layouts, in a directory or a tar, and what `docker save` writes. Knows no store and unpacks
//! nothing.
//!
//! ```text
//! oci-layout            index.json            blobs/sha256/<hex>       an OCI layout (image-layout.md)
//! manifest.json         <hex>.json            <id>/layer.tar           `docker save` before Docker 25
//! manifest.json  +  an OCI layout                                      `docker save` since, `type=docker` of buildx
//! ```
//!
//! Reading ([`Archive`]): a tar is read where it lies, after one pass over its headers; no name in it ever becomes a
//! path on this machine. A directory is read through a handle that leads nowhere outside. Which of the forms it is
//! follows from what is there; where it is both, the OCI layout counts, because its digests can be checked, and the
//! names of `manifest.json` are added.
//!
//! Writing ([`write_tar`], [`write_dir`]): the same images give the same bytes.

mod docker;
mod layout;
mod members;
mod source;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use source::Part;
pub use write::{Form, Saved, SavedContent, SavedImage, write_dir, write_tar};

use crate::digest::{DiffId, Digest};
use crate::image::{ConfigError, ImageConfig};
use crate::manifest::{Descriptor, ManifestError};
use crate::platform::Platform;
use crate::verify::{VerifiedReader, VerifyError};
use source::Source;

/// The most images of one archive, and the most bytes that all their configs have.
const MAX_IMAGES: usize = 1000;
const MAX_CONFIGS: usize = 64 << 20;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the image `{name}`: {source}")]
    Write { name: String, source: io::Error },
    #[error("`{path}` holds no image")]
    Empty { path: PathBuf },
    #[error("`{path}` is not an image: it is no tar and no directory with an `index.json` or a `manifest.json` in it")]
    NotAnImage { path: PathBuf },
    #[error("`{path}` is compressed\nhint: decompress it first, as with `gunzip` or `zstd -d`")]
    Compressed { path: PathBuf },
    #[error("`{path}` is damaged at byte {at}: {reason}")]
    Damaged { path: PathBuf, at: u64, reason: &'static str },
    #[error("`{path}` lacks `{member}`, which it needs")]
    Missing { path: PathBuf, member: String },
    #[error("`{member}` in `{path}` is longer than {limit} bytes")]
    TooLong { path: PathBuf, member: String, limit: u64 },
    #[error("`{member}` in `{path}` is not valid: {reason}")]
    Malformed { path: PathBuf, member: String, reason: String },
    #[error("`{path}` holds no image that is called `{wanted}`\nhint: {offered}")]
    NoSuchImage { path: PathBuf, wanted: String, offered: String },
    #[error("`{path}` holds more than {MAX_IMAGES} images, or more of them than fit into memory")]
    TooMany { path: PathBuf },
    #[error("`{path}` is damaged: {source}")]
    Unverified { path: PathBuf, source: VerifyError },
    #[error("cannot use `{path}`: {source}")]
    Manifest { path: PathBuf, source: ManifestError },
    #[error("cannot use `{path}`: {source}")]
    Config { path: PathBuf, source: ConfigError },
}

/// Images that lie in a file or a directory.
pub struct Archive {
    path: PathBuf,
    source: Source,
}

/// One image of an archive, whatever its form.
#[derive(Debug, Clone)]
pub struct ArchiveImage {
    /// The config as it lies there.
    pub config_bytes: Vec<u8>,
    pub config: ImageConfig,
    /// Bottom first; as many as the config has diff ids.
    pub layers: Vec<ArchiveLayer>,
    /// What it is called: `docker.io/library/node:20`, `node:20`.
    pub names: Vec<String>,
    /// An OCI layout's name for it within the layout, where that is a mere tag.
    pub tag: Option<String>,
    /// Its manifest, as it lies there. Docker's old form has none.
    pub manifest: Option<(Descriptor, Vec<u8>)>,
    /// The index it was chosen from, if every image of that is in the archive.
    pub index: Option<ArchiveIndex>,
}

/// An index of an archive.
#[derive(Debug, Clone)]
pub struct ArchiveIndex {
    /// As it lies there.
    pub bytes: Vec<u8>,
    /// In its order; without names.
    pub images: Vec<ArchiveImage>,
}

/// What is asked for of an OCI layout that holds several images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one of this name or tag; where there is but one image, that one.
    Tag(String),
    Digest(Digest),
}

/// One layer of an image of an archive.
#[derive(Debug, Clone)]
pub struct ArchiveLayer {
    pub diff_id: DiffId,
    /// What its manifest says of the blob. Docker's old form says nothing.
    pub descriptor: Option<Descriptor>,
    /// As it lies there, compressed or not.
    pub size: u64,
    member: String,
}

/// A layer's bytes as they lie in the archive. With a descriptor, an error comes in place of the end if they are
/// not what it says; without, the diff id is for the caller to check.
pub enum LayerReader {
    Verified(VerifiedReader<Part>),
    Unverified(Part),
}

impl Archive {
    /// Opens an OCI layout's directory, or a tar of any of the forms.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Ok(Self { path: path.to_owned(), source: Source::dir(file) });
        }
        Self::of_file(file, path)
    }

    /// Reads a tar that is open already. `path` is what errors call it.
    pub fn of_file(file: File, path: &Path) -> Result<Self, ArchiveError> {
        Ok(Self { path: path.to_owned(), source: Source::tar(file, path)? })
    }

    /// The images in it; of an image for several platforms the one for `platform`. Without one, that for this machine,
    /// or any where all of them are here. Where there is no choice, it may be for another platform than was wanted.
    pub fn images(&self, platform: Option<&Platform>) -> Result<Vec<ArchiveImage>, ArchiveError> {
        let has = |name: &str| self.source.find(name, &self.path).map(|part| part.is_some());
        let is_docker = has("manifest.json")?;
        let images = match (has("index.json")?, is_docker) {
            (false, false) => return Err(ArchiveError::NotAnImage { path: self.path.clone() }),
            (false, true) => docker::images(self)?,
            (true, false) => layout::images(self, platform)?,
            (true, true) => {
                let mut images = layout::images(self, platform)?;
                docker::add_names(self, &mut images)?;
                images
            }
        };
        if images.is_empty() { Err(ArchiveError::Empty { path: self.path.clone() }) } else { Ok(images) }
    }

    /// The one image of an OCI layout that is `wanted`, for `platform`.
    pub fn image(&self, wanted: &Wanted, platform: &Platform) -> Result<ArchiveImage, ArchiveError> {
        layout::one(self, wanted, &platform.normalized())
    }

    /// Opens a layer of one of this archive's images. Any number of them can be read at once.
    pub fn layer(&self, layer: &ArchiveLayer) -> Result<LayerReader, ArchiveError> {
        let part = self.part(&layer.member)?;
        Ok(match &layer.descriptor {
            Some(blob) => LayerReader::Verified(VerifiedReader::new(part, blob.digest, blob.size)),
            None => LayerReader::Unverified(part),
        })
    }

    fn part(&self, member: &str) -> Result<Part, ArchiveError> {
        self.source.find(member, &self.path)?.ok_or_else(|| ArchiveError::Missing {
            path: self.path.clone(),
            member: member.chars().take(200).collect(),
        })
    }

    /// A whole member, of `limit` bytes at most.
    fn small(&self, member: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let part = self.part(member)?;
        if part.size() > limit {
            let member = member.chars().take(200).collect();
            return Err(ArchiveError::TooLong { path: self.path.clone(), member, limit });
        }
        let mut bytes = Vec::new();
        match part.take(limit).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(source) => Err(ArchiveError::Read { path: self.path.clone(), source }),
        }
    }

    fn config(&self, bytes: &[u8]) -> Result<ImageConfig, ArchiveError> {
        ImageConfig::parse(bytes).map_err(|source| ArchiveError::Config { path: self.path.clone(), source })
    }

    /// Hostile archives name one big config many times.
    fn check_amount(&self, images: &[ArchiveImage]) -> Result<(), ArchiveError> {
        let beside = images.iter().filter_map(|image| image.index.as_ref()).flat_map(|index| &index.images);
        let (mut count, mut configs) = (0_usize, 0_usize);
        for image in images.iter().chain(beside) {
            count += 1;
            configs = configs.saturating_add(image.config_bytes.len());
        }
        if count > MAX_IMAGES || configs > MAX_CONFIGS {
            return Err(ArchiveError::TooMany { path: self.path.clone() });
        }
        Ok(())
    }
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Verified(reader) => reader.read(buffer),
            Self::Unverified(part) => part.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
