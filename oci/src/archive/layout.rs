//! The images of an OCI layout: from `index.json` through indexes and manifests to configs, every digest checked.
//!
//! An entry of `index.json` is an image or an index of one image for several platforms. Some programs put the
//! platforms of one image side by side there, under one name; then one of them is chosen as from an index. Entries
//! that are no images (attestations, signatures) are passed over if anything else is there.

use std::collections::BTreeMap;

use super::{Archive, ArchiveError, ArchiveImage, ArchiveLayer};
use crate::digest::Digest;
use crate::image::MAX_CONFIG;
use crate::manifest::{
    DOCKER_LIST, Descriptor, Document, Family, Index, MAX_MANIFEST, Manifest, ManifestError, OCI_INDEX,
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

/// All images; of several platforms the one for `wanted`.
pub fn images(archive: &Archive, wanted: &Platform) -> Result<Vec<ArchiveImage>, ArchiveError> {
    let json = archive.small("index.json", MAX_MANIFEST)?;
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    let index = match Document::parse(&json, Some(OCI_INDEX)).map_err(broken)? {
        Document::Index(index) => index,
        Document::Manifest(_) => return Err(broken(ManifestError::Ambiguous { digest: Digest::of(&json) })),
    };
    let mut images: Vec<ArchiveImage> = Vec::new();
    let mut passed_over = None;
    for (name, entry) in chosen(&index, Digest::of(&json), wanted).map_err(broken)? {
        if let Some(known) = images.iter_mut().find(|image| is_of(image, &entry)) {
            name.add_to(known);
            continue;
        }
        match image(archive, &entry, wanted) {
            Ok(mut image) => {
                name.add_to(&mut image);
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

/// The entries to take, in the index's order: of those that share a name and say a platform, the best.
fn chosen(index: &Index, digest: Digest, wanted: &Platform) -> Result<Vec<(Name, Descriptor)>, ManifestError> {
    let mut by_name: BTreeMap<Name, Vec<Descriptor>> = BTreeMap::new();
    let mut order: Vec<Name> = Vec::new();
    let mut taken = Vec::new();
    for entry in index.images() {
        let name = Name::of(entry);
        let is_index = matches!(entry.media_type.as_str(), OCI_INDEX | DOCKER_LIST);
        if is_index || entry.platform.is_none() {
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
    Ok(ArchiveImage { config_bytes, config, layers, names: Vec::new(), tag: None, manifest })
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
    image.manifest.as_ref().is_some_and(|(manifest, _)| manifest.digest == entry.digest)
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
