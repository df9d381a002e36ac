//! The maps of sparse files, in the four ways in which GNU tar has written them. Knows no stream.
//!
//! A map is a list of extents, in order and apart. Old GNU headers (type `S`) hold it in the header and in blocks after
//! it; PAX 0.0 in pairs of records, 0.1 in one record, 1.0 as decimal lines at the beginning of the file's data.

use super::read::{decimal, number};
use super::{BLOCK, Extent};

/// More extents than a file needs: 16 MiB of memory.
const MAX_EXTENTS: usize = 1 << 20;

/// A map is wrong. Where is the reader's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SparseError;

/// What PAX records say of a sparse file.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub name: Option<Vec<u8>>,
    /// Of the file with its holes.
    pub size: Option<u64>,
    major: Option<u64>,
    /// Offsets and sizes, in turn.
    numbers: Vec<u64>,
}

impl Pax {
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"major" => self.major = Some(decimal(value)?),
            b"offset" | b"numbytes" => self.numbers.push(decimal(value)?),
            b"map" => self.numbers = value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?,
            _ => {}
        }
        Some(())
    }

    pub fn has_map_in_data(&self) -> bool {
        self.major == Some(1)
    }

    /// The map of versions 0.0 and 0.1, and the file's size; `None` of a file that is not sparse.
    pub fn extents(&self) -> Result<Option<(Vec<Extent>, u64)>, SparseError> {
        match self.size {
            Some(size) if !self.numbers.is_empty() => Ok(Some((pairs(&self.numbers)?, size))),
            _ => Ok(None),
        }
    }
}

/// The map of an old GNU header, which may go on in the blocks after it.
pub(super) struct OldGnu {
    pub extents: Vec<Extent>,
    /// Of the file with its holes.
    pub size: u64,
    pub goes_on: bool,
}

pub(super) fn old_gnu(header: &[u8; BLOCK]) -> Result<OldGnu, SparseError> {
    let size = number(&header[483..495]).ok_or(SparseError)?;
    let mut map = OldGnu { extents: Vec::new(), size, goes_on: header[482] != 0 };
    map.take(&header[386..482])?;
    Ok(map)
}

impl OldGnu {
    pub fn more(&mut self, block: &[u8; BLOCK]) -> Result<(), SparseError> {
        self.goes_on = block[504] != 0;
        self.take(&block[..504])
    }

    fn take(&mut self, fields: &[u8]) -> Result<(), SparseError> {
        for field in fields.chunks_exact(24).take_while(|field| field[0] != 0) {
            let (offset, size) = (number(&field[..12]), number(&field[12..]));
            self.extents.push(Extent { offset: offset.ok_or(SparseError)?, size: size.ok_or(SparseError)? });
        }
        if self.extents.len() > MAX_EXTENTS { Err(SparseError) } else { Ok(()) }
    }
}

/// The map of PAX 1.0: the number of extents, then offset and size of each, a line each.
#[derive(Default)]
pub(super) struct MapInData {
    numbers: Vec<u64>,
    line: Vec<u8>,
}

impl MapInData {
    pub fn more(&mut self, block: &[u8; BLOCK]) -> Result<(), SparseError> {
        for byte in block {
            if self.is_complete() {
                break;
            }
            if *byte == b'\n' {
                self.numbers.push(decimal(&self.line).ok_or(SparseError)?);
                self.line.clear();
            } else {
                self.line.push(*byte);
            }
        }
        let too_many = self.numbers.first().is_some_and(|count| *count > MAX_EXTENTS as u64);
        if too_many || self.line.len() > 20 { Err(SparseError) } else { Ok(()) }
    }

    pub fn is_complete(&self) -> bool {
        self.numbers.first().is_some_and(|count| (self.numbers.len() - 1) as u64 == count.saturating_mul(2))
    }

    pub fn extents(&self) -> Result<Vec<Extent>, SparseError> {
        pairs(self.numbers.get(1..).unwrap_or_default())
    }
}

fn pairs(numbers: &[u64]) -> Result<Vec<Extent>, SparseError> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > MAX_EXTENTS {
        return Err(SparseError);
    }
    Ok(pairs.iter().map(|[offset, size]| Extent { offset: *offset, size: *size }).collect())
}

/// Extents must be in order, apart, within the file, and together what the archive stores.
pub(super) fn check(extents: &[Extent], stored: u64, size: u64) -> Result<(), SparseError> {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for extent in extents {
        if extent.offset < end {
            return Err(SparseError);
        }
        end = extent.offset.checked_add(extent.size).ok_or(SparseError)?;
        sum += extent.size;
    }
    if end <= size && sum == stored { Ok(()) } else { Err(SparseError) }
}
