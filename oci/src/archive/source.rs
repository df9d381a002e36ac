//! Where an archive's members are: in a directory, or between two offsets of a tar. Knows not what they mean.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::ArchiveError;
use super::members::Members;

pub enum Source {
    Dir(File),
    Tar { file: Arc<File>, members: Members },
}

/// A part of a file, read without moving any other reader of it.
#[derive(Debug, Clone)]
pub struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Source {
    pub fn dir(dir: File) -> Self {
        Self::Dir(dir)
    }

    pub fn tar(file: File, path: &Path) -> Result<Self, ArchiveError> {
        let members = Members::scan(&file, path)?;
        Ok(Self::Tar { file: Arc::new(file), members })
    }

    /// The regular file that is called `name` there, if there is one. `path` is the archive's own, for errors.
    pub fn find(&self, name: &str, path: &Path) -> Result<Option<Part>, ArchiveError> {
        match self {
            Self::Dir(dir) => {
                find_in_dir(dir, name).map_err(|source| ArchiveError::Read { path: path.join(name), source })
            }
            Self::Tar { file, members } => {
                let found = members.find(name);
                Ok(found.map(|(at, size)| Part { file: Arc::clone(file), at, end: at.saturating_add(size) }))
            }
        }
    }
}

fn find_in_dir(dir: &File, name: &str) -> io::Result<Option<Part>> {
    // A pipe that lies there must not make us wait, and a link must not lead out.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(dir, name, flags, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then(|| Part { file: Arc::new(file), at: 0, end: metadata.len() }))
}

impl Part {
    /// How many bytes are left.
    pub fn size(&self) -> u64 {
        self.end - self.at
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size()).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += u64::try_from(n).unwrap_or(0);
        Ok(n)
    }
}
