//! A tree as bytes, for the store. Knows no file and no digest but its own checksum.
//!
//! ## Layout, version 1
//!
//! The 12 bytes `kiln.tree.1\n`, the number of entries, the entries in tree order, and the blake3 of all that.
//! Numbers are LEB128, *text* is a length and bytes. An entry is:
//!
//! | what | as |
//! |---|---|
//! | kind (as in [`super::digest`]); 16 when opaque; 32 when there are extended attributes | one byte |
//! | bytes that its path shares with the path before | number |
//! | the rest of its path | text |
//! | mode, uid, gid, seconds (zigzag), nanoseconds; nothing for a whiteout | numbers |
//! | extended attributes | their number; name and value of each as texts |
//! | file: size, content digest; link: target; device: major, minor | number, 32 bytes; text; numbers |
//!
//! Reading trusts nothing: a tree that is read has passed the same checks as one that is built, and damaged bytes
//! are an error. The checksum catches a disk's mistakes, not a forger.

use crate::digest::ContentDigest;

use super::build::{self, MAX_ENTRIES, MAX_PATH_BYTES};
use super::digest::kind_number;
use super::path;
use super::{Entry, Kind, Meta, Mtime, Tree};

const MAGIC: &[u8] = b"kiln.tree.1\n";
const CHECKSUM: usize = 32;
const OPAQUE: u8 = 16;
const XATTRS: u8 = 32;
/// The fewest bytes an entry takes: kind, shared, length of the rest, one byte of it.
const LEAST_ENTRY: usize = 4;

/// Why bytes are no tree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncodingError {
    #[error("the bytes are no layer tree of a version that is known here")]
    Version,
    #[error("the layer tree is damaged: its checksum is wrong")]
    Checksum,
    #[error("the layer tree is cut off or malformed at byte {at}")]
    Malformed { at: usize },
}

impl Tree {
    /// The bytes that [`Tree::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAGIC.len() + CHECKSUM + 8 + self.len() * 80);
        out.extend_from_slice(MAGIC);
        put_number(self.len() as u64, &mut out);
        let mut before: &[u8] = &[];
        for entry in self.entries() {
            put_entry(entry, before, &mut out);
            before = &entry.path;
        }
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// The tree that [`Tree::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EncodingError> {
        if !bytes.starts_with(MAGIC) {
            return Err(EncodingError::Version);
        }
        let (body, checksum) = bytes
            .split_last_chunk::<CHECKSUM>()
            .filter(|(body, _)| body.len() >= MAGIC.len())
            .ok_or(EncodingError::Malformed { at: bytes.len() })?;
        if blake3::hash(body).as_bytes() != checksum {
            return Err(EncodingError::Checksum);
        }
        let mut reader = Reader { rest: &body[MAGIC.len()..] };
        let entries = reader.entries();
        let malformed = EncodingError::Malformed { at: body.len() - reader.rest.len() };
        match entries {
            Some(entries) if reader.rest.is_empty() && links_are_settled(&entries) => Ok(Self::from_sorted(entries)),
            _ => Err(malformed),
        }
    }
}

