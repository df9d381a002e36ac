//! Blobs: bytes named by their sha256, as in an OCI layout. Knows not what is in them.
//!
//! A blob is written in the ingest directory, hashed as it goes, renamed to its name, and then gets its row. The row
//! says whether the file can be relied on ([`crate::boot`]); whoever reads a whole blob verifies it besides.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci::Digest;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use crate::boot;
use crate::db::Db;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::layer::to_sql_size;
use crate::layout::Layout;
use crate::lease::Lease;
use crate::store::Store;

/// A blob being written. Dropped before [`BlobWriter::commit`], it leaves nothing.
pub struct BlobWriter {
    layout: Layout,
    db: Arc<Db>,
    lease: Arc<Lease>,
    keeper: Arc<Keeper>,
    boot: String,
    path: PathBuf,
    file: File,
    hasher: Sha256,
    written: u64,
    state: State,
}

/// Whether the file of a writer is still its own to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Renamed,
}

/// How much of a blob is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its file can be relied on to be what was written.
    Sound,
    /// Written in another boot and never known to have reached the disk.
    Doubtful,
    Unknown,
}

impl Store {
    /// Where the blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.layout.blob(digest)
    }

    /// Whether the blob is here. One that a stop of the machine may have cut off is verified first.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, Error> {
        match self.standing(digest)? {
            Standing::Sound => Ok(self.layout.blob(digest).exists()),
            Standing::Unknown => Ok(false),
            Standing::Doubtful => match self.verify_blob(digest) {
                Ok(()) => Ok(true),
                Err(Error::Damaged { .. } | Error::Missing { .. }) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// The bytes of a blob, verified. A damaged blob is set aside.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let path = self.layout.blob(digest);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(digest)),
            other => other.map_err(Error::io("read", &path))?,
        };
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(self.set_blob_aside(digest, &found)?) }
    }

    /// Reads a blob through; a damaged one is set aside.
    pub fn verify_blob(&self, digest: &Digest) -> Result<(), Error> {
        let found = self.hash_blob(digest)?;
        if found != *digest {
            return Err(self.set_blob_aside(digest, &found)?);
        }
        self.db.write(|db| {
            db.prepare_cached("UPDATE blobs SET boot = ?2, committed = ?3 WHERE digest = ?1 AND boot IS NOT NULL")?
                .execute(params![digest.as_bytes(), self.boot.id(), boot::now()])?;
            Ok(())
        })
    }

    /// Stores `bytes` as a blob.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        if self.has_blob(&digest)? {
            return Ok(digest);
        }
        let mut writer = self.blob_writer()?;
        writer.file.write_all(bytes).map_err(Error::io("write", &writer.path))?;
        writer.written = bytes.len() as u64;
        writer.finish(digest)?;
        Ok(digest)
    }

    /// Starts a blob whose bytes come piece by piece.
    pub fn blob_writer(&self) -> Result<BlobWriter, Error> {
        let path = self.lease.new_path()?;
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path).map_err(Error::io("make", &path))?;
        Ok(BlobWriter {
            layout: self.layout.clone(),
            db: Arc::clone(&self.db),
            lease: Arc::clone(&self.lease),
            keeper: Arc::clone(&self.keeper),
            boot: self.boot.id().to_owned(),
            path,
            file,
            hasher: Sha256::new(),
            written: 0,
            state: State::Open,
        })
    }

    /// What fsck would say of a blob.
    pub(crate) fn what_is_wrong_with_blob(&self, digest: &Digest) -> Result<Option<String>, Error> {
        match self.hash_blob(digest) {
            Ok(found) if found == *digest => Ok(None),
            Ok(found) => Ok(Some(format!("its bytes have digest `{found}`"))),
            Err(Error::Missing { .. }) => Ok(Some("its file is gone".to_owned())),
            Err(error) => Err(error),
        }
    }

    fn hash_blob(&self, digest: &Digest) -> Result<Digest, Error> {
        let path = self.layout.blob(digest);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(digest)),
            other => other.map_err(Error::io("open", &path))?,
        };
        let mut hash = HashSink::default();
        io::copy(&mut file, &mut hash).map_err(Error::io("read", &path))?;
        Ok(Digest::from_bytes(hash.0.finalize().into()))
    }

    fn standing(&self, digest: &Digest) -> Result<Standing, Error> {
        let boot = self.db.read(|db| {
            let mut select = db.prepare_cached("SELECT boot FROM blobs WHERE digest = ?1")?;
            Ok(select.query_row([digest.as_bytes()], |row| row.get::<_, Option<String>>(0)).optional()?)
        })?;
        Ok(match boot {
            None => Standing::Unknown,
            Some(None) => Standing::Sound,
            Some(Some(boot)) if boot == self.boot.id() => Standing::Sound,
            Some(Some(_)) => Standing::Doubtful,
        })
    }

    /// Moves the blob aside and forgets it; returns the error that tells.
    fn set_blob_aside(&self, digest: &Digest, found: &Digest) -> Result<Error, Error> {
        self.db.write(|db| {
            db.execute("DELETE FROM blobs WHERE digest = ?1", [digest.as_bytes()])?;
            Ok(())
        })?;
        let aside = set_aside(&self.layout, &self.layout.blob(digest))?;
        Ok(Error::Damaged {
            what: format!("blob `{digest}`"),
            reason: format!("its bytes have digest `{found}`"),
            aside,
        })
    }
}

impl BlobWriter {
    /// How many bytes have been written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the blob visible under its digest, which must be `expected` where that is given.
    pub fn commit(mut self, expected: Option<Digest>) -> Result<(Digest, u64), Error> {
        let found = Digest::from_bytes(std::mem::take(&mut self.hasher).finalize().into());
        match expected {
            Some(expected) if expected != found => Err(Error::WrongDigest { expected, found }),
            Some(_) | None => {
                let size = self.written;
                self.finish(found)?;
                Ok((found, size))
            }
        }
    }

    fn finish(mut self, digest: Digest) -> Result<(), Error> {
        let path = self.layout.blob(&digest);
        let db = Arc::clone(&self.db);
        db.write(|db| {
            // Once, should the transaction be tried again.
            if self.state == State::Open {
                fs::rename(&self.path, &path).map_err(Error::io("rename to", &path))?;
                self.state = State::Renamed;
            }
            let size = to_sql_size(self.written);
            let sql = "INSERT OR REPLACE INTO blobs (digest, size, boot, committed) VALUES (?1, ?2, ?3, ?4)";
            db.prepare_cached(sql)?.execute(params![digest.as_bytes(), size, self.boot, boot::now()])?;
            Ok(())
        })?;
        self.keeper.poke();
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if self.state == State::Open && self.lease.discard(&self.path).is_ok() {
            self.keeper.poke();
        }
    }
}

/// Moves what is damaged to `aside/`, and says where it is now.
pub(crate) fn set_aside(layout: &Layout, path: &Path) -> Result<PathBuf, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = layout.aside().join(format!("{name}.{:x}", boot::now()));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("move aside", path)(error)),
        Ok(()) | Err(_) => Ok(aside),
    }
}

#[derive(Default)]
struct HashSink(Sha256);

impl Write for HashSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn missing(digest: &Digest) -> Error {
    Error::Missing { what: format!("blob `{digest}`") }
}
