//! Layers as blobs: the compressed tar of each, made when an output asks for it and remembered by the store. Knows no
//! archive and no registry.
//!
//! The blob of somebody else's layer is the one that came with it, whatever its compression: packed again, its tar
//! might not be the same.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use cache::{LayerBlob, Store};
use oci::compress::{Compression, Compressor};
use oci::manifest::{
    DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD, Descriptor, Family, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD,
};
use oci::pack::{self, Source};
use oci::{DiffId, Digest, LayerId};

use crate::report::{Kind, Problem};

/// The blobs of `layers`, bottom first, with the media types of `family`.
pub fn blobs(
    store: &Store,
    layers: &[(LayerId, DiffId)],
    compression: Compression,
    family: Family,
) -> Result<Vec<Descriptor>, Problem> {
    layers
        .iter()
        .map(|(layer, diff_id)| {
            let blob = match known(store, layer, diff_id, compression)? {
                Some(blob) => blob,
                None => make(store, layer, diff_id, compression)?,
            };
            let compression = compression_of(&blob.media_type);
            Ok(Descriptor::new(media_type(family, compression), blob.digest, blob.size))
        })
        .collect()
}

/// Opens a blob of the store. Whoever reads it verifies it.
pub fn open(store: &Store, blob: &Descriptor) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(BufReader::with_capacity(256 << 10, File::open(store.blob_path(&blob.digest))?)))
}

fn known(
    store: &Store,
    layer: &LayerId,
    diff_id: &DiffId,
    compression: Compression,
) -> Result<Option<LayerBlob>, Problem> {
    let mut any = None;
    for blob in store.layer_blobs(diff_id)? {
        if !store.has_blob(&blob.digest)? {
            continue;
        }
        if compression_of(&blob.media_type) == compression {
            return Ok(Some(blob));
        }
        any = Some(blob);
    }
    Ok(any.filter(|_| matches!(layer, LayerId::Pulled(_))))
}

fn make(store: &Store, layer: &LayerId, diff_id: &DiffId, compression: Compression) -> Result<LayerBlob, Problem> {
    let writer = store.blob_writer()?;
    let told = |error: &io::Error| Problem::new(Kind::Build, format!("compress the layer {diff_id}: {error}"));
    let mut compressor = Compressor::new(writer, compression).map_err(|error| told(&error))?;
    let packed = pack_layer(store, layer, &mut compressor)?;
    if packed.diff_id != *diff_id {
        return Err(Problem::new(
            Kind::Build,
            format!("the layer {diff_id} is not what it was: its tar is {}", packed.diff_id),
        )
        .hint("`kiln cache fsck` tells what is damaged; `kiln build --no-cache` makes it again"));
    }
    let (writer, written) = compressor.finish().map_err(|error| told(&error))?;
    let (digest, size) = writer.commit(Some(written.digest))?;
    let media_type = media_type(Family::Oci, compression).to_owned();
    let blob = LayerBlob { diff_id: *diff_id, digest, size, media_type, origins: Vec::new() };
    store.add_layer_blob(&blob)?;
    Ok(blob)
}

/// The diff id of a layer that was made here, by packing it.
pub fn make_diff_id(store: &Store, layer: &LayerId) -> Result<DiffId, Problem> {
    let packed = pack_layer(store, layer, io::sink())?;
    store.set_diff_id(layer, packed.diff_id, packed.size)?;
    Ok(packed.diff_id)
}

fn pack_layer(store: &Store, layer: &LayerId, out: impl Write) -> Result<pack::Packed, Problem> {
    let (tree, dir) = (store.tree(layer)?, store.layer_fs(layer)?);
    Ok(pack::write_hashed(&Source::layer(&tree, &dir), pack::Options::default(), out)?)
}

fn compression_of(media_type: &str) -> Compression {
    match media_type {
        OCI_LAYER | DOCKER_LAYER => Compression::None,
        OCI_LAYER_ZSTD | DOCKER_LAYER_ZSTD => Compression::Zstd,
        // What is neither is gzip, as layers were before there was a choice.
        _ => Compression::Gzip,
    }
}

pub fn media_type(family: Family, compression: Compression) -> &'static str {
    match (family, compression) {
        (Family::Oci, Compression::None) => OCI_LAYER,
        (Family::Oci, Compression::Gzip) => OCI_LAYER_GZIP,
        (Family::Oci, Compression::Zstd) => OCI_LAYER_ZSTD,
        (Family::Docker, Compression::None) => DOCKER_LAYER,
        (Family::Docker, Compression::Gzip) => DOCKER_LAYER_GZIP,
        (Family::Docker, Compression::Zstd) => DOCKER_LAYER_ZSTD,
    }
}

/// Notes the blob of a layer that came from elsewhere.
pub fn note_blob(store: &Store, diff_id: DiffId, digest: Digest, size: u64, media_type: &str) -> Result<(), Problem> {
    let media_type = media_type.to_owned();
    Ok(store.add_layer_blob(&LayerBlob { diff_id, digest, size, media_type, origins: Vec::new() })?)
}
