//! Compression of layers, in parallel and always to the same bytes. Knows no tar and no store.
//!
//! A [`Compressor`] cuts what is written to it into blocks of a fixed size, which are compressed on all cores and put
//! out in order. The blocks, and so the bytes, do not depend on how many cores there are or how the writes came. A few
//! blocks a core are under way at once, which bounds the memory.
//!
//! * gzip: one member, as pigz makes them. Each block is raw deflate with the 32 KiB before it as its dictionary,
//!   ended by an empty stored block (a sync flush), the last by the end of the stream.
//! * zstd: one frame a block, each with its size and checksum. Decoders read frames one after the other as one stream.
//!
//! [`decompress`] goes the other way, of whatever format the first bytes tell: also bzip2 and xz, as archives often are.

mod blocks;

use std::io::{self, BufRead, BufReader, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

use blocks::Blocks;

/// The most that a stream may ask of a decoder's memory, as a power of two: what `zstd` itself allows by default.
const MAX_ZSTD_WINDOW: u32 = 27;
/// The same for xz, in KiB: four times what `xz -9` needs.
const MAX_XZ_MEMORY: u32 = 257 << 10;
/// What is read of a compressed stream at a time.
const READ: usize = 256 << 10;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Compression {
    None,
    #[default]
    Gzip,
    Zstd,
}

/// What the first bytes of a stream tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// None of the others.
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// What a [`Compressor`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Of the compressed bytes.
    pub digest: Digest,
    pub size: u64,
}

impl Compression {
    /// The level that is used when none is asked for.
    pub const fn default_level(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Gzip => 6,
            Self::Zstd => 3,
        }
    }
}

impl Format {
    /// How many bytes [`Format::detect`] wants to see.
    pub const MAGIC: usize = 6;

    pub fn detect(first: &[u8]) -> Self {
        let is_skippable_frame = first.len() >= 4 && first[0] & 0xf0 == 0x50 && first[1..4] == [0x2a, 0x4d, 0x18];
        match first {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ if is_skippable_frame => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }
}

/// What `compressed` stands for, by its first bytes. A stream of no known format is handed through.
pub fn decompress<'a>(compressed: impl Read + Send + 'a) -> io::Result<(Format, Box<dyn Read + Send + 'a>)> {
    let (first, input) = peek(compressed)?;
    let format = Format::detect(&first);
    let reader: Box<dyn Read + Send + 'a> = match format {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Format::Bzip2 => Box::new(UntilError::new(bzip2::bufread::MultiBzDecoder::new(input))),
        Format::Xz => Box::new(UntilError::new(lzma_rust2::XzReader::new_mem_limit(input, true, MAX_XZ_MEMORY))),
    };
    Ok((format, reader))
}

/// The first bytes of a stream, and the stream with them put back.
fn peek<R: Read>(mut input: R) -> io::Result<(Vec<u8>, impl BufRead)> {
    let mut first = Vec::with_capacity(Format::MAGIC);
    input.by_ref().take(Format::MAGIC as u64).read_to_end(&mut first)?;
    let whole = BufReader::with_capacity(READ, io::Cursor::new(first.clone()).chain(input));
    Ok((first, whole))
}

/// Gives no more once it has given an error: not all decoders bear to be asked again.
struct UntilError<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> UntilError<R> {
    fn new(inner: R) -> Self {
        Self { inner, failed: false }
    }
}

impl<R: Read> Read for UntilError<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Nothing asked for would be taken for an end.
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.failed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the stream is damaged"));
        }
        let read = self.inner.read(buffer);
        self.failed = read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        read
    }
}

/// Compresses what is written to it. [`Compressor::finish`] must be called at the end.
pub struct Compressor<W: Write> {
    out: Counted<W>,
    blocks: Option<Blocks>,
}

impl<W: Write> Compressor<W> {
    pub fn new(out: W, compression: Compression) -> io::Result<Self> {
        Self::with_level(out, compression, compression.default_level())
    }

    /// `level` as `gzip` (1 to 9) and `zstd` (1 to 22) number them; what is beyond is the nearest.
    pub fn with_level(out: W, compression: Compression, level: i32) -> io::Result<Self> {
        let mut out = Counted { out, sha256: Sha256::new(), size: 0 };
        let blocks = match compression {
            Compression::None => None,
            Compression::Gzip => Some(Blocks::gzip(level.clamp(1, 9).unsigned_abs())),
            Compression::Zstd => Some(Blocks::zstd(level.clamp(1, 22))),
        };
        if let Some(blocks) = &blocks {
            out.write_all(blocks.head())?;
        }
        Ok(Self { out, blocks })
    }

    /// Writes what is left, and says what was written in all.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        if let Some(blocks) = self.blocks.take() {
            blocks.finish(&mut self.out)?;
        }
        self.out.flush()?;
        let digest = Digest::from_bytes(self.out.sha256.finalize().into());
        Ok((self.out.out, Written { digest, size: self.out.size }))
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.blocks {
            None => self.out.write(bytes),
            Some(blocks) => {
                blocks.write(bytes, &mut self.out)?;
                Ok(bytes.len())
            }
        }
    }

    /// Does not cut a block short: that would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Counts and hashes what goes through.
struct Counted<W> {
    out: W,
    sha256: Sha256,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
