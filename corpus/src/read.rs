//! Reads files of the corpus. Knows no kind of case.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of the corpus that is there and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {source}", path.display())]
pub struct ReadError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// The lines of a file that say something, with their numbers from 1; `None` where the file is not there.
pub(crate) fn lines(path: &Path) -> Result<Option<Vec<(u64, String)>>, ReadError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let lines = (1..).zip(text.lines().map(str::to_owned));
            Ok(Some(lines.filter(|(_, line)| !line.trim().is_empty()).collect()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError { path: path.to_owned(), source }),
    }
}
