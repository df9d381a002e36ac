//! The images of an OCI layout: from `index.json` through indexes and manifests to configs, every digest checked.
//!
//! An entry of `index.json` is an image or an index of one image for several platforms. Some programs put the
//! platforms of one image side by side there, under one name; then one of them is chosen as from an index. Entries
//! that are no images (attestations, signatures) are passed over if anything else is there.

use std::collections::BTreeMap;

use super::{Archive, ArchiveError, ArchiveImage, ArchiveIndex, ArchiveLayer, MAX_IMAGES, Wanted};
use crate::digest::Digest;
use crate::image::MAX_CONFIG;
use crate::manifest::{
    DOCKER_LIST, Descriptor, Document, Family, Index, MAX_MANIFEST, Manifest, ManifestError, OCI_INDEX, OCI_MANIFEST,
};
use crate::platform::Platform;
use crate::verify::Verifier;

const FULL_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const MAX_NESTING: usize = 4;

/// What one entry of `index.json` is called.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    full: Option<String>,
    tag: Option<String>,
}

/// All images; of several platforms the one for `platform`, or without one, the one for this machine, if there is any.
pub fn images(archive: &Archive, platform: Option<&Platform>) -> Result<Vec<ArchiveImage>, ArchiveError> {
    let wanted = &platform.map_or_else(Platform::host, Platform::normalized);
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    let (index, digest) = top(archive)?;
    let mut images: Vec<ArchiveImage> = Vec::new();
    let mut passed_over = None;
    for (name, entry) in chosen(&index, digest, wanted).map_err(broken)? {
        if let Some(known) = images.iter_mut().find(|image| is_of(image, &entry)) {
            name.add_to(known);
            continue;
        }
        let index = whole_index(archive, &entry)?;
        let any = index.as_ref().and_then(|index| index.images.first()).filter(|_| platform.is_none());
        let found = match (image(archive, &entry, wanted), any) {
            (Err(ArchiveError::Manifest { source: ManifestError::NoSuchPlatform { .. }, .. }), Some(any)) => {
                Ok(any.clone())
            }
            (found, _) => found,
        };
        match found {
            Ok(mut image) => {
                name.add_to(&mut image);
                image.index = index;
                images.push(image);
                archive.check_amount(&images)?;
            }
            Err(ArchiveError::Manifest { source: source @ ManifestError::NotAnImage { .. }, .. }) => {
                passed_over.get_or_insert(source);
            }
            Err(error) => return Err(error),
        }
    }
    match passed_over {
        Some(source) if images.is_empty() => Err(broken(source)),
        _ => Ok(images),
    }
}

/// The one image that is `wanted`, of several platforms the one for `platform`.
pub fn one(archive: &Archive, wanted: &Wanted, platform: &Platform) -> Result<ArchiveImage, ArchiveError> {
    let (index, digest) = top(archive)?;
    let missing = |wanted: &dyn std::fmt::Display| ArchiveError::NoSuchImage {
        path: archive.path.clone(),
        wanted: wanted.to_string(),
        offered: offer(&index),
    };
    let entry = match wanted {
        Wanted::Digest(digest) => described(archive, &index, *digest)?.ok_or_else(|| missing(digest))?,
        Wanted::Tag(tag) => {
            let of =
                |annotation: &'static str| move |entry: &&Descriptor| entry.annotations.get(annotation) == Some(tag);
            let mut named: Vec<Descriptor> = index.images().filter(of(FULL_NAME)).cloned().collect();
            if named.is_empty() {
                named = index.images().filter(of(REF_NAME)).cloned().collect();
            }
            match (named.len(), index.manifests.as_slice()) {
                (0, [only]) => only.clone(),
                (0, _) => return Err(missing(tag)),
                (1, _) => named.remove(0),
                _ => Index::new(Family::Oci, named)
                    .choose(digest, platform)
                    .map_err(|source| ArchiveError::Manifest { path: archive.path.clone(), source })?
                    .clone(),
            }
        }
    };
    image(archive, &entry, platform)
}

/// What `index.json` says of the blob, or the blob itself: an entry of one of its indexes can be meant.
fn described(archive: &Archive, index: &Index, digest: Digest) -> Result<Option<Descriptor>, ArchiveError> {
    if let Some(entry) = index.manifests.iter().find(|entry| entry.digest == digest) {
        return Ok(Some(entry.clone()));
    }
    let member = member_of(digest);
    if archive.source.find(&member, &archive.path)?.is_none() {
        return Ok(None);
    }
    let bytes = archive.small(&member, MAX_MANIFEST)?;
    let media_type = match Document::parse(&bytes, None) {
        Ok(Document::Index(_)) => OCI_INDEX,
        Ok(Document::Manifest(_)) => OCI_MANIFEST,
        Err(source) => return Err(ArchiveError::Manifest { path: archive.path.clone(), source }),
    };
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    // Whether it has this digest is checked where it is read.
    Ok(Some(Descriptor::new(media_type, digest, size)))
}

fn offer(index: &Index) -> String {
    let names: Vec<String> = index
        .images()
        .filter_map(|entry| entry.annotations.get(REF_NAME).or(entry.annotations.get(FULL_NAME)))
        .take(20)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.is_empty() {
        "name one by its digest: `PATH@sha256:…`".to_owned()
    } else {
        format!("there is {}", names.join(", "))
    }
}

/// `index.json`, and its digest.
fn top(archive: &Archive) -> Result<(Index, Digest), ArchiveError> {
    let json = archive.small("index.json", MAX_MANIFEST)?;
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    match Document::parse(&json, Some(OCI_INDEX)).map_err(broken)? {
        Document::Index(index) => Ok((index, Digest::of(&json))),
        Document::Manifest(_) => Err(broken(ManifestError::Ambiguous { digest: Digest::of(&json) })),
    }
}

