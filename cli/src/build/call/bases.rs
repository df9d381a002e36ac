//! The images that a Dockerfile starts from, for whoever only looks at it: one that cannot be had is no failure. Builds
//! nothing.
//!
//! BuildKit asks the registry for every image, and fails without it. Here an image that is neither in the store nor to be
//! had is taken for one that says nothing, and that is told once: a check is of use on a train, too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use graph::SourceOp;
use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Layout};

/// Images of which some are missing.
pub struct IfPresent<'a> {
    images: &'a dyn Images,
    missing: Mutex<BTreeMap<Reference, ImageError>>,
}

impl<'a> IfPresent<'a> {
    pub fn new(images: &'a dyn Images) -> Self {
        Self { images, missing: Mutex::default() }
    }

    /// What could not be had, and why.
    pub fn missing(self) -> BTreeMap<Reference, ImageError> {
        self.missing.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Images for IfPresent<'_> {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        Ok(self.images.resolve(name, platform).unwrap_or_else(|error| {
            self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), error);
            let config = ImageConfig::scratch(platform);
            BaseImage { reference: name.clone(), digest: Digest::of(b""), config }
        }))
    }

    fn resolve_layout(&self, layout: &Layout, platform: &Platform) -> Result<BaseImage, ImageError> {
        self.images.resolve_layout(layout, platform)
    }

    fn source_time(&self, source: &SourceOp) -> Result<Option<i64>, ImageError> {
        self.images.source_time(source)
    }
}
