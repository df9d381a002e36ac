//! The images that a build starts from: what a name in a FROM means. Pulls no layer, and knows no Dockerfile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cache::Store;
use graph::SourceOp;
use oci::archive::{Archive, ArchiveImage, Wanted};
use oci::{Platform, Reference};
use parser::lower::{BaseImage, ImageError, Layout, Version};
use runner::remote::Remotes;
use runner::source::{Images, Pull};

use super::Build;
use crate::load;
use crate::progress::View;
use crate::report::Problem;

/// Asks for each name once, and shows it where a registry may have to be asked.
pub struct Bases<'a> {
    images: &'a Images,
    view: &'a View,
    store: &'a Store,
    remotes: &'a Remotes,
    pull: Pull,
    layouts: Mutex<BTreeMap<(Layout, Platform), Result<BaseImage, ImageError>>>,
    asked: Mutex<BTreeMap<(Reference, Platform), Result<BaseImage, ImageError>>>,
}

impl<'a> Bases<'a> {
    pub fn new(build: &'a Build<'_>, pull: Pull) -> Self {
        let Build { images, view, store, remotes, .. } = build;
        Self { images, view, store, remotes, pull, layouts: Mutex::default(), asked: Mutex::default() }
    }

    /// Asks for several at once.
    pub fn ask_for(&self, names: &[(Reference, Platform)]) {
        if names.len() < 2 {
            return;
        }
        std::thread::scope(|scope| {
            for (name, platform) in names {
                scope.spawn(|| parser::lower::Images::resolve(self, name, platform));
            }
        });
    }

    /// The image is in the store afterwards, and found there by its manifest.
    fn of_layout(&self, layout: &Layout, platform: &Platform) -> Result<BaseImage, Problem> {
        let (archive, image) = in_layout(layout, platform)?;
        load::take_in(self.store, &archive, &image)?;
        base_of(&image)
    }

    fn find(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, Problem> {
        let title = format!("[internal] load metadata for {name}");
        let found = self.view.task(&title, |_| self.images.find(name, platform, self.pull).map_err(Problem::from))?;
        Ok(BaseImage { reference: name.clone(), digest: found.digest, config: found.config })
    }
}

/// The image that is meant, where it lies.
pub fn in_layout(layout: &Layout, platform: &Platform) -> Result<(Archive, ArchiveImage), Problem> {
    let archive = Archive::open(Path::new(&layout.path))?;
    let wanted = match &layout.version {
        Version::Tag(tag) => Wanted::Tag(tag.clone()),
        Version::Digest(digest) => Wanted::Digest(*digest),
    };
    let image = archive.image(&wanted, platform)?;
    Ok((archive, image))
}

pub fn base_of(image: &ArchiveImage) -> Result<BaseImage, Problem> {
    // Where it came from is only for people to read: nobody asks a registry for what is here.
    let reference: Reference = "oci-layout".parse()?;
    let digest = image.manifest.as_ref().map_or(image.config.id().0, |(descriptor, _)| descriptor.digest);
    Ok(BaseImage { reference, digest, config: image.config.clone() })
}

impl From<Problem> for ImageError {
    fn from(problem: Problem) -> Self {
        Self { message: problem.message, hint: problem.hint }
    }
}

impl parser::lower::Images for Bases<'_> {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let key = (name.clone(), platform.clone());
        if let Some(known) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let found = self.find(name, platform).map_err(ImageError::from);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    fn resolve_layout(&self, layout: &Layout, platform: &Platform) -> Result<BaseImage, ImageError> {
        let key = (layout.clone(), platform.clone());
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = layouts.get(&key) {
            return known.clone();
        }
        let title = format!("[internal] load image of the layout {}", layout.path);
        let found = self.view.task(&title, |_| self.of_layout(layout, platform)).map_err(ImageError::from);
        layouts.insert(key, found.clone());
        found
    }

    fn source_time(&self, source: &SourceOp) -> Result<Option<i64>, ImageError> {
        let time = |task| self.remotes.time(source, task).map_err(Problem::from);
        self.view.task("[internal] load the time of a source", time).map_err(ImageError::from)
    }
}
