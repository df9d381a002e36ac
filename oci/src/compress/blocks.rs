//! Blocks that are compressed on all cores and come out in order. Knows two formats, and nothing of what it packs.
//!
//! A full block goes to rayon, with a channel for its result; the results wait in a queue. When the queue is full,
//! the writer waits for the oldest. A writer that runs on one of rayon's own threads works while it waits: else all
//! threads could be waiting, and none compressing.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, TryRecvError};

use flate2::{Compress, Crc, FlushCompress, Status};

/// Larger blocks compress better, smaller ones keep more cores busy. Both are part of the bytes that come out.
const GZIP_BLOCK: usize = 512 << 10;
const ZSTD_BLOCK: usize = 4 << 20;
/// How far back deflate can refer.
const DICTIONARY: usize = 32 << 10;
/// Deflate, no name, no time, compressed on no system in particular.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

#[derive(Clone, Copy)]
enum Codec {
    Gzip { level: u32 },
    Zstd { level: i32 },
}

/// A compressed block.
struct Packed {
    bytes: Vec<u8>,
    /// Of the block as it was.
    crc: Crc,
}

pub(super) struct Blocks {
    codec: Codec,
    block_size: usize,
    in_flight: usize,
    /// What gzip's block may refer to, and the block.
    block: Vec<u8>,
    dictionary: usize,
    pending: VecDeque<Receiver<io::Result<Packed>>>,
    /// Of all that has come out.
    crc: Crc,
}

impl Blocks {
    pub fn gzip(level: u32) -> Self {
        Self::new(Codec::Gzip { level }, GZIP_BLOCK)
    }

    pub fn zstd(level: i32) -> Self {
        Self::new(Codec::Zstd { level }, ZSTD_BLOCK)
    }

    fn new(codec: Codec, block_size: usize) -> Self {
        Self {
            codec,
            block_size,
            in_flight: rayon::current_num_threads() * 2,
            block: Vec::with_capacity(DICTIONARY + block_size),
            dictionary: 0,
            pending: VecDeque::new(),
            crc: Crc::new(),
        }
    }

    /// What comes before the first block.
    pub fn head(&self) -> &'static [u8] {
        match self.codec {
            Codec::Gzip { .. } => &GZIP_HEAD,
            Codec::Zstd { .. } => &[],
        }
    }

    pub fn write(&mut self, mut bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.block_size - (self.block.len() - self.dictionary);
            // A full block waits for the byte after it: the last one must be known as the last.
            if room == 0 {
                self.dispatch(Place::Within);
                self.put_out(self.in_flight, out)?;
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    pub fn finish(mut self, out: &mut impl Write) -> io::Result<()> {
        self.dispatch(Place::Last);
        self.put_out(0, out)?;
        match self.codec {
            Codec::Gzip { .. } => {
                out.write_all(&self.crc.sum().to_le_bytes())?;
                out.write_all(&self.crc.amount().to_le_bytes())
            }
            Codec::Zstd { .. } => Ok(()),
        }
    }

    /// Hands the block over, and begins the next.
    fn dispatch(&mut self, place: Place) {
        let (codec, dictionary) = (self.codec, self.dictionary);
        let mut next = Vec::with_capacity(DICTIONARY + self.block_size);
        if let Codec::Gzip { .. } = codec {
            next.extend_from_slice(&self.block[self.block.len().saturating_sub(DICTIONARY)..]);
        }
        self.dictionary = next.len();
        let block = std::mem::replace(&mut self.block, next);
        let (sender, receiver) = mpsc::sync_channel(1);
        rayon::spawn(move || {
            let (dictionary, block) = block.split_at(dictionary);
            let packed = match codec {
                Codec::Gzip { level } => deflate(level, dictionary, block, place),
                Codec::Zstd { level } => zstd_frame(level, block),
            };
            // The receiver is gone when the writer has failed: nobody wants it any more.
            let _ = sender.send(packed);
        });
        self.pending.push_back(receiver);
    }

    /// Writes the oldest blocks until no more than `left` are under way.
    fn put_out(&mut self, left: usize, out: &mut impl Write) -> io::Result<()> {
        while self.pending.len() > left {
            let Some(oldest) = self.pending.pop_front() else { break };
            let packed = wait(&oldest)?;
            self.crc.combine(&packed.crc);
            out.write_all(&packed.bytes)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Within,
    Last,
}

fn wait(receiver: &Receiver<io::Result<Packed>>) -> io::Result<Packed> {
    let lost = || io::Error::other("a compression thread ended early");
    if rayon::current_thread_index().is_none() {
        return receiver.recv().map_err(|_| lost())?;
    }
    loop {
        match receiver.try_recv() {
            Ok(packed) => return packed,
            Err(TryRecvError::Disconnected) => return Err(lost()),
            Err(TryRecvError::Empty) => {
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
            }
        }
    }
}

fn deflate(level: u32, dictionary: &[u8], block: &[u8], place: Place) -> io::Result<Packed> {
    let mut deflate = Compress::new(flate2::Compression::new(level), false);
    if !dictionary.is_empty() {
        deflate.set_dictionary(dictionary)?;
    }
    let flush = if place == Place::Last { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut bytes = Vec::with_capacity(block.len() / 2 + 1024);
    loop {
        let done = usize::try_from(deflate.total_in()).map_err(io::Error::other)?;
        let status = deflate.compress_vec(&block[done..], &mut bytes, flush)?;
        let all_in = deflate.total_in() == block.len() as u64;
        // Output that was not filled means that the flush is complete.
        if status == Status::StreamEnd || place == Place::Within && all_in && bytes.len() < bytes.capacity() {
            break;
        }
        bytes.reserve(block.len() / 4 + 1024);
    }
    let mut crc = Crc::new();
    crc.update(block);
    Ok(Packed { bytes, crc })
}

fn zstd_frame(level: i32, block: &[u8]) -> io::Result<Packed> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    Ok(Packed { bytes: compressor.compress(block)?, crc: Crc::new() })
}
