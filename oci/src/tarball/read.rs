//! Reads tar streams that others wrote. Knows nothing of what is done with the members.
//!
//! The stream goes through one buffer, so that a small file's data is handed out without a copy. `next` skips what is
//! left of the member before, gathers the headers that only speak of the next one (PAX, GNU long names), and puts
//! together what they say: PAX before GNU before ustar. Global PAX headers are passed over, as Go's reader and so
//! every container engine does.

use std::io::{self, Read};

use super::sparse::{self, SparseError};
use super::{BLOCK, Member, MemberKind, XATTR_PREFIX, padding};
use crate::tree::{Meta, Mtime, Xattr};

const BUFFER: usize = 1 << 20;
/// The most that headers may say of one member: what Go's reader allows.
const MAX_META: u64 = 1 << 20;

/// Why a stream is no tar.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("the archive cannot be read at byte {at}: {source}")]
    Io { at: u64, source: io::Error },
    #[error("the archive ends in the middle of a member, at byte {at}")]
    Truncated { at: u64 },
    #[error("the archive is damaged at byte {at}: {what}")]
    Malformed { at: u64, what: &'static str },
    #[error("the archive has a member of type `{kind}` at byte {at}, which is not supported")]
    Kind { at: u64, kind: String },
    #[error("the archive says more than {MAX_META} bytes of one member, at byte {at}")]
    TooMuchMeta { at: u64 },
}

/// Reads the members of a tar stream, one after the other.
pub struct Reader<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// How far the stream has been handed out.
    at: u64,
    /// What is left of the data of the current member, and its padding.
    data: u64,
    pad: usize,
}

/// What headers before a member said of it.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Mtime>,
    xattrs: Vec<Xattr>,
    sparse: sparse::Pax,
}

impl<R: Read> Reader<R> {
    pub fn new(input: R) -> Self {
        Self { input, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0, at: 0, data: 0, pad: 0 }
    }

    /// The next member; its data is what [`Reader::data`] gives from then on. `None` at the end.
    pub fn next_member(&mut self) -> Result<Option<Member>, TarError> {
        let mut said = Said::default();
        let mut meta_left = MAX_META;
        loop {
            self.skip()?;
            let at = self.at;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(&header[124..136]).ok_or(TarError::Malformed { at, what: "the size is no number" })?;
            match header[156] {
                kind @ (b'x' | b'g' | b'L' | b'K') => {
                    meta_left = meta_left.checked_sub(size).ok_or(TarError::TooMuchMeta { at })?;
                    let bytes = self.whole(size)?;
                    match kind {
                        b'x' => said.read_pax(&bytes).ok_or(TarError::Malformed { at, what: "bad PAX records" })?,
                        b'L' => said.path = Some(until_nul(&bytes).to_vec()),
                        b'K' => said.link = Some(until_nul(&bytes).to_vec()),
                        _ => {}
                    }
                }
                // A volume's label, and GNU's listing of a directory: nothing to be made.
                b'V' => self.expect_data(size),
                _ => return self.member(&header, size, said, at).map(Some),
            }
        }
    }

    /// The next part of the current member's data, at most `limit` bytes; empty at its end.
    pub fn data(&mut self, limit: usize) -> Result<&[u8], TarError> {
        if self.data == 0 {
            return Ok(&[]);
        }
        if self.start == self.end && !self.fill()? {
            return Err(TarError::Truncated { at: self.at });
        }
        let there = (self.end - self.start).min(limit);
        let size = usize::try_from(self.data).map_or(there, |data| data.min(there));
        let from = self.start;
        self.start += size;
        self.at += size as u64;
        self.data -= size as u64;
        Ok(&self.buffer[from..from + size])
    }

    /// All of the current member's data, when the buffer has it at once: the quick way for small files.
    pub fn data_at_once(&mut self) -> Result<Option<&[u8]>, TarError> {
        let Ok(size) = usize::try_from(self.data) else { return Ok(None) };
        if size > BUFFER / 4 {
            return Ok(None);
        }
        while self.end - self.start < size {
            if !self.fill()? {
                return Err(TarError::Truncated { at: self.at });
            }
        }
        self.data(size).map(Some)
    }

    /// Reads what follows the last member, so that a digest of the stream covers all of it.
    pub fn drain(&mut self) -> Result<(), TarError> {
        self.start = self.end;
        while self.fill()? {
            self.start = self.end;
        }
        Ok(())
    }

