//! Images as sources: names found, and layers brought into the store. Knows no op and no Dockerfile.
//!
//! An image is known by its manifest and config, which are small; its layers are named by the config's diff ids. They
//! are pulled when a step needs their files ([`Images::fetch`]), several at once: download → digest → inflate →
//! unpack, and the tar's own digest beside it; then the diff id is compared and the layer committed. The blob is kept.
//! One that is here already is unpacked from there, unless it turns out to be damaged: then it is downloaded again.
//! [`commit_layer`] is the second half, for whoever has a layer's bytes already.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cache::{LayerBlob, Origin, Resolution, Store};
use oci::compress::{Format, decompress};
use oci::manifest::{Descriptor, Document};
use oci::registry::{Registry, Resolved};
use oci::unpack::{Options, UnpackError, unpack};
use oci::{DiffId, Digest, ImageConfig, ImageId, LayerId, Platform, Reference};
use sha2::{Digest as _, Sha256};
use solver::port::{Cancel, Failure, Progress, TaskId, Update};

use crate::executor::fail;

/// Layers that are pulled at once.
const PARALLEL: usize = 4;
/// Bytes between two reports of progress.
const REPORT: u64 = 256 << 10;

/// Finds images in the store and in registries.
pub struct Images {
    store: Arc<Store>,
    registry: Registry,
    progress: Arc<dyn Progress>,
}

/// When a registry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// When the store has no such image.
    Missing,
    Always,
    Never,
}

/// An image that was found. Its layers may still be elsewhere.
#[derive(Debug, Clone)]
pub struct Found {
    pub id: ImageId,
    /// The manifest's digest; the config's where the image was made here and has no manifest.
    pub digest: Digest,
    pub config: ImageConfig,
    pub layers: Vec<LayerId>,
}

/// Why a layer could not be brought in.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("cannot read layer {layer}")]
    Read { layer: DiffId, source: io::Error },
    #[error("cannot unpack layer {layer}")]
    Unpack { layer: DiffId, source: Box<UnpackError> },
    #[error("layer {layer} is compressed in a way that no layer may be\nhint: gzip and zstd are what all engines read")]
    Compression { layer: DiffId },
    #[error("layer {expected} has the diff id {found}: it is not what its image's config says")]
    WrongDiffId { expected: DiffId, found: DiffId },
    #[error(transparent)]
    Store(#[from] cache::Error),
}

/// Unpacks `blob`, a layer's tar under any compression, and commits it as the layer `diff_id`.
pub fn commit_layer(store: &Store, blob: impl Read + Send, diff_id: DiffId) -> Result<LayerId, LayerError> {
    let ingest = store.ingest()?;
    let read = |source| LayerError::Read { layer: diff_id, source };
    let (format, tar) = decompress(blob).map_err(read)?;
    match format {
        Format::Plain | Format::Gzip | Format::Zstd => {}
        Format::Bzip2 | Format::Xz => return Err(LayerError::Compression { layer: diff_id }),
    }
    let mut tar = Hashed { inner: tar, hasher: Sha256::new(), length: 0 };
    let unpacked = unpack(&mut tar, ingest.fs(), &Options::layer())
        .map_err(|source| LayerError::Unpack { layer: diff_id, source: Box::new(source) })?;
    io::copy(&mut tar, &mut io::sink()).map_err(read)?;
    let found = DiffId(Digest::from_bytes(tar.hasher.finalize().into()));
    if found != diff_id {
        return Err(LayerError::WrongDiffId { expected: diff_id, found });
    }
    let layer = LayerId::Pulled(diff_id);
    store.commit_layer(ingest, layer, &unpacked.tree)?;
    store.set_diff_id(&layer, diff_id, tar.length)?;
    Ok(layer)
}

