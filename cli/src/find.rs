//! Finding an image of the store by what a person calls it. Knows not what is wanted of the image.

use cache::{Image, Store};

use crate::report::{Kind, Problem, did_you_mean};

/// The image of this name or with this beginning of an id; otherwise Docker's words, and the nearest name.
pub fn image(store: &Store, name: &str) -> Result<Image, Problem> {
    store.find_image(name)?.ok_or_else(|| missing(store, name))
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
