//! Stat records: the content digests of a build context's files, by what `stat` says of them, so that a file is
//! read again only when it may have changed. Knows no build context and reads no file of one.
//!
//! A saved digest is given for the same device, inode, size, mtime *and* ctime only: ctime cannot be set, and every
//! write moves it on. That leaves writes within one tick of the clock after the digest was taken, which change no
//! time; so a file whose times are not older than the scan that read it, by more than a tick, is not saved at all
//! and is read again next time (git's "racy" rule). A file system that counts whole seconds has ticks of seconds.
//!
//! ## The file
//!
//! A header, the records, the paths. Numbers are little-endian. Records are sorted by path, in the order of a
//! depth-first walk (as [`oci::tree`]): names are compared component by component, as bytes.
//!
//! ```text
//! header   8 `KILNSTAT`   4 version   4 record count   8 length of the paths   8 check of the 24 bytes before
//! record   8 start of its path   4 length of its path   4 mtime ns   4 ctime ns   4 zero
//!          8 device   8 inode   8 size   8 mtime s   8 ctime s   32 blake3   8 check of the 96 bytes and the path
//! ```
//!
//! The file is mapped, not read, and a record is checked when it is used: what is damaged is as if it were not
//! there. It is written aside and renamed, never changed.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memmap2::Mmap;
use oci::ContentDigest;

use crate::boot;
use crate::error::Error;

const MAGIC: &[u8; 8] = b"KILNSTAT";
const VERSION: u32 = 1;
const HEADER: usize = 32;
const RECORD: usize = 104;

/// The coarsest clock that file times come from (100 Hz), doubled.
const TICK: Duration = Duration::from_millis(20);
/// The coarsest file times (FAT counts two seconds).
const COARSE_TICK: Duration = Duration::from_secs(2);

/// What tells that a file is the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatKey {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub mtime: Stamp,
    pub ctime: Stamp,
}

/// A file time: seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    pub secs: i64,
    pub nanos: u32,
}

/// The saved records of one context.
#[derive(Debug)]
pub struct StatFile {
    /// Absent when there are none.
    map: Option<Mmap>,
    count: usize,
}

/// Looks up paths that come in order, each from where the last one was.
#[derive(Debug)]
pub struct Cursor<'a> {
    file: &'a StatFile,
    next: usize,
}

/// Collects the records of one scan.
#[derive(Debug)]
pub struct StatFileWriter {
    scan_start: SystemTime,
    paths: Vec<u8>,
    records: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    start: usize,
    length: u32,
    key: StatKey,
    digest: ContentDigest,
}

/// One record, where it lies.
#[derive(Clone, Copy)]
struct Record<'a> {
    bytes: &'a [u8; RECORD],
    path: &'a [u8],
}

impl StatKey {
    pub fn of(metadata: &fs::Metadata) -> Self {
        // Nanoseconds are below a thousand million.
        let stamp = |secs, nanos: i64| Stamp { secs, nanos: u32::try_from(nanos).unwrap_or(0) };
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime: stamp(metadata.mtime(), metadata.mtime_nsec()),
            ctime: stamp(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether any change after `scan_start` shows in the times.
    fn is_settled(&self, scan_start: SystemTime) -> bool {
        let counts_seconds = self.mtime.nanos == 0 && self.ctime.nanos == 0;
        let tick = if counts_seconds { COARSE_TICK } else { TICK };
        let Some(horizon) = scan_start.checked_sub(tick).and_then(|time| time.duration_since(UNIX_EPOCH).ok()) else {
            return false;
        };
        let horizon =
            Stamp { secs: i64::try_from(horizon.as_secs()).unwrap_or(i64::MAX), nanos: horizon.subsec_nanos() };
        self.mtime < horizon && self.ctime < horizon
    }
}

impl StatFile {
    /// The records at `path`; none when there is no such file, or it is damaged or of another version.
    pub fn open(path: &Path) -> Self {
        Self::map(path).unwrap_or_else(Self::empty)
    }

    pub fn empty() -> Self {
        Self { map: None, count: 0 }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The content of the file at `path`, if it is the file that was read.
    pub fn lookup(&self, path: &[u8], key: &StatKey) -> Option<ContentDigest> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let record = self.record(middle)?;
            match walk_order(record.path, path) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return record.digest_for(key),
            }
        }
        None
    }

    /// For look-ups in the order of a walk.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { file: self, next: 0 }
    }

    fn map(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        // SAFETY: the mapping is sound as long as nobody cuts the file off or writes to it. It lies in the store's
        // own directory, which only its owner can enter, and everything that writes such files
        // ([`StatFileWriter::save`]) makes a new one and renames it.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        let header: &[u8; HEADER] = map.first_chunk()?;
        let paths = usize::try_from(number(header, 16)).ok()?;
        let sound =
            header[..8] == *MAGIC && short(header, 8) == VERSION && number(header, 24) == check(&[&header[..24]]);
        let count = usize::try_from(short(header, 12)).ok()?;
        let size = HEADER.checked_add(count.checked_mul(RECORD)?)?.checked_add(paths)?;
        (sound && size == map.len()).then_some(Self { map: Some(map), count })
    }

    /// `None` past the end, and for a record that leads out of the file.
    fn record(&self, index: usize) -> Option<Record<'_>> {
        let map = self.map.as_deref()?;
        let at = HEADER + index * RECORD;
        let bytes: &[u8; RECORD] = map.get(at..)?.first_chunk()?;
        let start = usize::try_from(number(bytes, 0)).ok()?.checked_add(HEADER + self.count * RECORD)?;
        let path = map.get(start..)?.get(..short(bytes, 8) as usize)?;
        (index < self.count).then_some(Record { bytes, path })
    }
}

