//! Images: a config, the layers under it, and its names. Knows nothing of how images are made, run or moved.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci::time::parse_rfc3339;
use oci::{Digest, ImageConfig, ImageId, LayerId, Platform, Reference};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::boot;
use crate::db::{Fault, readable};
use crate::error::Error;
use crate::layer::{layers_from_sql, layers_to_sql, to_sql_size};
use crate::store::Store;

const COLUMNS: &str = "images.id, images.manifest, images.layers, images.created, images.size";

/// An image of the store, or an index of several ([`Image::is_index`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub id: ImageId,
    /// The manifest it was pulled, loaded or exported with.
    pub manifest: Option<Digest>,
    /// Bottom first.
    pub layers: Vec<LayerId>,
    /// What its config says; 1970 when it says nothing.
    pub created: SystemTime,
    /// The bytes of its layers' files, as far as the layers were known when it was stored.
    pub size: u64,
}

/// What a name of a registry came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Of the platform's own manifest, not of an index.
    pub manifest: Digest,
    pub image: Option<ImageId>,
    /// When the registry was asked.
    pub resolved: SystemTime,
}

impl Store {
    /// Stores an image by its config. The id is the config's digest.
    pub fn put_image(&self, config: &[u8], layers: &[LayerId], manifest: Option<Digest>) -> Result<ImageId, Error> {
        let id = ImageId(self.put_blob(config)?);
        let created = created(config).map_err(|source| Error::Config { subject: id.to_string(), source })?;
        let mut size: u64 = 0;
        for layer in layers {
            size = size.saturating_add(self.size_of(layer)?);
        }
        self.db.write(|db| {
            let sql = "INSERT INTO images (id, manifest, layers, created, size) VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT (id) DO UPDATE SET layers = excluded.layers, size = excluded.size,
                                                      manifest = coalesce(excluded.manifest, manifest)
                       WHERE (layers, size) != (excluded.layers, excluded.size)
                          OR manifest IS NOT coalesce(excluded.manifest, manifest)";
            db.prepare_cached(sql)?.execute(params![
                id.0.as_bytes(),
                manifest.as_ref().map(Digest::as_bytes),
                layers_to_sql(layers),
                boot::to_nanos(created),
                to_sql_size(size),
            ])?;
            Ok(())
        })?;
        Ok(id)
    }

    /// Gives the image a name, which no other image has from then on.
    pub fn tag(&self, name: &Reference, id: &ImageId) -> Result<(), Error> {
        let name = name.to_string();
        self.db.write(|db| {
            let known = "SELECT 1 FROM names WHERE reference = ?1 AND image = ?2";
            // What is so already grows no log.
            if db.prepare_cached(known)?.exists(params![name, id.0.as_bytes()])? {
                return Ok(());
            }
            let sql = "INSERT OR REPLACE INTO names (reference, image) SELECT ?1, id FROM images WHERE id = ?2";
            match db.prepare_cached(sql)?.execute(params![name, id.0.as_bytes()])? {
                0 => Err(missing(id).into()),
                _ => Ok(()),
            }
        })
    }

    /// Takes a name away; `false` when no image has it. The image stays.
    pub fn untag(&self, name: &Reference) -> Result<bool, Error> {
        let name = name.to_string();
        self.db.write(|db| Ok(db.execute("DELETE FROM names WHERE reference = ?1", [&name])? > 0))
    }

    /// Removes an image and all its names; `false` when it is not here. Its layers and blobs stay.
    pub fn remove_image(&self, id: &ImageId) -> Result<bool, Error> {
        self.db.write(|db| {
            db.execute("DELETE FROM names WHERE image = ?1", [id.0.as_bytes()])?;
            db.execute("UPDATE resolutions SET image = NULL WHERE image = ?1", [id.0.as_bytes()])?;
            Ok(db.execute("DELETE FROM images WHERE id = ?1", [id.0.as_bytes()])? > 0)
        })
    }

    pub fn image(&self, id: &ImageId) -> Result<Option<Image>, Error> {
        self.db.read(|db| find_where(db, "id = ?1", id.0.as_bytes()))
    }

