//! Finding an image of the store by what a person calls it. Knows not what is wanted of the image.

use cache::{Image, Store};
use oci::Platform;
use oci::manifest::{Family, Index};

use crate::report::{Kind, Problem, did_you_mean};

/// The image of this name or with this beginning of an id; otherwise Docker's words, and the nearest name.
pub fn image(store: &Store, name: &str) -> Result<Image, Problem> {
    store.find_image(name)?.ok_or_else(|| missing(store, name))
}

/// The same, and of an index the image for `platform`.
pub fn for_platform(store: &Store, name: &str, platform: &Platform) -> Result<Image, Problem> {
    let image = image(store, name)?;
    if !image.is_index() {
        return Ok(image);
    }
    let mut images = store.index_images(&image.id)?;
    let here = Index::new(Family::Oci, images.iter().map(|(entry, _)| entry.clone()).collect());
    let chosen = here.choose(image.id.0, platform).map_err(|error| Problem::of(Kind::Image, &error))?.digest;
    let at = images.iter().position(|(entry, _)| entry.digest == chosen);
    at.map(|at| images.swap_remove(at).1).ok_or_else(|| missing(store, name))
}

pub fn missing(store: &Store, name: &str) -> Problem {
    let names: Vec<String> = match store.images() {
        Ok(images) => images.into_iter().filter_map(|(reference, _)| reference).flat_map(spellings).collect(),
        // The problem at hand is told all the same.
        Err(_) => Vec::new(),
    };
    Problem::new(Kind::Image, format!("No such image: {name}"))
        .hint_if(did_you_mean(name, names.iter().map(String::as_str)))
}

/// With the tag, and without it where that is the usual one.
fn spellings(reference: oci::Reference) -> Vec<String> {
    let full = reference.familiar();
    let short = full.strip_suffix(":latest").map(str::to_owned);
    short.into_iter().chain([full]).collect()
}
