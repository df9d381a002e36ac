//! The database file: opened, made, replaced when damaged. Knows the tables' shape, not their meaning.
//!
//! SQLite in WAL mode, `synchronous=NORMAL`: a commit writes and never syncs, and a power loss costs the last
//! transactions but not the file. What syncs is a checkpoint, so none happens on the way of a build: not at the
//! close of every connection, and not at a commit before the log has grown very large. The keeper
//! ([`crate::keeper`]) makes them in the background, and the end of a program when the log has grown long.
//!
//! A database that SQLite finds malformed is moved aside, and an empty one takes its place with what rows of
//! images and their names could still be read. All else in it can be made again.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};

use crate::boot;
use crate::error::Error;
use crate::layout::{FORMAT, Layout};

/// `user_version` of the tables below.
const SCHEMA_VERSION: i64 = 2;
const SCHEMA: &str = include_str!("db/schema.sql");
/// What makes the tables of each older version, from 1 on, those of the next.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize - 1] = ["ALTER TABLE records ADD COLUMN took INTEGER"];

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Pages in the log at which a commit makes a checkpoint after all: 32 MiB.
const LOG_LIMIT: u32 = 8192;
/// The tables that nothing but a person can make again.
const PRECIOUS: [&str; 3] = ["images", "names", "resolutions"];

/// The database of one store.
pub(crate) struct Db {
    layout: Layout,
    opened: Mutex<Opened>,
}

struct Opened {
    connection: Connection,
    /// Of the file the connection is to: another process may have put a new one in its place.
    inode: Option<u64>,
}

