//! The images that a build starts from: what a name in a FROM means. Pulls no layer, and knows no Dockerfile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cache::Store;
use oci::archive::{Archive, Wanted};
use oci::{Platform, Reference};
use parser::lower::{BaseImage, ImageError, Layout, Version};
use runner::source::{Images, Pull};

use crate::load;
use crate::progress::View;
use crate::report::Problem;

/// Asks for each name once, and shows it where a registry may have to be asked.
pub struct Bases<'a> {
    images: &'a Images,
    view: &'a View,
    store: &'a Store,
    pull: Pull,
    layouts: Mutex<BTreeMap<(Layout, Platform), Result<BaseImage, ImageError>>>,
    asked: Mutex<BTreeMap<(Reference, Platform), Result<BaseImage, ImageError>>>,
}

impl<'a> Bases<'a> {
    pub fn new(images: &'a Images, view: &'a View, store: &'a Store, pull: Pull) -> Self {
        Self { images, view, store, pull, layouts: Mutex::default(), asked: Mutex::default() }
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
        let archive = Archive::open(Path::new(&layout.path))?;
        let wanted = match &layout.version {
            Version::Tag(tag) => Wanted::Tag(tag.clone()),
            Version::Digest(digest) => Wanted::Digest(*digest),
        };
        let image = archive.image(&wanted, platform)?;
        let (_, manifest) = load::take_in(self.store, &archive, &image)?;
        // Where it came from is only for people to read: nobody asks a registry for what is here.
        let reference: Reference = "oci-layout".parse()?;
        Ok(BaseImage { reference, digest: manifest.unwrap_or(image.config.id().0), config: image.config })
    }

    fn find(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, Problem> {
        let title = format!("[internal] load metadata for {name}");
        let found = self.view.task(&title, |_| self.images.find(name, platform, self.pull).map_err(Problem::from))?;
        Ok(BaseImage { reference: name.clone(), digest: found.digest, config: found.config })
    }
}

impl parser::lower::Images for Bases<'_> {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let key = (name.clone(), platform.clone());
        if let Some(known) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let found =
            self.find(name, platform).map_err(|problem| ImageError { message: problem.message, hint: problem.hint });
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
        let found = self.view.task(&title, |_| self.of_layout(layout, platform));
        let found = found.map_err(|problem| ImageError { message: problem.message, hint: problem.hint });
        layouts.insert(key, found.clone());
        found
    }
}
