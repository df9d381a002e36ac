//! Indexes: one name for an image's several platforms. Knows nothing of how they are made, pulled or chosen from.
//!
//! An index is a blob, and a row among the images, so that names, `find_image` and removal work on it as on an image.
//! Its id is its own digest, which its row also says as its manifest's: of an image the two always differ, since one is
//! a config's and the other a manifest's. The images in it are those of the store that came with the manifests it names;
//! of the rest only the index knows.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use oci::manifest::{Descriptor, Document, Index};
use oci::{Digest, ImageId};
use rusqlite::params;

use crate::boot;
use crate::error::Error;
use crate::image::Image;
use crate::layer::{layers_to_sql, to_sql_size};
use crate::store::Store;

impl Image {
    /// Whether it stands for the images of an index, and has neither config nor layers of its own.
    pub fn is_index(&self) -> bool {
        self.manifest == Some(self.id.0)
    }
}

impl Store {
    /// Stores an index. Of the images in it, those that are wanted here are stored before.
    pub fn put_index(&self, json: &[u8]) -> Result<ImageId, Error> {
        let id = ImageId(self.put_blob(json)?);
        let members = members(&read_index(&id, json)?, self)?;
        let created = members.iter().map(|(_, image)| image.created).max().unwrap_or(UNIX_EPOCH);
        let size = members.iter().fold(0_u64, |sum, (_, image)| sum.saturating_add(image.size));
        self.db.write(|db| {
            let sql = "INSERT INTO images (id, manifest, layers, created, size) VALUES (?1, ?1, ?2, ?3, ?4)
                       ON CONFLICT (id) DO UPDATE SET created = excluded.created, size = excluded.size
                       WHERE (created, size) != (excluded.created, excluded.size)";
            db.prepare_cached(sql)?.execute(params![
                id.0.as_bytes(),
                layers_to_sql(&[]),
                boot::to_nanos(created),
                to_sql_size(size),
            ])?;
            Ok(())
        })?;
        Ok(id)
    }

    /// An index, verified.
    pub fn index(&self, id: &ImageId) -> Result<Index, Error> {
        read_index(id, &self.read_blob(&id.0)?)
    }

    /// The images of an index that are here, each with its entry, in the index's order.
    pub fn index_images(&self, id: &ImageId) -> Result<Vec<(Descriptor, Image)>, Error> {
        members(&self.index(id)?, self)
    }

    /// The images of all indexes that have no name of their own.
    pub fn nameless_members(&self) -> Result<BTreeSet<ImageId>, Error> {
        let indexes: Vec<ImageId> = self.db.read(|db| {
            let mut select = db.prepare_cached("SELECT id FROM images WHERE manifest = id")?;
            let rows = select.query_map([], |row| Ok(ImageId(Digest::from_bytes(row.get(0)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut nameless = BTreeSet::new();
        for index in &indexes {
            let images = match self.index_images(index) {
                Ok(images) => images,
                // A list goes on; whoever asks for this one is told.
                Err(Error::Damaged { .. } | Error::Missing { .. } | Error::Index { .. }) => continue,
                Err(error) => return Err(error),
            };
            for (_, image) in images {
                if self.names_of(&image.id)?.is_empty() {
                    nameless.insert(image.id);
                }
            }
        }
        Ok(nameless)
    }

    /// Removes an index and all its names, and with them the images that only it led to.
    pub fn remove_index(&self, id: &ImageId) -> Result<bool, Error> {
        let before = self.nameless_members()?;
        let removed = self.remove_image(id)?;
        for orphan in before.difference(&self.nameless_members()?) {
            self.remove_image(orphan)?;
        }
        Ok(removed)
    }
}

fn read_index(id: &ImageId, json: &[u8]) -> Result<Index, Error> {
    let fail = |source| Error::Index { subject: id.to_string(), source: Box::new(source) };
    match Document::parse(json, None).map_err(fail)? {
        Document::Index(index) => Ok(index),
        Document::Manifest(_) => Err(Error::Missing { what: format!("index `{id}`") }),
    }
}

/// By their manifests, and not by what the images' rows say of theirs: one image may be in several indexes, compressed in
/// other ways.
fn members(index: &Index, store: &Store) -> Result<Vec<(Descriptor, Image)>, Error> {
    let mut members = Vec::new();
    for entry in index.images() {
        if !store.has_blob(&entry.digest)? {
            continue;
        }
        let Ok(Document::Manifest(manifest)) = Document::parse(&store.read_blob(&entry.digest)?, None) else {
            continue;
        };
        if let Some(image) = store.image(&ImageId(manifest.config.digest))? {
            members.push((entry.clone(), image));
        }
    }
    Ok(members)
}
