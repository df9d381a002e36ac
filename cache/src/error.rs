//! What can go wrong with a store. A cache miss is not among it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error(
        "the store `{}` has format `{found}`, and this program reads `{expected}`\n\
         hint: use the program that made it, name another directory with `--root`, or remove the store",
        root.display()
    )]
    Version { root: PathBuf, found: String, expected: &'static str },

    #[error("`{}` holds files and is no store\nhint: name an empty or a new directory with `--root`", root.display())]
    NotAStore { root: PathBuf },

    #[error("the database `{}` cannot be used", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },

    /// It has been set aside: to ask again is to ask for something that is not there.
    #[error("{what} is damaged ({reason}) and was moved to `{}`", aside.display())]
    Damaged { what: String, reason: String, aside: PathBuf },

    #[error("{what} is not in the store")]
    Missing { what: String },

    #[error("`{prefix}` is the beginning of more than one image id\nhint: give more of its digits")]
    Ambiguous { prefix: String },

    #[error("the bytes have digest `{found}`, and `{expected}` was expected")]
    WrongDigest { expected: oci::Digest, found: oci::Digest },

    #[error("the config of image `{subject}` cannot be read")]
    Config { subject: String, source: serde_json::Error },

    #[error("the index `{subject}` cannot be read")]
    Index { subject: String, source: Box<oci::manifest::ManifestError> },
}

impl Error {
    /// For `map_err` after an operation on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// [`Error::io`] for system calls.
    pub(crate) fn os(action: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.to_owned();
        move |errno| Self::Io { action, path, source: errno.into() }
    }
}
