//! The table of contents of a tar, made in one pass over its headers. Reads no member, and touches no disk but the
//! tar itself.
//!
//! Long names come before their member, in a GNU (`L`, `K`) or a PAX (`x`) record; both are limited. Of two members
//! of one name the last counts, as it would if the tar were unpacked. Links are followed within the table: old
//! `docker save` writes a layer that two images share once, and links to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::ArchiveError;
use crate::compress::Format;

const BLOCK: u64 = 512;
const MAX_MEMBERS: usize = 200_000;
const MAX_NAME_RECORD: u64 = 1 << 20;
const MAX_LINKS: usize = 8;

#[derive(Debug)]
pub struct Members {
    by_name: BTreeMap<String, Member>,
}

#[derive(Debug)]
enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// To another member, by its name from the root.
    Link(String),
}

/// What the records before a member say of it.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Scan<'a> {
    file: &'a File,
    path: &'a Path,
    length: u64,
    by_name: BTreeMap<String, Member>,
}

impl Members {
    /// Reads all headers. `path` is the tar's own, for errors.
    pub fn scan(file: &File, path: &Path) -> Result<Self, ArchiveError> {
        let length = file.metadata().map_err(|source| ArchiveError::Read { path: path.to_owned(), source })?.len();
        let mut scan = Scan { file, path, length, by_name: BTreeMap::new() };
        let (mut at, mut ahead) = (0, Ahead::default());
        while let Some(next) = scan.step(at, &mut ahead)? {
            at = next;
        }
        Ok(Self { by_name: scan.by_name })
    }

    /// Where the file that is called `name` begins, and how long it is.
    pub fn find(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = clean(name);
        for _ in 0..=MAX_LINKS {
            match self.by_name.get(&name)? {
                Member::File { at, size } => return Some((*at, *size)),
                Member::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

impl Scan<'_> {
    /// Takes the header at `at`; returns where the next one is.
    fn step(&mut self, at: u64, ahead: &mut Ahead) -> Result<Option<u64>, ArchiveError> {
        let Some(header) = self.header(at)? else { return Ok(None) };
        let kind = header.as_bytes()[156];
        let has_data = matches!(kind, 0 | b'0' | b'7' | b'x' | b'g' | b'L' | b'K' | b'S');
        let size = match ahead.size {
            Some(size) if !matches!(kind, b'x' | b'g' | b'L' | b'K') => size,
            _ => header.entry_size().map_err(|_| self.damaged(at, "a member's size is no number"))?,
        };
        let size = if has_data { size } else { 0 };
        let data = at + BLOCK;
        let end = data.checked_add(size).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| self.damaged(at, "it ends within a member"))?;
        match kind {
            b'L' => ahead.name = Some(self.record(data, size)?),
            b'K' => ahead.link = Some(self.record(data, size)?),
            b'x' => self.pax(data, size, ahead)?,
            b'g' => {}
            _ => self.member(kind, &header, (data, size), std::mem::take(ahead))?,
        }
        Ok(end.checked_next_multiple_of(BLOCK))
    }

    /// The header at `at`; `None` at the end, which is a block of zeros or of nothing.
    fn header(&self, at: u64) -> Result<Option<tar::Header>, ArchiveError> {
        if at == self.length {
            return Ok(None);
        }
        let mut header = tar::Header::new_old();
        let block = header.as_mut_bytes();
        match self.file.read_exact_at(block, at) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && at > 0 => {
                return Err(self.damaged(at, "it ends within a header"));
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ArchiveError::NotAnImage { path: self.path.to_owned() });
            }
            Err(source) => return Err(ArchiveError::Read { path: self.path.to_owned(), source }),
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(i, byte)| u32::from(if (148..156).contains(&i) { b' ' } else { *byte }))
            .sum();
        if header.cksum().is_ok_and(|said| said == sum) {
            return Ok(Some(header));
        }
        if at > 0 {
            return Err(self.damaged(at, "there is no member's header"));
        }
        Err(match Format::detect(header.as_bytes()) {
            Format::Plain => ArchiveError::NotAnImage { path: self.path.to_owned() },
            Format::Gzip | Format::Zstd | Format::Bzip2 | Format::Xz => {
                ArchiveError::Compressed { path: self.path.to_owned() }
            }
        })
    }

    fn member(&mut self, kind: u8, header: &tar::Header, place: (u64, u64), ahead: Ahead) -> Result<(), ArchiveError> {
        let name = ahead.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = ahead.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let Ok(name) = String::from_utf8(name) else { return Ok(()) }; // not one that an image needs
        let name = clean(&name);
        let link = link.and_then(|link| String::from_utf8(link).ok());
        let member = match (kind, link) {
            (0 | b'0' | b'7', _) => Member::File { at: place.0, size: place.1 },
            (b'1', Some(link)) => Member::Link(clean(&link)),
            (b'2', Some(link)) => {
                let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                Member::Link(if link.starts_with('/') { clean(&link) } else { clean(&format!("{dir}/{link}")) })
            }
            _ => return Ok(()),
        };
        self.by_name.insert(name, member);
        if self.by_name.len() > MAX_MEMBERS {
            return Err(self.damaged(place.0, "it has more members than any image"));
        }
        Ok(())
    }

    /// A long name, without the zero that ends it.
    fn record(&self, at: u64, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = self.bytes(at, size)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    fn pax(&self, at: u64, size: u64, ahead: &mut Ahead) -> Result<(), ArchiveError> {
        let bytes = self.bytes(at, size)?;
        for record in tar::PaxExtensions::new(&bytes) {
            let record = record.map_err(|_| self.damaged(at, "a PAX record is malformed"))?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => ahead.name = Some(value.to_owned()),
                b"linkpath" => ahead.link = Some(value.to_owned()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    ahead.size = Some(size.ok_or_else(|| self.damaged(at, "a member's size is no number"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn bytes(&self, at: u64, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let long = || self.damaged(at, "a member's name is too long");
        let size = usize::try_from(size.min(MAX_NAME_RECORD + 1)).map_err(|_| long())?;
        if u64::try_from(size).is_ok_and(|size| size > MAX_NAME_RECORD) {
            return Err(long());
        }
        let mut bytes = vec![0; size];
        match self.file.read_exact_at(&mut bytes, at) {
            Ok(()) => Ok(bytes),
            Err(source) => Err(ArchiveError::Read { path: self.path.to_owned(), source }),
        }
    }

    fn damaged(&self, at: u64, reason: &'static str) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.to_owned(), at, reason }
    }
}

/// A member's name in one spelling: without `.`, `..`, and slashes that say nothing.
fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