impl Images {
    pub fn new(store: Arc<Store>, registry: Registry, progress: Arc<dyn Progress>) -> Self {
        Self { store, registry, progress }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What `reference` means for `platform`: manifest and config are in the store afterwards, layers need not be.
    pub fn find(&self, reference: &Reference, platform: &Platform, pull: Pull) -> Result<Found, Failure> {
        if pull != Pull::Always
            && let Some(found) = self.find_here(reference, platform)?
        {
            return Ok(found);
        }
        if pull == Pull::Never {
            return Err(Failure::Other {
                message: format!("the image `{}` is not in the store", reference.familiar()),
                hint: Some("pull it, or let it be pulled".to_owned()),
                source: None,
            });
        }
        let resolved = self.registry.resolve(reference, Some(platform)).map_err(fail);
        let resolved = resolved.map_err(|failure| match pull {
            Pull::Always => failure,
            Pull::Missing | Pull::Never => self.told_of_ours(failure, reference, platform),
        })?;
        self.remember(reference, platform, &resolved)
    }

    /// Where the store has the name for another platform, that is the way out.
    fn told_of_ours(&self, failure: Failure, reference: &Reference, platform: &Platform) -> Failure {
        match (failure, self.store.image_named(reference)) {
            (Failure::Other { message, source, .. }, Ok(Some(_))) => {
                let hint = format!("the store has `{}`, but not for {platform}", reference.familiar());
                Failure::Other { message, hint: Some(hint), source }
            }
            (failure, _) => failure,
        }
    }

    /// The image and all its layers, in the store.
    pub fn pull(
        &self,
        reference: &Reference,
        platform: &Platform,
        task: TaskId,
        cancel: &Cancel,
    ) -> Result<Found, Failure> {
        let found = self.find(reference, platform, Pull::Always)?;
        self.fetch(&self.missing(&found.layers)?, task, cancel)?;
        Ok(found)
    }

    /// Of `layers`, those that are not here.
    pub fn missing(&self, layers: &[LayerId]) -> Result<Vec<LayerId>, Failure> {
        let mut missing = Vec::new();
        for layer in layers {
            if !missing.contains(layer) && !self.store.has_layer(layer).map_err(fail)? {
                missing.push(*layer);
            }
        }
        Ok(missing)
    }

    /// The layers of the image that `digest`, a manifest's or a config's, names.
    pub fn layers(
        &self,
        reference: &str,
        digest: Digest,
        platform: &Platform,
        _task: TaskId,
    ) -> Result<Vec<LayerId>, Failure> {
        if let Some(image) = self.store.image(&ImageId(digest)).map_err(fail)?.filter(|image| !image.is_index()) {
            return Ok(image.layers);
        }
        if let Some(found) = self.by_manifest(digest, platform)? {
            return Ok(found.layers);
        }
        let name: Reference = reference.parse().map_err(fail)?;
        Ok(self.find(&name.with_digest(digest), platform, Pull::Always)?.layers)
    }

    /// Brings `missing` here, several at once. The first failure stops the rest.
    pub fn fetch(&self, missing: &[LayerId], task: TaskId, cancel: &Cancel) -> Result<(), Failure> {
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Failure>> = Mutex::new(None);
        let cancel = cancel.child();
        let work = || {
            while let Some(layer) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.fetch_one(layer, task, &cancel) {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    cancel.cancel();
                    return;
                }
            }
        };
        match missing.len() {
            0 => return Ok(()),
            1 => work(),
            many => std::thread::scope(|scope| {
                for _ in 0..many.min(PARALLEL) {
                    scope.spawn(work);
                }
            }),
        }
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn fetch_one(&self, layer: &LayerId, task: TaskId, cancel: &Cancel) -> Result<(), Failure> {
        let LayerId::Pulled(diff_id) = layer else {
            return Err(Failure::Gone {
                message: format!("layer {layer} was made here and is not in the store any more"),
            });
        };
        let blobs = self.store.layer_blobs(diff_id).map_err(fail)?;
        let mut last = None;
        for blob in &blobs {
            match self.fetch_blob(*diff_id, blob, task, cancel) {
                Ok(()) => return Ok(()),
                Err(failure) => last = Some(failure),
            }
            if cancel.is_canceled() {
                return Err(Failure::Canceled);
            }
        }
        Err(last.unwrap_or_else(|| {
            Failure::other(format!("layer {layer} is not in the store, and nobody is known to have it"))
        }))
    }

    fn fetch_blob(&self, diff_id: DiffId, blob: &LayerBlob, task: TaskId, cancel: &Cancel) -> Result<(), Failure> {
        if self.store.has_blob(&blob.digest).map_err(fail)? && self.unpack_kept(diff_id, blob)? {
            return Ok(());
        }
        let descriptor = Descriptor::new(&blob.media_type, blob.digest, blob.size);
        let mut last = Failure::other(format!("no registry is known to have the layer {}", blob.digest));
        for origin in &blob.origins {
            let name: Reference = format!("{}/{}", origin.registry, origin.repository).parse().map_err(fail)?;
            match self.download(diff_id, &name, &descriptor, task, cancel) {
                Ok(()) => return Ok(()),
                Err(_) if cancel.is_canceled() => return Err(Failure::Canceled),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Makes the layer of the blob that is here. `false` when that turns out to be damaged: then it is set aside, and
    /// can be had again from where it came.
    fn unpack_kept(&self, diff_id: DiffId, blob: &LayerBlob) -> Result<bool, Failure> {
        let path = self.store.blob_path(&blob.digest);
        let file =
            File::open(&path).map_err(|error| Failure::other(format!("cannot open `{}`: {error}", path.display())))?;
        let Err(error) = commit_layer(&self.store, file, diff_id) else { return Ok(true) };
        match self.store.verify_blob(&blob.digest) {
            // It is what it was, and so will another copy be.
            Ok(()) => Err(fail(error)),
            Err(damage @ cache::Error::Damaged { .. }) if !blob.origins.is_empty() => {
                tracing::warn!("{damage}; it is downloaded again");
                Ok(false)
            }
            Err(other) => Err(fail(other)),
        }
    }

    fn download(
        &self,
        diff_id: DiffId,
        name: &Reference,
        blob: &Descriptor,
        task: TaskId,
        cancel: &Cancel,
    ) -> Result<(), Failure> {
        let mut kept = self.store.blob_writer().map_err(fail)?;
        let what = blob.digest.to_string();
        let mut reader = Kept {
            inner: self.registry.blob(name, blob, 0).map_err(fail)?,
            kept: &mut kept,
            cancel,
            got: 0,
            reported: 0,
            report: |current| {
                self.progress.update(task, Update::Bytes { what: &what, current, total: Some(blob.size) })
            },
        };
        commit_layer(&self.store, &mut reader, diff_id).map_err(fail)?;
        io::copy(&mut reader, &mut io::sink()).map_err(fail)?;
        (reader.report)(reader.got);
        kept.commit(Some(blob.digest)).map(drop).map_err(fail)
    }

    fn find_here(&self, reference: &Reference, platform: &Platform) -> Result<Option<Found>, Failure> {
        if let Some(digest) = reference.digest() {
            return self.by_manifest(digest, platform);
        }
        if let Some(resolution) = self.store.resolution(reference, platform).map_err(fail)?
            && let Some(found) = self.by_manifest(resolution.manifest, platform)?
        {
            return Ok(Some(found));
        }
        let Some(image) = self.store.image_named(reference).map_err(fail)? else {
            return Ok(None);
        };
        if image.is_index() {
            return self.by_manifest(image.id.0, platform);
        }
        let config = self.store.image_config(&image.id).map_err(fail)?;
        let theirs = config.platform();
        if theirs.rank_for(platform).is_none() {
            return Ok(None);
        }
        Ok(Some(Found { id: image.id, digest: image.manifest.unwrap_or(image.id.0), config, layers: image.layers }))
    }

    /// The image of a manifest that the store has, if its config is here too; of an index, the one for `platform`.
    fn by_manifest(&self, digest: Digest, platform: &Platform) -> Result<Option<Found>, Failure> {
        if !self.store.has_blob(&digest).map_err(fail)? {
            return Ok(None);
        }
        let bytes = self.store.read_blob(&digest).map_err(fail)?;
        let manifest = match Document::parse(&bytes, None) {
            Ok(Document::Manifest(manifest)) => manifest,
            Ok(Document::Index(index)) => {
                return match index.choose(digest, platform) {
                    Ok(entry) if entry.digest != digest => self.by_manifest(entry.digest, platform),
                    Ok(_) | Err(_) => Ok(None),
                };
            }
            Err(_) => return Ok(None),
        };
        let id = ImageId(manifest.config.digest);
        if !self.store.has_blob(&id.0).map_err(fail)? {
            return Ok(None);
        }
        let config = self.store.image_config(&id).map_err(fail)?;
        let layers = match self.store.image(&id).map_err(fail)? {
            Some(image) => image.layers,
            None => config.rootfs.diff_ids.iter().map(|diff_id| LayerId::Pulled(*diff_id)).collect(),
        };
        Ok(Some(Found { id, digest, config, layers }))
    }

    fn remember(&self, reference: &Reference, platform: &Platform, resolved: &Resolved) -> Result<Found, Failure> {
        self.store.put_blob(&resolved.manifest_bytes).map_err(fail)?;
        let origin =
            Origin { registry: reference.registry().to_owned(), repository: reference.repository().to_owned() };
        for (diff_id, layer) in resolved.config.rootfs.diff_ids.iter().zip(&resolved.layers) {
            let blob = LayerBlob {
                diff_id: *diff_id,
                digest: layer.digest,
                size: layer.size,
                media_type: layer.media_type.clone(),
                origins: vec![origin.clone()],
            };
            self.store.add_layer_blob(&blob).map_err(fail)?;
        }
        let layers: Vec<LayerId> =
            resolved.config.rootfs.diff_ids.iter().map(|diff_id| LayerId::Pulled(*diff_id)).collect();
        // What is only built on is no image of the store, to be listed and removed by name.
        let id = ImageId(self.store.put_blob(&resolved.config_bytes).map_err(fail)?);
        let to = Resolution { manifest: resolved.digest, image: Some(id), resolved: std::time::SystemTime::now() };
        self.store.put_resolution(reference, platform, &to).map_err(fail)?;
        Ok(Found { id, digest: resolved.digest, config: resolved.config.clone(), layers })
    }
}

/// A tar on its way to the disk, hashed.
struct Hashed<R> {
    inner: R,
    hasher: Sha256,
    length: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        self.length += length as u64;
        Ok(length)
    }
}

/// A blob on its way, kept as it comes.
struct Kept<'a, R, W, F> {
    inner: R,
    kept: &'a mut W,
    cancel: &'a Cancel,
    got: u64,
    reported: u64,
    report: F,
}

impl<R: Read, W: Write, F: Fn(u64)> Read for Kept<'_, R, W, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_canceled() {
            return Err(io::Error::other("canceled"));
        }
        let length = self.inner.read(buffer)?;
        self.kept.write_all(&buffer[..length])?;
        self.got += length as u64;
        if self.got - self.reported >= REPORT {
            self.reported = self.got;
            (self.report)(self.got);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