impl Cursor<'_> {
    /// [`StatFile::lookup`], quickest when `path` follows the last one that was asked for.
    pub fn lookup(&mut self, path: &[u8], key: &StatKey) -> Option<ContentDigest> {
        // A few steps onward; more than that means that much was added, removed, or asked for out of order.
        for index in self.next..self.next + 8 {
            let Some(record) = self.file.record(index) else { break };
            match walk_order(record.path, path) {
                Ordering::Less => {}
                Ordering::Greater if index == self.next => break,
                Ordering::Greater => {
                    self.next = index;
                    return None;
                }
                Ordering::Equal => {
                    self.next = index + 1;
                    return record.digest_for(key);
                }
            }
        }
        self.seek(path);
        let record = self.file.record(self.next).filter(|record| record.path == path)?;
        self.next += 1;
        record.digest_for(key)
    }

    /// To the first record that is not before `path`.
    fn seek(&mut self, path: &[u8]) {
        let (mut low, mut high) = (0, self.file.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self.file.record(middle).is_some_and(|record| walk_order(record.path, path).is_lt());
            if before { low = middle + 1 } else { high = middle }
        }
        self.next = low;
    }
}

impl StatFileWriter {
    /// For the records of a scan that began at `scan_start`, before the first file was looked at.
    pub fn new(scan_start: SystemTime) -> Self {
        Self { scan_start, paths: Vec::new(), records: Vec::new() }
    }

    /// Adds a file: what was said of it *before* it was read, and the digest of what was read. One that could
    /// change without a trace is left out.
    pub fn add(&mut self, path: &[u8], key: &StatKey, digest: ContentDigest) {
        let Ok(length) = u32::try_from(path.len()) else { return };
        if key.is_settled(self.scan_start) {
            self.records.push(Pending { start: self.paths.len(), length, key: *key, digest });
            self.paths.extend_from_slice(path);
        }
    }

    /// Writes the records to `target`, in the place of those that are there.
    pub fn save(mut self, target: &Path) -> Result<(), Error> {
        let bytes = self.encode();
        let aside = target.with_extension(format!("{}-{:x}", std::process::id(), boot::now()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&aside, target));
        written.map_err(|error| {
            let _ = fs::remove_file(&aside);
            Error::io("write", target)(error)
        })
    }

    fn encode(&mut self) -> Vec<u8> {
        let paths = std::mem::take(&mut self.paths);
        let path_of = |record: &Pending| &paths[record.start..][..record.length as usize];
        if !self.records.is_sorted_by(|a, b| walk_order(path_of(a), path_of(b)).is_lt()) {
            self.records.sort_by(|a, b| walk_order(path_of(a), path_of(b)));
            self.records.dedup_by(|a, b| path_of(a) == path_of(b));
        }
        // What does not fit the header is left out, and read again next time.
        self.records.truncate(u32::MAX as usize);
        let count = self.records.len() as u32;
        let mut bytes = Vec::with_capacity(HEADER + self.records.len() * RECORD + paths.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&(paths.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&check(&[&bytes]).to_le_bytes());
        for record in &self.records {
            bytes.extend_from_slice(&record.encode(path_of(record)));
        }
        bytes.extend_from_slice(&paths);
        bytes
    }
}

impl Pending {
    fn encode(&self, path: &[u8]) -> [u8; RECORD] {
        let Self { start, length, key, digest } = self;
        let mut bytes = [0; RECORD];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &(*start as u64).to_le_bytes());
        put(8, &length.to_le_bytes());
        put(12, &key.mtime.nanos.to_le_bytes());
        put(16, &key.ctime.nanos.to_le_bytes());
        put(24, &key.device.to_le_bytes());
        put(32, &key.inode.to_le_bytes());
        put(40, &key.size.to_le_bytes());
        put(48, &key.mtime.secs.to_le_bytes());
        put(56, &key.ctime.secs.to_le_bytes());
        put(64, digest.as_bytes());
        let sum = check(&[&bytes[..96], path]);
        bytes[96..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

impl Record<'_> {
    fn key(&self) -> StatKey {
        let stamp =
            |secs, nanos| Stamp { secs: number(self.bytes, secs).cast_signed(), nanos: short(self.bytes, nanos) };
        StatKey {
            device: number(self.bytes, 24),
            inode: number(self.bytes, 32),
            size: number(self.bytes, 40),
            mtime: stamp(48, 12),
            ctime: stamp(56, 16),
        }
    }

    fn digest_for(&self, key: &StatKey) -> Option<ContentDigest> {
        let sound = || number(self.bytes, 96) == check(&[&self.bytes[..96], self.path]);
        if self.key() != *key || !sound() {
            return None;
        }
        self.bytes[64..].first_chunk::<32>().map(|digest| ContentDigest::from_bytes(*digest))
    }
}

/// The order in which a walk meets paths: `a`, `a/b`, `a-b`.
fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    // A separator comes before every byte of a name.
    let rank = |path: &[u8]| path.get(same).map(|byte| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 });
    rank(a).cmp(&rank(b))
}

/// A checksum against accidents, quick enough to be taken for each of 100,000 files.
fn check(parts: &[&[u8]]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(MULTIPLIER).rotate_left(29);
    let mut sum = MULTIPLIER;
    for part in parts {
        let words = part.chunks_exact(8);
        let rest = words.remainder();
        for word in words {
            sum = mix(sum, number(word, 0));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        sum = mix(mix(sum, u64::from_le_bytes(last)), part.len() as u64);
    }
    sum ^ (sum >> 32)
}

/// The number at `at`; 0 past the end.
fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn short(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
