//! The one store on disk: blobs, layers, records, images, leases. Returns what to mount, and mounts nothing; knows
//! no Dockerfile, no graph and no process.
//!
//! ```text
//! <root>/
//!   version                   `kiln store 1`
//!   kiln.db                   SQLite (WAL): records, layers, images, blobs
//!   blobs/sha256/<hex>        as in an OCI layout: configs, manifests, compressed layers
//!   layers/<layer id>/fs/     one layer as overlayfs wants it (whiteouts are 0:0 devices, opaque by xattr)
//!   layers/<layer id>/tree    its tree ([`oci::tree`])
//!   mounts/<id>/              `--mount=type=cache`
//!   contexts/<id>             what was hashed of a build context, by stat record
//!   remotes/<id>              what a server told of a file that was fetched
//!   remotes/<id>.d/           a bare repository of what was fetched from a Git remote
//!   ingest/<lease>/           what is being made and not committed ([`Ingest`])
//!   leases/<lease>            a number's file, held by flock while the process that took it lives
//!   locks/<key>               held by flock while a step is being built
//!   trash/                    what is to be deleted when nobody waits
//!   aside/                    what was found damaged
//! ```
//!
//! Nothing is visible before its commit: written aside, renamed, then its row written. A killed process leaves only
//! rubbish under `ingest/`, which the next one sweeps when the lease's lock is free. What a power loss may have taken is
//! a miss ([`Boot`]). What is damaged is moved aside and is a miss from then on.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (tree, key, record): (oci::Tree, cache::CacheKey, cache::Record) = unimplemented!();
//! let store = cache::Store::open("/var/lib/kiln".as_ref())?;
//! if store.record(&key)?.is_none() {
//!     let lock = store.lock_key(&key, &mut || true)?;
//!     if store.record(&key)?.is_none() {
//!         let ingest = store.ingest()?; // `ingest.fs()` is filled, and `tree` says with what
//!         store.commit_layer(ingest, oci::LayerId::Built(tree.digest()), &tree)?;
//!         store.put_record(&key, &record)?;
//!     }
//!     drop(lock);
//! }
//! # Ok(()) }
//! ```

pub mod contexts;

mod blob;
mod boot;
mod db;
mod error;
mod fsck;
mod image;
mod index;
mod ingest;
mod keeper;
mod layer;
mod layer_blob;
mod layout;
mod lease;
mod lock;
mod mount;
mod orphans;
mod record;
mod remote;
mod store;

pub use blob::BlobWriter;
pub use boot::Boot;
pub use error::Error;
pub use fsck::{Depth, Problem};
pub use image::{Image, Resolution};
pub use ingest::Ingest;
pub use layer::{Committed, LayerRow};
pub use layer_blob::{LayerBlob, Origin};
pub use mount::MountLock;
pub use record::{CacheKey, KeyLock, Record};
pub use remote::RemoteDir;
pub use store::Store;
