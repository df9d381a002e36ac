//! What `docker save` writes: a `manifest.json` that names a config and layers by their members.

use serde::Deserialize;

use super::{Archive, ArchiveError, ArchiveImage, ArchiveLayer};
use crate::digest::Digest;
use crate::image::MAX_CONFIG;
use crate::manifest::{MAX_LAYERS, MAX_MANIFEST, ManifestError};

const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// All images, as `manifest.json` names them.
pub fn images(archive: &Archive) -> Result<Vec<ArchiveImage>, ArchiveError> {
    let mut images = Vec::new();
    for entry in entries(archive)? {
        images.push(image(archive, entry)?);
        archive.check_amount(&images)?;
    }
    Ok(images)
}

/// Adds the names in `manifest.json` to the `images` of the OCI layout beside it.
pub fn add_names(archive: &Archive, images: &mut [ArchiveImage]) -> Result<(), ArchiveError> {
    for entry in entries(archive)? {
        let config = entry.config.rsplit('/').next().unwrap_or("").trim_end_matches(".json");
        let same = images.iter_mut().filter(|image| Digest::of(&image.config_bytes).hex() == config);
        for image in same {
            for name in entry.repo_tags.iter().flatten() {
                let parsed = name.parse::<crate::Reference>();
                let known = |other: &String| other == name || (parsed.is_ok() && other.parse() == parsed);
                if !image.names.iter().any(known) {
                    image.names.push(name.clone());
                }
            }
        }
    }
    Ok(())
}

fn entries(archive: &Archive) -> Result<Vec<Entry>, ArchiveError> {
    let json = archive.small(MANIFEST, MAX_MANIFEST)?;
    serde_json::from_slice(&json).map_err(|error| ArchiveError::Malformed {
        path: archive.path.clone(),
        member: MANIFEST.to_owned(),
        reason: error.to_string(),
    })
}

fn image(archive: &Archive, entry: Entry) -> Result<ArchiveImage, ArchiveError> {
    let config_bytes = archive.small(&entry.config, MAX_CONFIG)?;
    let config = archive.config(&config_bytes)?;
    let members = entry.layers.unwrap_or_default();
    let digest = Digest::of(&config_bytes);
    let (layers, diff_ids) = (members.len(), config.rootfs.diff_ids.len());
    let broken = |source| ArchiveError::Manifest { path: archive.path.clone(), source };
    if layers > MAX_LAYERS {
        return Err(broken(ManifestError::TooManyLayers { digest, count: layers }));
    }
    if layers != diff_ids {
        return Err(broken(ManifestError::LayersDiffer { digest, layers, diff_ids }));
    }
    let layer = |(member, diff_id): (String, &_)| {
        let size = archive.part(&member)?.size();
        Ok(ArchiveLayer { diff_id: *diff_id, descriptor: None, size, member })
    };
    let layers = members.into_iter().zip(&config.rootfs.diff_ids).map(layer).collect::<Result<_, ArchiveError>>()?;
    let names = entry.repo_tags.unwrap_or_default();
    Ok(ArchiveImage { config_bytes, config, layers, names, tag: None, manifest: None, index: None })
}