    /// The config of an image, verified.
    pub fn image_config(&self, id: &ImageId) -> Result<ImageConfig, Error> {
        let bytes = self.read_blob(&id.0)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Config { subject: id.to_string(), source })
    }

    /// The image that a person means: a whole id, a name, the digest of a manifest (`name@sha256:…`), or the
    /// beginning of one id. In this order, like Docker.
    pub fn find_image(&self, name_or_id: &str) -> Result<Option<Image>, Error> {
        let digits = name_or_id.strip_prefix("sha256:").unwrap_or(name_or_id);
        if let Ok(id) = format!("sha256:{digits}").parse().map(ImageId) {
            return self.image(&id);
        }
        if let Ok(name) = name_or_id.parse::<Reference>()
            && let Some(image) = self.image_named(&name)?
        {
            return Ok(Some(image));
        }
        match IdRange::of(digits) {
            Some(range) => self.image_in(&range, name_or_id),
            None => Ok(None),
        }
    }

    /// The image of that name.
    pub fn image_named(&self, name: &Reference) -> Result<Option<Image>, Error> {
        let text = name.to_string();
        self.db.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM names JOIN images ON images.id = names.image WHERE names.reference = ?1"
            );
            let named = db.prepare_cached(&sql)?.query_row([&text], read).optional()?.flatten();
            match (named, name.digest()) {
                (None, Some(manifest)) => find_where(db, "manifest = ?1", manifest.as_bytes()),
                (named, _) => Ok(named),
            }
        })
    }

    /// The names an image has, sorted.
    pub fn names_of(&self, id: &ImageId) -> Result<Vec<Reference>, Error> {
        self.db.read(|db| {
            let mut select = db.prepare_cached("SELECT reference FROM names WHERE image = ?1 ORDER BY reference")?;
            let names = select.query_map([id.0.as_bytes()], |row| Ok(name_at(row, 0)))?;
            Ok(names.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
    }

    /// Every image once for each of its names, or once without one; newest first.
    pub fn images(&self) -> Result<Vec<(Option<Reference>, Image)>, Error> {
        self.db.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS}, names.reference FROM images LEFT JOIN names ON names.image = images.id
                 ORDER BY images.created DESC, names.reference, images.id"
            );
            let mut select = db.prepare_cached(&sql)?;
            let rows = select.query_map([], |row| {
                let image = read(row)?;
                if image.is_none() {
                    tracing::warn!("the row of the image {} cannot be read and is passed over", shown_id(row)?);
                }
                Ok(image.map(|image| (name_at(row, 5), image)))
            })?;
            Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
    }

    /// What `name` came to for `platform` when a registry was last asked.
    pub fn resolution(&self, name: &Reference, platform: &Platform) -> Result<Option<Resolution>, Error> {
        let (name, platform) = (name.to_string(), platform_key(platform));
        self.db.read(|db| {
            let sql = "SELECT manifest, image, resolved FROM resolutions WHERE reference = ?1 AND platform = ?2";
            let read = |row: &Row<'_>| {
                Ok(Resolution {
                    manifest: Digest::from_bytes(row.get(0)?),
                    image: row.get::<_, Option<[u8; 32]>>(1)?.map(|id| ImageId(Digest::from_bytes(id))),
                    resolved: boot::from_nanos(row.get(2)?),
                })
            };
            Ok(db.prepare_cached(sql)?.query_row([&name, &platform], read).optional()?)
        })
    }

    pub fn put_resolution(&self, name: &Reference, platform: &Platform, to: &Resolution) -> Result<(), Error> {
        let (name, platform) = (name.to_string(), platform_key(platform));
        self.db.write(|db| {
            let sql = "INSERT OR REPLACE INTO resolutions (reference, platform, manifest, image, resolved)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            db.prepare_cached(sql)?.execute(params![
                name,
                platform,
                to.manifest.as_bytes(),
                to.image.as_ref().map(|id| id.0.as_bytes()),
                boot::to_nanos(to.resolved),
            ])?;
            Ok(())
        })
    }

    fn image_in(&self, range: &IdRange, prefix: &str) -> Result<Option<Image>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM images WHERE id BETWEEN ?1 AND ?2 LIMIT 2");
        let mut found = self.db.read(|db| {
            let mut select = db.prepare_cached(&sql)?;
            let rows = select.query_map([range.first, range.last], read)?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        match found.len() {
            0 | 1 => Ok(found.pop().flatten()),
            _ => Err(Error::Ambiguous { prefix: prefix.to_owned() }),
        }
    }

    /// The bytes of a layer's files, or what its smallest blob says of a layer that is not here.
    fn size_of(&self, layer: &LayerId) -> Result<u64, Error> {
        if let Some(row) = self.layer_row(layer)? {
            return Ok(row.size);
        }
        match layer {
            LayerId::Built(_) => Ok(0),
            LayerId::Pulled(diff_id) => Ok(self.layer_blobs(diff_id)?.iter().map(|blob| blob.size).min().unwrap_or(0)),
        }
    }
}

