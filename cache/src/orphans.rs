//! Orphans: files of layers and blobs without a row. Knows that nobody can see them, and that they take space.
//!
//! A commit renames within the transaction that writes the row. A process killed between the two leaves an orphan,
//! and a dead lease with it, which is when they are looked for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use oci::Digest;
use rusqlite::Connection;

use crate::db::{Db, Fault};
use crate::error::Error;
use crate::layer::layer_from_sql;
use crate::layout::Layout;
use crate::lease;

/// Files without a row. Asked within a write transaction, none of them is just being committed.
pub(crate) fn find(layout: &Layout, db: &Connection) -> Result<Vec<PathBuf>, Fault> {
    let mut orphans = Vec::new();
    let layers = known(db, "SELECT id FROM layers", |id| layer_from_sql(id).map(|id| id.dir_name()))?;
    let blobs =
        known(db, "SELECT digest FROM blobs", |digest| Some(Digest::from_bytes(digest.try_into().ok()?).hex()))?;
    for (dir, known) in [(layout.layers(), layers), (layout.blobs(), blobs)] {
        let names = lease::names(&dir)?.into_iter().filter(|name| !known.contains(name));
        orphans.extend(names.map(|name| dir.join(name)));
    }
    Ok(orphans)
}

/// Puts away all that are there.
pub(crate) fn put_away(layout: &Layout, db: &Db) -> Result<(), Error> {
    db.write(|db| {
        for path in find(layout, db)? {
            lease::put_away(layout, &path)?;
        }
        Ok(())
    })
}

fn known(db: &Connection, sql: &str, name: impl Fn(&[u8]) -> Option<String>) -> Result<BTreeSet<String>, Fault> {
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut names = BTreeSet::new();
    while let Some(row) = rows.next()? {
        names.extend(row.get_ref(0)?.as_blob().ok().and_then(&name));
    }
    Ok(names)
}
