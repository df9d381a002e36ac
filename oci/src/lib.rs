//! The OCI nouns: digests, references, platforms, layer trees, layers as tar, image configs, manifests, layouts,
//! registries, files of HTTP servers. Pure values and streams; knows no store, no Dockerfile, no process, and prints nothing.

pub mod archive;
pub mod compress;
pub mod digest;
mod disk;
pub mod image;
pub mod manifest;
pub mod network;
pub mod pack;
pub mod platform;
pub mod reference;
pub mod registry;
mod rooted;
pub mod tarball;
pub mod time;
pub mod tree;
pub mod unpack;
pub mod verify;
pub mod view;
pub mod web;

pub use digest::{ChainId, ContentDigest, DiffId, Digest, ImageId, LayerId};
pub use image::ImageConfig;
pub use manifest::{Descriptor, Index, Manifest};
pub use network::Network;
pub use platform::Platform;
pub use reference::Reference;
pub use registry::Registry;
pub use tree::Tree;
pub use web::Web;
