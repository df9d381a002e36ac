//! Named contexts: what `--build-context name=…` makes of a name. Resolves nothing.

use std::collections::BTreeMap;

use oci::{Digest, Reference};

use crate::git_url::GitUrl;

/// What `--build-context name=…` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// `docker-image://scratch`
    Scratch,
    /// `docker-image://…`
    Image(Reference),
    /// `oci-layout://…`
    OciLayout(Layout),
    /// A directory, by the name that the executor knows it by.
    Local(String),
    /// `target:…`: another stage of the file.
    Target(String),
    /// A repository's tree.
    Git(GitUrl),
    /// The file that a URL leads to, under the name `context`.
    Http(String),
}

/// An image in a directory with an OCI layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layout {
    /// As typed, or however else whoever resolves it knows it.
    pub path: String,
    pub version: Version,
}

/// Which of a layout's images.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    Tag(String),
    Digest(Digest),
}

/// The context that `image` stands for, and its name: the image's familiar name, without `:latest`.
pub(super) fn of_image<'c>(
    contexts: &'c BTreeMap<String, NamedContext>,
    image: &Reference,
) -> Option<(&'c str, &'c NamedContext)> {
    if contexts.is_empty() {
        return None;
    }
    let familiar = image.familiar();
    let name = familiar.strip_suffix(":latest").unwrap_or(&familiar);
    contexts.get_key_value(name).map(|(name, context)| (name.as_str(), context))
}
