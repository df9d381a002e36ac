//! The keeper: a thread that does what nobody should wait for. Knows what is due, not what is being built.
//!
//! It deletes what lies in `trash/`, marks as durable what the machine's next power loss can no longer take, and
//! writes the database's log back. All of it may be cut off at any moment by the end of the process, and be done by
//! another one's keeper at the same time.
//!
//! Durable: rows are written with the id of this boot. Rows older than [`SETTLE`] make the keeper call `syncfs`
//! once, and every row from before that call is durable. Rows of another boot that never became durable stand for
//! files that may be empty or cut off: they are deleted, and the files put away.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::params;
use rustix::fs::{FlockOperation, flock, syncfs};

use crate::boot::{self, Boot};
use crate::db::Db;
use crate::error::Error;
use crate::layer::layer_from_sql;
use crate::layout::Layout;
use crate::lease;

/// How long the keeper waits before it begins: a program that lives no longer is not slowed down at all.
const PATIENCE: Duration = Duration::from_millis(50);
/// How old a row becomes before it is worth a `syncfs`.
pub(crate) const SETTLE: Duration = Duration::from_secs(30);
/// Bytes in the database's log that are worth a checkpoint.
const LOG_WORTH: u64 = 512 * 1024;
/// Bytes in it that are worth one at the end of a program, which waits for it: reading so many takes 2 ms.
const LOG_TOO_LONG: u64 = 2 * LOG_WORTH;

/// How long nobody takes to write a file of stat records.
const LONGEST_WRITE: Duration = Duration::from_secs(3600);

/// Does the store's background work when it is poked.
pub(crate) struct Keeper {
    chores: Arc<Chores>,
    wake: OnceLock<Sender<()>>,
    poked: Arc<AtomicBool>,
}

/// The work, and what it needs.
pub(crate) struct Chores {
    pub layout: Layout,
    pub db: Arc<Db>,
    pub boot: Boot,
}

/// How old rows must be to be made durable now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Settled,
    All,
}

impl Keeper {
    pub fn new(chores: Chores) -> Self {
        Self { chores: Arc::new(chores), wake: OnceLock::new(), poked: Arc::default() }
    }

    /// There may be something to do.
    pub fn poke(&self) {
        if self.poked.swap(true, Ordering::Relaxed) {
            return;
        }
        let wake = self.wake.get_or_init(|| {
            let (wake, woken) = channel();
            let (chores, poked) = (Arc::clone(&self.chores), Arc::clone(&self.poked));
            // Without a thread the work is left for another process.
            let _ = std::thread::Builder::new().name("keeper".to_owned()).spawn(move || keep(&chores, &poked, &woken));
            wake
        });
        let _ = wake.send(());
    }

    pub fn chores(&self) -> &Chores {
        &self.chores
    }
}

/// The thread: works when woken, and once more when what was young then has settled. Ends with its [`Keeper`].
fn keep(chores: &Chores, poked: &AtomicBool, woken: &Receiver<()>) {
    loop {
        match woken.recv_timeout(SETTLE + PATIENCE) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Also an end of waiting when the keeper is dropped meanwhile.
        if woken.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        poked.store(false, Ordering::Relaxed);
        if let Err(error) = chores.tidy(Due::Settled) {
            tracing::debug!("the store could not be tidied: {error}");
        }
    }
}

impl Chores {
    /// Everything that is due.
    pub fn tidy(&self, due: Due) -> Result<(), Error> {
        self.forget_lost()?;
        self.make_durable(due)?;
        if due == Due::All || self.log_is_long() {
            self.db.checkpoint()?;
        }
        self.drop_unfinished()?;
        self.empty_trash()
    }

    /// Whether opening the store should poke the keeper.
    pub fn is_pressing(&self) -> bool {
        self.log_is_long() || lease::names(&self.layout.trash()).is_ok_and(|names| !names.is_empty())
    }

    /// For the end of a program. Those that end before the keeper begins would let the log grow without bound, and all of
    /// it is read whenever a first process opens the database.
    pub fn shorten_log(&self) -> Result<(), Error> {
        if self.log_length() > LOG_TOO_LONG { self.db.checkpoint() } else { Ok(()) }
    }

    fn log_is_long(&self) -> bool {
        self.log_length() > LOG_WORTH
    }

    fn log_length(&self) -> u64 {
        fs::metadata(self.layout.write_ahead_log()).map_or(0, |log| log.len())
    }

    fn make_durable(&self, due: Due) -> Result<(), Error> {
        let now = boot::now();
        let horizon = match due {
            Due::Settled => now.saturating_sub(i64::try_from(SETTLE.as_nanos()).unwrap_or(i64::MAX)),
            Due::All => now,
        };
        let some = self.db.read(|db| {
            let sql = "SELECT EXISTS (SELECT 1 FROM layers WHERE boot IS NOT NULL AND committed <= ?1)
                           OR EXISTS (SELECT 1 FROM blobs WHERE boot IS NOT NULL AND committed <= ?1)";
            Ok(db.query_row(sql, [horizon], |row| row.get::<_, bool>(0))?)
        })?;
        if !some {
            return Ok(());
        }
        let root = File::open(self.layout.root()).map_err(Error::io("open", self.layout.root()))?;
        syncfs(&root).map_err(Error::os("sync the file system of", self.layout.root()))?;
        self.db.write(|db| {
            for table in ["layers", "blobs"] {
                let sql = format!("UPDATE {table} SET boot = NULL WHERE boot = ?1 AND committed <= ?2");
                db.execute(&sql, params![self.boot.id(), now])?;
            }
            Ok(())
        })
    }

    /// Deletes the rows, and puts away the layers, that a stop of the machine may have taken.
    fn forget_lost(&self) -> Result<(), Error> {
        let lost = "boot IS NOT NULL AND boot != ?1";
        let some = self.db.read(|db| {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM layers WHERE {lost})");
            Ok(db.query_row(&sql, [self.boot.id()], |row| row.get::<_, bool>(0))?)
        })?;
        if !some {
            return Ok(());
        }
        // Within the transaction, so that nobody commits the same layer between its row's end and its files'.
        self.db.write(|db| {
            let mut delete = db.prepare(&format!("DELETE FROM layers WHERE {lost} RETURNING id"))?;
            let ids = delete.query_map([self.boot.id()], |row| row.get::<_, Vec<u8>>(0))?;
            for id in ids {
                if let Some(layer) = layer_from_sql(&id?) {
                    lease::put_away(&self.layout, &self.layout.layer(&layer))?;
                }
            }
            Ok(())
        })
    }

    /// Deletes the stat records that somebody died while writing: names with a suffix, older than any write takes.
    fn drop_unfinished(&self) -> Result<(), Error> {
        let contexts = self.layout.contexts();
        for name in lease::names(&contexts)?.iter().filter(|name| name.contains('.')) {
            let path = contexts.join(name);
            let age =
                fs::metadata(&path).and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > LONGEST_WRITE) {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// Deletes what lies in `trash/`, unless another process is at it.
    fn empty_trash(&self) -> Result<(), Error> {
        let trash = self.layout.trash();
        let dir = File::open(&trash).map_err(Error::io("open", &trash))?;
        if flock(&dir, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(());
        }
        for name in lease::names(&trash)? {
            let path: PathBuf = trash.join(name);
            let removed =
                if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::debug!("cannot delete `{}`: {error}", path.display());
            }
        }
        Ok(())
    }
}