    fn expect_data(&mut self, size: u64) {
        self.data = size;
        self.pad = padding(size);
    }

    fn skip(&mut self) -> Result<(), TarError> {
        while !self.data(BUFFER)?.is_empty() {}
        self.data = std::mem::take(&mut self.pad) as u64;
        // The stream may end where the last member's data does; so Go's reader has it, and GNU's.
        while self.data > 0 && (self.start < self.end || self.fill()?) {
            self.data(BUFFER)?;
        }
        self.data = 0;
        Ok(())
    }

    /// All of the data of a member that only speaks of another.
    fn whole(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        self.expect_data(size);
        let mut bytes = Vec::new();
        loop {
            match self.data(BUFFER)? {
                [] => return Ok(bytes),
                part => bytes.extend_from_slice(part),
            }
        }
    }

    /// The next block; `None` where the stream ends just before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        while self.end - self.start < BLOCK {
            if !self.fill()? {
                return if self.start == self.end { Ok(None) } else { Err(TarError::Truncated { at: self.at }) };
            }
        }
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.buffer[self.start..self.start + BLOCK]);
        self.start += BLOCK;
        self.at += BLOCK as u64;
        Ok(Some(block))
    }

    /// The next header; `None` at the end of the archive, which is a block of zeros or the end of the stream.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let at = self.at;
        let Some(header) = self.block()? else { return Ok(None) };
        if header == [0; BLOCK] {
            return Ok(None);
        }
        let sum = number(&header[148..156]).ok_or(TarError::Malformed { at, what: "the checksum is no number" })?;
        let field = header[148..156].iter();
        let unsigned: u64 = header.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * 32
            - field.clone().map(|byte| u64::from(*byte)).sum::<u64>();
        // Some old writers summed the bytes as signed.
        let high = header.iter().filter(|byte| **byte >= 128).count() - field.filter(|byte| **byte >= 128).count();
        let signed = unsigned.wrapping_sub(256 * high as u64);
        if sum == unsigned || sum == signed {
            Ok(Some(header))
        } else {
            Err(TarError::Malformed { at, what: "the checksum of a header is wrong" })
        }
    }

    /// Reads more, after what is in the buffer. Says whether there was more.
    fn fill(&mut self) -> Result<bool, TarError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(size) => {
                    self.end += size;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(TarError::Io { at: self.at, source }),
            }
        }
    }

    fn member(&mut self, header: &[u8; BLOCK], size: u64, said: Said, at: u64) -> Result<Member, TarError> {
        let bad = |what| TarError::Malformed { at, what };
        let id = |field: &[u8]| number(field).and_then(|id| u32::try_from(id).ok());
        let mtime = Mtime { secs: signed(&header[136..148]).ok_or(bad("the time is no number"))?, nanos: 0 };
        let meta = Meta {
            mode: (number(&header[100..108]).ok_or(bad("the mode is no number"))? & 0o7777) as u32,
            uid: said.uid.or_else(|| id(&header[108..116])).ok_or(bad("the owner is no number"))?,
            gid: said.gid.or_else(|| id(&header[116..124])).ok_or(bad("the group is no number"))?,
            mtime: said.mtime.unwrap_or(mtime),
            xattrs: said.xattrs,
        };
        let path = said.sparse.name.clone().or(said.path).unwrap_or_else(|| ustar_path(header));
        let target = said.link.unwrap_or_else(|| until_nul(&header[157..257]).to_vec());
        let device = || Some((id(&header[329..337])?, id(&header[337..345])?));
        let kind = match header[156] {
            0 if path.ends_with(b"/") => MemberKind::Dir,
            0 | b'0' | b'7' | b'S' => {
                self.expect_data(said.size.unwrap_or(size));
                self.file(header, &said.sparse)?
            }
            b'1' => MemberKind::HardLink { target },
            b'2' => MemberKind::Symlink { target },
            b'3' => {
                let (major, minor) = device().ok_or(bad("the device is no number"))?;
                MemberKind::CharDevice { major, minor }
            }
            b'4' => {
                let (major, minor) = device().ok_or(bad("the device is no number"))?;
                MemberKind::BlockDevice { major, minor }
            }
            b'5' => MemberKind::Dir,
            b'6' => MemberKind::Fifo,
            other => return Err(TarError::Kind { at, kind: char::from(other).escape_default().to_string() }),
        };
        Ok(Member { path, kind, meta })
    }

    /// A file, sparse in any of the ways there are, whose data is next.
    fn file(&mut self, header: &[u8; BLOCK], pax: &sparse::Pax) -> Result<MemberKind, TarError> {
        let (at, stored) = (self.at, self.data);
        let bad = |_: SparseError| TarError::Malformed { at, what: "the map of a sparse file is wrong" };
        let map = if header[156] == b'S' {
            let mut map = sparse::old_gnu(header).map_err(bad)?;
            while map.goes_on {
                let block = self.block()?.ok_or(TarError::Truncated { at })?;
                map.more(&block).map_err(bad)?;
            }
            Some((map.extents, map.size))
        } else if pax.has_map_in_data() {
            let mut text = sparse::MapInData::default();
            while !text.is_complete() {
                if self.data < BLOCK as u64 {
                    return Err(bad(SparseError));
                }
                let block = self.block()?.ok_or(TarError::Truncated { at })?;
                self.data -= BLOCK as u64;
                text.more(&block).map_err(bad)?;
            }
            Some((text.extents().map_err(bad)?, pax.size.ok_or(SparseError).map_err(bad)?))
        } else {
            pax.extents().map_err(bad)?
        };
        let Some((extents, size)) = map else { return Ok(MemberKind::File { size: stored, extents: None }) };
        sparse::check(&extents, self.data, size).map_err(bad)?;
        Ok(MemberKind::File { size, extents: Some(extents) })
    }
}

