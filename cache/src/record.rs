//! Records: what a step came to, by its cache key; and the lock on a key whose step is being run. Knows not what
//! keys are made of.

use std::time::{Duration, SystemTime};

use oci::{ContentDigest, LayerId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::boot;
use crate::db::readable;
use crate::error::Error;
use crate::layer::{layers_from_sql, layers_to_sql};
use crate::lock::FileLock;
use crate::store::{self, Store};

/// How many records of one step are looked at for an explanation.
const NEAREST: u32 = 16;
const COLUMNS: &str = "key, step, layers, manifest, name, created, used, took";

/// The digest of everything a step depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(pub ContentDigest);

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the step stacked on its root, bottom first.
    pub layers: Vec<LayerId>,
    /// What the key was hashed from.
    pub manifest: Vec<u8>,
    /// The digest of the op alone, whatever its inputs are: what records of one step have in common.
    pub step: ContentDigest,
    /// As shown: `[build 2/5] RUN npm ci`
    pub name: String,
    pub created: SystemTime,
    /// How long it ran; `None` where nothing had to, or nobody looked at a clock.
    pub took: Option<Duration>,
}

/// The right to run the step of one key. Given back when it is dropped, or when the process ends.
#[derive(Debug)]
pub struct KeyLock {
    _lock: FileLock,
}

impl Store {
    /// What the step of `key` came to; `None`, a miss, also when one of its layers is neither here nor to be had
    /// from a registry.
    pub fn record(&self, key: &CacheKey) -> Result<Option<Record>, Error> {
        let found = self.db.read(|db| {
            let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM records WHERE key = ?1"))?;
            Ok(select.query_row([key.0.as_bytes()], read).optional()?)
        })?;
        let Some((_, record, used)) = found.flatten() else { return Ok(None) };
        for layer in &record.layers {
            if !self.has_layer(layer)? && !self.is_remote(layer)? {
                return Ok(None);
            }
        }
        self.note_record_use(*key, used);
        Ok(Some(record))
    }

    pub fn put_record(&self, key: &CacheKey, record: &Record) -> Result<(), Error> {
        let layers = layers_to_sql(&record.layers);
        self.db.write(|db| {
            let sql = format!("INSERT OR REPLACE INTO records ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
            db.prepare_cached(&sql)?.execute(params![
                key.0.as_bytes(),
                record.step.as_bytes(),
                layers,
                record.manifest,
                record.name,
                boot::to_nanos(record.created),
                boot::now(),
                record.took.map(|took| i64::try_from(took.as_nanos()).unwrap_or(i64::MAX)),
            ])?;
            Ok(())
        })
    }

    /// Whether there is any record of `step`, whatever its inputs were. Where there is none, it cannot hit.
    pub fn knows_step(&self, step: &ContentDigest) -> Result<bool, Error> {
        self.db.read(|db| {
            let mut select = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM records WHERE step = ?1)")?;
            Ok(select.query_row([step.as_bytes()], |row| row.get(0))?)
        })
    }

    /// The newest records of `step`, newest first: what a miss is compared with.
    pub fn nearest_records(&self, step: &ContentDigest) -> Result<Vec<(CacheKey, Record)>, Error> {
        self.db.read(|db| {
            let sql =
                format!("SELECT {COLUMNS} FROM records WHERE step = ?1 ORDER BY created DESC, key LIMIT {NEAREST}");
            Ok(all(db, &sql, &[step.as_bytes()])?)
        })
    }

    /// The right to run the step of `key`, once nobody else has it. `wait` is asked before every pause; `None` when
    /// it says `false`. Who had to wait looks for the record again.
    pub fn lock_key(&self, key: &CacheKey, wait: &mut dyn FnMut() -> bool) -> Result<Option<KeyLock>, Error> {
        Ok(store::lock(&self.layout, &key.0.hex(), wait)?.map(|lock| KeyLock { _lock: lock }))
    }

    /// Every record there is.
    pub(crate) fn all_records(&self) -> Result<Vec<(CacheKey, Record)>, Error> {
        self.db.read(|db| Ok(all(db, &format!("SELECT {COLUMNS} FROM records ORDER BY key"), &[])?))
    }
}

/// The readable ones among the rows.
fn all(db: &Connection, sql: &str, values: &[&[u8; 32]]) -> rusqlite::Result<Vec<(CacheKey, Record)>> {
    let mut select = db.prepare_cached(sql)?;
    let rows = select.query_map(rusqlite::params_from_iter(values), read)?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().flatten().map(|(key, record, _)| (key, record)).collect())
}

/// A row, unless its values are none of ours.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<(CacheKey, Record, i64)>> {
    let values = || -> rusqlite::Result<Option<(CacheKey, Record, i64)>> {
        let Some(layers) = layers_from_sql(row.get_ref(2)?.as_blob()?) else {
            return Ok(None);
        };
        let record = Record {
            layers,
            manifest: row.get(3)?,
            step: ContentDigest::from_bytes(row.get(1)?),
            name: row.get(4)?,
            created: boot::from_nanos(row.get(5)?),
            took: row.get::<_, Option<i64>>(7)?.map(|nanos| Duration::from_nanos(nanos.unsigned_abs())),
        };
        Ok(Some((CacheKey(ContentDigest::from_bytes(row.get(0)?)), record, row.get(6)?)))
    };
    readable(values())
}
