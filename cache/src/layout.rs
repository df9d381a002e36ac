//! Where things are: the paths of a store. Knows names only, and touches no disk.

use std::path::{Path, PathBuf};

use oci::{ContentDigest, Digest, LayerId};

/// What the `version` file of a store says.
pub(crate) const FORMAT: &str = "kiln store 1";

/// The directories made with a store.
pub(crate) const DIRECTORIES: [&str; 10] =
    ["blobs", "blobs/sha256", "layers", "mounts", "contexts", "ingest", "leases", "locks", "trash", "aside"];

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn version(&self) -> PathBuf {
        self.root.join("version")
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("kiln.db")
    }

    pub fn write_ahead_log(&self) -> PathBuf {
        self.root.join("kiln.db-wal")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub fn layer(&self, id: &LayerId) -> PathBuf {
        self.layers().join(id.dir_name())
    }

    pub fn mounts(&self) -> PathBuf {
        self.root.join("mounts")
    }

    /// Made when there is something to be put in.
    pub fn remotes(&self) -> PathBuf {
        self.root.join("remotes")
    }

    pub fn contexts(&self) -> PathBuf {
        self.root.join("contexts")
    }

    pub fn context(&self, id: &ContentDigest) -> PathBuf {
        self.contexts().join(id.hex())
    }

    pub fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    pub fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }
}