fn put_entry(entry: &Entry, before: &[u8], out: &mut Vec<u8>) {
    let meta = &entry.meta;
    let opaque = if entry.kind == (Kind::Dir { opaque: true }) { OPAQUE } else { 0 };
    let xattrs = if meta.xattrs.is_empty() { 0 } else { XATTRS };
    out.push(kind_number(&entry.kind) | opaque | xattrs);
    let shared = path::first_difference(&entry.path, before);
    put_number(shared as u64, out);
    put_text(&entry.path[shared..], out);
    if entry.kind == Kind::Whiteout {
        return;
    }
    for number in [meta.mode, meta.uid, meta.gid] {
        put_number(number.into(), out);
    }
    put_number(zigzag(meta.mtime.secs), out);
    put_number(meta.mtime.nanos.into(), out);
    if !meta.xattrs.is_empty() {
        put_number(meta.xattrs.len() as u64, out);
    }
    for (name, value) in &meta.xattrs {
        put_text(name, out);
        put_text(value, out);
    }
    match &entry.kind {
        Kind::File { size, content } => {
            put_number(*size, out);
            out.extend_from_slice(content.as_bytes());
        }
        Kind::HardLink { target } | Kind::Symlink { target } => put_text(target, out),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            put_number((*major).into(), out);
            put_number((*minor).into(), out);
        }
        Kind::Dir { .. } | Kind::Fifo | Kind::Whiteout => {}
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Every hard link names the file that is the first of its names, and says the same of it.
fn links_are_settled(entries: &[Entry]) -> bool {
    entries.iter().enumerate().all(|(index, entry)| {
        let Kind::HardLink { target } = &entry.kind else { return true };
        let file = entries[..index].binary_search_by(|before| path::compare(&before.path, target));
        file.is_ok_and(|file| matches!(entries[file].kind, Kind::File { .. }) && entries[file].meta == entry.meta)
    })
}

/// Takes bytes off the front; `None` where they are not what they should be.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn entries(&mut self) -> Option<Vec<Entry>> {
        let count = usize::try_from(self.number()?).ok()?;
        if count > MAX_ENTRIES || count > self.rest.len() / LEAST_ENTRY {
            return None;
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        // The directories that hold the entry before, as indexes of `entries`, outermost first.
        let mut open: Vec<usize> = Vec::new();
        let mut path_bytes = 0;
        for index in 0..count {
            let before: &[u8] = entries.last().map_or(&[], |entry| &entry.path);
            let entry = self.entry(before)?;
            path_bytes += entry.path.len();
            if path_bytes > MAX_PATH_BYTES || path::compare(before, &entry.path).is_ge() {
                return None;
            }
            while open.last().is_some_and(|dir| !path::is_below(&entry.path, &entries[*dir].path)) {
                open.pop();
            }
            let dir: &[u8] = open.last().map_or(&[], |dir| &entries[*dir].path);
            if path::parent(&entry.path) != dir {
                return None;
            }
            if entry.is_dir() {
                open.push(index);
            }
            entries.push(entry);
        }
        Some(entries)
    }

    fn entry(&mut self, before: &[u8]) -> Option<Entry> {
        let flags = self.byte()?;
        let shared = before.get(..usize::try_from(self.number()?).ok()?)?;
        let path = [shared, self.text()?].concat().into_boxed_slice();
        let number = flags & !(OPAQUE | XATTRS);
        if flags & OPAQUE != 0 && number != 3 {
            return None;
        }
        if number == 8 {
            path::check(&path).ok()?;
            return (flags == 8).then(|| Entry { path, kind: Kind::Whiteout, meta: Meta::default() });
        }
        let meta = self.meta(flags & XATTRS != 0)?;
        let mut entry = Entry { path, kind: self.kind(number, flags & OPAQUE != 0)?, meta };
        // A tree's entries are in their one form already; what is not was not written by us.
        let (mode, xattrs) = (entry.meta.mode, entry.meta.xattrs.len());
        build::normalise(&mut entry).ok()?;
        (entry.meta.mode == mode && entry.meta.xattrs.len() == xattrs).then_some(entry)
    }

    fn meta(&mut self, has_xattrs: bool) -> Option<Meta> {
        let mut meta = Meta { mode: self.small()?, uid: self.small()?, gid: self.small()?, ..Meta::default() };
        meta.mtime = Mtime { secs: unzigzag(self.number()?), nanos: self.small()? };
        if has_xattrs {
            for _ in 0..self.number()? {
                meta.xattrs.push((self.text()?.into(), self.text()?.into()));
            }
        }
        Some(meta)
    }

    fn kind(&mut self, number: u8, opaque: bool) -> Option<Kind> {
        Some(match number {
            1 => Kind::File { size: self.number()?, content: ContentDigest::from_bytes(*self.take_32()?) },
            2 => Kind::HardLink { target: self.text()?.into() },
            3 => Kind::Dir { opaque },
            4 => Kind::Symlink { target: self.text()?.into() },
            5 => Kind::CharDevice { major: self.small()?, minor: self.small()? },
            6 => Kind::BlockDevice { major: self.small()?, minor: self.small()? },
            7 => Kind::Fifo,
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn text(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(text)
    }

    fn take_32(&mut self) -> Option<&[u8; 32]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(taken)
    }
}