/// The ids that begin with the same hexadecimal digits.
#[derive(Debug, PartialEq, Eq)]
struct IdRange {
    first: [u8; 32],
    last: [u8; 32],
}

impl IdRange {
    /// `None` for what is not 1 to 64 lower-case hexadecimal digits.
    fn of(digits: &str) -> Option<Self> {
        if digits.is_empty() || digits.len() > 64 {
            return None;
        }
        let (mut first, mut last) = ([0; 32], [0xff; 32]);
        for (at, digit) in digits.bytes().enumerate() {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            let shift = if at % 2 == 0 { 4 } else { 0 };
            first[at / 2] |= value << shift;
            last[at / 2] &= !((value ^ 15) << shift);
        }
        Some(Self { first, last })
    }
}

fn find_where(db: &Connection, condition: &str, value: &[u8; 32]) -> Result<Option<Image>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM images WHERE {condition} ORDER BY id LIMIT 1");
    Ok(db.prepare_cached(&sql)?.query_row([value], read).optional()?.flatten())
}

/// A row, unless its values are none of ours.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Image>> {
    let values = || -> rusqlite::Result<Option<Image>> {
        let Some(layers) = layers_from_sql(row.get_ref(2)?.as_blob()?) else { return Ok(None) };
        Ok(Some(Image {
            id: ImageId(Digest::from_bytes(row.get(0)?)),
            manifest: row.get::<_, Option<[u8; 32]>>(1)?.map(Digest::from_bytes),
            layers,
            created: boot::from_nanos(row.get(3)?),
            size: row.get::<_, i64>(4)?.unsigned_abs(),
        }))
    };
    readable(values())
}

/// What an unreadable row still says of its id.
fn shown_id(row: &Row<'_>) -> rusqlite::Result<String> {
    let id: Option<[u8; 32]> = readable(row.get(0).map(Some))?;
    Ok(id.map_or("without an id".to_owned(), |id| format!("`{}`", ImageId(Digest::from_bytes(id)))))
}

/// The name in a column; `None` for what is none.
fn name_at(row: &Row<'_>, column: usize) -> Option<Reference> {
    row.get_ref(column).ok()?.as_str().ok()?.parse().ok()
}

fn platform_key(platform: &Platform) -> String {
    let parts =
        [Some(&platform.os), Some(&platform.architecture), platform.variant.as_ref(), platform.os_version.as_ref()];
    parts.map(|part| part.map_or("", String::as_str)).join("/")
}

/// When a config says that its image was made.
fn created(config: &[u8]) -> Result<SystemTime, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Created {
        #[serde(default)]
        created: Option<String>,
    }
    let Created { created } = serde_json::from_slice(config)?;
    Ok(created.and_then(|text| parse_time(&text)).unwrap_or(UNIX_EPOCH))
}

/// Before 1970 is 1970.
fn parse_time(text: &str) -> Option<SystemTime> {
    let time = parse_rfc3339(text)?;
    Some(u64::try_from(time.secs).map_or(UNIX_EPOCH, |secs| UNIX_EPOCH + Duration::new(secs, time.nanos)))
}

fn missing(id: &ImageId) -> Error {
    Error::Missing { what: format!("image `{id}`") }
}

#[cfg(test)]
mod tests;