/// The index that `entry` is, if all that it names is here and an image.
fn whole_index(archive: &Archive, entry: &Descriptor) -> Result<Option<ArchiveIndex>, ArchiveError> {
    if !is_index(entry) {
        return Ok(None);
    }
    let bytes = blob(archive, entry, MAX_MANIFEST)?;
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    let Document::Index(index) = Document::parse(&bytes, Some(&entry.media_type)).map_err(broken)? else {
        return Ok(None);
    };
    if index.images().count() != index.manifests.len() || index.manifests.len() > MAX_IMAGES {
        return Ok(None);
    }
    let mut images = Vec::new();
    for entry in &index.manifests {
        if is_index(entry) || archive.source.find(&member_of(entry.digest), &archive.path)?.is_none() {
            return Ok(None);
        }
        let bytes = blob(archive, entry, MAX_MANIFEST)?;
        let Document::Manifest(manifest) = Document::parse(&bytes, Some(&entry.media_type)).map_err(broken)? else {
            return Ok(None);
        };
        images.push(with_config(archive, entry.clone(), bytes, manifest)?);
    }
    Ok(Some(ArchiveIndex { bytes, images }))
}

fn is_index(entry: &Descriptor) -> bool {
    matches!(entry.media_type.as_str(), OCI_INDEX | DOCKER_LIST)
}

/// The entries to take, in the index's order: of those that share a name and say a platform, the best.
fn chosen(index: &Index, digest: Digest, wanted: &Platform) -> Result<Vec<(Name, Descriptor)>, ManifestError> {
    let mut by_name: BTreeMap<Name, Vec<Descriptor>> = BTreeMap::new();
    let mut order: Vec<Name> = Vec::new();
    let mut taken = Vec::new();
    for entry in index.images() {
        let name = Name::of(entry);
        if is_index(entry) || entry.platform.is_none() {
            taken.push((name, entry.clone()));
            continue;
        }
        if !by_name.contains_key(&name) {
            order.push(name.clone());
        }
        by_name.entry(name).or_default().push(entry.clone());
    }
    for name in order {
        let entries = by_name.remove(&name).unwrap_or_default();
        let entry = match <[Descriptor; 1]>::try_from(entries) {
            Ok([only]) => only,
            Err(entries) => Index::new(Family::Oci, entries).choose(digest, wanted)?.clone(),
        };
        taken.push((name, entry));
    }
    Ok(taken)
}

fn image(archive: &Archive, entry: &Descriptor, wanted: &Platform) -> Result<ArchiveImage, ArchiveError> {
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    let mut descriptor = entry.clone();
    for _ in 0..MAX_NESTING {
        let bytes = blob(archive, &descriptor, MAX_MANIFEST)?;
        match Document::parse(&bytes, Some(&descriptor.media_type)).map_err(broken)? {
            Document::Index(index) => descriptor = index.choose(descriptor.digest, wanted).map_err(broken)?.clone(),
            Document::Manifest(manifest) => return with_config(archive, descriptor, bytes, manifest),
        }
    }
    Err(ArchiveError::Malformed {
        path: archive.path.clone(),
        member: member_of(entry.digest),
        reason: "too many indexes lie one in another".to_owned(),
    })
}

fn with_config(
    archive: &Archive,
    descriptor: Descriptor,
    bytes: Vec<u8>,
    manifest: Manifest,
) -> Result<ArchiveImage, ArchiveError> {
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    manifest.check_types(descriptor.digest).map_err(broken)?;
    let config_bytes = blob(archive, &manifest.config, MAX_CONFIG)?;
    let config = archive.config(&config_bytes)?;
    manifest.check_image(descriptor.digest, config.rootfs.diff_ids.len()).map_err(broken)?;
    let layers = manifest.layers.into_iter().zip(&config.rootfs.diff_ids).map(|(blob, diff_id)| ArchiveLayer {
        diff_id: *diff_id,
        size: blob.size,
        member: member_of(blob.digest),
        descriptor: Some(blob),
    });
    let layers = layers.collect();
    let manifest = Some((descriptor, bytes));
    Ok(ArchiveImage { config_bytes, config, layers, names: Vec::new(), tag: None, manifest, index: None })
}

fn blob(archive: &Archive, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let bytes = archive.small(&member_of(blob.digest), limit)?;
    let mut verifier = Verifier::new(blob.digest, blob.size);
    match verifier.update(&bytes).and_then(|()| verifier.finish()) {
        Ok(()) => Ok(bytes),
        Err(source) => Err(ArchiveError::Unverified { path: archive.path.clone(), source }),
    }
}

fn member_of(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn is_of(image: &ArchiveImage, entry: &Descriptor) -> bool {
    image.index.is_none() && image.manifest.as_ref().is_some_and(|(manifest, _)| manifest.digest == entry.digest)
}

impl Name {
    /// containerd's annotation is a whole name. OCI's may be one, or a tag.
    fn of(entry: &Descriptor) -> Self {
        let full = entry.annotations.get(FULL_NAME).cloned();
        let (full, tag) = match entry.annotations.get(REF_NAME).cloned() {
            Some(name) if name.contains(['/', ':', '@']) => (full.or(Some(name)), None),
            tag => (full, tag),
        };
        Self { full, tag }
    }

    fn add_to(self, image: &mut ArchiveImage) {
        if let Some(full) = self.full
            && !image.names.contains(&full)
        {
            image.names.push(full);
        }
        image.tag = image.tag.take().or(self.tag);
    }
}
