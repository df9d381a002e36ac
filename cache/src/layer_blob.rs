//! Descriptors: which blobs are a layer's tar, compressed in some way, and which repositories have them. Knows them
//! whether or not the blob itself is here.

use oci::{DiffId, Digest, LayerId};
use rusqlite::{OptionalExtension, params};

use crate::error::Error;
use crate::layer::to_sql_size;
use crate::store::Store;

/// A blob that is a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBlob {
    pub diff_id: DiffId,
    pub digest: Digest,
    pub size: u64,
    pub media_type: String,
    /// Where it can be had from, sorted.
    pub origins: Vec<Origin>,
}

/// A repository that has a blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub registry: String,
    pub repository: String,
}

impl Store {
    /// Notes a blob of a layer; its origins come on top of those that are known.
    pub fn add_layer_blob(&self, blob: &LayerBlob) -> Result<(), Error> {
        self.db.write(|db| {
            let sql = "INSERT OR REPLACE INTO layer_blobs (diff_id, digest, size, media_type) VALUES (?1, ?2, ?3, ?4)";
            let size = to_sql_size(blob.size);
            db.prepare_cached(sql)?.execute(params![
                blob.diff_id.0.as_bytes(),
                blob.digest.as_bytes(),
                size,
                blob.media_type
            ])?;
            let sql = "INSERT OR IGNORE INTO blob_origins (digest, registry, repository) VALUES (?1, ?2, ?3)";
            let mut insert = db.prepare_cached(sql)?;
            for origin in &blob.origins {
                insert.execute(params![blob.digest.as_bytes(), origin.registry, origin.repository])?;
            }
            Ok(())
        })
    }

    /// The known blobs of a layer, by digest.
    pub fn layer_blobs(&self, diff_id: &DiffId) -> Result<Vec<LayerBlob>, Error> {
        self.db.read(|db| {
            let sql = "SELECT digest, size, media_type FROM layer_blobs WHERE diff_id = ?1 ORDER BY digest";
            let mut select = db.prepare_cached(sql)?;
            let mut rows = select.query([diff_id.0.as_bytes()])?;
            let mut blobs = Vec::new();
            while let Some(row) = rows.next()? {
                blobs.push(LayerBlob {
                    diff_id: *diff_id,
                    digest: Digest::from_bytes(row.get(0)?),
                    size: row.get::<_, i64>(1)?.unsigned_abs(),
                    media_type: row.get(2)?,
                    origins: Vec::new(),
                });
            }
            let sql = "SELECT registry, repository FROM blob_origins WHERE digest = ?1 ORDER BY registry, repository";
            let mut select = db.prepare_cached(sql)?;
            for blob in &mut blobs {
                let read = |row: &rusqlite::Row<'_>| Ok(Origin { registry: row.get(0)?, repository: row.get(1)? });
                blob.origins = select.query_map([blob.digest.as_bytes()], read)?.collect::<Result<_, _>>()?;
            }
            Ok(blobs)
        })
    }

    /// The layer's blob of that media type.
    pub fn layer_blob(&self, diff_id: &DiffId, media_type: &str) -> Result<Option<LayerBlob>, Error> {
        Ok(self.layer_blobs(diff_id)?.into_iter().find(|blob| blob.media_type == media_type))
    }

    /// Whether a layer that is not here could be had again: one of its blobs is here, or a repository has it.
    pub fn is_remote(&self, layer: &LayerId) -> Result<bool, Error> {
        let diff_id = match layer {
            LayerId::Built(_) => return Ok(false),
            LayerId::Pulled(diff_id) => diff_id,
        };
        let known: Option<bool> = self.db.read(|db| {
            let sql =
                "SELECT EXISTS (SELECT 1 FROM blob_origins WHERE blob_origins.digest = layer_blobs.digest) AS remote
                       FROM layer_blobs WHERE diff_id = ?1 ORDER BY remote DESC LIMIT 1";
            Ok(db.prepare_cached(sql)?.query_row([diff_id.0.as_bytes()], |row| row.get(0)).optional()?)
        })?;
        match known {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) => {
                for blob in self.layer_blobs(diff_id)? {
                    if self.has_blob(&blob.digest)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}