impl Said {
    /// Reads records `LENGTH KEY=VALUE\n`. `None` where they are not like that.
    fn read_pax(&mut self, mut records: &[u8]) -> Option<()> {
        while !records.is_empty() {
            // What follows the last record may be padded with NULs.
            if records[0] == 0 {
                break;
            }
            let space = records.iter().position(|byte| *byte == b' ')?;
            let length = usize::try_from(decimal(&records[..space])?).ok()?;
            let (record, rest) = records.split_at_checked(length)?;
            let (newline, record) = record.get(space + 1..)?.split_last()?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            if *newline != b'\n' {
                return None;
            }
            self.set(&record[..equals], &record[equals + 1..])?;
            records = rest;
        }
        Some(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
            self.xattrs.retain(|(there, _)| **there != *name);
            self.xattrs.push((name.into(), value.into()));
            return Some(());
        }
        if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.set(key, value);
        }
        // An empty value takes back what was said.
        let is_said = !value.is_empty();
        match key {
            b"path" => self.path = is_said.then(|| value.to_vec()),
            b"linkpath" => self.link = is_said.then(|| value.to_vec()),
            b"size" if is_said => self.size = Some(decimal(value)?),
            b"uid" if is_said => self.uid = Some(u32::try_from(decimal(value)?).ok()?),
            b"gid" if is_said => self.gid = Some(u32::try_from(decimal(value)?).ok()?),
            b"mtime" if is_said => self.mtime = Some(time(value)?),
            _ => {}
        }
        Some(())
    }
}

fn ustar_path(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    // GNU's own headers use the place of the prefix for other things.
    let is_posix = header[257..263] == *b"ustar\0";
    match until_nul(&header[345..500]) {
        prefix if is_posix && !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A field that is no less than zero.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    signed(field).and_then(|number| u64::try_from(number).ok())
}

/// A number as headers have it: octal, with spaces before and a space or NUL after; or, where that is too small,
/// big-endian with the first bit set.
fn signed(field: &[u8]) -> Option<i64> {
    if field.first()? & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let first = if negative { i128::from(field[0]) - 256 } else { i128::from(field[0] & 0x7f) };
        let value = field[1..]
            .iter()
            .try_fold(first, |value, byte| value.checked_mul(256).map(|value| value + i128::from(*byte)))?;
        return i64::try_from(value).ok();
    }
    let digits = until_nul(field).trim_ascii();
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// `-1.25` is three quarters after two seconds before 1970.
fn time(text: &[u8]) -> Option<Mtime> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let secs = i64::try_from(decimal(&text[..point])?).ok()?;
    let fraction = text.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().map(|digit| u32::from(digit - b'0')).chain(std::iter::repeat(0));
    let nanos = digits.take(9).fold(0, |nanos, digit| nanos * 10 + digit);
    Some(match (negative, nanos) {
        (false, nanos) => Mtime { secs, nanos },
        (true, 0) => Mtime { secs: -secs, nanos },
        (true, nanos) => Mtime { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}
