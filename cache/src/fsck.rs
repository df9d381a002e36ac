//! The check of a whole store: is everything that it claims to have what it claims to be? Changes nothing, unless it
//! is told to repair; may run while builds do.
//!
//! In order: the database's own integrity, blobs by their digests, layers by their trees and files
//! ([`layer`]), files without a row, records and images whose layers are gone, what dead processes left.

mod layer;

use std::fmt;
use std::path::PathBuf;

use oci::{Digest, ImageId, LayerId};
use rusqlite::{Connection, OptionalExtension};

use crate::blob::set_aside;
use crate::db::Fault;
use crate::error::Error;
use crate::layer::{layer_from_sql, layer_to_sql};
use crate::lease;
use crate::orphans;
use crate::record::CacheKey;
use crate::store::Store;

/// How closely to look at layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Kinds, modes, owners and sizes.
    Metadata,
    /// The bytes of every file as well.
    Contents,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Database {
        complaint: String,
    },
    Blob {
        digest: Digest,
        reason: String,
    },
    Layer {
        id: LayerId,
        reason: String,
    },
    /// A layer or blob that no row speaks of.
    Orphan {
        path: PathBuf,
    },
    Record {
        key: CacheKey,
        name: String,
        layer: LayerId,
    },
    Image {
        id: ImageId,
        reason: String,
    },
    /// A name of an image that is not here.
    Name {
        name: String,
    },
    /// What a dead process was making.
    Ingest {
        lease: String,
    },
}

impl Store {
    /// Everything that is wrong with the store.
    pub fn fsck(&self, depth: Depth) -> Result<Vec<Problem>, Error> {
        let complaints = self.db.integrity()?;
        let mut problems: Vec<_> = complaints.into_iter().map(|complaint| Problem::Database { complaint }).collect();
        problems.extend(self.check_blobs()?);
        problems.extend(self.check_layers(depth)?);
        let orphans = self.db.write(|db| orphans::find(&self.layout, db))?;
        problems.extend(orphans.into_iter().map(|path| Problem::Orphan { path }));
        problems.extend(self.check_records()?);
        problems.extend(self.check_images()?);
        problems.extend(lease::dead(&self.layout)?.into_iter().map(|dead| Problem::Ingest { lease: dead.name }));
        Ok(problems)
    }

    /// Puts away or forgets what `problem` speaks of. Then it is as if it had never been here: steps run again,
    /// images are pulled again.
    pub fn repair(&self, problem: &Problem) -> Result<(), Error> {
        match problem {
            // Replaced by the first use that meets the damage.
            Problem::Database { .. } => Ok(()),
            Problem::Blob { digest, .. } => self.db.write(|db| {
                db.execute("DELETE FROM blobs WHERE digest = ?1", [digest.as_bytes()])?;
                set_aside(&self.layout, &self.layout.blob(digest))?;
                Ok(())
            }),
            Problem::Layer { id, .. } => self.db.write(|db| {
                db.execute("DELETE FROM layers WHERE id = ?1", [layer_to_sql(id)])?;
                set_aside(&self.layout, &self.layout.layer(id))?;
                Ok(())
            }),
            Problem::Orphan { .. } => orphans::put_away(&self.layout, &self.db),
            Problem::Record { key, .. } => self.db.write(|db| {
                db.execute("DELETE FROM records WHERE key = ?1", [key.0.as_bytes()])?;
                Ok(())
            }),
            Problem::Image { id, .. } => self.remove_image(id).map(|_| ()),
            Problem::Name { name } => self.db.write(|db| {
                db.execute("DELETE FROM names WHERE reference = ?1", [name])?;
                Ok(())
            }),
            Problem::Ingest { .. } => {
                lease::dead(&self.layout)?.iter().try_for_each(|dead| dead.put_away(&self.layout))
            }
        }
    }

    fn check_blobs(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for digest in self.ids("SELECT digest FROM blobs ORDER BY digest", digest_from_sql)? {
            if let Some(reason) = self.what_is_wrong_with_blob(&digest)? {
                problems.push(Problem::Blob { digest, reason });
            }
        }
        Ok(problems)
    }

    fn check_layers(&self, depth: Depth) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for id in self.ids("SELECT id FROM layers WHERE boot IS NULL OR boot = ?1 ORDER BY id", layer_from_sql)? {
            let sum = self.db.read(|db| tree_sum(db, &id))?;
            let wrong = sum.and_then(|sum| layer::what_is_wrong(&self.layout.layer(&id), &id, &sum, depth));
            // Asked again, since it may have been removed meanwhile.
            if let Some(reason) = wrong
                && self.layer_row(&id)?.is_some()
            {
                problems.push(Problem::Layer { id, reason });
            }
        }
        Ok(problems)
    }

    fn check_records(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for (key, record) in self.all_records()? {
            if let Some(layer) = self.first_missing(&record.layers)? {
                problems.push(Problem::Record { key, name: record.name, layer });
            }
        }
        Ok(problems)
    }

    fn check_images(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for id in self.ids("SELECT id FROM images ORDER BY id", |id| digest_from_sql(id).map(ImageId))? {
            let Some(image) = self.image(&id)? else {
                problems.push(Problem::Image { id, reason: "its row cannot be read".to_owned() });
                continue;
            };
            if !self.has_blob(&id.0)? {
                problems.push(Problem::Image { id, reason: "its config is not here".to_owned() });
            } else if let Some(layer) = self.first_missing(&image.layers)? {
                problems.push(Problem::Image { id, reason: format!("its layer `{layer}` is not here") });
            }
        }
        let names: Vec<String> = self.db.read(|db| {
            let sql = "SELECT reference FROM names WHERE image NOT IN (SELECT id FROM images) ORDER BY reference";
            let mut select = db.prepare(sql)?;
            let names = select.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })?;
        problems.extend(names.into_iter().map(|name| Problem::Name { name }));
        Ok(problems)
    }

    /// The first layer that is neither here nor to be had.
    fn first_missing(&self, layers: &[LayerId]) -> Result<Option<LayerId>, Error> {
        for layer in layers {
            if !self.has_layer(layer)? && !self.is_remote(layer)? {
                return Ok(Some(*layer));
            }
        }
        Ok(None)
    }

    fn ids<T>(&self, sql: &str, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
        self.db.read(|db| {
            let mut select = db.prepare(sql)?;
            let values = [self.boot.id()].into_iter().take(select.parameter_count());
            let mut rows = select.query(rusqlite::params_from_iter(values))?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                ids.extend(row.get_ref(0)?.as_blob().ok().and_then(&read));
            }
            Ok(ids)
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { complaint } => write!(f, "database: {complaint}"),
            Self::Blob { digest, reason } => write!(f, "blob `{digest}`: {reason}"),
            Self::Layer { id, reason } => write!(f, "layer `{id}`: {reason}"),
            Self::Orphan { path } => write!(f, "`{}` is known to nobody", path.display()),
            Self::Record { name, layer, .. } => write!(f, "record of `{name}`: its layer `{layer}` is not here"),
            Self::Image { id, reason } => write!(f, "image `{id}`: {reason}"),
            Self::Name { name } => write!(f, "name `{name}`: its image is not here"),
            Self::Ingest { lease } => write!(f, "ingest `{lease}`: left by a process that is dead"),
        }
    }
}

fn tree_sum(db: &Connection, id: &LayerId) -> Result<Option<Vec<u8>>, Fault> {
    Ok(db.query_row("SELECT tree FROM layers WHERE id = ?1", [layer_to_sql(id)], |row| row.get(0)).optional()?)
}

fn digest_from_sql(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::from_bytes)
}