/// Why a closure over the database failed.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Store(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Db {
    /// Opens the database, makes it where there is none, and replaces it where it is damaged.
    pub fn open(layout: &Layout) -> Result<Self, Error> {
        let opened = match connect(layout).and_then(|opened| opened.map_or_else(|| create(layout), Ok)) {
            Err(Fault::Sql(error)) if is_damage(&error) => replace(layout, None, &error)?,
            other => other.map_err(|fault| fault.at(layout))?,
        };
        Ok(Self { layout: layout.clone(), opened: Mutex::new(opened) })
    }

    /// Looks something up.
    pub fn read<T>(&self, mut look: impl FnMut(&Connection) -> Result<T, Fault>) -> Result<T, Error> {
        self.attempt(|connection| look(connection))
    }

    /// Does `change` as one transaction, which nobody else's comes in between of.
    pub fn write<T>(&self, mut change: impl FnMut(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, Error> {
        self.attempt(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Writes the log back into the database file, where no one is in the way.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let checkpoint = || -> Result<(), Fault> {
            let connection = Connection::open_with_flags(self.layout.database(), flags())?;
            configure(&connection)?;
            connection.busy_timeout(Duration::ZERO)?;
            // The first syncs and lets others write meanwhile; the second then has nothing left to do but to cut
            // the log off, for which it keeps writers out.
            for mode in ["PASSIVE", "TRUNCATE"] {
                connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
            }
            Ok(())
        };
        match checkpoint() {
            Err(Fault::Sql(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            other => other.map_err(|fault| fault.at(&self.layout)),
        }
    }

    /// `PRAGMA integrity_check`: what SQLite has to say against the file.
    pub fn integrity(&self) -> Result<Vec<String>, Error> {
        let opened = self.lock();
        let complaints = || -> Result<Vec<String>, Fault> {
            let mut statement = opened.connection.prepare("PRAGMA integrity_check")?;
            let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
            Ok(lines.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|line| line != "ok").collect())
        };
        match complaints() {
            Err(Fault::Sql(error)) if is_damage(&error) => Ok(vec![error.to_string()]),
            other => other.map_err(|fault| fault.at(&self.layout)),
        }
    }

    fn attempt<T>(&self, mut act: impl FnMut(&mut Connection) -> Result<T, Fault>) -> Result<T, Error> {
        let mut opened = self.lock();
        match act(&mut opened.connection) {
            Err(Fault::Sql(error)) if is_damage(&error) => {
                *opened = replace(&self.layout, opened.inode, &error)?;
                act(&mut opened.connection).map_err(|fault| fault.at(&self.layout))
            }
            other => other.map_err(|fault| fault.at(&self.layout)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Opened> {
        // A thread that panicked left no transaction open: its guard rolled it back.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn at(self, layout: &Layout) -> Error {
        match self {
            Self::Sql(source) => Error::Database { path: layout.database(), source },
            Self::Store(error) => error,
        }
    }
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// `None` for a row whose values are not of the types that we write: that one is lost, and not the look-up.
pub(crate) fn readable<T>(row: rusqlite::Result<Option<T>>) -> rusqlite::Result<Option<T>> {
    match row {
        Err(
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..),
        ) => Ok(None),
        other => other,
    }
}

/// Opens a database that is there; `None` when it has no tables yet.
fn connect(layout: &Layout) -> Result<Option<Opened>, Fault> {
    let path = layout.database();
    let Some(inode) = inode_of(&path) else { return Ok(None) };
    let connection = Connection::open_with_flags(&path, flags())?;
    configure(&connection)?;
    if version(&connection)? == 0 {
        return Ok(None);
    }
    let mut opened = Opened { connection, inode: Some(inode) };
    migrate(layout, &mut opened.connection)?;
    Ok(Some(opened))
}

/// Brings the tables of an older program up to date. One transaction, so that whoever opens them meanwhile waits.
fn migrate(layout: &Layout, connection: &mut Connection) -> Result<(), Fault> {
    if version(connection)? == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let from = usize::try_from(found).ok().and_then(|found| found.checked_sub(1));
    let Some(steps) = from.and_then(|from| MIGRATIONS.get(from..)) else {
        let found = format!("{FORMAT}, database {found}");
        return Err(Error::Version { root: layout.root().to_owned(), found, expected: FORMAT }.into());
    };
    steps.iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(&format!("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint={LOG_LIMIT}"))
}

/// Makes the database, unless somebody else just has.
fn create(layout: &Layout) -> Result<Opened, Fault> {
    let _alone = lock_root(layout)?;
    if let Some(opened) = connect(layout)? {
        return Ok(opened);
    }
    let path = layout.database();
    let connection = Connection::open_with_flags(&path, flags() | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.execute_batch("PRAGMA journal_mode=WAL")?;
    configure(&connection)?;
    connection.execute_batch(&format!("BEGIN; {SCHEMA}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT"))?;
    Ok(Opened { connection, inode: inode_of(&path) })
}

/// Moves the damaged database aside, unless somebody else has, and makes a new one of what can be read in it.
fn replace(layout: &Layout, damaged: Option<u64>, reason: &rusqlite::Error) -> Result<Opened, Error> {
    let alone = lock_root(layout)?;
    let path = layout.database();
    if damaged.is_none() || damaged == inode_of(&path) {
        let aside = layout.aside().join(format!("kiln.db-{}", boot::now()));
        tracing::warn!(
            "the database `{}` is damaged ({reason}); it was moved to `{}`, and what it held will be made again",
            path.display(),
            aside.display()
        );
        for suffix in ["", "-wal", "-shm"] {
            let (from, to) = (with_suffix(&path, suffix), with_suffix(&aside, suffix));
            match fs::rename(&from, to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("move aside", &from)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        drop(alone);
        let opened = create(layout).map_err(|fault| fault.at(layout))?;
        salvage(&opened.connection, &aside);
        return Ok(opened);
    }
    drop(alone);
    create(layout).map_err(|fault| fault.at(layout))
}

/// Copies into the new database the rows of [`PRECIOUS`] tables that can be read in the old one.
fn salvage(new: &Connection, old: &Path) {
    let Ok(damaged) = Connection::open_with_flags(old, flags()) else { return };
    for table in PRECIOUS {
        if let Err(error) = copy_rows(&damaged, new, table) {
            tracing::warn!("not all rows of `{table}` could be copied out of `{}`: {error}", old.display());
        }
    }
}

/// Row by row, so that what can be read before the damage is kept.
fn copy_rows(from: &Connection, to: &Connection, table: &str) -> rusqlite::Result<()> {
    let mut select = from.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = select.column_count();
    let places = vec!["?"; columns].join(", ");
    let mut insert = to.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({places})"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
        insert.execute(rusqlite::params_from_iter(values.collect::<Result<Vec<_>, _>>()?))?;
    }
    Ok(())
}

/// Keeps other processes from making or replacing the database.
fn lock_root(layout: &Layout) -> Result<File, Error> {
    let root = File::open(layout.root()).map_err(Error::io("open", layout.root()))?;
    flock(&root, FlockOperation::LockExclusive).map_err(Error::os("lock", layout.root()))?;
    Ok(root)
}

fn inode_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
