//! A small but whole image, for tests: one gzip layer with one file in it.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Descriptor, Family, Index, Manifest, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
use crate::digest::{DiffId, Digest};
use crate::image::ImageConfig;

pub struct Sample {
    pub tar: Vec<u8>,
    pub layer: Vec<u8>,
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub layer_descriptor: Descriptor,
}

impl Sample {
    /// An image for `platform`, with a file of `size` bytes that do not compress well.
    pub fn new(platform: &str, size: usize) -> Self {
        let noise = |n: u64| (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 13) as u8;
        let noise: Vec<u8> = (0..size as u64).map(noise).collect();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "noise", noise.as_slice()).unwrap();
        let tar = tar.into_inner().unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).unwrap();
        let layer = gzip.finish().unwrap();
        let mut config = ImageConfig::scratch(&platform.parse().unwrap());
        config.rootfs.diff_ids.push(DiffId(Digest::of(&tar)));
        let config = config.to_json();
        let layer_descriptor = Descriptor::of(OCI_LAYER_GZIP, &layer);
        let manifest = Manifest::for_image(Family::Oci, &config, std::slice::from_ref(&layer_descriptor)).to_json();
        Self { tar, layer, config, manifest, layer_descriptor }
    }

    /// The entry of an index for this image.
    pub fn entry(&self) -> Descriptor {
        let platform = Some(ImageConfig::parse(&self.config).unwrap().platform());
        Descriptor { platform, ..Descriptor::of(OCI_MANIFEST, &self.manifest) }
    }

    /// Writes an OCI layout by hand: all images under one index if there are several.
    pub fn write_layout(layout: &Path, samples: &[&Self]) {
        let blobs = layout.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let put = |bytes: &[u8]| std::fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
        let mut entries: Vec<Descriptor> = Vec::new();
        for sample in samples {
            for bytes in [&sample.layer, &sample.config, &sample.manifest] {
                put(bytes);
            }
            entries.push(sample.entry());
        }
        if entries.len() > 1 {
            let index = Index::new(Family::Oci, entries).to_json();
            put(&index);
            entries = vec![Descriptor::of(OCI_INDEX, &index)];
        }
        std::fs::write(layout.join("index.json"), Index::new(Family::Oci, entries).to_json()).unwrap();
        std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}
