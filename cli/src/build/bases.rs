//! The images that a build starts from: what a name in a FROM means. Pulls no layer, and knows no Dockerfile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use oci::{Platform, Reference};
use parser::lower::{BaseImage, ImageError};
use runner::source::{Images, Pull};

use crate::progress::View;
use crate::report::Problem;

/// Asks for each name once, and shows it where a registry may have to be asked.
pub struct Bases<'a> {
    images: &'a Images,
    view: &'a View,
    pull: Pull,
    asked: Mutex<BTreeMap<(Reference, Platform), Result<BaseImage, ImageError>>>,
}

impl<'a> Bases<'a> {
    pub fn new(images: &'a Images, view: &'a View, pull: Pull) -> Self {
        Self { images, view, pull, asked: Mutex::default() }
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
}
