//! The bytes of a context's files, hashed. A deep queue of reads: with cold caches the disk wants many at once, however
//! few processors there are.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use oci::ContentDigest;

use super::read::{check, failed, open_dir, open_file};
use super::{Context, ContextError, Entry, What, show};
use crate::copy::listing::ReadFile;
use crate::copy::path;

/// Files that one thread takes at a time.
const BATCH: usize = 32;
const MAX_THREADS: usize = 16;
const BUFFER: usize = 128 << 10;

impl Context {
    pub(super) fn hash_all(&self, paths: &[&[u8]]) -> Result<Vec<ReadFile>, ContextError> {
        if !paths.is_empty() {
            self.learned.store(true, Ordering::Relaxed);
        }
        let batches: Vec<&[&[u8]]> = paths.chunks(BATCH).collect();
        let next = AtomicUsize::new(0);
        let threads = batches.len().min(MAX_THREADS);
        let work = || -> Result<Vec<(usize, Vec<ReadFile>)>, ContextError> {
            let mut reader = Reader { context: self, dir: None, buffer: vec![0; BUFFER] };
            let mut done = Vec::new();
            while let Some((at, batch)) = take(&batches, &next) {
                done.push((at, batch.iter().map(|path| reader.read(path)).collect::<Result<_, _>>()?));
            }
            Ok(done)
        };
        let mut done = if threads <= 1 {
            work()?
        } else {
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                let mut all = Vec::new();
                for worker in workers {
                    all.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
                }
                Ok(all)
            })?
        };
        done.sort_unstable_by_key(|(at, _)| *at);
        Ok(done.into_iter().flat_map(|(_, files)| files).collect())
    }
}

fn take<T: Copy>(batches: &[T], next: &AtomicUsize) -> Option<(usize, T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    batches.get(at).map(|batch| (at, *batch))
}

/// Reads files, those of one directory through its descriptor.
struct Reader<'a> {
    context: &'a Context,
    dir: Option<(Vec<u8>, OwnedFd)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn read(&mut self, path: &[u8]) -> Result<ReadFile, ContextError> {
        let Some(Entry { what: What::File { stamp, read, .. }, .. }) = self.context.entry(path)? else {
            return Err(ContextError::Gone { path: show(path) });
        };
        if let Some(read) = read.get() {
            return Ok(read.clone());
        }
        let parent = path::parent(path);
        let dir = match &mut self.dir {
            Some((open, fd)) if open == parent => fd,
            slot => &mut slot.insert((parent.to_vec(), open_dir(&self.context.root, parent)?)).1,
        };
        let file = open_file(dir, path::base(path), path, stamp)?;
        let content = hash(&file, &mut self.buffer).map_err(failed(path))?;
        let xattrs = crate::xattr::of(file.as_fd()).map_err(failed(path))?;
        check(&file, path, stamp)?;
        Ok(read.get_or_init(|| ReadFile { content, xattrs }).clone())
    }
}

fn hash(file: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<ContentDigest> {
    let mut hasher = blake3::Hasher::new();
    loop {
        match rustix::io::read(file, &mut *buffer) {
            Ok(0) => return Ok(ContentDigest::from_bytes(*hasher.finalize().as_bytes())),
            Ok(length) => drop(hasher.update(&buffer[..length])),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
